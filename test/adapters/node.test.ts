import { createHash } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { toNodeHandler } from '../../ts/adapters/node.js';
import type { IRequestContext } from '../../ts/http/context.js';
import { file, json } from '../../ts/http/reply.js';
import { ManualClock, manualRuntime } from '../http/manual-clock.js';
import { boxOf, publicGet, toy, WatchedContent } from '../http/toy.js';
import { eventually, listen, type Running, registryOf, serve, wire } from './registry.js';

let running: Running | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(t = toy(), options = {}): Promise<string> {
  running = await serve(t, options);
  return running.url;
}

const port = () => (running as Running).port;
const big = new Uint8Array(5_000_003).map((_, at) => (at * 31) % 253);

describe('answers over node:http', () => {
  it('carry status, reason phrase, headers and bytes', async () => {
    const url = await start();
    const answer = await fetch(`${url}/-/text/hello`);
    expect([answer.status, await answer.text(), answer.headers.get('toy-echo')]).toEqual([200, '"hello"', 'hello']);
    const missing = await fetch(`${url}/absent`);
    expect([missing.status, missing.statusText]).toEqual([404, 'package not found']);
  });

  it.each([0, 1, 65_536, 1_048_576, 5_000_003])('a byte stream of %i bytes arrives whole', async (size) => {
    const content = new WatchedContent(big.slice(0, size));
    const url = await start(toy({}, [publicGet('/big', async () => file(content, 'immutable'))]));
    const answer = await fetch(`${url}/big`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    expect(answer.headers.get('content-length')).toBe(String(size));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(content.etag);
  });

  it('many byte streams at once do not mix their buffers', async () => {
    const contents = Array.from({ length: 8 }, (_, n) => new WatchedContent(big.slice(n, 3_000_000 + n)));
    const routes = contents.map((content, n) => publicGet(`/big${n}`, async () => file(content, 'immutable')));
    const url = await start(toy({}, routes));
    const digests = await Promise.all(
      contents.map(async (_, n) =>
        createHash('sha256')
          .update(new Uint8Array(await (await fetch(`${url}/big${n}`)).arrayBuffer()))
          .digest('hex'),
      ),
    );
    expect(digests).toEqual(contents.map(({ etag }) => etag));
  });

  it('a default stream, and one of unknown length, arrive whole', async () => {
    const plain = () =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < big.length; at += 700_000) controller.enqueue(big.slice(at, at + 700_000));
          controller.close();
        },
      });
    const content = { size: undefined, mediaType: 'x/y', open: async () => plain() };
    const url = await start(toy({}, [publicGet('/plain', async () => file(content, 'no-store'))]));
    const answer = await fetch(`${url}/plain`);
    expect(answer.headers.get('content-length')).toBeNull();
    expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), Buffer.from(big))).toBe(0);
  });

  it('H8: HEAD has the length of GET and no body', async () => {
    const t = toy();
    t.source.boxes.set('open', boxOf('public'));
    const url = await start(t);
    const head = await fetch(`${url}/open/-/x`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '1000', '']);
    expect(t.blob.opened).toBe(0);
  });

  it('a body that ends short cuts the connection: a client never takes it for whole', async () => {
    const content = new WatchedContent(new Uint8Array(1000));
    const short = { ...content, size: 2000, mediaType: 'x/y', open: () => content.open() };
    const errors: unknown[] = [];
    const url = await start(toy({}, [publicGet('/short', async () => file(short, 'no-store'))]), {
      onError: (error: unknown) => errors.push(error),
    });
    await expect(fetch(`${url}/short`).then((answer) => answer.arrayBuffer())).rejects.toThrow();
    expect(String(errors[0])).toContain('1000 bytes and not 2000');
  });

  it('a source that fails half-way cuts the connection', async () => {
    let pulls = 0;
    const failing = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (pulls++ === 0) controller.enqueue(new Uint8Array(10));
        else controller.error(new Error('disk'));
      },
    });
    const content = { size: undefined, mediaType: 'x/y', open: async () => failing };
    const url = await start(toy({}, [publicGet('/half', async () => file(content, 'no-store'))]));
    await expect(fetch(`${url}/half`).then((answer) => answer.arrayBuffer())).rejects.toThrow();
    expect((await fetch(`${url}/-/ping`)).status).toBe(200);
  });
});

