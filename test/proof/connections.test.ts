import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { harden, toNodeHandler } from '../../ts/adapters/node.js';
import { DEFAULT_LIMITS } from '../../ts/http/site.js';
import { type Runtime, systemRuntime } from '../../ts/lib/clock.js';
import { documentOf } from './documents.js';
import { type House, lasting, openHouse, type Place } from './house.js';

let skipped = 0;

/** The wait for the next byte of a body is over in 150 ms, and the clock says that it took its time. All else takes as long as it takes. */
const hurried: Runtime = {
  ...systemRuntime,
  clock: {
    ...systemRuntime.clock,
    monotonic: () => systemRuntime.clock.monotonic() + skipped,
    after: (milliseconds, run) => {
      if (milliseconds !== DEFAULT_LIMITS.bodyProgressMs) return systemRuntime.clock.after(milliseconds, run);
      return systemRuntime.clock.after(150, () => {
        skipped += milliseconds;
        run();
      });
    },
  },
};

let house: House;
let server: Server;
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await house.close();
});

async function open(place: Place, runtime?: Runtime): Promise<string> {
  house = await openHouse({ place, ...(runtime ? { runtime } : {}) });
  server = harden(createServer(toNodeHandler(house.registry)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { token } = await house.user('ann');
  await house.ask('PUT', '/sound', { token, body: documentOf({ name: 'sound', version: '1.0.0' }) });
  return token;
}

const dial = (): Socket =>
  connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }).on('error', () => undefined);

const heard = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.once('close', () => resolve(text));
  });

const head = (token: string, length: number | 'chunked', path = '/npm/bad'): string =>
  [
    `PUT ${path} HTTP/1.1`,
    'Host: registry.example',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    length === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`,
    '',
    '',
  ].join('\r\n');

const body = Buffer.from(JSON.stringify(documentOf({ name: 'bad', version: '1.0.0' })));

async function sound(token: string): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const next = await fetch(`http://127.0.0.1:${port}/npm/sound`, { headers: { authorization: `Bearer ${token}` } });
  expect(next.status).toBe(200);
  await next.arrayBuffer();
  expect((await house.ask('GET', '/bad', { token })).status).toBe(404);
  expect(house.faults).toEqual([]);
}

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
if (!WHOLE) console.log('skipped: connections that misbehave, in memory, where the same code waits; REQUIRE_CLIENTS=1 runs them');

describe.each(WHOLE ? (['memory', 'folder'] as const) : (['folder'] as const))('connections that misbehave, on %s', (place) => {
  it('S11: a client that is gone at any byte of a publish leaves nothing', async () => {
    const token = await open(place);
    const before = lasting(await house.keys());
    for (const sent of [0, 1, 200, Math.floor(body.length / 2), body.length - 1]) {
      const socket = dial();
      await new Promise((resolve) =>
        socket.write(Buffer.concat([Buffer.from(head(token, body.length)), body.subarray(0, sent)]), resolve),
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
      socket.destroy();
    }
    await expect.poll(async () => lasting(await house.keys()), { timeout: 5_000 }).toEqual(before);
    await sound(token);
  });

  it('H3: a body that stops arriving is given up with 408 and a closed connection', async () => {
    const token = await open(place, hurried);
    const before = lasting(await house.keys());
    for (const length of [body.length, 'chunked'] as const) {
      const socket = dial();
      const answer = heard(socket);
      socket.write(head(token, length));
      socket.write(length === 'chunked' ? `10\r\n${body.subarray(0, 16).toString()}\r\n` : body.subarray(0, 16));
      expect(await answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*Connection: close[\s\S]*"success":false/i);
    }
    expect(lasting(await house.keys())).toEqual(before);
    await sound(token);
  });

  it('H10: a body that is declared too long is refused before it is read, and the connection ends', async () => {
    const token = await open(place);
    const socket = dial();
    const answer = heard(socket);
    socket.write(head(token, 10 * 1024 ** 3));
    expect(await answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*Connection: close/i);
    await sound(token);
  });

  it('R16: a chunked body that never ends is cut at the limit', async () => {
    const token = await open(place);
    const socket = dial();
    const answer = heard(socket);
    socket.write(head(token, 'chunked', '/npm/-/package/sound/dist-tags/next'));
    let sent = 0;
    const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`;
    const more = (): void => {
      if (socket.destroyed || sent > 64 * 1024 * 1024) return;
      sent += chunk.length;
      socket.write(chunk, () => setImmediate(more));
    };
    more();
    expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    await sound(token);
  });
});
