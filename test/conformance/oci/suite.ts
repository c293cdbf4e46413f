import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, type Send } from './client.js';
import { Content, contentOf, IMAGE, VARIANTS } from './content.js';
import { head, list, manifestAt, pull, push, referrers, refuse, remove } from './images.js';
import {
  blobAt,
  blobOf,
  expectError,
  expectPushed,
  getBlob,
  headBlob,
  open,
  pushBlob,
  removeBlob,
  STYLES,
  Talk,
} from './uploads.js';

export interface Place {
  readonly send: Send;
  close(): Promise<void>;
}

const ALGORITHMS = ['sha256', 'sha512'] as const;

export interface Extent {
  /** Milliseconds that one test may take. */
  readonly patience?: number;
  /** One algorithm, and every third kind of content. */
  readonly short?: boolean;
}

const RANGES = [
  ['bytes=500-1499', 500, 1_500],
  ['bytes=500-', 500, 2_048],
  ['bytes=-500', 1_548, 2_048],
  ['bytes=2000-5000', 2_000, 2_048],
  ['bytes=0-0', 0, 1],
] as const;

/** What the specification's own suites ask of a registry, in our words: every check, on an empty store. `open` makes the place. */
export function conformance(title: string, start: () => Promise<Place>, extent: Extent = {}): void {
  const { patience = 30_000, short = false } = extent;
  describe(title, { timeout: patience }, () => {
    let place: Place;
    let talk: Talk;
    let checks = 0;
    beforeAll(async () => {
      place = await start();
      talk = new Talk((...request) => place.send(...request));
    }, 120_000);
    afterAll(async () => {
      checks += talk.checks;
      console.log(`conformance, ${title}: ${checks} answers checked`);
      await place.close();
    }, 120_000);
    const at = (): Talk => talk;

    it('oci 1: answers the ping', async () => {
      for (const path of ['/v2/', '/v2']) await talk.ask(200, 'GET', path);
    });
    emptyChecks(at);
    for (const algorithm of short ? ALGORITHMS.slice(0, 1) : ALGORITHMS) blobChecks(at, algorithm);
    for (const [n, variant] of VARIANTS.entries()) {
      if (short && n % 3 !== 0) continue;
      it(`${variant.title}: pushed, listed, seen, pulled, referred to, deleted`, async () => {
        const name = `conformance/data${n % 3}/of-four/blobs`;
        const content = contentOf(variant);
        await push(talk, name, content, variant.tagged);
        await list(talk, name, content);
        await head(talk, name, content);
        await pull(talk, name, content);
        await referrers(talk, name, content);
        await remove(talk, name, content);
      });
    }
    errorChecks(at);
  });
}

function emptyChecks(at: () => Talk): void {
  it('oci 29, oci 33: nothing is there yet', async () => {
    const talk = at();
    const answer = await talk.ask([200, 404], 'GET', '/v2/conformance/none/tags/list');
    if (answer.status === 200) expect(JSON.parse(answer.bytes.toString('utf8'))).toMatchObject({ tags: [] });
    else expectError(answer, 'NAME_UNKNOWN');
    const { bytes } = await talk.ask(200, 'GET', `/v2/conformance/none/referrers/${digestOf('nothing')}`);
    expect(JSON.parse(bytes.toString('utf8'))).toMatchObject({ schemaVersion: 2, manifests: [] });
  });
}

