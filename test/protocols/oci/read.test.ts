import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONFIG, digestOf, IMAGE, INDEX, type Oci, registry } from './rig.js';

let oci: Oci;
beforeEach(async () => {
  oci = await registry();
});
afterEach(async () => {
  expect(oci.faults).toEqual([]);
  await oci.close();
});

const NAME = 'team/app';
const BYTES = Buffer.from(Array.from({ length: 2_500 }, (_, n) => n % 251));

const subjectOf = ({ digest, size }: { digest: string; size: number }) => ({ subject: { mediaType: IMAGE, digest, size } });

describe('blobs', () => {
  it.each([
    ['bytes=500-1499', 500, 1499],
    ['bytes=500-', 500, 2499],
    ['bytes=-500', 2000, 2499],
    ['bytes=2000-5000', 2000, 2499],
    ['bytes=0-0', 0, 0],
  ])('oci 19: %s', async (range, first, last) => {
    const digest = await oci.blob(NAME, BYTES);
    const got = await oci.get(`/v2/${NAME}/blobs/${digest}`, { headers: { range } });
    expect([got.status, got.headers['content-range']]).toEqual([206, `bytes ${first}-${last}/2500`]);
    expect(got.bytes.equals(BYTES.subarray(first, last + 1))).toBe(true);
  });

  it.each(['bytes=5000-10000', 'bytes=500-0', 'bytes=2500-', 'bytes=-0'])('oci 19, O12: %s is 416', async (range) => {
    const digest = await oci.blob(NAME, BYTES);
    const got = await oci.get(`/v2/${NAME}/blobs/${digest}`, { headers: { range } });
    expect([got.status, got.headers['content-range']]).toEqual([416, 'bytes */2500']);
  });

  it('oci 20, 21: HEAD says what GET brings; nothing is ever encoded', async () => {
    const digest = await oci.blob(NAME, BYTES);
    const path = `/v2/${NAME}/blobs/${digest}`;
    const got = await oci.get(path, { headers: { 'accept-encoding': 'gzip, zstd' } });
    const head = await oci.head(path);
    expect([head.status, head.bytes.length, head.headers['content-length']]).toEqual([200, 0, '2500']);
    for (const name of ['content-length', 'etag', 'docker-content-digest', 'accept-ranges', 'content-type'])
      expect(head.headers[name]).toBe(got.headers[name]);
    expect(got.headers['content-encoding']).toBeUndefined();
    expect(got.headers['etag']).toBe(`"${digest}"`);
    for (const etag of [`"${digest}"`, `W/"${digest}"`, digest, `"x", "${digest}"`, '*'])
      expect([etag, (await oci.get(path, { headers: { 'if-none-match': etag } })).status]).toEqual([etag, 304]);
    expect((await oci.get(path, { headers: { 'if-none-match': digestOf('x') } })).status).toBe(200);
    const good = { range: 'bytes=0-9', 'if-range': `"${digest}"` };
    expect((await oci.get(path, { headers: good })).status).toBe(206);
    const stale = { range: 'bytes=0-9', 'if-range': '"other"' };
    expect((await oci.get(path, { headers: stale })).status).toBe(200);
  });

  it.each(['bytes=0-9,20-29', 'bytes=a-b', 'lines=0-9'])('oci 19: %s is answered with the whole', async (range) => {
    const digest = await oci.blob(NAME, BYTES);
    const got = await oci.get(`/v2/${NAME}/blobs/${digest}`, { headers: { range } });
    expect([got.status, got.bytes.length]).toEqual([200, 2500]);
  });

  it('oci 19, O12: a range is for GET alone, and comes behind the conditions', async () => {
    const digest = await oci.blob(NAME, BYTES);
    const path = `/v2/${NAME}/blobs/${digest}`;
    for (const range of ['bytes=500-0', 'bytes=5000-10000']) {
      const head = await oci.head(path, { headers: { range } });
      expect([head.status, head.headers['content-length']]).toEqual([200, '2500']);
      const stale = await oci.get(path, { headers: { range, 'if-range': '"other"' } });
      expect([stale.status, stale.bytes.length]).toEqual([200, 2500]);
      const fresh = await oci.get(path, { headers: { range, 'if-none-match': `"${digest}"` } });
      expect([fresh.status, fresh.bytes.length]).toEqual([304, 0]);
    }
  });

  it('digests may be percent-encoded, once', async () => {
    const digest = await oci.blob(NAME, BYTES);
    expect((await oci.get(`/v2/${NAME}/blobs/${digest.replace(':', '%3A')}`)).status).toBe(200);
    expect((await oci.get(`/v2/${NAME}/blobs/${digest.replace(':', '%253A')}`)).code).toBe('DIGEST_INVALID');
    const image = await oci.image(NAME, 'v1');
    expect((await oci.get(`/v2/${NAME}/manifests/${image.digest.replace(':', '%3a')}`)).status).toBe(200);
    expect((await oci.get(`/v2/${NAME}/referrers/${image.digest.replace(':', '%3A')}`)).status).toBe(200);
  });

  it('oci 4: an unknown one is 404 in JSON, and HEAD without a body', async () => {
    await oci.blob(NAME, BYTES);
    const path = `/v2/${NAME}/blobs/${digestOf('x')}`;
    const got = await oci.get(path);
    expect([got.status, got.code, got.headers['content-type']]).toEqual([404, 'BLOB_UNKNOWN', 'application/json']);
    expect((await oci.head(path)).bytes.length).toBe(0);
    expect((await oci.get(`/v2/${NAME}/blobs/sha256:zzz`)).status).toBe(400);
  });

  it('O8, O9: one repository never shows what only another one has', async () => {
    const digest = await oci.blob('team/one', BYTES);
    await oci.blob('team/two', 'other');
    expect((await oci.get(`/v2/team/two/blobs/${digest}`)).code).toBe('BLOB_UNKNOWN');
    expect((await oci.get(`/v2/team/three/blobs/${digest}`)).code).toBe('NAME_UNKNOWN');
  });
});

