import { execFile, spawnSync } from 'node:child_process';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { cpuOf } from './measure.mjs';

export const hasWrk = () => spawnSync('wrk', ['-v']).error === undefined;
/** Named in the table: figures of the two are not comparable. */
export const generatorName = () => (hasWrk() ? 'wrk' : 'a keep-alive client in Node');

/** One connection kept for many requests, one after the other. */
export class Client {
  constructor(base, token) {
    this.base = base;
    this.token = token;
    this.begin();
  }

  /** A connection of its own for what follows: one that has been idle while others were measured may be closed by the server at any moment. */
  begin() {
    this.agent?.destroy();
    this.agent = new Agent({ keepAlive: true, maxSockets: 64 });
  }

  send(method, path, { body, headers = {} } = {}) {
    const auth = this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
    const sized = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const sent = request(this.base + path, { method, agent: this.agent, headers: { ...auth, ...sized, ...headers } }, (res) => {
        const chunks = [];
        res.on('data', (chunk) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async expect(status, method, path, options) {
    const answer = await this.send(method, path, options);
    if (![status].flat().includes(answer.status))
      throw new Error(`${method} ${this.base}${path}: ${answer.status} ${answer.body.toString().slice(0, 200)}`);
    return answer;
  }

  close() {
    this.agent.destroy();
  }
}

function wrk(url, token, { connections, seconds, accept }) {
  const headers = token === undefined ? [] : ['-H', `Authorization: Bearer ${token}`];
  if (accept !== undefined) headers.push('-H', `Accept: ${accept}`);
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '20s', ...headers, url];
  return new Promise((resolve, reject) => {
    execFile('wrk', args, (error, out) => {
      if (error) return reject(error);
      const bad = /Non-2xx or 3xx responses: (\d+)/.exec(out);
      if (bad) return reject(new Error(`${url}: ${bad[1]} answers were no success`));
      resolve(Number(/(\d+) requests in/.exec(out)[1]));
    });
  });
}

async function own(url, token, { connections, seconds, accept }) {
  const { origin, pathname, search } = new URL(url);
  const client = new Client(origin, token);
  const until = Date.now() + seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (; Date.now() < until; count += 1)
        await client.expect(200, 'GET', pathname + search, { headers: accept === undefined ? {} : { accept } });
    }),
  );
  client.close();
  return count;
}

/** GETs one URL from several connections for some seconds. Requests per second, and the server's CPU microseconds for each. */
export async function load(server, path, { connections = 16, seconds = 2, accept } = {}) {
  const [wall, cpu] = [process.hrtime.bigint(), cpuOf(server.pids())];
  const count = await (hasWrk() ? wrk : own)(server.base + path, server.token, { connections, seconds, accept });
  const took = Number(process.hrtime.bigint() - wall) / 1e9;
  return { perSecond: count / took, cpu: ((cpuOf(server.pids()) - cpu) * 1000) / count };
}

/** Until a server has answered so many that its code is compiled as it stays: on a loaded machine that takes longer. Not counted. */
export async function warmed(server, path, { enough = 20_000, rounds = 8, ...how } = {}) {
  for (let seen = 0, round = 0; seen < enough && round < rounds; round += 1)
    seen += (await load(server, path, how)).perSecond * (how.seconds ?? 2);
}

/** Downloads once over a bare socket, forgetting the bytes. GB/s, and the server's CPU milliseconds for each GB. */
export async function download(server, path, size) {
  const { hostname, port, pathname } = new URL(server.base + path);
  const [wall, cpu] = [process.hrtime.bigint(), cpuOf(server.pids())];
  const auth = server.token === undefined ? '' : `Authorization: Bearer ${server.token}\r\n`;
  const total = await new Promise((resolve, reject) => {
    let seen = 0;
    let head = '';
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    const callback = (bytes) => {
      if (seen === 0) head = buffer.subarray(0, Math.min(bytes, 16)).toString('latin1');
      seen += bytes;
      return true;
    };
    const socket = connect({ host: hostname, port: Number(port), onread: { buffer, callback } }, () => {
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${auth}Connection: close\r\n\r\n`);
    });
    socket.on('error', reject);
    socket.on('close', () => (head.startsWith('HTTP/1.1 200') ? resolve(seen) : reject(new Error(`${path}: ${head}`))));
  });
  if (total < size) throw new Error(`${path}: ${total} bytes of ${size}`);
  const took = Number(process.hrtime.bigint() - wall) / 1e9;
  return { perSecond: total / 1e9 / took, cpu: (cpuOf(server.pids()) - cpu) / (total / 1e9) };
}

/** Milliseconds of each of some requests, one after the other: their median. */
export async function latency(count, send, make = (n) => n) {
  const times = [];
  for (let n = 0; n < count; n += 1) {
    const what = make(n);
    const began = process.hrtime.bigint();
    await send(what);
    times.push(Number(process.hrtime.bigint() - began) / 1e6);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}
