import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../ts/http/site.js';
import { ManualClock, manualRuntime, settle } from './manual-clock.js';
import { boxOf, textOf, toy } from './toy.js';

const web = (...parts: (string | Uint8Array)[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(typeof part === 'string' ? Buffer.from(part) : part);
      controller.close();
    },
  });

async function echo(body: unknown, headers: Record<string, string> = {}, rawQuery = '') {
  const t = toy();
  const answer = await t.ask({ method: 'POST', path: '/-/echo', body, headers, rawQuery });
  return { status: answer.status, text: await textOf(answer), seen: t.bodies[0], close: answer.headers['Connection'], t };
}

const length = (n: number) => ({ 'content-length': String(n) });
const asJson = { 'content-type': 'application/json' };

describe('forms of a body', () => {
  it.each([
    ['a Web stream', () => web('he', 'llo')],
    ['a Node stream', () => Readable.from([Buffer.from('he'), Buffer.from('llo')])],
    [
      'an async iterable',
      () =>
        (async function* () {
          yield Buffer.from('hello');
        })(),
    ],
    ['bytes', () => new Uint8Array(Buffer.from('hello'))],
    ['a Buffer', () => Buffer.from('hello')],
    ['a string', () => 'hello'],
  ])('%s', async (_, make) => {
    expect((await echo(make())).seen).toBe('hello');
    expect((await echo(make(), length(5))).seen).toBe('hello');
  });

  it.each([
    ['undefined', undefined, {}],
    ['null', null, {}],
    ['{} without a length', {}, {}],
    ['{} with length 0', {}, length(0)],
    ['an empty string', '', {}],
  ])('%s is no body', async (_, body, headers) => {
    const { status, seen } = await echo(body, headers);
    expect([status, seen]).toEqual([200, '']);
  });

  it('P3: what a framework has parsed is held to the same rules as bytes, cycles included', async () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    for (const value of [cycle, JSON.parse('{"__proto__":1}')]) {
      expect((await echo(value, { ...asJson, ...length(9) }, 'as=json')).status).toBe(400);
    }
  });

  it('what a framework has parsed is JSON again, or the object itself', async () => {
    expect((await echo({ a: [1] }, { ...asJson, ...length(9) })).seen).toBe('{"a":[1]}');
    expect((await echo({ a: [1] }, { ...asJson, ...length(9) }, 'as=json')).seen).toEqual({ a: [1] });
    expect((await echo({}, { ...asJson, ...length(2) }, 'as=json')).seen).toEqual({});
    expect((await echo('1.0.0', { ...asJson, ...length(7) }, 'as=json')).seen).toBe('1.0.0');
    expect((await echo('"1.0.0"', { ...asJson, ...length(7) }, 'as=json')).seen).toBe('1.0.0');
  });

  it.each([
    ['nothing where bytes were announced', undefined, length(5)],
    ['nothing where chunks were announced', undefined, { 'transfer-encoding': 'chunked' }],
    ['an empty object in the place of bytes', {}, length(500)],
    ['a stream that has been read', web(), length(5)],
    ['a parsed form whose bytes are wanted', { a: '1' }, { ...length(3), 'content-type': 'application/x-www-form-urlencoded' }],
  ])('%s: says to mount before body parsers', async (_, body, headers) => {
    const { status, text } = await echo(body, headers);
    expect([status, JSON.parse(text).toy.message]).toEqual([
      400,
      'the request body has been read already: mount the registry before body parsers',
    ]);
  });

  it('a locked stream and a used Node stream say so too', async () => {
    const locked = web('x');
    locked.getReader();
    const used = Readable.from([Buffer.from('x')]);
    for await (const _ of used);
    for (const body of [locked, used]) expect((await echo(body, length(1))).text).toContain('mount the registry');
  });

  it('a parsed object on a byte-exact route is 400, bytes and text are not', async () => {
    const t = toy();
    const put = (body: unknown) =>
      t.ask({ method: 'PUT', path: '/new/-/x', body, headers: { authorization: 'alice', ...length(7), ...asJson } });
    const refused = await put({ a: 1 });
    expect([refused.status, await textOf(refused)]).toEqual([400, expect.stringContaining('mount the registry')]);
    expect((await put('{"a":1}')).status).toBe(201);
    expect((await put(Buffer.from('{"a":1}'))).status).toBe(201);
  });

  it('a route without a body refuses one', async () => {
    const t = toy();
    const ping = async (body: unknown, headers = {}) => (await t.ask({ body, headers })).status;
    expect(await ping('x')).toBe(400);
    expect(await ping(web('x'), { 'transfer-encoding': 'chunked' })).toBe(400);
    expect(await ping(web(), { 'transfer-encoding': 'chunked' })).toBe(200);
    expect(await ping({}, {})).toBe(200);
    expect(await ping({ a: 1 }, length(7))).toBe(400);
  });
});