describe('requests over node:http', () => {
  it('stream up, and their path is not resolved', async () => {
    const t = toy();
    const url = await start(t);
    const headers = { authorization: 'alice' };
    const answer = await fetch(`${url}/new/-/x`, { method: 'PUT', headers, body: big.slice(0, 900_000) });
    expect([answer.status, answer.headers.get('toy-bytes')]).toEqual([201, '900000']);
    const client = await wire(port());
    client.send('GET /a/../-/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await client.closed;
    expect(client.heard()).toContain('HTTP/1.1 400 ');
  });

  it('absolute-form targets are taken apart, and their host believed by nobody', async () => {
    const t = toy({}, [publicGet('/here', async () => json('here', 'no-store'))]);
    await start(t);
    const client = await wire(port());
    client.send('GET http://evil.example/-/moved/x HTTP/1.1\r\nHost: toys.example\r\nConnection: close\r\n\r\n');
    await client.closed;
    expect(client.heard()).toContain('Location: http://toys.example/x\r\n');
  });

  it('a hosting framework’s mount prefix is found from originalUrl, and its parsed body taken', async () => {
    const t = toy();
    const seen: IRequestContext[] = [];
    const handler = toNodeHandler(registryOf(t, seen));
    running = await listen(
      createServer((req, res) => {
        const url = req.url ?? '';
        Object.assign(req, { originalUrl: url, url: url.replace('/app', '') });
        if (req.method !== 'POST') return handler(req, res);
        const parts: Uint8Array[] = [];
        req
          .on('data', (part) => parts.push(part))
          .on('end', () => {
            Object.assign(req, { body: JSON.parse(Buffer.concat(parts).toString()) });
            handler(req, res);
          });
      }),
    );
    const moved = await fetch(`${running.url}/app/-/moved/x`, { redirect: 'manual' });
    expect(moved.headers.get('location')).toBe(`${running.url}/app/x`);
    const echo = await fetch(`${running.url}/app/-/echo?as=json`, { method: 'POST', body: '{"a":1}' });
    expect(await echo.json()).toEqual({ seen: { a: 1 } });
  });

  it('Express 4’s empty body beside an unread stream does not hide the stream', async () => {
    const t = toy();
    const handler = toNodeHandler(registryOf(t));
    running = await listen(createServer((req, res) => handler(Object.assign(req, { body: {} }), res)));
    const answer = await fetch(`${running.url}/-/echo`, { method: 'POST', body: 'hello' });
    expect(await answer.json()).toEqual({ seen: 'hello' });
  });

  it('paths that the registry does not know are left to the next handler', async () => {
    const handler = toNodeHandler(registryOf(toy()));
    running = await listen(createServer((req, res) => handler(req, res, () => res.end('next'))));
    expect(await (await fetch(`${running.url}/elsewhere/x`)).text()).toBe('next');
    expect((await fetch(`${running.url}/-/ping`)).status).toBe(200);
  });

  it('H9: a registry that rejects costs a 500, not the process', async () => {
    running = await listen(createServer(toNodeHandler({ handle: () => Promise.reject(new Error('no')) })));
    expect((await fetch(running.url)).status).toBe(500);
  });
});

describe('clients that go or stall', () => {
  it('S11: a download that is cut half-way closes its source', async () => {
    const content = new WatchedContent(new Uint8Array(50_000_000));
    const url = await start(toy({}, [publicGet('/big', async () => file(content, 'immutable'))]));
    await new Promise<void>((resolve) => {
      const client = httpRequest(`${url}/big`, (answer) => {
        answer.once('data', () => {
          client.destroy();
          resolve();
        });
      });
      client.on('error', () => undefined);
      client.end();
    });
    await eventually(() => content.cancelled === 1);
  });

  it('S11: an upload that is cut half-way ends its handler, and the next request is served', async () => {
    const t = toy();
    const url = await start(t);
    const client = await wire(port());
    client.send('PUT /new/-/x HTTP/1.1\r\nHost: x\r\nAuthorization: alice\r\nContent-Length: 1000\r\n\r\nhalf');
    await eventually(() => t.source.opened.length === 1);
    client.socket.destroy();
    expect((await fetch(`${url}/-/ping`)).status).toBe(200);
    expect([t.bodies, t.faults]).toEqual([[], []]);
  });

  it('a reader that takes nothing for 60 s is cut, and its source closed', async () => {
    const clock = new ManualClock();
    const content = new WatchedContent(new Uint8Array(60_000_000));
    await start(toy({}, [publicGet('/big', async () => file(content, 'immutable'))]), { runtime: manualRuntime(clock) });
    const client = await wire(port());
    client.socket.pause();
    client.send('GET /big HTTP/1.1\r\nHost: x\r\n\r\n');
    // The kernel's buffers fill, then nothing moves any more.
    await eventually(() => content.opened === 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    clock.advance(59_000);
    expect(content.cancelled).toBe(0);
    await eventually(() => {
      clock.advance(61_000);
      return content.cancelled === 1;
    });
    client.socket.resume();
    await client.closed;
  });
});
