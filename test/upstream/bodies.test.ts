import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { answer, asking, bytesOf, failureOf, mockUpstream, textOf, wanted } from './upstream-rig.js';

const head = (...lines: string[]) => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const BODY = 'x'.repeat(5_000);
const artifact = (more: object = {}) => wanted('file', { as: 'artifact', ...more });

/** What comes of one connection's bytes, after which the upstream closes it. */
async function upstreamSending(bytes: string | Uint8Array) {
  const own = await mockUpstream((_, socket) => {
    socket.end(bytes);
    return undefined;
  });
  return asking(own);
}

describe('the body of an upstream', () => {
  it('X4: is taken when it has the length that was announced, when its chunks end, and when only the connection ends it', async () => {
    for (const bytes of [
      head(`Content-Length: ${BODY.length}`) + BODY,
      head('Transfer-Encoding: chunked') + chunk(BODY) + chunk(''),
      head('Connection: close') + BODY,
    ])
      expect(await textOf((await upstreamSending(bytes)).ask(artifact()))).toBe(BODY);
  });

  it.each([
    ['is shorter than it was announced', head('Content-Length: 6000') + BODY],
    ['is longer than it was announced', head('Content-Length: 4000') + BODY],
    ['is chunked and ends within a chunk', head('Transfer-Encoding: chunked') + chunk(BODY).slice(0, -100)],
    ['is chunked and has no end', head('Transfer-Encoding: chunked') + chunk(BODY)],
    ['is chunked and ends within the last line', `${head('Transfer-Encoding: chunked') + chunk(BODY)}0\r\n`],
    ['is announced and never begins', head('Content-Length: 5000')],
    ['is chunked and has a length as well', head('Transfer-Encoding: chunked', 'Content-Length: 5000') + chunk(BODY) + chunk('')],
    ['has two lengths', head('Content-Length: 5000', 'Content-Length: 5001') + BODY],
    ['has a chunk of no length', `${head('Transfer-Encoding: chunked')}zz\r\n${BODY}\r\n0\r\n\r\n`],
  ])('X4: fails when it %s', async (_, bytes) => {
    for (const as of ['artifact', 'document'] as const) {
      const failure = await failureOf((await upstreamSending(bytes)).ask(wanted('file', { as })));
      expect(failure.kind).toBe('upstream_failed');
    }
  });

  it('X4: announced as longer than wanted fails before a byte of it is read, and lets go of the connection', async () => {
    const own = await mockUpstream(() => answer(Buffer.alloc(200_000)));
    const { ask } = asking(own);
    await expect(ask(artifact({ max: 199_999 }))).rejects.toThrow('more than 199999 bytes');
    await own.untilOpen(0);
    expect((await bytesOf(ask(artifact({ max: 200_000 })))).byteLength).toBe(200_000);
  });

  it('X4: fails at the byte that is too many, and lets go of the connection', async () => {
    const own = await mockUpstream(() => head('Transfer-Encoding: chunked') + chunk(BODY) + chunk('y'));
    const { ask } = asking(own);
    const given = await ask(artifact({ max: 5_000 }));
    if (given.kind !== 'content') throw new Error(given.kind);
    expect(given.size).toBeUndefined();
    await expect(bytesOf(given)).rejects.toThrow('more than 5000 bytes');
    await own.untilOpen(0);
  });

  it('tells what was said about it, and nothing that could not be passed on', async () => {
    const said = { 'Content-Type': 'application/json', ETag: 'W/"5"', 'Last-Modified': 'Sun, 01 Jan 2023 00:00:00 GMT' };
    const own = await mockUpstream(({ path }) => {
      if (path === '/said') return answer('{}', said);
      if (path === '/nothing') return head('Connection: close');
      return answer('{}', { 'Content-Type': `a/${'b'.repeat(300)}`, ETag: '"\u00e9"', 'Last-Modified': 'x'.repeat(65) });
    });
    const { ask } = asking(own);
    const told = async (target: string) => {
      const given = await ask(wanted(target));
      if (given.kind !== 'content') throw new Error(given.kind);
      const { body, ...rest } = given;
      if (target === 'nothing') await body.cancel();
      else await body.pipeTo(new WritableStream());
      return rest;
    };
    const empty = { kind: 'content', mediaType: '', etag: undefined, lastModified: undefined };
    expect(await told('said')).toEqual({
      kind: 'content',
      mediaType: 'application/json',
      size: 2,
      etag: 'W/"5"',
      lastModified: 'Sun, 01 Jan 2023 00:00:00 GMT',
    });
    expect(await told('bad')).toEqual({ ...empty, size: 2 });
    expect(await told('nothing')).toEqual({ ...empty, size: undefined });
  });

  it('X13: of a document may come as gzip and is decoded; its length is not the one that was announced', async () => {
    const text = JSON.stringify(Array.from({ length: 5_000 }, (_, at) => `entry ${at}`));
    const own = await mockUpstream(({ path }) =>
      answer(gzipSync(text), { 'Content-Encoding': path === '/x' ? 'X-GZip' : 'gzip' }),
    );
    const { ask } = asking(own);
    for (const target of ['x', 'y']) {
      const given = await ask(wanted(target));
      expect(given).toMatchObject({ kind: 'content', size: undefined });
      expect(await textOf(given)).toBe(text);
    }
    expect(own.connections()).toBe(1);
  });

  it('X13: of an artifact in any coding is refused, and a coding that was not asked for of a document', async () => {
    for (const coding of ['gzip', 'x-gzip', 'br', 'deflate', 'zstd', 'gzip, gzip', 'identity, gzip', 'x'])
      for (const as of ['artifact', 'document'] as const) {
        if (as === 'document' && /^(x-)?gzip$/.test(coding)) continue;
        const { ask } = await upstreamSending(answer(gzipSync('x'), { 'Content-Encoding': coding }));
        await expect(ask(wanted('file', { as })), `${coding} ${as}`).rejects.toThrow('a coding that was not asked for');
      }
    const { ask } = await upstreamSending(answer('as it is', { 'Content-Encoding': 'identity' }));
    expect(await textOf(ask(artifact()))).toBe('as it is');
  });

  it('X13: that unpacks to more than wanted fails, however small it is on the wire', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect(bomb.byteLength).toBeLessThan(60_000);
    const own = await mockUpstream(() => answer(bomb, { 'Content-Encoding': 'gzip' }));
    const given = await asking(own).ask(wanted('bomb'));
    if (given.kind !== 'content') throw new Error(given.kind);
    let seen = 0;
    const reading = (async () => {
      for await (const piece of given.body as unknown as AsyncIterable<Uint8Array>) seen += piece.byteLength;
    })();
    await expect(reading).rejects.toMatchObject({
      kind: 'upstream_failed',
      message: 'the upstream sends more than 1000000 bytes',
    });
    expect(seen).toBeLessThanOrEqual(1_000_000);
  });

  it("X13: that is no gzip, is cut off, or has something behind it fails as the upstream's fault", async () => {
    const good = gzipSync(BODY);
    const damaged = Buffer.from(good);
    damaged[damaged.byteLength - 6] = (damaged[damaged.byteLength - 6] ?? 0) ^ 1;
    for (const bytes of [
      Buffer.from(BODY),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(1)]),
      damaged,
      Buffer.alloc(0),
    ]) {
      const failure = await failureOf((await upstreamSending(answer(bytes, { 'Content-Encoding': 'gzip' }))).ask(wanted('x')));
      expect(failure.kind).toBe('upstream_failed');
    }
  });

  it('X13: cannot go on for ever with gzip that decodes to nothing', async () => {
    const blocks = Buffer.alloc(50_000, Buffer.from([0, 0, 0, 0xff, 0xff]));
    const own = await mockUpstream((_, socket) => {
      const more = (): void => {
        while (socket.writable && socket.write(blocks));
      };
      socket.on('drain', more);
      socket.write(head('Content-Encoding: gzip', 'Connection: close'));
      socket.write(gzipSync('').subarray(0, 10));
      more();
      return undefined;
    });
    const failure = await failureOf(asking(own).ask(wanted('x', { max: 10_000 })));
    expect(failure.message).toBe('the upstream sends more than 10000 bytes');
    await own.untilOpen(0);
  });

  it('is read only when somebody wants it: a reader that stands still holds the sender', async () => {
    const PIECE = Buffer.alloc(65_536);
    let sent = 0;
    let full: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (full = resolve));
    const own = await mockUpstream((_, socket) => {
      socket.write(head('Connection: close'));
      const more = (): void => {
        while (sent < 1_000) {
          sent++;
          if (socket.write(PIECE)) continue;
          full();
          return;
        }
        socket.end();
      };
      socket.on('drain', more);
      more();
      return undefined;
    });
    const given = await asking(own).ask(artifact({ max: 100_000_000 }));
    if (given.kind !== 'content') throw new Error(given.kind);
    const reader = given.body.getReader();
    await reader.read();
    await held;
    // whatever the two kernels take: far from all of it
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThan(500);
    await reader.cancel();
    await own.untilOpen(0);
  });

  it('is over at once when it is cancelled, also while it is waited for', async () => {
    const own = await mockUpstream(() => head('Content-Length: 5000') + BODY.slice(1));
    const given = await asking(own).ask(artifact());
    if (given.kind !== 'content') throw new Error(given.kind);
    const reader = given.body.getReader();
    for (let got = 0; got < 4_999; ) got += (await reader.read()).value?.byteLength ?? 5_000;
    const waiting = reader.read();
    await reader.cancel('enough');
    expect(await waiting).toEqual({ done: true, value: undefined });
    await own.untilOpen(0);
  });

  it('uses one connection for one request after the other, answers of no use included', async () => {
    const own = await mockUpstream(({ path }) => {
      if (path === '/gone') return answer('x'.repeat(20_000), {}, '410 Gone');
      if (path === '/fail') return answer('sorry', {}, '500 No');
      if (path === '/same') return 'HTTP/1.1 304 Not Modified\r\n\r\n';
      return answer(path);
    });
    const { ask } = asking(own);
    for (let turn = 0; turn < 3; turn++) {
      expect(await textOf(ask(wanted('a')))).toBe('/a');
      expect(await ask(wanted('gone'))).toEqual({ kind: 'absent' });
      expect(await ask(wanted('same', { etag: '"1"' }))).toEqual({ kind: 'unchanged' });
      await failureOf(ask(wanted('fail')));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(own.heard.length).toBe(12);
    expect(own.connections()).toBeLessThanOrEqual(3);
  });

  it('asks again at once on a new connection when the kept one was given up by the upstream meanwhile', async () => {
    let first = true;
    const own = await mockUpstream(({ path }, socket) => {
      if (first || path !== '/again') {
        first = false;
        return answer(path);
      }
      if (own.connections() === 1) socket.destroy();
      else return answer('second');
      return undefined;
    });
    const { ask } = asking(own);
    expect(await textOf(ask(wanted('one')))).toBe('/one');
    expect(await textOf(ask(wanted('again')))).toBe('second');
    expect(own.connections()).toBe(2);
  });
});
