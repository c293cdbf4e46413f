import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import type { SmartRegistry } from '../../../ts/smart-registry.js';

export type Algorithm = 'sha256' | 'sha512';

export const digestOf = (bytes: Uint8Array | string, algorithm: Algorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes go with their length; `streamed` in chunks of unknown number. */
  readonly body?: Uint8Array;
  readonly streamed?: boolean;
}

export interface Answered {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** One request; `target` is a path with its query. */
export type Send = (method: string, target: string, sent?: Sent) => Promise<Answered>;

/** Instances in this process, asked in turn. */
export function inProcess(instances: readonly Pick<SmartRegistry, 'fetch'>[], token: string): Send {
  let turn = 0;
  return async (method, target, { headers = {}, body, streamed = false } = {}) => {
    const instance = instances[turn++ % instances.length];
    if (!instance) throw new Error('no instance');
    const length = body === undefined || streamed ? {} : { 'content-length': String(body.byteLength) };
    const init: RequestInit & { duplex?: 'half' } = {
      method,
      headers: { authorization: `Bearer ${token}`, ...length, ...headers },
      ...(body === undefined ? {} : { body: streamed ? streamOf(body) : new Uint8Array(body), duplex: 'half' }),
    };
    const response = await instance.fetch(new Request(new URL(target, 'https://images.example'), init));
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      bytes: Buffer.from(await response.arrayBuffer()),
    };
  };
}

/** A server behind a URL. `close` lets go of its connections. */
export function overHttp(url: string, token: string): { readonly send: Send; close(): void } {
  const agent = new Agent({ keepAlive: true });
  const send: Send = (method, target, { headers = {}, body, streamed = false } = {}) =>
    new Promise((resolve, reject) => {
      const length = body === undefined || streamed ? {} : { 'content-length': String(body.byteLength) };
      const req = request(
        new URL(target, url),
        { method, agent, headers: { authorization: `Bearer ${token}`, ...length, ...headers } },
        (res) => {
          const parts: Buffer[] = [];
          res.on('data', (part: Buffer) => parts.push(part));
          res.once('error', reject);
          res.once('end', () => {
            const plain = Object.entries(res.headers).map(([name, value]) => [name, String(value)]);
            resolve({ status: res.statusCode ?? 0, headers: Object.fromEntries(plain), bytes: Buffer.concat(parts) });
          });
        },
      );
      req.once('error', reject);
      if (streamed && body) req.write(body.subarray(0, body.byteLength >> 1));
      req.end(streamed && body ? body.subarray(body.byteLength >> 1) : body);
    });
  return { send, close: () => agent.destroy() };
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream(
    {
      pull(controller) {
        if (at >= bytes.byteLength) return controller.close();
        controller.enqueue(new Uint8Array(bytes.subarray(at, at + 200)));
        at += 200;
      },
    },
    { highWaterMark: 0 },
  );
}
