import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { document, empty, file } from '../../ts/http/reply.js';
import { StorageError } from '../../ts/storage/storage-error.js';
import { boxOf, publicGet, textOf, toy, toyDocument, WatchedContent } from './toy.js';

const PATH = '/open/-/blob.bin';

function stocked() {
  const t = toy();
  t.source.boxes.set('open', boxOf('public'));
  return t;
}

const all = String.fromCharCode(...Array.from({ length: 1000 }, (_, at) => at % 251));

describe('files', () => {
  it('are sent whole with validators, length and the rules for browsers', async () => {
    const t = stocked();
    const answer = await t.ask({ path: PATH });
    expect(answer.status).toBe(200);
    expect(answer.headers).toEqual({
      'Content-Type': 'application/octet-stream',
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'none'; sandbox",
      ETag: `"${t.blob.etag}"`,
      'Last-Modified': 'Wed, 01 May 2024 10:00:00 GMT',
      'Accept-Ranges': 'bytes',
      'Toy-Digest': t.blob.etag,
      'Cache-Control': 'public, max-age=31536000, immutable',
      'Content-Length': '1000',
    });
    expect(await textOf(answer)).toBe(all);
  });

  it('H8: HEAD says the same as GET and opens nothing', async () => {
    const t = stocked();
    const get = await t.ask({ path: PATH });
    const head = await t.ask({ method: 'HEAD', path: PATH });
    expect([head.status, head.headers, head.body]).toEqual([get.status, get.headers, undefined]);
    expect([t.blob.opened, t.blob.discarded]).toEqual([1, 1]);
  });

  it('304 and 416 and 412 open nothing either', async () => {
    const t = stocked();
    const status = async (headers: Record<string, string>) => (await t.ask({ path: PATH, headers })).status;
    expect(await status({ 'if-none-match': `"${t.blob.etag}"` })).toBe(304);
    expect(await status({ 'if-modified-since': 'Wed, 01 May 2024 10:00:00 GMT' })).toBe(304);
    expect(await status({ range: 'bytes=1000-' })).toBe(416);
    expect(await status({ 'if-match': '"other"' })).toBe(412);
    expect(await status({ 'if-unmodified-since': 'Wed, 01 May 2024 09:00:00 GMT', range: 'bytes=5-' })).toBe(412);
    expect([t.blob.opened, t.blob.discarded]).toEqual([0, 5]);
  });

  it('a 304 keeps what caches need and drops what describes a body', async () => {
    const t = stocked();
    const answer = await t.ask({ path: PATH, headers: { 'if-none-match': '*' } });
    expect(Object.keys(answer.headers).sort()).toEqual(
      ['Cache-Control', 'Content-Security-Policy', 'ETag', 'Last-Modified', 'Toy-Digest', 'X-Content-Type-Options'].sort(),
    );
  });

  it('416 says how long the content is, in the protocol’s dialect', async () => {
    const answer = await stocked().ask({ path: PATH, headers: { range: 'bytes=-0' } });
    expect([answer.status, answer.headers['Content-Range'], answer.headers['Content-Type']]).toEqual([
      416,
      'bytes */1000',
      'application/vnd.toy+json',
    ]);
  });

  it('any satisfiable range is the slice', async () => {
    const t = stocked();
    await fc.assert(
      fc.asyncProperty(fc.nat(999), fc.nat(1500), async (first, length) => {
        const answer = await t.ask({ path: PATH, headers: { range: `bytes=${first}-${first + length}` } });
        const slice = all.slice(first, first + length + 1);
        expect(answer.status).toBe(206);
        expect(answer.headers['Content-Range']).toBe(`bytes ${first}-${first + slice.length - 1}/1000`);
        expect(answer.headers['Content-Length']).toBe(String(slice.length));
        expect(await textOf(answer)).toBe(slice);
      }),
      { numRuns: 50 },
    );
  });

  it('several ranges, and ranges of another version, get the whole', async () => {
    const t = stocked();
    for (const headers of [{ range: 'bytes=0-1,5-6' }, { range: 'bytes=0-1', 'if-range': '"other"' }]) {
      const answer = await t.ask({ path: PATH, headers });
      expect([answer.status, answer.headers['Content-Length']]).toEqual([200, '1000']);
    }
    expect((await t.ask({ path: PATH, headers: { range: 'bytes=0-1', 'if-range': `"${t.blob.etag}"` } })).status).toBe(206);
  });

  it('bytes are never content-encoded', async () => {
    const answer = await stocked().ask({ path: PATH, headers: { 'accept-encoding': 'gzip, br' } });
    expect(answer.headers['Content-Encoding']).toBeUndefined();
    expect(answer.headers['Vary']).toBeUndefined();
  });

  it('storage that fails while opening is a 503 and not a broken 200', async () => {
    const t = stocked();
    t.blob.failure = new StorageError('unavailable', 'bucket xyz is down');
    const answer = await t.ask({ path: PATH });
    expect([answer.status, answer.headers['Retry-After']]).toEqual([503, '1']);
    expect(await textOf(answer)).not.toContain('xyz');
    expect(t.faults).toHaveLength(1);
  });

  it('content of another length than announced is a 500', async () => {
    const lying = Object.assign(new WatchedContent(new Uint8Array(5)), { open: async () => new Uint8Array(4) });
    const t = toy({}, [publicGet('/lie', async () => file(lying, 'immutable'))]);
    expect((await t.ask({ path: '/lie' })).status).toBe(500);
  });

  it('content of unknown length has no ranges and no length', async () => {
    const unknown = Object.assign(new WatchedContent(new Uint8Array(5)), { size: undefined });
    const t = toy({}, [publicGet('/far', async () => file(unknown, 'immutable'))]);
    const answer = await t.ask({ path: '/far', headers: { range: 'bytes=0-1' } });
    expect([answer.status, answer.headers['Accept-Ranges'], answer.headers['Content-Length']]).toEqual([
      200,
      undefined,
      undefined,
    ]);
  });
});