function blobChecks(at: () => Talk, algorithm: (typeof ALGORITHMS)[number]): void {
  const name = `conformance/${algorithm}`;
  const other = `${name}/other`;
  const made = (text: string, length = 512) => blobOf(`${text} by ${algorithm} `, length, algorithm);

  it(`oci 4: a blob by ${algorithm} that nobody pushed is not there`, async () => {
    const { digest } = made('nothing');
    for (const method of ['GET', 'HEAD'])
      for (const repository of [name, 'conformance/none']) {
        const answer = await at().ask(404, method, blobAt(repository, digest));
        if (method === 'GET') expect(['BLOB_UNKNOWN', 'NAME_UNKNOWN']).toContain(codeIn(answer.bytes));
      }
  });

  it.each(STYLES)(`$title, by ${algorithm}: is there, and can be deleted`, async ({ title, push: pushed }) => {
    const { digest, bytes } = made(title, 1_531);
    const answer = await pushed(at(), { name, digest, bytes, last: 201 });
    expectPushed(answer, digest);
    await getBlob(at(), answer.headers['location'] ?? '', digest, bytes);
    await headBlob(at(), name, digest, bytes.byteLength);
    await getBlob(at(), blobAt(name, digest), digest, bytes);
    await removeBlob(at(), name, digest);
  });

  it.each(STYLES)(
    `oci 12: $title, by ${algorithm}, with other bytes: is refused, and not there`,
    async ({ title, push: pushed }) => {
      const { digest, bytes } = made(`wrong ${title}`, 1_531);
      const spoilt = Buffer.concat([bytes, Buffer.from('and more')]);
      expectError(await pushed(at(), { name, digest, bytes: spoilt, last: 400 }), 'DIGEST_INVALID');
      await at().ask(404, 'HEAD', blobAt(name, digest));
    },
  );

  it.each(STYLES)(`oci 18: $title, by ${algorithm}: nothing at all, and an empty object`, async ({ push: pushed }) => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('{}')]) {
      const digest = digestOf(bytes, algorithm);
      expectPushed(await pushed(at(), { name, digest, bytes, last: 201 }), digest);
      await headBlob(at(), name, digest, bytes.byteLength);
      await getBlob(at(), blobAt(name, digest), digest, bytes);
      await removeBlob(at(), name, digest);
    }
  });

  it(`oci 15: mounted by ${algorithm} from where it is, and not from where it is not`, async () => {
    const { digest, bytes } = made('mounted');
    await pushBlob(at(), other, digest, bytes);
    const nothing = { body: new Uint8Array(0) };
    const mount = (what: string, from: string): string => `/v2/${name}/blobs/uploads/?mount=${encodeURIComponent(what)}${from}`;
    const missing = made('missing');
    for (const [what, from] of [
      [digest, ''],
      [missing.digest, ''],
      [missing.digest, `&from=${other}`],
      [digest, '&from=conformance/none'],
    ] as const) {
      const opened = await at().ask(202, 'POST', mount(what, from), nothing);
      expect(opened.headers['location']).toContain(`/v2/${name}/blobs/uploads/`);
      await at().ask(404, 'HEAD', blobAt(name, what));
      await at().ask(204, 'DELETE', opened.headers['location'] ?? '');
    }
    // what could not be mounted goes on as an upload
    const opened = await at().ask(202, 'POST', mount(missing.digest, `&from=${other}`), nothing);
    const put = `${opened.headers['location']}?digest=${missing.digest}`;
    expectPushed(await at().ask(201, 'PUT', put, { body: missing.bytes }), missing.digest);
    await getBlob(at(), blobAt(name, missing.digest), missing.digest, missing.bytes);
    await removeBlob(at(), name, missing.digest);
    const mounted = await at().ask(201, 'POST', mount(digest, `&from=${other}`), nothing);
    expectPushed(mounted, digest);
    await headBlob(at(), name, digest, bytes.byteLength);
    await getBlob(at(), mounted.headers['location'] ?? '', digest, bytes);
    await removeBlob(at(), name, digest);
    await headBlob(at(), other, digest, bytes.byteLength);
    await removeBlob(at(), other, digest);
  });

  it(`oci 14: an upload by ${algorithm} that is given up is gone`, async () => {
    const location = await open(at(), name, `?digest-algorithm=${algorithm}`);
    await at().ask(204, 'GET', location);
    await at().ask(204, 'DELETE', location);
    for (const method of ['GET', 'DELETE']) expectError(await at().ask(404, method, location), 'BLOB_UPLOAD_UNKNOWN');
    const { digest, bytes } = made('given up');
    await at().ask(404, 'PUT', `${location}?digest=${digest}`, { body: bytes });
    await at().ask(404, 'HEAD', blobAt(name, digest));
  });

  it(`oci 19: stretches of a blob by ${algorithm}`, async () => {
    const { digest, bytes } = made('stretches', 2_048);
    await pushBlob(at(), name, digest, bytes);
    for (const [range, from, to] of RANGES) {
      const answer = await at().ask(206, 'GET', blobAt(name, digest), { headers: { range } });
      expect(answer.bytes.equals(bytes.subarray(from, to))).toBe(true);
      expect(answer.headers['content-range']).toBe(`bytes ${from}-${to - 1}/2048`);
      expect(answer.headers['content-length']).toBe(String(to - from));
    }
    for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-']) {
      const answer = await at().ask(416, 'GET', blobAt(name, digest), { headers: { range } });
      expect(answer.headers['content-range']).toBe('bytes */2048');
    }
    await removeBlob(at(), name, digest);
  });
}