describe('names', () => {
  it.each(['UPPER/x', 'a//b', 'a/-b', 'a_/b', `${'a/'.repeat(128)}b`])('oci 3: %s is none', async (name) => {
    const answer = await oci.get(`/v2/${name}/tags/list`);
    expect([400, 404]).toContain(answer.status);
    if (answer.status === 400) expect(answer.code).toBe('NAME_INVALID');
  });

  it.each(['a/blobs/uploads', 'a/manifests/x', 'blobs', 'tags/list', 'x/referrers/y', 'one/two/three/four', 'a__b/c--d/e.f'])(
    'oci 2, N18: %s is one, read from the right',
    async (name) => {
      const { digest } = await oci.image(name, 'v1', 'layer');
      expect((await oci.get(`/v2/${name}/tags/list`)).json).toEqual({ name, tags: ['v1'] });
      expect((await oci.get(`/v2/${name}/manifests/v1`)).headers['docker-content-digest']).toBe(digest);
      expect((await oci.get(`/v2/${name}/blobs/${digestOf('layer')}`)).text).toBe('layer');
      expect((await oci.get(`/v2/${name}/referrers/${digest}`)).json.manifests).toEqual([]);
      const opened = await oci.request('POST', `/v2/${name}/blobs/uploads/`, { body: new Uint8Array(0) });
      expect((await oci.get(opened.headers['location'] ?? '')).status).toBe(204);
    },
  );

  it('oci 41: unknown parameters count for nothing', async () => {
    await oci.image(NAME, 'v1');
    expect((await oci.get(`/v2/${NAME}/manifests/v1?ns=images.example&x=y`)).status).toBe(200);
  });
});

