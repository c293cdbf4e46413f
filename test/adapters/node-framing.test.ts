import { afterEach, describe, expect, it } from 'vitest';
import { boxOf, type Toy, toy } from '../http/toy.js';
import { eventually, type Running, serve, wire } from './registry.js';

let running: Running | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(t: Toy = toy()) {
  running = await serve(t);
  return wire(running.port);
}

const count = (text: string, part: string) => text.split(part).length - 1;

const HEAD = 'POST /-/echo HTTP/1.1\r\nHost: x\r\n';
const HIDDEN = 'GET /-/text/smuggled HTTP/1.1\r\nHost: x\r\n\r\n';

describe('H2: request smuggling corpus', () => {
  it.each([
    ['CL and TE', `${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['TE and CL, other order', `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['two different lengths', `${HEAD}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd${HIDDEN}`],
    ['two equal lengths', `${HEAD}Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd${HIDDEN}`],
    ['a list of lengths', `${HEAD}Content-Length: 4, 4\r\n\r\nabcd${HIDDEN}`],
    ['a signed length', `${HEAD}Content-Length: +4\r\n\r\nabcd${HIDDEN}`],
    ['a negative length', `${HEAD}Content-Length: -4\r\n\r\nabcd${HIDDEN}`],
    ['a hexadecimal length', `${HEAD}Content-Length: 0x4\r\n\r\nabcd${HIDDEN}`],
    ['TE: xchunked', `${HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['TE: chunked, identity', `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['space before the colon', `${HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['a folded header', `${HEAD}X: a\r\n b\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['bare LF lines', `POST /-/echo HTTP/1.1\nHost: x\nContent-Length: 4\n\nabcd${HIDDEN}`],
    ['bare CR in a header', `${HEAD}X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['a NUL in a header', `${HEAD}X: a\0b\r\n\r\n${HIDDEN}`],
    ['a bad chunk size', `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n${HIDDEN}`],
    ['a signed chunk size', `${HEAD}Transfer-Encoding: chunked\r\n\r\n+4\r\nabcd\r\n0\r\n\r\n${HIDDEN}`],
    ['an overlong chunk size', `${HEAD}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabcd\r\n0\r\n\r\n${HIDDEN}`],
    ['a chunk without its end', `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nabcdX0\r\n\r\n${HIDDEN}`],
    ['a chunk extension with a bare LF', `${HEAD}Transfer-Encoding: chunked\r\n\r\n4;a\nb\r\nabcd\r\n0\r\n\r\n${HIDDEN}`],
    ['an unknown version', `POST /-/echo HTTP/9.9\r\nHost: x\r\n\r\n${HIDDEN}`],
    ['no Host', `GET /-/ping HTTP/1.1\r\n\r\n${HIDDEN}`],
    ['headers beyond 16 KiB', `${HEAD}X: ${'a'.repeat(20_000)}\r\n\r\n${HIDDEN}`],
  ])('%s: 400 class, connection closed, nothing smuggled', async (_, bytes) => {
    const client = await start();
    client.send(bytes);
    await client.closed;
    expect(client.heard()).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(client.heard()).not.toContain('smuggled');
    expect(count(client.heard(), 'HTTP/1.1 ')).toBe(1);
  });

  it('bytes inside a declared body are never a request', async () => {
    const client = await start();
    client.send(
      `${HEAD}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}GET /-/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    await client.closed;
    expect(count(client.heard(), 'HTTP/1.1 200')).toBe(2);
    expect(client.heard()).not.toContain('Toy-Echo');
  });
});

describe('H10: early answers', () => {
  it('refuses a 10 GiB upload without reading it, and closes', async () => {
    const t = toy();
    const client = await start(t);
    client.send('PUT /new/-/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10737418240\r\n\r\n');
    client.send(new Uint8Array(100_000));
    await client.closed;
    expect(client.heard()).toMatch(/^HTTP\/1\.1 413 /);
    expect(client.heard()).toContain('Connection: close');
    expect(running?.server.listening).toBe(true);
  });

  it('a refused chunked upload is closed, and what follows it is never taken for a request', async () => {
    const client = await start();
    client.send(`PUT /new/-/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${HIDDEN}`);
    await client.closed;
    expect(client.heard()).toMatch(/^HTTP\/1\.1 401 /);
    expect(client.heard()).not.toContain('smuggled');
  });

  it('a refused short upload is drained: the next request on the connection is served', async () => {
    const client = await start();
    const refused = `PUT /new/-/x HTTP/1.1\r\nHost: x\r\nContent-Length: ${HIDDEN.length}\r\n\r\n`;
    client.send(refused);
    await client.until('401');
    client.send(HIDDEN);
    client.send('GET /-/text/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await client.closed;
    expect(client.heard()).toContain('Toy-Echo: next');
    expect(client.heard()).not.toContain('smuggled');
  });

  it('a body that breaks its limit while it streams is 413, half read, and closed', async () => {
    const t = toy();
    const client = await start(t);
    client.send(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    for (let n = 0; n < 10; n++) client.send(chunk);
    await client.closed;
    expect(client.heard()).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('pipelined requests behind a refused one with a long body are not answered', async () => {
    const client = await start();
    client.send(`PUT /new HTTP/1.1\r\nHost: x\r\nAuthorization: alice\r\nContent-Length: 100000\r\n\r\n${HIDDEN.repeat(3)}`);
    await client.closed;
    expect(client.heard()).toMatch(/^HTTP\/1\.1 413 /);
    expect(count(client.heard(), 'HTTP/1.1 ')).toBe(1);
  });

  it('pipelined requests are answered in order', async () => {
    const client = await start();
    const get = (text: string) => `GET /-/text/${text} HTTP/1.1\r\nHost: x\r\n\r\n`;
    client.send(get('one') + get('two') + get('three').replace('Host', 'Connection: close\r\nHost'));
    await client.closed;
    expect([...client.heard().matchAll(/Toy-Echo: (\w+)/g)].map(([, text]) => text)).toEqual(['one', 'two', 'three']);
  });
});

describe('Expect: 100-continue', () => {
  const put = (token: string) =>
    `PUT /new/-/x HTTP/1.1\r\nHost: x\r\nAuthorization: ${token}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`;

  it('an upload that is refused is never asked for', async () => {
    const t = toy();
    const client = await start(t);
    client.send(put('reader'));
    await client.closed;
    expect(client.heard()).toMatch(/^HTTP\/1\.1 403 /);
    expect(client.heard()).not.toContain('100 Continue');
  });

  it('an upload that is let in is asked for once it is wanted', async () => {
    const t = toy();
    const client = await start(t);
    client.send(put('alice'));
    await client.until('HTTP/1.1 100 Continue\r\n\r\n');
    expect(t.source.opened).toEqual(['change new']);
    client.send('hello');
    await client.until('HTTP/1.1 201 ');
    expect(t.bodies).toEqual(['hello']);
    client.send('GET /-/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await client.closed;
    expect(count(client.heard(), '100 Continue')).toBe(1);
    expect(client.heard()).toContain('HTTP/1.1 200 ');
  });
});

describe('a hardened server', () => {
  it('H3: waits 15 s for headers and any time for uploads that make progress', async () => {
    await start();
    const { server } = running as Running;
    expect([server.headersTimeout, server.requestTimeout, server.keepAliveTimeout]).toEqual([15_000, 0, 65_000]);
  });

  it('serves clients that offer to upgrade', async () => {
    const client = await start();
    expect(running?.server.listenerCount('upgrade')).toBe(0);
    client.send(
      'GET /-/ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    );
    await client.closed;
    expect(client.heard()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('a body on DELETE and an empty body with a type are understood', async () => {
    const t = toy();
    t.source.boxes.set('open', boxOf('public'));
    const client = await start(t);
    client.send(
      'DELETE /open HTTP/1.1\r\nHost: x\r\nAuthorization: alice\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n',
    );
    await client.until('204');
    client.send('DELETE /open HTTP/1.1\r\nHost: x\r\nAuthorization: alice\r\nContent-Length: 2\r\n\r\n{}');
    await client.until('HTTP/1.1 400');
    await eventually(() => client.heard().includes('takes no body'));
  });
});
