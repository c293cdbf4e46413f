import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, type Oci, registry } from './rig.js';

let oci: Oci;
beforeEach(async () => {
  oci = await registry();
});
afterEach(async () => {
  expect(oci.faults).toEqual([]);
  await oci.close();
});

const NAME = 'team/blobs/tools/app';
const BYTES = Buffer.from('the quick brown fox jumps over the lazy dog');
const start = async (query = ''): Promise<string> => {
  const opened = await oci.request('POST', `/v2/${NAME}/blobs/uploads/${query}`, { body: new Uint8Array(0) });
  expect(opened.status).toBe(202);
  return opened.headers['location'] ?? '';
};
const expectBlob = async (digest: string, bytes: Uint8Array, name = NAME): Promise<void> => {
  const got = await oci.get(`/v2/${name}/blobs/${digest}`);
  expect(got.status).toBe(200);
  expect(got.bytes.equals(bytes)).toBe(true);
  expect(got.headers['docker-content-digest']).toBe(digest);
};
const chunked = async function* (...parts: (string | Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield typeof part === 'string' ? Buffer.from(part) : part;
  }
};

describe('an upload in two requests', () => {
  it('oci 5: POST answers a session: Location, Range 0-0, an id', async () => {
    const opened = await oci.request('POST', `/v2/${NAME}/blobs/uploads/`, { body: new Uint8Array(0) });
    expect(opened.status).toBe(202);
    expect(opened.headers['range']).toBe('0-0');
    expect(opened.headers['docker-upload-uuid']).toMatch(/^[a-z2-7]{26}$/);
    expect(opened.headers['location']).toBe(`/v2/${NAME}/blobs/uploads/${opened.headers['docker-upload-uuid']}`);
  });

  it('oci 6: the PUT that follows brings the bytes', async () => {
    const location = await start();
    const digest = digestOf(BYTES);
    const done = await oci.request('PUT', `${location}?digest=${digest}`, { body: BYTES });
    expect(done.status).toBe(201);
    expect(done.headers['location']).toBe(`/v2/${NAME}/blobs/${digest}`);
    expect(done.headers['docker-content-digest']).toBe(digest);
    await expectBlob(digest, BYTES);
    expect((await oci.request('PUT', `${location}?digest=${digest}`, { body: BYTES })).code).toBe('BLOB_UPLOAD_UNKNOWN');
  });

  it('oci 7: POST with a digest takes the whole blob', async () => {
    const digest = digestOf(BYTES);
    const done = await oci.request('POST', `/v2/${NAME}/blobs/uploads/?digest=${digest}`, { body: BYTES });
    expect(done.status).toBe(201);
    await expectBlob(digest, BYTES);
  });

  it('oci 12: a wrong digest is refused, and nothing becomes readable', async () => {
    const digest = digestOf('something else');
    const location = await start();
    const done = await oci.request('PUT', `${location}?digest=${digest}`, { body: BYTES });
    expect([done.status, done.code]).toEqual([400, 'DIGEST_INVALID']);
    const whole = await oci.request('POST', `/v2/${NAME}/blobs/uploads/?digest=${digest}`, { body: BYTES });
    expect([whole.status, whole.code]).toEqual([400, 'DIGEST_INVALID']);
    for (const one of [digest, digestOf(BYTES)]) expect((await oci.get(`/v2/${NAME}/blobs/${one}`)).status).toBe(404);
    expect((await oci.driver.list('objects/')).objects).toEqual([]);
  });

  it.each(['sha256:zzz', 'md5:d41d8cd98f00b204e9800998ecf8427e', 'sha256', ''])(
    'oci 13: digest=%s is refused',
    async (digest) => {
      const location = await start();
      const done = await oci.request('PUT', `${location}?digest=${digest}`, { body: BYTES });
      expect([done.status, done.code]).toEqual([400, 'DIGEST_INVALID']);
    },
  );
});

it('oci 13: of two digests that differ none is believed', async () => {
  const [one, other] = [digestOf(BYTES), digestOf('other')];
  for (const query of [`?digest=${one}&digest=${other}`, `?digest=${other}&digest=${one}`]) {
    const whole = await oci.request('POST', `/v2/${NAME}/blobs/uploads/${query}`, { body: BYTES });
    expect([whole.status, whole.code]).toEqual([400, 'DIGEST_INVALID']);
    const location = await start();
    const done = await oci.request('PUT', location + query, { body: BYTES });
    expect([done.status, done.code]).toEqual([400, 'DIGEST_INVALID']);
    expect((await oci.request('PUT', `${location}?digest=${one}&digest=${one}`, { body: BYTES })).status).toBe(201);
    expect((await oci.remove(`/v2/${NAME}/blobs/${one}`)).status).toBe(202);
  }
});