const codeIn = (bytes: Buffer): string | undefined => {
  const { errors } = JSON.parse(bytes.toString('utf8')) as { errors: readonly { code: string }[] };
  return errors[0]?.code;
};

function errorChecks(at: () => Talk): void {
  const name = 'conformance/errors';

  it('manifests that nobody pushed are not there', async () => {
    for (const method of ['GET', 'HEAD'])
      for (const reference of [digestOf('no manifest'), digestOf('no manifest', 'sha512'), 'missing', '.NO_TAG'])
        await at().ask(404, method, manifestAt(name, reference));
  });

  it('oci 23: digests that are none, or another', async () => {
    const content = new Content('bad digests');
    const image = content.image();
    for (const [digest, bytes] of content.blobs) await pushBlob(at(), name, digest, bytes);
    await refuse(at(), name, image);
    for (const method of ['GET', 'HEAD']) await at().ask([400, 404], method, manifestAt(name, 'sha256:baddigeststring'));
    await at().ask([400, 404], 'GET', blobAt(name, 'sha256:baddigeststring'));
    await at().ask(400, 'GET', `/v2/${name}/referrers/sha256:baddigeststring`);
    const bad = { body: Buffer.from('x'), headers: {} };
    for (const digest of ['sha256:zzz', 'md5:d41d8cd98f00b204e9800998ecf8427e', ''])
      await at().ask(400, 'PUT', `${await open(at(), name)}?digest=${digest}`, bad);
  });

  it('oci 24: what a manifest names must be there', async () => {
    const content = new Content('sparse');
    const image = content.image();
    const index = content.index([image, { ...image, digest: digestOf('nowhere') }]);
    const [layer] = [...content.blobs.keys()];
    for (const [digest, bytes] of content.blobs) if (digest !== layer) await pushBlob(at(), name, digest, bytes);
    const put = (manifest: typeof image) =>
      at().ask([400, 404], 'PUT', manifestAt(name, 'sparse'), {
        body: manifest.bytes,
        headers: { 'content-type': manifest.mediaType },
      });
    expectError(await put(image), 'MANIFEST_BLOB_UNKNOWN');
    await pushBlob(at(), name, layer ?? '', content.blobs.get(layer ?? '') ?? Buffer.alloc(0));
    await at().ask(201, 'PUT', manifestAt(name, image.digest), { body: image.bytes, headers: { 'content-type': IMAGE } });
    expectError(await put(index), 'MANIFEST_BLOB_UNKNOWN');
    await at().ask(404, 'HEAD', manifestAt(name, 'sparse'));
  });

  it('oci 26: a manifest that is too large, and what is no manifest', async () => {
    const send = (body: Buffer) => ({ body, headers: { 'content-type': IMAGE } });
    await at().ask(413, 'PUT', manifestAt(name, 'huge'), send(Buffer.alloc(4 * 1024 * 1024 + 1, 0x20)));
    for (const text of ['blablabla', '[]', '', '{"schemaVersion":2}'])
      expectError(await at().ask(400, 'PUT', manifestAt(name, 'junk'), send(Buffer.from(text))), 'MANIFEST_INVALID');
    for (const reference of ['huge', 'junk']) await at().ask(404, 'HEAD', manifestAt(name, reference));
  });

  it('oci 3: names that are none', async () => {
    for (const bad of ['UPPER/x', '-x', 'a//b', 'x..y', 'a'.repeat(300)])
      await at().ask([400, 404], 'GET', `/v2/${bad}/tags/list`);
  });

  it('oci 33, O4: pages of tags', async () => {
    const content = new Content('tags');
    const image = content.image();
    for (const tag of ['b', 'B', 'a.1', '_x', 'a-1', '1', 'A_z', 'latest']) content.tags.set(tag, image.digest);
    await push(at(), 'conformance/tags', content);
    await list(at(), 'conformance/tags', content);
    const none = await at().ask(200, 'GET', '/v2/conformance/tags/tags/list?n=0');
    expect(JSON.parse(none.bytes.toString('utf8'))).toEqual({ name: 'conformance/tags', tags: [] });
    expect(none.headers['link']).toBeUndefined();
    const all = await at().ask(200, 'GET', '/v2/conformance/tags/tags/list?n=9007199254740992');
    expect(JSON.parse(all.bytes.toString('utf8')).tags).toHaveLength(8);
    for (const n of ['-1', 'NaN', '1e18', '1.5']) await at().ask(400, 'GET', `/v2/conformance/tags/tags/list?n=${n}`);
  });
}
