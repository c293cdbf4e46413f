import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONFIG, digestOf, IMAGE, INDEX, LAYER, type Oci, registry } from './rig.js';

let oci: Oci;
beforeEach(async () => {
  oci = await registry();
});
afterEach(async () => {
  expect(oci.faults).toEqual([]);
  await oci.close();
});

const NAME = 'acme/platform/manifests/web';
const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const pretty = (value: unknown): string => `${JSON.stringify(value, null, 3)}\n`;

describe('manifests as they were sent', () => {
  it('oci 22: by tag and by digest the same bytes and type', async () => {
    const text = pretty(await oci.describe(NAME, 'layer', { annotations: { é: '\u2603' }, unknown: [1, { deep: null }] }));
    const pushed = await oci.put(NAME, 'v1', text, { type: `${IMAGE}; charset=utf-8` });
    const digest = digestOf(text);
    expect(pushed.status).toBe(201);
    expect(pushed.headers['location']).toBe(`/v2/${NAME}/manifests/${digest}`);
    expect(pushed.headers['docker-content-digest']).toBe(digest);
    for (const reference of ['v1', digest, digest.replace(':', '%3A')]) {
      const got = await oci.get(`/v2/${NAME}/manifests/${reference}`, { headers: { accept: 'application/json' } });
      expect(got.status).toBe(200);
      expect(got.text).toBe(text);
      expect(got.headers['content-type']).toBe(IMAGE);
      expect(got.headers['docker-content-digest']).toBe(digest);
      expect(got.headers['etag']).toBe(`"${digest}"`);
      const head = await oci.head(`/v2/${NAME}/manifests/${reference}`);
      expect([head.status, head.headers['content-length'], head.bytes.length]).toEqual([200, String(Buffer.byteLength(text)), 0]);
      for (const name of ['content-type', 'docker-content-digest', 'etag']) expect(head.headers[name]).toBe(got.headers[name]);
    }
  });

  it('oci 21: a manifest is never encoded, not even where it is text', async () => {
    const { text } = await oci.image(NAME, 'v1', 'layer', { annotations: { long: 'x'.repeat(50_000) } });
    const got = await oci.get(`/v2/${NAME}/manifests/v1`, { headers: { 'accept-encoding': 'gzip, br, zstd' } });
    expect([got.headers['content-encoding'], got.text]).toEqual([undefined, text]);
  });

  it('caches: a digest for ever, a tag never without asking', async () => {
    const { digest } = await oci.image(NAME, 'v1');
    const byDigest = await oci.get(`/v2/${NAME}/manifests/${digest}`);
    expect(byDigest.headers['cache-control']).toBe('private, max-age=31536000, immutable');
    const byTag = await oci.get(`/v2/${NAME}/manifests/v1`);
    expect(byTag.headers['cache-control']).toBe('private, no-cache');
    const again = await oci.get(`/v2/${NAME}/manifests/v1`, { headers: { 'if-none-match': `"${digest}"` } });
    expect([again.status, again.bytes.length]).toEqual([304, 0]);
  });

  it('oci 23, O2: the digest in the path is that of the bytes', async () => {
    const text = JSON.stringify(await oci.describe(NAME, 'layer'));
    expect((await oci.put(NAME, digestOf(text), text)).status).toBe(201);
    const wrong = await oci.put(NAME, digestOf('other'), text);
    expect([wrong.status, wrong.code]).toEqual([400, 'DIGEST_INVALID']);
    for (const odd of ['sha256:baddigeststring', 'sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709']) {
      expect([(await oci.put(NAME, odd, text)).status, (await oci.get(`/v2/${NAME}/manifests/${odd}`)).status]).toEqual([
        400, 400,
      ]);
    }
    expect((await oci.put(NAME, '-no-tag', text)).code).toBe('TAG_INVALID');
    expect((await oci.get(`/v2/${NAME}/manifests/-no-tag`)).code).toBe('MANIFEST_UNKNOWN');
    expect((await oci.get(`/v2/${NAME}/manifests/${digestOf('other')}`)).code).toBe('MANIFEST_UNKNOWN');
  });

  it('oci 17: a manifest under sha512 keeps that name', async () => {
    const text = JSON.stringify(await oci.describe(NAME, 'layer'));
    const digest = digestOf(text, 'sha512');
    const pushed = await oci.put(NAME, `${digest}?tag=one&tag=two`, text);
    expect([pushed.status, pushed.headers['docker-content-digest'], pushed.headers['oci-tag']]).toEqual([
      201,
      digest,
      'one, two',
    ]);
    expect((await oci.get(`/v2/${NAME}/manifests/two`)).headers['docker-content-digest']).toBe(digest);
    expect((await oci.get(`/v2/${NAME}/manifests/${digestOf(text)}`)).status).toBe(404);
  });

  it('O2: stored bytes that were changed behind our back are never served', async () => {
    const { digest, text } = await oci.image(NAME, 'v1');
    const second = await registry({ driver: oci.driver });
    const { state } = await second.space.read(NAME);
    const key = state.manifests.get(digest)?.key ?? '';
    await oci.driver.write(key, Buffer.from(text.replace('layers', 'lairs!')));
    const got = await second.get(`/v2/${NAME}/manifests/v1`, { token: oci.token });
    expect([got.status, got.text.includes('lairs')]).toEqual([500, false]);
    expect(second.faults).toHaveLength(1);
    await second.close();
  });
});

