import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { harden, type NodeHandlerOptions, toNodeHandler } from '../../ts/adapters/node.js';
import { baseUrlOf, outsideOf } from '../../ts/http/base-url.js';
import type { IRequestContext, RawHandler } from '../../ts/http/context.js';
import { dispatch } from '../../ts/http/dispatch.js';
import { headersOf } from '../../ts/http/headers.js';
import { locate } from '../../ts/http/target.js';
import { networks } from '../../ts/lib/cidr.js';
import type { Toy } from '../http/toy.js';

/** A registry with one repository at the root: what stands between an adapter and the pipeline, and no more. */
export function registryOf(t: Toy, seen: IRequestContext[] = []): RawHandler {
  const trusted = networks([]);
  return {
    handles: (path) => !path.startsWith('/elsewhere'),
    handle: async (context) => {
      seen.push(context);
      const { path, query, prefix } = locate(context);
      const outside = outsideOf(headersOf(context.headers), context.peer ?? {}, trusted);
      return dispatch(t.site, {
        method: context.method,
        path,
        rawQuery: query,
        headers: context.headers,
        body: context.body,
        baseUrl: baseUrlOf(outside, { mount: '', hostPrefix: prefix }),
        address: outside.address,
        actor: context.actor,
        signal: context.signal,
      });
    },
  };
}

export interface Running {
  readonly server: Server;
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

export async function listen(server: Server): Promise<Running> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { server, port, url: `http://127.0.0.1:${port}`, close };
}

export const serve = (t: Toy, options: NodeHandlerOptions = {}): Promise<Running> =>
  listen(harden(createServer(toNodeHandler(registryOf(t), options))));

/** A socket that remembers everything it has heard. */
export interface Wire {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  heard(): string;
  send(text: string | Uint8Array): void;
  /** Resolves when the text has been heard; rejects when the connection closes first. */
  until(text: string): Promise<void>;
}

export async function wire(port: number): Promise<Wire> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let text = '';
  const waiting: { text: string; resolve: () => void; reject: (error: Error) => void }[] = [];
  const look = () => {
    for (const waiter of waiting) if (text.includes(waiter.text)) waiter.resolve();
  };
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    look();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      for (const waiter of waiting) waiter.reject(new Error(`closed before ${waiter.text}; heard ${text}`));
      resolve();
    });
  });
  return {
    socket,
    closed,
    heard: () => text,
    send: (data) => void socket.write(data),
    until: (wanted) =>
      new Promise((resolve, reject) => {
        waiting.push({ text: wanted, resolve, reject });
        look();
      }),
  };
}

/** Tries until it is true, for at most five seconds: for what happens on the other side of a socket. */
export async function eventually(check: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !check(); turn++) await new Promise((resolve) => setTimeout(resolve, 10));
  if (!check()) throw new Error(`did not happen: ${check}`);
}
