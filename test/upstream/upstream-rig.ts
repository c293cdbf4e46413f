import { createPrivateKey } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import type { Lookup } from '../../ts/upstream/address-guard.js';
import { type UpstreamAnswer, UpstreamFailure, type UpstreamRequest } from '../../ts/upstream/ask.js';
import { type Asked, type OriginOptions, origin } from '../../ts/upstream/origin.js';
import type { IUpstream } from '../../ts/upstream/provider.js';
import { afterEveryTest } from '../leftovers.js';

/** Stands in every place where a secret of the operator's is; must be found nowhere else. */
export const CANARY = 'canary-4711-secret';

/** A request as it came over the wire. */
export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface MockUpstream {
  readonly url: string;
  readonly port: number;
  readonly heard: Heard[];
  /** Connections that were ever made. */
  readonly connections: () => number;
  /** Connections that are open. */
  readonly open: () => number;
  /** Resolves when so many are open. */
  readonly untilOpen: (count: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Sends the bytes of an answer, or does something else with the socket. */
export type Answering = (heard: Heard, socket: Socket) => string | Uint8Array | undefined;

const running = new Set<() => unknown>();
afterEveryTest(async () => {
  for (const stop of running) await stop();
  running.clear();
});

function hear(head: string): Heard {
  const [line = '', ...lines] = head.split('\r\n');
  const [method = '', path = ''] = line.split(' ');
  const pairs = lines.map(
    (one) => [one.slice(0, one.indexOf(':')).toLowerCase(), one.slice(one.indexOf(':') + 1).trim()] as const,
  );
  return { method, path, headers: Object.fromEntries(pairs) };
}

/** A server that sends exactly what it is told to. `tls`: for the names registry.example and files.example, believed with `CERTIFICATE`. */
export async function mockUpstream(answering: Answering, { tls = false } = {}): Promise<MockUpstream> {
  const heard: Heard[] = [];
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  let connections = 0;
  const serve = (socket: Socket): void => {
    connections++;
    sockets.add(socket);
    for (const look of waiting) look();
    let text = '';
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      for (const look of waiting) look();
    });
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const one = hear(text.slice(0, end));
        text = text.slice(end + 4);
        heard.push(one);
        const bytes = answering(one, socket);
        if (bytes !== undefined) socket.write(bytes);
      }
    });
  };
  const server: Server = tls ? createTlsServer({ key: KEY, cert: CERTIFICATE }, serve) : createServer(serve);
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const untilOpen = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (sockets.size !== count) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      running.delete(stop);
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  running.add(stop);
  const url = tls ? `https://registry.example:${port}` : `http://127.0.0.1:${port}`;
  return { url, port, heard, connections: () => connections, open: () => sockets.size, untilOpen, stop };
}

export const answer = (body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}, status = '200 OK'): Buffer => {
  const bytes = Buffer.from(body as Uint8Array);
  const lines = Object.entries({ 'Content-Length': String(bytes.byteLength), ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`, 'latin1'), bytes]);
};

export const redirect = (location: string, status = '302 Found'): Buffer => answer('', { Location: location }, status);

/** Everything is here; a name that is not expected is not looked for in the world. */
export const atHome: Lookup = (hostname, options, callback) => {
  if (hostname !== 'registry.example' && hostname !== 'files.example') {
    callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }), '', 0);
  } else if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
};

/** Asks one upstream until the end of the test. */
export function asking(upstream: Omit<IUpstream, 'id'>, options: Partial<OriginOptions> = {}): Asked {
  const asked = origin({ id: 'mock', ...upstream }, { runtime: systemRuntime, timeoutMs: 10_000, lookup: atHome, ...options });
  running.add(() => asked.close());
  return asked;
}

export const wanted = (target: string, more: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  target,
  max: 1_000_000,
  as: 'document',
  ...more,
});

/** The bytes of an answer that is content. */
export async function bytesOf(promised: UpstreamAnswer | Promise<UpstreamAnswer>): Promise<Buffer> {
  const given = await promised;
  if (given.kind !== 'content') throw new Error(`not content but ${given.kind}`);
  return Buffer.from(await new Response(given.body).arrayBuffer());
}

export const textOf = async (promised: UpstreamAnswer | Promise<UpstreamAnswer>): Promise<string> =>
  (await bytesOf(promised)).toString();

/** The failure of asking, or of reading what was answered. */
export async function failureOf(promised: Promise<UpstreamAnswer>): Promise<UpstreamFailure> {
  const outcome = await bytesOf(promised).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(UpstreamFailure);
  return outcome as UpstreamFailure;
}

/** All that could be written into a log about an error. */
export function told(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 5) return String(error);
  const own = Object.getOwnPropertyNames(error)
    .filter((name) => name !== 'stack')
    .map((name) => `${name}=${JSON.stringify((error as unknown as Record<string, unknown>)[name])}`);
  return [error.message, ...own, told(error.cause, depth + 1)].join('\n');
}

const KEY = createPrivateKey({
  key: {
    kty: 'EC',
    crv: 'P-256',
    x: 'e0vtkfi3OYZwjt7B-Z63gu1ZcS-iLuXnqLzLk9_IspM',
    y: '9_N3_GUsz9GTaNYM6usE9ZfdPRxflo2SHT6tfYtO7t0',
    d: '8v91pqzUWuMIlxE5dEV8T8zbChc6qvxE1opTT-VpLFc',
  },
  format: 'jwk',
}).export({ type: 'pkcs8', format: 'pem' });

/** For registry.example and files.example, from 2020 to 2120; signed with its own key, which is no secret. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBhjCCASugAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBByZWdpc3Ry
eS5leGFtcGxlMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAbMRkw
FwYDVQQDDBByZWdpc3RyeS5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAEe0vtkfi3OYZwjt7B+Z63gu1ZcS+iLuXnqLzLk9/IspP383f8ZSzP0ZNo1gzq
6wT1l909HF+WjZIdPq19i07u3aNeMFwwDwYDVR0TAQH/BAUwAwEB/zAqBgNVHREE
IzAhghByZWdpc3RyeS5leGFtcGxlgg1maWxlcy5leGFtcGxlMB0GA1UdDgQWBBTg
fIUB4ryBDNl532Zac/dZqF4cvTAKBggqhkjOPQQDAgNJADBGAiEAv6XV49tYvoby
hG62gsDTEq+WOkWLEZK76BVg5KAYmpQCIQCJVnEKcIcKjGrkWRsPLoQb+3S3Z7ji
5wDq2y/mYvq9rA==
-----END CERTIFICATE-----
`;