describe('an upload in pieces', () => {
  it('oci 8: a stream without Content-Range, then an empty PUT', async () => {
    const location = await start();
    const sent = await oci.request('PATCH', location, { body: chunked('the quick brown fox ', 'jumps over the lazy dog') });
    expect(sent.status).toBe(202);
    expect(sent.headers['range']).toBe(`0-${BYTES.length - 1}`);
    const digest = digestOf(BYTES);
    const done = await oci.request('PUT', `${sent.headers['location']}?digest=${digest}`, { body: new Uint8Array(0) });
    expect(done.status).toBe(201);
    await expectBlob(digest, BYTES);
    // a single piece is the blob: nothing was copied
    expect((await oci.driver.list('objects/')).objects).toHaveLength(1);
    expect((await oci.driver.list('upload/')).objects).toEqual([]);
  });

  it('oci 9: pieces in order, the last one with the PUT', async () => {
    const location = await start();
    const first = await oci.request('PATCH', location, { body: BYTES.subarray(0, 10), headers: { 'content-range': '0-9' } });
    expect([first.status, first.headers['range']]).toEqual([202, '0-9']);
    const second = await oci.request('PATCH', location, { body: BYTES.subarray(10, 20), headers: { 'content-range': '10-19' } });
    expect([second.status, second.headers['range']]).toEqual([202, '0-19']);
    const digest = digestOf(BYTES);
    const last = { body: BYTES.subarray(20), headers: { 'content-range': `20-${BYTES.length - 1}` } };
    expect((await oci.request('PUT', `${location}?digest=${digest}`, last)).status).toBe(201);
    await expectBlob(digest, BYTES);
    // what was composed is the blob, the pieces are gone
    expect((await oci.driver.list('objects/')).objects).toHaveLength(1);
  });

  it('oci 10, 11, O12: out of order and repeated pieces are 416 and cost nothing', async () => {
    const location = await start();
    const late = await oci.request('PATCH', location, {
      body: BYTES.subarray(10),
      headers: { 'content-range': `10-${BYTES.length - 1}` },
    });
    expect([late.status, late.headers['range']]).toEqual([416, '0-0']);
    // from here alone a client can go on
    expect([late.headers['location'], late.headers['docker-upload-uuid']]).toEqual([location, location.split('/').at(-1)]);
    const head = { body: BYTES.subarray(0, 10), headers: { 'content-range': '0-9' } };
    expect((await oci.request('PATCH', location, head)).status).toBe(202);
    const again = await oci.request('PATCH', location, head);
    expect([again.status, again.headers['range']]).toEqual([416, '0-9']);
    const status = await oci.get(location);
    expect([status.status, status.headers['range'], status.headers['location']]).toEqual([204, '0-9', location]);
    const digest = digestOf(BYTES);
    const rest = { body: BYTES.subarray(10), headers: { 'content-range': `10-${BYTES.length - 1}` } };
    expect((await oci.request('PUT', `${location}?digest=${digest}`, rest)).status).toBe(201);
    await expectBlob(digest, BYTES);
  });

  it('O12: a length that disagrees with its range is refused', async () => {
    const location = await start();
    const wrong = await oci.request('PATCH', location, { body: BYTES, headers: { 'content-range': '0-9' } });
    expect([wrong.status, wrong.code]).toEqual([400, 'SIZE_INVALID']);
    for (const parts of [['the quick brown fox'], ['the']]) {
      const body = chunked(...parts);
      const streamed = await oci.request('PATCH', location, { body, headers: { 'content-range': '0-9' } });
      expect([streamed.status, streamed.code]).toEqual([400, 'SIZE_INVALID']);
    }
    for (const range of ['9-0', 'x', '-5', '1-']) {
      const answer = await oci.request('PATCH', location, { body: 'abc', headers: { 'content-range': range } });
      expect([answer.status, answer.code]).toEqual([400, 'BLOB_UPLOAD_INVALID']);
    }
    expect((await oci.get(location)).headers['range']).toBe('0-0');
    expect((await oci.driver.list('objects/')).objects).toEqual([]);
  });

  it('oci 14: a cancelled upload is unknown, and its bytes are gone', async () => {
    const location = await start();
    await oci.request('PATCH', location, { body: BYTES });
    expect((await oci.remove(location)).status).toBe(204);
    for (const method of ['GET', 'DELETE']) expect((await oci.request(method, location)).code).toBe('BLOB_UPLOAD_UNKNOWN');
    const late = await oci.request('PATCH', location, { body: BYTES });
    expect([late.status, late.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    expect((await oci.driver.list('objects/')).objects).toEqual([]);
    expect((await oci.driver.list('upload/')).objects).toEqual([]);
  });

  it('S11: what came before a connection broke stays, and the upload goes on there', async () => {
    const location = await start();
    const cut = await oci.request('PATCH', location, { body: chunked(BYTES.subarray(0, 17), new Error('reset')) });
    expect(cut.status).toBeGreaterThanOrEqual(400);
    expect((await oci.get(location)).headers['range']).toBe('0-16');
    const digest = digestOf(BYTES);
    const rest = { body: BYTES.subarray(17), headers: { 'content-range': `17-${BYTES.length - 1}` } };
    expect((await oci.request('PATCH', location, rest)).status).toBe(202);
    expect((await oci.request('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) })).status).toBe(201);
    await expectBlob(digest, BYTES);
  });

  it('S11: of a PUT that broke nothing stays where it does not tell its place: the same PUT said again ends the upload', async () => {
    for (const before of [0, 11]) {
      const bytes = Buffer.from(`${before} ${BYTES}`);
      const [location, digest, rest] = [await start(), digestOf(bytes), bytes.subarray(before)];
      if (before > 0) await oci.request('PATCH', location, { body: bytes.subarray(0, before) });
      const cut = await oci.request('PUT', `${location}?digest=${digest}`, {
        body: chunked(rest.subarray(0, 17), new Error('reset')),
      });
      expect(cut.status).toBeGreaterThanOrEqual(400);
      expect((await oci.get(location)).headers['range']).toBe(before === 0 ? '0-0' : '0-10');
      expect((await oci.request('PUT', `${location}?digest=${digest}`, { body: rest })).status).toBe(201);
      await expectBlob(digest, bytes);
    }
  });

  it('S11: of a PUT that broke and tells its place, what has come stays', async () => {
    const location = await start();
    const [digest, last] = [digestOf(BYTES), BYTES.length - 1];
    const put = (body: AsyncIterable<Uint8Array> | Uint8Array, from: number) =>
      oci.request('PUT', `${location}?digest=${digest}`, { body, headers: { 'content-range': `${from}-${last}` } });
    expect((await put(chunked(BYTES.subarray(0, 17), new Error('reset')), 0)).status).toBeGreaterThanOrEqual(400);
    expect((await oci.get(location)).headers['range']).toBe('0-16');
    expect((await put(BYTES.subarray(17), 17)).status).toBe(201);
    await expectBlob(digest, BYTES);
  });

  it('oci 18: the empty blob and {} in every style', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('{}')]) {
      const digest = digestOf(bytes);
      const styles: (() => Promise<number>)[] = [
        async () => (await oci.request('POST', `/v2/${NAME}/blobs/uploads/?digest=${digest}`, { body: bytes })).status,
        async () => (await oci.request('PUT', `${await start()}?digest=${digest}`, { body: bytes })).status,
        async () => {
          const location = await start();
          expect((await oci.request('PATCH', location, { body: chunked(bytes) })).status).toBe(202);
          return (await oci.request('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) })).status;
        },
        async () => {
          const location = await start();
          const headers = bytes.length > 0 ? { 'content-range': `0-${bytes.length - 1}` } : { 'content-range': '0-0' };
          expect((await oci.request('PATCH', location, { body: bytes, headers })).status).toBe(202);
          return (await oci.request('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) })).status;
        },
      ];
      for (const style of styles) {
        expect(await style()).toBe(201);
        await expectBlob(digest, bytes);
        expect((await oci.remove(`/v2/${NAME}/blobs/${digest}`)).status).toBe(202);
      }
    }
  });

  it('oci 17, O3: sha512, announced or not; the same bytes are not there under another algorithm', async () => {
    const digest = digestOf(BYTES, 'sha512');
    const upload = async (query: string): Promise<void> => {
      const location = await start(query);
      await oci.request('PATCH', location, { body: BYTES.subarray(0, 20) });
      await oci.request('PATCH', location, { body: BYTES.subarray(20) });
      expect((await oci.request('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) })).status).toBe(201);
      await expectBlob(digest, BYTES);
      expect((await oci.head(`/v2/${NAME}/blobs/${digestOf(BYTES)}`)).status).toBe(404);
      await oci.remove(`/v2/${NAME}/blobs/${digest}`);
    };
    await upload('');
    await upload('?digest-algorithm=sha512');
    expect((await oci.request('PUT', `${await start()}?digest=${digest}`, { body: BYTES })).status).toBe(201);
    const odd = await oci.request('POST', `/v2/${NAME}/blobs/uploads/?digest-algorithm=md5`, { body: new Uint8Array(0) });
    expect([odd.status, odd.code]).toEqual([400, 'UNSUPPORTED']);
  });
});

describe('whose an upload is', () => {
  it('O5: neither another repository nor another user knows it', async () => {
    const location = await start();
    await oci.request('PATCH', location, { body: BYTES });
    const other = await oci.user('bob');
    const id = location.split('/').at(-1);
    for (const [path, token] of [
      [`/v2/elsewhere/app/blobs/uploads/${id}`, oci.token],
      [location, other],
    ] as const) {
      for (const [method, query] of [
        ['GET', ''],
        ['PATCH', ''],
        ['PUT', `?digest=${digestOf(BYTES)}`],
        ['DELETE', ''],
      ] as const) {
        const body = method === 'PATCH' || method === 'PUT' ? { body: BYTES } : {};
        const answer = await oci.request(method, path + query, { token, ...body });
        expect([answer.status, answer.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
      }
    }
    expect((await oci.get(location)).headers['range']).toBe(`0-${BYTES.length - 1}`);
  });

  it('O6: every changed character of an id is an unknown upload', async () => {
    const location = await start();
    for (let at = 1; at <= 26; at++) {
      const changed = `${location.slice(0, -at)}${location.at(-at) === 'a' ? 'b' : 'a'}${at === 1 ? '' : location.slice(-at + 1)}`;
      expect((await oci.get(changed)).code).toBe('BLOB_UPLOAD_UNKNOWN');
    }
    expect((await oci.get(`${location}x`)).status).toBe(404);
  });

  it('goes on at another instance, which takes up the hash where the first one left it', async () => {
    const second = await registry({ driver: oci.driver });
    const location = await start();
    await oci.request('PATCH', location, { body: BYTES.subarray(0, 10) });
    const asked = { token: oci.token };
    expect((await second.get(location, asked)).headers['range']).toBe('0-9');
    expect((await second.request('PATCH', location, { ...asked, body: BYTES.subarray(10, 20) })).status).toBe(202);
    const stale = await oci.request('PATCH', location, { body: 'x', headers: { 'content-range': '10-10' } });
    expect([stale.status, stale.headers['range']]).toEqual([416, '0-19']);
    expect((await oci.request('PATCH', location, { body: BYTES.subarray(20) })).status).toBe(202);
    const digest = digestOf(BYTES);
    expect((await second.request('PUT', `${location}?digest=${digest}`, { ...asked, body: new Uint8Array(0) })).status).toBe(201);
    await expectBlob(digest, BYTES);
    expect((await oci.request('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) })).status).toBe(404);
    await second.close();
  });
});

describe('races', () => {
  it('O7, C2: two that finish one session agree on one blob', async () => {
    const location = await start();
    await oci.request('PATCH', location, { body: BYTES });
    const digest = digestOf(BYTES);
    const finish = () => oci.request('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) });
    const answers = await Promise.all([finish(), finish(), finish()]);
    expect(answers.some(({ status }) => status === 201)).toBe(true);
    for (const { status } of answers) expect([201, 404]).toContain(status);
    await expectBlob(digest, BYTES);
  });

  it('O7: of pieces that race for one place, one is taken', async () => {
    const location = await start();
    const piece = () => oci.request('PATCH', location, { body: 'same', headers: { 'content-range': '0-3' } });
    const statuses = (await Promise.all([piece(), piece(), piece(), piece()])).map(({ status }) => status).sort();
    expect(statuses).toEqual([202, 416, 416, 416]);
    expect((await oci.driver.list('objects/')).objects).toHaveLength(1);
  });

  it('O7: a piece that races the PUT never changes what the digest proved', async () => {
    const location = await start();
    await oci.request('PATCH', location, { body: BYTES });
    const digest = digestOf(BYTES);
    const [done] = await Promise.all([
      oci.request('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) }),
      oci.request('PATCH', location, { body: 'more' }),
    ]);
    if (done.status === 201) await expectBlob(digest, BYTES);
    else expect((await oci.get(`/v2/${NAME}/blobs/${digest}`)).status).toBe(404);
  });

  it('oci 44: sixteen clients push one layer', async () => {
    const digest = digestOf(BYTES);
    const push = async (): Promise<number> => {
      const location = await start();
      await oci.request('PATCH', location, { body: BYTES });
      return (await oci.request('PUT', `${location}?digest=${digest}`, { body: new Uint8Array(0) })).status;
    };
    const statuses = await Promise.all(Array.from({ length: 16 }, push));
    expect(new Set(statuses)).toEqual(new Set([201]));
    await expectBlob(digest, BYTES);
    expect((await oci.driver.list('objects/')).objects).toHaveLength(1);
  });
});