describe('lists', () => {
  const TAGS = ['B', 'a', 'a.1', 'a-1', '_x', 'latest', 'v10', 'v2'];

  it('oci 33: tags in byte order, page by page, and an end', async () => {
    const { text } = await oci.image(NAME, 'B');
    for (const tag of TAGS.slice(1)) await oci.put(NAME, tag, text);
    const sorted = [...TAGS].sort();
    expect((await oci.get(`/v2/${NAME}/tags/list`)).json).toEqual({ name: NAME, tags: sorted });
    const seen: string[] = [];
    let next = `/v2/${NAME}/tags/list?n=3`;
    for (let pages = 0; next !== '' && pages < 10; pages++) {
      const page = await oci.get(next);
      seen.push(...page.json.tags);
      next = /^<(\/v2\/[^>]+)>; rel="next"$/.exec(page.headers['link'] ?? '')?.[1] ?? '';
    }
    expect(seen).toEqual(sorted);
    expect((await oci.get(`/v2/${NAME}/tags/list?last=b`)).json.tags).toEqual(['latest', 'v10', 'v2']);
  });

  it('O4: n=0 is an empty list without a next page; what is no number is 400; a large one allocates nothing', async () => {
    await oci.image(NAME, 'v1');
    for (const path of [`/v2/${NAME}/tags/list`, '/v2/_catalog']) {
      const none = await oci.get(`${path}?n=0`);
      expect([none.json.tags ?? none.json.repositories, none.headers['link']]).toEqual([[], undefined]);
      for (const n of ['-1', 'NaN', '1e3', '', ' ']) {
        const bad = await oci.get(`${path}?n=${encodeURIComponent(n)}`);
        expect([bad.status, bad.code]).toEqual([400, 'PAGINATION_NUMBER_INVALID']);
      }
      for (const n of ['1000000000000000000', '9007199254740992']) expect((await oci.get(`${path}?n=${n}`)).status).toBe(200);
    }
    expect((await oci.get('/v2/team/none/tags/list')).code).toBe('NAME_UNKNOWN');
  });

  it('oci 34, O11: the catalog is filtered before it is paged', async () => {
    for (const name of ['b/one', 'a/secret', 'b/two', 'c/secret', 'b/three']) await oci.image(name, 'v1');
    await oci.blob('b/blobs-only', 'x');
    const robot = await oci.user('ann', { scopes: ['oci:repository:b/*:pull'] });
    const first = await oci.get('/v2/_catalog?n=2', { token: robot });
    expect(first.json).toEqual({ repositories: ['b/one', 'b/three'] });
    expect(first.headers['link']).toBe('</v2/_catalog?n=2&last=b%2Fthree>; rel="next"');
    const second = await oci.get('/v2/_catalog?n=2&last=b%2Fthree', { token: robot });
    expect([second.json, second.headers['link']]).toEqual([{ repositories: ['b/two'] }, undefined]);
    expect((await oci.get('/v2/_catalog')).json.repositories).toHaveLength(5);
    expect((await oci.get('/v2/_catalog', { token: null })).status).toBe(401);
  });
});