describe('limits', () => {
  it('a declared length beyond the limit is 413 before anything is read', async () => {
    let pulled = 0;
    const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
    const { status, close } = await echo(body, length(100_001));
    expect([status, pulled, close]).toEqual([413, 0, 'close']);
  });

  it('bytes are counted as they pass, and the source is closed at the limit', async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(60_000)),
      cancel: () => {
        cancelled = true;
      },
    });
    const { status, close } = await echo(body);
    await settle();
    expect([status, cancelled, close]).toEqual([413, true, 'close']);
  });

  it('given bytes and parsed objects have the same limit', async () => {
    expect((await echo(new Uint8Array(100_001))).status).toBe(413);
    expect((await echo({ a: 'x'.repeat(100_000) }, asJson)).status).toBe(413);
  });

  it('fewer or more bytes than declared are 400', async () => {
    expect((await echo(web('abc'), length(5))).text).toContain('shorter');
    expect((await echo(web('abcdef'), length(5))).text).toContain('longer');
    expect((await echo('abc', length(5))).status).toBe(400);
    expect((await echo(web('abc'), { 'content-length': 'x' })).status).toBe(400);
  });

  it('a source that fails is the client’s failure, and no incident', async () => {
    const body = new ReadableStream({ pull: () => Promise.reject(new Error('ECONNRESET secret')) });
    const { status, text, t } = await echo(body);
    expect([status, text.includes('secret'), t.faults.length]).toEqual([400, false, 0]);
  });
});

describe('gzip', () => {
  const gzip = { 'content-encoding': 'gzip' };

  it('is undone where the route takes it', async () => {
    const bytes = gzipSync('x'.repeat(50_000));
    expect((await echo(web(bytes), { ...gzip, ...length(bytes.byteLength) })).seen).toBe('x'.repeat(50_000));
    expect((await echo(bytes, gzip)).seen).toBe('x'.repeat(50_000));
    expect((await echo('inflated already', { ...gzip, ...length(3) })).seen).toBe('inflated already');
  });

  it('R: a bomb is 413 at the decoded limit', async () => {
    const bytes = gzipSync(Buffer.alloc(50_000_000));
    expect((await echo(web(bytes), gzip)).status).toBe(413);
  });

  it('damaged or cut data is 400', async () => {
    const bytes = gzipSync('hello world');
    expect((await echo(web(bytes.subarray(0, 15)), gzip)).status).toBe(400);
    expect((await echo(web('no gzip at all'), gzip)).status).toBe(400);
  });

  it('is 415 where the route does not take it, as is every other coding', async () => {
    const t = toy();
    const headers = { authorization: 'alice', ...gzip, ...length(3) };
    expect((await t.ask({ method: 'PUT', path: '/new', body: web('abc'), headers })).status).toBe(415);
    expect((await echo(web('abc'), { 'content-encoding': 'br' })).status).toBe(415);
    expect((await echo(web('abc'), { 'content-encoding': 'gzip, gzip' })).status).toBe(415);
  });
});

describe('deadlines', () => {
  function slow(limits = {}) {
    const clock = new ManualClock();
    const t = toy({ runtime: manualRuntime(clock), limits: { ...DEFAULT_LIMITS, ...limits } });
    let cancelled = false;
    let push: (bytes: Uint8Array) => void = () => undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        push = (bytes) => controller.enqueue(bytes);
      },
      cancel: () => {
        cancelled = true;
      },
    });
    const answer = t.ask({ method: 'POST', path: '/-/echo', body });
    return { clock, t, answer, push: (bytes: Uint8Array) => push(bytes), cancelled: () => cancelled };
  }

  it('H3: 30 s without a byte are 408, the source is closed and the connection too', async () => {
    const { clock, answer, push, cancelled } = slow();
    await settle();
    for (let turn = 0; turn < 3; turn++) {
      clock.advance(29_000);
      push(new Uint8Array(1_024));
      await settle();
    }
    clock.advance(30_001);
    const { status, headers } = await answer;
    await settle();
    expect([status, headers['Connection'], cancelled()]).toEqual([408, 'close', true]);
    expect(clock.pending).toBe(0);
  });

  it('H3: a byte now and then is no progress: less than a KiB in 30 s of waiting is 408', async () => {
    const { clock, answer, push } = slow();
    let over = false;
    void answer.then(() => {
      over = true;
    });
    for (let turn = 0; turn < 29; turn++) {
      await settle();
      clock.advance(1_000);
      push(new Uint8Array(1));
    }
    await settle();
    expect(over).toBe(false);
    clock.advance(1_001);
    expect((await answer).status).toBe(408);
  });

  it('a total limit counts all the time', async () => {
    const { clock, answer, push } = slow({ bodyTotalMs: 45_000 });
    for (let turn = 0; turn < 5; turn++) {
      await settle();
      push(new Uint8Array(1_024));
      await settle();
      clock.advance(10_000);
    }
    expect((await answer).status).toBe(408);
  });

  it('a client that goes ends the iteration and closes the source', async () => {
    const client = new AbortController();
    const t = toy();
    let cancelled = false;
    const body = new ReadableStream({
      cancel: () => {
        cancelled = true;
      },
    });
    const answer = t.ask({ method: 'POST', path: '/-/echo', body, signal: client.signal });
    await settle();
    client.abort();
    expect((await answer).status).toBe(499);
    await settle();
    expect([cancelled, t.faults]).toEqual([true, []]);
  });
});

describe('unread bodies', () => {
  it('H10: a long body behind an early answer closes the connection, a short one does not', async () => {
    const t = toy();
    t.source.boxes.set('open', boxOf('public'));
    const put = async (headers: Record<string, string>) =>
      (await t.ask({ method: 'PUT', path: '/open/-/x', body: web('x'), headers })).headers['Connection'];
    expect(await put(length(65_537))).toBe('close');
    expect(await put({ 'transfer-encoding': 'chunked' })).toBe('close');
    expect(await put(length(65_536))).toBeUndefined();
  });
});