describe('what a manifest may be', () => {
  const base = () => oci.describe(NAME, 'layer');

  it('oci 27: unknown fields, no layers, data, artifactType and foreign layers go through unchanged', async () => {
    const described = await base();
    const foreign = { mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar', digest: digestOf('far'), size: 3 };
    const urls = { mediaType: LAYER, digest: digestOf('away'), size: 4, urls: ['https://elsewhere.example/away'] };
    const data = { mediaType: CONFIG, digest: digestOf('{}'), size: 2, data: 'e30=' };
    for (const fields of [
      { layers: [] },
      { layers: [foreign, urls] },
      { config: data },
      { artifactType: 'a/b', custom: { x: [] } },
    ]) {
      const text = pretty({ ...described, ...fields });
      expect((await oci.put(NAME, digestOf(text), text)).status).toBe(201);
      expect((await oci.get(`/v2/${NAME}/manifests/${digestOf(text)}`)).text).toBe(text);
    }
  });

  it('oci 27: layers that may not be distributed are pointed out to whoever pushes', async () => {
    const described = await base();
    const foreign = { mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', digest: digestOf('far'), size: 3 };
    const plain = await oci.put(NAME, 'plain', described);
    expect([plain.status, plain.headers['warning']]).toEqual([201, undefined]);
    const warned = await oci.put(NAME, 'foreign', { ...described, layers: [foreign] });
    expect(warned.status).toBe(201);
    expect(warned.headers['warning']).toMatch(/^299 - "1 of the layers [^"]+"$/);
  });

  it.each([
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    'application/vnd.docker.distribution.manifest.v1+json',
    '',
  ])('refuses schema 1 (%s) and says what to do', async (type) => {
    const old = { schemaVersion: 1, name: NAME, tag: 'v1', architecture: 'amd64', fsLayers: [], history: [], signatures: [] };
    const answer = await oci.put(NAME, 'v1', old, { type: type || 'application/json' });
    expect([answer.status, answer.code]).toEqual([400, 'MANIFEST_INVALID']);
    expect(answer.text).toContain('schema 1 are not accepted: push with a client that speaks schema 2 or OCI');
  });

  it('an index may not name what is not here: a copy with holes would look whole', async () => {
    const index = { schemaVersion: 2, mediaType: INDEX, manifests: [{ mediaType: IMAGE, digest: digestOf('none'), size: 9 }] };
    const answer = await oci.put(NAME, 'sparse', index, { type: INDEX });
    expect([answer.status, answer.code]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
  });

  it.each([DOCKER, 'application/vnd.oci.artifact.manifest.v1+json', 'application/vnd.example.thing+json'])(
    'takes %s',
    async (type) => {
      const text = pretty({ ...(await base()), mediaType: type });
      expect((await oci.put(NAME, 'x', text, { type })).status).toBe(201);
      expect((await oci.get(`/v2/${NAME}/manifests/x`)).headers['content-type']).toBe(type);
    },
  );

  it('O1: what could be an image and an index at once is refused', async () => {
    const described = await base();
    const child = { mediaType: IMAGE, digest: digestOf('x'), size: 1 };
    for (const [type, fields] of [
      [IMAGE, { manifests: [] }],
      [INDEX, { mediaType: INDEX, manifests: [child] }],
      [DOCKER_LIST, { mediaType: DOCKER_LIST, manifests: [] }],
      ['application/vnd.example+json', { mediaType: undefined, manifests: [] }],
    ] as const) {
      const answer = await oci.put(NAME, 'x', { ...described, ...fields }, { type });
      expect([answer.status, answer.code]).toEqual([400, 'MANIFEST_INVALID']);
    }
  });

  it.each(['Manifests', 'LAYERS', 'Config', 'mediatype', 'Subject', 'artifacttype', 'layer\u017f', 'bLoBs'])(
    'O1: what readers who fold letters would take for another field is refused: %s',
    async (name) => {
      const text = JSON.stringify(await base()).replace('{', `{"${name}":null,`);
      const answer = await oci.put(NAME, 'x', text);
      expect([answer.status, answer.code]).toEqual([400, 'MANIFEST_INVALID']);
    },
  );

  it('O1: descriptors have one spelling too; names that mean nothing have any', async () => {
    const described = await base();
    const [layer] = described.layers;
    for (const name of ['Digest', 'SIZE', 'mediatype', 'URLs', '\u017fize']) {
      const answer = await oci.put(NAME, 'x', { ...described, layers: [{ ...layer, [name]: null }] });
      expect([name, answer.status, answer.code]).toEqual([name, 400, 'MANIFEST_INVALID']);
    }
    const free = { ...described, LAYER: 1, annotations: { Layers: 'x' }, layers: [{ ...layer, Platform: { Digest: 1 } }] };
    expect((await oci.put(NAME, 'x', free)).status).toBe(201);
  });

  it('oci 24, 25: only layers may be elsewhere, never a config or a child', async () => {
    const away = { digest: digestOf('away'), size: 4, urls: ['https://elsewhere.example/away'] };
    const config = { ...(await base()), config: { mediaType: CONFIG, ...away } };
    const foreign = { ...(await base()), config: { mediaType: 'application/vnd.example.foreign.config', ...away } };
    const index = { schemaVersion: 2, mediaType: INDEX, manifests: [{ mediaType: IMAGE, ...away }] };
    for (const [manifest, type] of [
      [config, IMAGE],
      [foreign, IMAGE],
      [index, INDEX],
    ] as const) {
      const answer = await oci.put(NAME, 'x', manifest, { type });
      expect([answer.status, answer.code]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
    }
  });

  it('O1: Content-Type and mediaType agree, and stay what they were', async () => {
    const described = await base();
    const other = await oci.put(NAME, 'x', described, { type: DOCKER });
    expect([other.status, other.code]).toEqual([400, 'MANIFEST_INVALID']);
    const { mediaType: _own, ...bare } = described;
    expect((await oci.put(NAME, 'x', bare, { type: IMAGE })).status).toBe(201);
    const again = await oci.put(NAME, 'y', bare, { type: DOCKER });
    expect([again.status, again.code]).toEqual([400, 'MANIFEST_INVALID']);
    expect((await oci.get(`/v2/${NAME}/manifests/x`)).headers['content-type']).toBe(IMAGE);
  });

  it.each([
    ['no JSON', 'nope'],
    ['a list', '[]'],
    ['no config', JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, layers: [] })],
    [
      'schema 1',
      JSON.stringify({ schemaVersion: 1, config: { mediaType: CONFIG, digest: digestOf('{}'), size: 2 }, layers: [] }),
    ],
    ['a key __proto__', '{"__proto__":{},"schemaVersion":2}'],
    [
      'layers that are no list',
      JSON.stringify({ schemaVersion: 2, config: { mediaType: CONFIG, digest: digestOf('{}'), size: 2 }, layers: {} }),
    ],
  ])('refuses %s', async (_what, text) => {
    await oci.blob(NAME, '{}');
    const answer = await oci.put(NAME, 'x', text);
    expect([answer.status, answer.code]).toEqual([400, 'MANIFEST_INVALID']);
    expect((await oci.driver.list('objects/')).objects).toHaveLength(1);
  });

  it('oci 26, O4: four mebibytes are enough, one byte more is 413', async () => {
    const described = await base();
    const room = 4 * 1024 * 1024 - JSON.stringify({ ...described, pad: '' }).length;
    const full = JSON.stringify({ ...described, pad: 'x'.repeat(room) });
    expect((await oci.put(NAME, 'full', full)).status).toBe(201);
    expect((await oci.get(`/v2/${NAME}/manifests/full`)).bytes.length).toBe(4 * 1024 * 1024);
    const over = await oci.put(NAME, 'over', `${full} `);
    expect([over.status, over.headers['content-type']]).toEqual([413, 'application/json']);
  });
});

describe('what a manifest names', () => {
  it('oci 24, M10: blobs must be here, in this repository, with the right size', async () => {
    const elsewhere = await oci.blob('acme/other', 'layer');
    const described = { ...(await oci.describe(NAME, 'own')) };
    const absent = await oci.put(NAME, 'x', { ...described, layers: [{ mediaType: LAYER, digest: elsewhere, size: 5 }] });
    expect([absent.status, absent.code, absent.json.errors[0].detail.digest]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN', elsewhere]);
    const wrong = await oci.put(NAME, 'x', { ...described, layers: [{ mediaType: LAYER, digest: digestOf('own'), size: 4 }] });
    expect([wrong.status, wrong.code]).toEqual([400, 'SIZE_INVALID']);
    expect((await oci.get(`/v2/${NAME}/manifests/x`)).status).toBe(404);
  });

  it('oci 25: an index of images, and an index of indexes', async () => {
    const one = await oci.image(NAME, 'amd64', 'a');
    const two = await oci.image(NAME, 'arm64', 'b');
    const index = (children: { digest: string; size: number; type?: string }[]) =>
      JSON.stringify({
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: children.map(({ digest, size, type = IMAGE }) => ({ mediaType: type, digest, size })),
      });
    const inner = index([one, two]);
    expect((await oci.put(NAME, 'multi', inner, { type: INDEX })).status).toBe(201);
    const outer = index([{ digest: digestOf(inner), size: inner.length, type: INDEX }]);
    expect((await oci.put(NAME, 'outer', outer, { type: INDEX })).status).toBe(201);
    expect((await oci.get(`/v2/${NAME}/manifests/outer`)).text).toBe(outer);
    const holed = await oci.put(NAME, 'hole', index([{ digest: digestOf('x'), size: 1 }]), { type: INDEX });
    expect([holed.status, holed.code]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
  });
});

describe('deleting', () => {
  it('oci 35: a tag alone, then the digest with all its tags', async () => {
    const { digest, text } = await oci.image(NAME, 'v1');
    for (const tag of ['v2', 'v3']) await oci.put(NAME, tag, text);
    expect((await oci.remove(`/v2/${NAME}/manifests/v1`)).status).toBe(202);
    expect((await oci.get(`/v2/${NAME}/manifests/v1`)).status).toBe(404);
    expect((await oci.get(`/v2/${NAME}/manifests/${digest}`)).status).toBe(200);
    expect((await oci.remove(`/v2/${NAME}/manifests/${digest}`)).status).toBe(202);
    for (const reference of ['v2', 'v3', digest]) {
      expect((await oci.get(`/v2/${NAME}/manifests/${reference}`)).code).toBe('MANIFEST_UNKNOWN');
      expect((await oci.remove(`/v2/${NAME}/manifests/${reference}`)).status).toBe(404);
    }
    expect((await oci.get(`/v2/${NAME}/tags/list`)).json).toEqual({ name: NAME, tags: [] });
  });

  it('oci 35: a blob goes once no manifest names it', async () => {
    const { digest } = await oci.image(NAME, 'v1', 'layer');
    const blob = `/v2/${NAME}/blobs/${digestOf('layer')}`;
    const used = await oci.remove(blob);
    expect([used.status, used.code]).toEqual([405, 'UNSUPPORTED']);
    await oci.remove(`/v2/${NAME}/manifests/${digest}`);
    expect((await oci.remove(blob)).status).toBe(202);
    const second = await registry({ driver: oci.driver });
    for (const one of [oci, second]) expect((await one.get(blob, { token: oci.token })).code).toBe('BLOB_UNKNOWN');
    await second.close();
    expect((await oci.remove(blob)).code).toBe('BLOB_UNKNOWN');
  });

  it('oci 35: what is deleted and collected under a reader is not there: neither a fault nor half an answer', async () => {
    const swept = { key: '' };
    let sweep: () => Promise<void> = async () => undefined;
    const gated = await registry({
      hooks: {
        beforeGet: async () => {
          await sweep();
          return { allowed: true };
        },
      },
    });
    const digest = await gated.blob(NAME, 'layer');
    const { digest: image } = await gated.image(NAME, 'v1', 'other');
    for (const [path, code, kind] of [
      [`blobs/${digest}`, 'BLOB_UNKNOWN', 'blobs'],
      [`manifests/${image}`, 'MANIFEST_UNKNOWN', 'manifests'],
    ] as const) {
      const { state } = await gated.space.read(NAME);
      const of = kind === 'blobs' ? state.blobs.get(digest) : state.manifests.get(image);
      swept.key = of?.key ?? '';
      sweep = async () => {
        sweep = async () => undefined;
        expect((await gated.remove(`/v2/${NAME}/${path}`)).status).toBe(202);
        await gated.driver.delete([swept.key]);
      };
      const got = await gated.get(`/v2/${NAME}/${path}`);
      expect([got.status, got.code]).toEqual([404, code]);
    }
    expect(gated.faults).toEqual([]);
    const lost = await gated.blob(NAME, 'lost');
    await gated.driver.delete([(await gated.space.read(NAME)).state.blobs.get(lost)?.key ?? '']);
    expect((await gated.get(`/v2/${NAME}/blobs/${lost}`)).status).toBe(500);
    expect(gated.faults.length).toBeGreaterThan(0);
    await gated.close();
  });

  it('oci 36: where deletion is switched off it is 405', async () => {
    const closed = await registry({ features: { delete: false } });
    const { digest } = await closed.image(NAME, 'v1', 'layer');
    for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${digestOf('layer')}`]) {
      const answer = await closed.remove(`/v2/${NAME}/${path}`);
      expect([answer.status, answer.code]).toEqual([405, 'UNSUPPORTED']);
      expect(answer.headers['allow']).toContain('GET, HEAD');
    }
    await closed.close();
  });
});

describe('tags that stay', () => {
  it('immutable tags neither move nor go, whatever their pattern', async () => {
    const strict = await registry({ features: { 'immutableTags:v*': true, 'immutableTags:v*-rc': false } });
    const first = await strict.image(NAME, 'v1', 'one');
    await strict.image(NAME, 'v1-rc', 'one');
    await strict.image(NAME, 'latest', 'one');
    const other = JSON.stringify(await strict.describe(NAME, 'two'));
    const moved = await strict.put(NAME, 'v1', other);
    expect([moved.status, moved.code]).toEqual([403, 'DENIED']);
    for (const tag of ['v1-rc', 'latest']) expect((await strict.put(NAME, tag, other)).status).toBe(201);
    expect((await strict.put(NAME, 'v1', first.text)).status).toBe(201);
    for (const reference of ['v1', first.digest])
      expect((await strict.remove(`/v2/${NAME}/manifests/${reference}`)).status).toBe(403);
    expect((await strict.get(`/v2/${NAME}/manifests/v1`)).text).toBe(first.text);
    await strict.close();
  });

  it('an immutable tag keeps what its index names, however deep; other images go', async () => {
    const strict = await registry({ features: { 'immutableTags:v*': true } });
    const [child, free] = [await strict.image(NAME, 'one', 'one'), await strict.image(NAME, 'two', 'two')];
    const index = (one: { digest: string; size: number }, type: string) =>
      JSON.stringify({
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [{ mediaType: type, digest: one.digest, size: one.size }],
      });
    const inner = index(child, IMAGE);
    expect((await strict.put(NAME, 'inner', inner, { type: INDEX })).status).toBe(201);
    const outer = index({ digest: digestOf(inner), size: inner.length }, INDEX);
    expect((await strict.put(NAME, 'v1', outer, { type: INDEX })).status).toBe(201);
    await strict.put(NAME, 'loose', index(free, IMAGE), { type: INDEX });
    for (const digest of [child.digest, digestOf(inner), digestOf(outer)]) {
      const answer = await strict.remove(`/v2/${NAME}/manifests/${digest}`);
      expect([answer.status, answer.code]).toEqual([403, 'DENIED']);
    }
    for (const tag of ['one', 'inner']) expect((await strict.remove(`/v2/${NAME}/manifests/${tag}`)).status).toBe(202);
    expect((await strict.remove(`/v2/${NAME}/manifests/${free.digest}`)).status).toBe(202);
    expect((await strict.get(`/v2/${NAME}/manifests/${child.digest}`)).text).toBe(child.text);
    await strict.close();
  });

  it('where all tags stay, lists under fallback tags do too, unless an exception is made', async () => {
    for (const exception of [{}, { 'immutableTags:sha256-*': false }]) {
      const strict = await registry({ features: { immutableTags: true, ...exception } });
      const { digest } = await strict.image(NAME, 'v1', 'one');
      const tag = digest.replace(':', '-');
      const list = (note: string) => ({ schemaVersion: 2, mediaType: INDEX, manifests: [], annotations: { note } });
      expect((await strict.put(NAME, tag, list('first'), { type: INDEX })).status).toBe(201);
      expect((await strict.put(NAME, tag, list('first'), { type: INDEX })).status).toBe(201);
      const moved = 'immutableTags:sha256-*' in exception ? 201 : 403;
      expect((await strict.put(NAME, tag, list('second'), { type: INDEX })).status).toBe(moved);
      await strict.close();
    }
  });

  it('oci 44: of racing tag moves the last one counts, and none is a 5xx', async () => {
    const texts = await Promise.all(
      Array.from({ length: 8 }, async (_, n) =>
        JSON.stringify(await oci.describe(NAME, 'layer', { annotations: { n: String(n) } })),
      ),
    );
    const statuses = await Promise.all(texts.map(async (text) => (await oci.put(NAME, 'latest', text)).status));
    expect(new Set(statuses)).toEqual(new Set([201]));
    expect(texts).toContain((await oci.get(`/v2/${NAME}/manifests/latest`)).text);
    for (const text of texts) expect((await oci.get(`/v2/${NAME}/manifests/${digestOf(text)}`)).status).toBe(200);
  });
});

describe('oci: repositories that begin restricted', () => {
  it('are closed to callers without credentials from the first push on, by whatever way it came', async () => {
    const open = await registry({ anonymousRead: true, features: { restricted: true } });
    const text = pretty({ schemaVersion: 2, mediaType: INDEX, manifests: [] });
    expect((await open.put('one', 'v1', text, { type: INDEX })).status).toBe(201);
    await open.image('two', 'v1');
    const digest = await open.blob('two', 'layer');
    const mount = `/v2/three/blobs/uploads/?mount=${digest}&from=two`;
    expect((await open.request('POST', mount, { body: new Uint8Array(0) })).status).toBe(201);
    expect((await open.put('three', 'v1', text, { type: INDEX })).status).toBe(201);
    for (const name of ['one', 'two', 'three']) {
      expect((await open.get(`/v2/${name}/manifests/v1`)).status).toBe(200);
      expect((await open.get(`/v2/${name}/manifests/v1`, { token: null })).status).toBe(401);
    }
    expect(open.faults).toEqual([]);
    await open.close();
  });
});
