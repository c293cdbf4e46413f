import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { badArchives } from '../fuzz/archives.js';
import { badBodies } from '../fuzz/bodies.js';
import { at, documentOf } from './documents.js';
import { type Answer, type House, lasting, openHouse } from './house.js';

const MIB = 1024 ** 2;
/** Of one bad request beside what its own bytes need; the garbage of the whole run counts too. */
const MAX_GROWTH = 192 * MIB;

/** npm prints `error`; nothing of the machine is in it. */
function expectRefusal(answer: Answer, allowed: readonly number[] = [400, 413]): void {
  expect(answer.text).toMatch(/^\{"success":false,"error":"/);
  expect(allowed, answer.text.slice(0, 200)).toContain(answer.status);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.text).not.toMatch(/internal error| at [A-Za-z]+ \(|\/work\/|node_modules|objects\/npm/);
  expect(answer.text.length).toBeLessThan(2_000);
}

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
if (!WHOLE) console.log('skipped: bad input in memory, where the same code runs; REQUIRE_CLIENTS=1 runs it');

describe.each(WHOLE ? (['memory', 'folder'] as const) : (['folder'] as const))('bad input on %s', (place) => {
  let house: House;
  let token: string;
  let n = 0;

  beforeAll(async () => {
    house = await openHouse({ place });
    ({ token } = await house.user('ann'));
    const published = await house.ask('PUT', '/sound', { token, body: documentOf({ name: 'sound', version: '1.0.0' }) });
    expect(published.status).toBe(201);
  });
  afterAll(async () => {
    expect(house.faults).toEqual([]);
    await house.close();
  });

  /** Sends it, and holds the registry to: refused, nothing kept, alive. */
  async function refused(name: string, send: () => Promise<Answer>, allowed?: readonly number[]): Promise<void> {
    const before = lasting(await house.keys());
    const answer = await send();
    expectRefusal(answer, allowed);
    expect(lasting(await house.keys())).toEqual(before);
    expect((await house.ask('GET', at(name), { token })).status).toBe(404);
    const next = await house.ask('GET', '/sound', { token });
    expect(next.status).toBe(200);
    expect(house.faults).toEqual([]);
  }

  it.each(badBodies('bad', '1.0.0'))('npm 8: a document with $title is refused', async ({ body }) => {
    await refused('bad', () =>
      house.ask('PUT', '/bad', { token, body: body(), headers: { 'content-type': 'application/json' } }),
    );
  });

  it.each(badArchives('bad', '1.0.0'))('a tarball with $title is refused', async ({ bytes }) => {
    const tarball = bytes();
    const body = JSON.stringify(documentOf({ name: 'bad', version: '1.0.0', tarball }));
    const before = process.memoryUsage.rss();
    await refused('bad', () => house.ask('PUT', '/bad', { token, body }));
    expect(process.memoryUsage.rss() - before).toBeLessThan(MAX_GROWTH);
  });

  it.each([
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'valueOf',
    '__defineGetter__',
    '@__proto__/x',
    '@x/__proto__',
  ])('P1: a package named %s is refused, or it is a package like any other', async (name) => {
    n += 1;
    expect((await house.ask('GET', at(name), { token })).status).toBeGreaterThanOrEqual(400);
    const answer = await house.ask('PUT', at(name), { token, body: documentOf({ name, version: `1.0.${n}` }) });
    const read = await house.ask('GET', at(name), { token });
    if (answer.status === 201) {
      const { versions } = JSON.parse(read.text) as { versions: Record<string, unknown> };
      expect(Object.keys(versions)).toEqual([`1.0.${n}`]);
    } else {
      expectRefusal(answer);
      expect([400, 404]).toContain(read.status);
    }
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(12);
  });

  it.each(['__proto__', 'constructor', 'toString', 'valueOf'])('P2: a tag named %s is refused or listed', async (tag) => {
    const path = `/-/package/sound/dist-tags/${tag}`;
    const put = await house.ask('PUT', path, { token, body: '"1.0.0"', headers: { 'content-type': 'application/json' } });
    const tags = Object.keys(JSON.parse((await house.ask('GET', '/-/package/sound/dist-tags', { token })).text));
    if (put.status === 201) expect(tags).toContain(tag);
    else expectRefusal(put);
    if (put.status !== 201) expect(tags).not.toContain(tag);
  });

  it('R16: a body that is declared too long is refused unread', async () => {
    let read = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          read += 1;
          controller.enqueue(new Uint8Array(1024));
        },
      },
      { highWaterMark: 0 },
    );
    await refused(
      'bad',
      () => house.ask('PUT', '/bad', { token, body, headers: { 'content-length': String(4 * 1024 * MIB) } }),
      [413],
    );
    expect(read).toBe(0);
  });

  it.each([
    ['PUT', '/-/package/sound/dist-tags/next'],
    ['POST', '/-/package/sound/access'],
    ['POST', '/-/npm/v1/tokens'],
    ['PUT', '/-/user/org.couchdb.user:ann'],
  ])('R16: a body of %s %s that only turns out too long is cut', async (method, path) => {
    let sent = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          sent += 1;
          controller.enqueue(Buffer.alloc(16 * 1024, 0x20));
        },
      },
      { highWaterMark: 0 },
    );
    await refused('bad', () => house.ask(method, path, { token, body, headers: { 'content-type': 'application/json' } }), [413]);
    expect(sent).toBeLessThan(10);
  });

  it('a coding that no publish takes is refused', async () => {
    const body = JSON.stringify(documentOf({ name: 'bad', version: '1.0.0' }));
    for (const coding of ['gzip', 'br', 'x'])
      await refused('bad', () => house.ask('PUT', '/bad', { token, body, headers: { 'content-encoding': coding } }), [415]);
  });

  it('without a content type the bytes decide', async () => {
    await refused('bad', () => house.ask('PUT', '/bad', { token, body: '<html></html>' }));
    const body = JSON.stringify(documentOf({ name: 'untyped', version: '1.0.0' }));
    expect((await house.ask('PUT', '/untyped', { token, body })).status).toBe(201);
  });

  it('a body on a route that takes none is refused', async () => {
    for (const [method, path] of [
      ['GET', '/sound'],
      ['DELETE', '/-/package/sound/dist-tags/x'],
    ] as const) {
      const answer = await house.ask(method, path, { token, body: 'x', headers: { 'content-length': '1' } });
      expectRefusal(answer, [400]);
    }
  });

  it('S11: a publish whose client has gone keeps nothing and closes its source', async () => {
    const before = lasting(await house.keys());
    const whole = Buffer.from(JSON.stringify(documentOf({ name: 'bad', version: '1.0.0' })));
    for (const sent of [0, 1, Math.floor(whole.length / 2), whole.length - 1]) {
      const client = new AbortController();
      let closed: () => void = () => undefined;
      const cancelled = new Promise<void>((resolve) => {
        closed = resolve;
      });
      let pulls = 0;
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            pulls += 1;
            if (pulls === 1 && sent > 0) controller.enqueue(whole.subarray(0, sent));
            else {
              client.abort();
              return new Promise(() => undefined);
            }
          },
          cancel: () => closed(),
        },
        { highWaterMark: 0 },
      );
      const answer = await house.ask('PUT', '/bad', {
        token,
        body,
        signal: client.signal,
        headers: { 'content-length': String(whole.length) },
      });
      expect(answer.status).toBe(499);
      await cancelled;
      // What the request had stored is taken back behind its end.
      await expect.poll(async () => lasting(await house.keys()), { timeout: 5_000 }).toEqual(before);
    }
    expect((await house.ask('GET', '/sound', { token })).status).toBe(200);
  });
});