describe('documents', () => {
  const gzip = { 'accept-encoding': 'gzip' };

  it('come in a ready-made coding with a validator of its own, and say what they vary by', async () => {
    const t = stocked();
    const plain = await t.ask({ path: '/open' });
    const coded = await t.ask({ path: '/open', headers: gzip });
    expect(coded.headers['Content-Encoding']).toBe('gzip');
    expect(gunzipSync(coded.body as Uint8Array).toString()).toBe(await textOf(plain));
    expect(coded.headers['Content-Length']).toBe(String((coded.body as Uint8Array).byteLength));
    expect(coded.headers['ETag']).not.toBe(plain.headers['ETag']);
    for (const answer of [plain, coded]) expect(answer.headers['Vary']).toBe('Accept, Accept-Encoding');
    const head = await t.ask({ method: 'HEAD', path: '/open', headers: gzip });
    expect([head.headers, head.body]).toEqual([coded.headers, undefined]);
  });

  it('are 304 against either validator', async () => {
    const t = stocked();
    const plain = (await t.ask({ path: '/open' })).headers['ETag'] as string;
    const coded = (await t.ask({ path: '/open', headers: gzip })).headers['ETag'] as string;
    for (const etag of [plain, coded]) {
      const answer = await t.ask({ path: '/open', headers: { ...gzip, 'if-none-match': etag } });
      expect([answer.status, answer.headers['ETag'], answer.headers['Content-Encoding']]).toEqual([304, etag, undefined]);
      expect(answer.headers['Vary']).toBe('Accept, Accept-Encoding');
    }
    expect((await t.ask({ path: '/open', headers: { 'if-none-match': coded } })).status).toBe(200);
  });

  it('a coding that is not ready-made is not made', async () => {
    const answer = await stocked().ask({ path: '/open', headers: { 'accept-encoding': 'br' } });
    expect(answer.headers['Content-Encoding']).toBeUndefined();
  });

  it('have no ranges', async () => {
    const answer = await stocked().ask({ path: '/open', headers: { range: 'bytes=0-1' } });
    expect([answer.status, answer.headers['Accept-Ranges']]).toEqual([200, undefined]);
  });

  it('a handler cannot make caches share', async () => {
    const reply = document(toyDocument('{}'), 'revalidate', { headers: { 'cache-control': 'public, max-age=9' } });
    const t = toy({}, [publicGet('/doc', async () => reply)]);
    const answer = await t.ask({ path: '/doc' });
    expect(Object.entries(answer.headers).filter(([name]) => /^cache-control$/i.test(name))).toEqual([
      ['Cache-Control', 'public, no-cache'],
    ]);
  });
});

describe('answers without a body', () => {
  it('say that they are empty, where the status does not', async () => {
    const ask = async (status: number) => {
      const t = toy({}, [publicGet('/e', async () => empty(status))]);
      return (await t.ask({ path: '/e' })).headers['Content-Length'];
    };
    expect(await Promise.all([200, 201, 202, 204].map(ask))).toEqual(['0', '0', '0', undefined]);
  });
});