describe('referrers', () => {
  it('oci 28 to 30: what refers to an image, with type, size and annotations', async () => {
    const image = await oci.image(NAME, 'v1');
    const annotations = { 'org.example.kind': 'sbom' };
    const sbom = JSON.stringify(
      await oci.describe(NAME, 'sbom', { ...subjectOf(image), artifactType: 'application/sbom', annotations }),
    );
    const pushed = await oci.put(NAME, digestOf(sbom), sbom);
    expect([pushed.status, pushed.headers['oci-subject']]).toEqual([201, image.digest]);
    const typeless = JSON.stringify(await oci.describe(NAME, 'sig', subjectOf(image)));
    await oci.put(NAME, digestOf(typeless), typeless);
    const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], ...subjectOf(image) });
    await oci.put(NAME, digestOf(index), index, { type: INDEX });
    const all = await oci.get(`/v2/${NAME}/referrers/${image.digest}`);
    expect(all.headers['content-type']).toBe(INDEX);
    expect(all.headers['oci-filters-applied']).toBeUndefined();
    expect(all.json).toMatchObject({ schemaVersion: 2, mediaType: INDEX });
    const byDigest = new Map(all.json.manifests.map((one: { digest: string }) => [one.digest, one]));
    const size = sbom.length;
    expect(byDigest.get(digestOf(sbom))).toEqual({
      mediaType: IMAGE,
      size,
      digest: digestOf(sbom),
      artifactType: 'application/sbom',
      annotations,
    });
    expect(byDigest.get(digestOf(typeless))).toMatchObject({ artifactType: 'application/vnd.oci.image.config.v1+json' });
    expect(byDigest.get(digestOf(index))).not.toHaveProperty('artifactType');
    const some = await oci.get(`/v2/${NAME}/referrers/${image.digest}?artifactType=application/sbom`);
    expect(some.headers['oci-filters-applied']).toBe('artifactType');
    expect(some.json.manifests).toHaveLength(1);
    await oci.remove(`/v2/${NAME}/manifests/${digestOf(sbom)}`);
    expect((await oci.get(`/v2/${NAME}/referrers/${image.digest}`)).json.manifests).toHaveLength(2);
    await oci.remove(`/v2/${NAME}/manifests/${image.digest}`);
    expect((await oci.get(`/v2/${NAME}/referrers/${image.digest}`)).json.manifests).toHaveLength(2);
  });

  it('oci 28, 29, 31: a subject that is not here, an unknown one, a malformed one', async () => {
    const missing = { digest: digestOf('not here'), size: 8 };
    const text = JSON.stringify(
      await oci.describe(NAME, 'sig', { ...subjectOf(missing), annotations: { long: 'x'.repeat(5_000) } }),
    );
    expect((await oci.put(NAME, 'sig', text)).status).toBe(201);
    const listed = await oci.get(`/v2/${NAME}/referrers/${missing.digest}`);
    expect(listed.json.manifests[0]).toMatchObject({ digest: digestOf(text), annotations: { long: 'x'.repeat(5_000) } });
    expect((await oci.get(`/v2/${NAME}/referrers/${digestOf('nothing')}`)).json.manifests).toEqual([]);
    expect((await oci.get(`/v2/${NAME}/referrers/sha256:zzz`)).status).toBe(400);
  });

  it('oci 30: an index has the type that it says, or none', async () => {
    const image = await oci.image(NAME, 'v1');
    const index = (fields: object) => ({ schemaVersion: 2, mediaType: INDEX, manifests: [], ...subjectOf(image), ...fields });
    await oci.put(NAME, 'plain', index({}), { type: INDEX });
    await oci.put(NAME, 'typed', index({ artifactType: 'a/b' }), { type: INDEX });
    const { manifests } = (await oci.get(`/v2/${NAME}/referrers/${image.digest}`)).json;
    const types = manifests.map((one: object) => ('artifactType' in one ? one.artifactType : 'none'));
    expect(types.sort()).toEqual(['a/b', 'none']);
  });

  it('oci 30: pages keep their filter, and end', async () => {
    const image = await oci.image(NAME, 'v1');
    for (let n = 0; n < 5; n++)
      await oci.image(NAME, `r${n}`, 'layer', { ...subjectOf(image), artifactType: 'a/b', annotations: { n: String(n) } });
    const seen = new Set<string>();
    let next = `/v2/${NAME}/referrers/${image.digest}?artifactType=a%2Fb&n=2`;
    for (let pages = 0; next !== '' && pages < 10; pages++) {
      const page = await oci.get(next);
      expect(page.headers['oci-filters-applied']).toBe('artifactType');
      for (const { digest } of page.json.manifests) seen.add(digest);
      next = /^<([^>]+)>; rel="next"$/.exec(page.headers['link'] ?? '')?.[1] ?? '';
    }
    expect(seen.size).toBe(5);
  });
});

describe('lists that clients keep under the fallback tag', () => {
  const fallback = (digest: string): string => digest.replace(':', '-').slice(0, 'sha512-'.length + 64);
  const signature = (text: string) => oci.image(NAME, `tag-${text}`, text, { annotations: { text } });
  const listed = async (digest: string, query = ''): Promise<readonly string[]> =>
    (await oci.get(`/v2/${NAME}/referrers/${digest}${query}`)).json.manifests.map((one: { digest: string }) => one.digest);
  const index = (...images: readonly { digest: string; size: number }[]) => ({
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: images.map(({ digest, size }) => ({ mediaType: IMAGE, digest, size })),
  });

  it('oci 29: are part of the answer, with what the manifests say, and each once', async () => {
    const image = await oci.image(NAME, 'v1');
    const [old, other] = [await signature('old'), await signature('other')];
    const own = await oci.image(NAME, 'own', 'own', subjectOf(image));
    const foreign = await oci.image(NAME, 'foreign', 'foreign', subjectOf(other));
    const list = index(old, own, foreign, image);
    expect((await oci.put(NAME, fallback(image.digest), list, { type: INDEX })).status).toBe(201);
    expect(await listed(image.digest)).toEqual([old.digest, own.digest].sort());
    const { json } = await oci.get(`/v2/${NAME}/referrers/${image.digest}`);
    expect(json.manifests.find(({ digest }: { digest: string }) => digest === old.digest)).toEqual({
      mediaType: IMAGE,
      size: old.size,
      digest: old.digest,
      artifactType: CONFIG,
      annotations: { text: 'old' },
    });
    expect(await listed(image.digest, `?artifactType=${encodeURIComponent(CONFIG)}`)).toHaveLength(2);
    expect(await listed(image.digest, '?artifactType=none')).toEqual([]);
    expect(await listed(other.digest)).toEqual([foreign.digest]);
  });

  it('oci 32: what is deleted is gone from the answer at once, the list itself too', async () => {
    const image = await oci.image(NAME, 'v1');
    const [first, second] = [await signature('first'), await signature('second')];
    await oci.put(NAME, fallback(image.digest), index(first, second), { type: INDEX });
    await oci.remove(`/v2/${NAME}/manifests/${first.digest}`);
    expect(await listed(image.digest)).toEqual([second.digest]);
    await oci.put(NAME, fallback(image.digest), index(), { type: INDEX });
    expect(await listed(image.digest)).toEqual([]);
    await oci.put(NAME, fallback(image.digest), index(second), { type: INDEX });
    expect(await listed(image.digest)).toEqual([second.digest]);
    await oci.remove(`/v2/${NAME}/manifests/${fallback(image.digest)}`);
    expect(await listed(image.digest)).toEqual([]);
  });

  it('oci 32: a deleted subject keeps its referrers, a deleted referrer goes, a tag that moves changes nothing', async () => {
    const image = await oci.image(NAME, 'v1');
    const sbom = await oci.image(NAME, 'sbom', 'sbom', subjectOf(image));
    await oci.image(NAME, 'sbom', 'another one');
    expect(await listed(image.digest)).toEqual([sbom.digest]);
    await oci.remove(`/v2/${NAME}/manifests/${image.digest}`);
    expect(await listed(image.digest)).toEqual([sbom.digest]);
    await oci.remove(`/v2/${NAME}/manifests/${sbom.digest}`);
    expect(await listed(image.digest)).toEqual([]);
  });

  it('oci 17: the tag of a sha512 subject is cut at 64 characters', async () => {
    const subject = digestOf('subject', 'sha512');
    const old = await signature('old');
    await oci.put(NAME, fallback(subject), index(old), { type: INDEX });
    expect(fallback(subject)).toHaveLength('sha512-'.length + 64);
    expect(await listed(subject)).toEqual([old.digest]);
  });
});

describe('mounting', () => {
  const mount = (digest: string, from: string | undefined, token = oci.token) =>
    oci.request('POST', `/v2/team/two/blobs/uploads/?mount=${digest}${from === undefined ? '' : `&from=${from}`}`, {
      token,
      body: new Uint8Array(0),
    });

  it('oci 15: with a source the blob is here at once', async () => {
    const digest = await oci.blob('team/one', BYTES);
    const mounted = await mount(digest, 'team/one');
    expect([mounted.status, mounted.headers['location']]).toEqual([201, `/v2/team/two/blobs/${digest}`]);
    expect(mounted.headers['docker-content-digest']).toBe(digest);
    await oci.remove(`/v2/team/one/blobs/${digest}`);
    expect((await oci.get(`/v2/team/two/blobs/${digest}`)).bytes.equals(BYTES)).toBe(true);
  });

  it('oci 15, 16, O8: without a source, without the blob, without the right: the same 202', async () => {
    const digest = await oci.blob('team/one', BYTES);
    const robot = await oci.user('ann', { scopes: ['oci:repository:team/two:*'] });
    const answers = [
      await mount(digest, undefined),
      await mount(digestOf('x'), 'team/one'),
      await mount(digest, 'team/none'),
      await mount(digest, 'NO/name'),
      await mount('sha256:zzz', 'team/one'),
      await mount(digest, 'team/one', robot),
    ];
    for (const answer of answers) {
      expect([answer.status, answer.headers['range']]).toEqual([202, '0-0']);
      expect(answer.headers['location']).toMatch(/^\/v2\/team\/two\/blobs\/uploads\/[a-z2-7]{26}$/);
    }
    expect((await oci.get(`/v2/team/two/blobs/${digest}`)).status).toBe(404);
  });
});

describe('who may', () => {
  it('O10, O11: create, overwrite and delete are three rights', async () => {
    const image = await oci.image(NAME, 'v1', 'one');
    const other = JSON.stringify(await oci.describe(NAME, 'two'));
    const rights = async (action: string) =>
      oci.user('ann', { scopes: [`oci:repository:${NAME}:${action}`, `oci:repository:${NAME}:pull`] });
    const create = await rights('create');
    const remove = await rights('delete');
    expect((await oci.put(NAME, 'new', other, { token: create })).status).toBe(201);
    const moved = await oci.put(NAME, 'v1', other, { token: create });
    expect([moved.status, moved.code]).toEqual([403, 'DENIED']);
    for (const token of [create, await rights('overwrite')])
      for (const path of ['manifests/v1', `manifests/${image.digest}`, `blobs/${digestOf('one')}`])
        expect((await oci.remove(`/v2/${NAME}/${path}`, { token })).status).toBe(403);
    expect((await oci.put(NAME, 'x', other, { token: remove })).status).toBe(403);
    expect((await oci.put(NAME, 'v1', other, { token: await rights('overwrite') })).status).toBe(201);
    expect((await oci.remove(`/v2/${NAME}/manifests/v1`, { token: remove })).status).toBe(202);
  });

  it('whoever pushes first owns the name; a reader hears nothing of a push that is refused', async () => {
    await oci.image(NAME, 'v1');
    const bob = await oci.user('bob');
    const refused = await oci.request('POST', `/v2/${NAME}/blobs/uploads/?digest=${digestOf('x')}`, { token: bob, body: 'x' });
    expect([refused.status, refused.code]).toEqual([403, 'DENIED']);
    expect((await oci.get(`/v2/${NAME}/manifests/v1`, { token: bob })).status).toBe(200);
  });

  it('O13: a host that refuses a blob refuses it by every way', async () => {
    const refusing = await registry({ hooks: { beforeGet: async () => ({ allowed: false, reason: 'quarantined' }) } });
    const digest = await refusing.blob('team/one', BYTES);
    const { digest: image } = await refusing.image('team/one', 'v1');
    for (const path of [`blobs/${digest}`, `manifests/${image}`, 'manifests/v1'].map((one) => `/v2/team/one/${one}`)) {
      const got = await refusing.get(path);
      expect([path, got.status, got.code]).toEqual([path, 403, 'DENIED']);
      const head = await refusing.head(path);
      expect([head.status, head.headers['docker-content-digest']]).toEqual([403, undefined]);
      for (const headers of [{ range: 'bytes=0-9' }, { range: 'bytes=99999-' }, { 'if-none-match': '*' }])
        expect((await refusing.get(path, { headers: headers as Record<string, string> })).status).toBe(403);
    }
    const mounted = await refusing.request('POST', `/v2/team/two/blobs/uploads/?mount=${digest}&from=team/one`, {
      body: new Uint8Array(0),
    });
    expect(mounted.status).toBe(202);
    await refusing.close();
  });

  it('O13: a host that refuses one referrer has the others listed; each answer asks once', async () => {
    const asked: string[] = [];
    let refused = '';
    const gated = await registry({
      hooks: {
        beforeGet: async ({ key }) => {
          asked.push(key);
          return { allowed: !key.endsWith(refused) };
        },
      },
    });
    const image = await gated.image(NAME, 'v1');
    const annotations = { long: 'x'.repeat(3_000) };
    const good = await gated.image(NAME, 'good', 'good', subjectOf(image));
    const bad = await gated.image(NAME, 'bad', 'bad', { ...subjectOf(image), annotations });
    refused = bad.digest;
    const { status, json } = await gated.get(`/v2/${NAME}/referrers/${image.digest}`);
    expect([status, json.manifests.map((one: { digest: string }) => one.digest)]).toEqual([200, [good.digest]]);
    asked.length = 0;
    for (const path of [`blobs/${digestOf('good')}`, 'manifests/good'])
      expect((await gated.get(`/v2/${NAME}/${path}`)).status).toBe(200);
    expect(asked).toEqual([`oci/${NAME}/${digestOf('good')}`, `oci/${NAME}/${good.digest}`]);
    await gated.close();
  });
});
