import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ClientPresence, IRequestContext, RawHandler, RawResponse } from '../http/context.js';
import { UNREAD_MS } from '../http/hosted-response.js';
import { parseTarget } from '../http/target.js';
import { type Runtime, systemRuntime } from '../lib/clock.js';
import { notify } from '../lib/notify.js';
import { type SendOptions, send } from './node-send.js';

export interface NodeHandlerOptions {
  readonly runtime?: Runtime;
  /** Milliseconds after which a reader that takes nothing is cut. Default 60,000. */
  readonly stallMs?: number;
  /** Hears of bodies that broke off after their status was sent. What it throws, or its promise rejects with, goes unheard. */
  readonly onError?: (error: unknown) => void;
  /** Called for each request as it comes. What it returns hears of the end, once. */
  readonly onRequest?: (req: IncomingMessage, res: ServerResponse) => RequestWatch;
}

export interface RequestWatch {
  /** The response is closed, with the answer as far as there was one, whether it went out whole or not. */
  closed(answer: RawResponse | undefined): void;
}

export type NodeHandler = (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void) => void;

/** What Express adds to a request. */
type HostedRequest = IncomingMessage & { readonly originalUrl?: string; readonly body?: unknown };

/** One request's way through here; knows when its client goes. */
class Serving implements ClientPresence {
  private readonly res: ServerResponse;
  private readonly watch: RequestWatch | undefined;
  answer: RawResponse | undefined;
  gone = false;
  private onGone: (() => void) | undefined;

  constructor(res: ServerResponse, watch: RequestWatch | undefined) {
    this.res = res;
    this.watch = watch;
    // it comes once; to ask for it once would cost a listener more
    res.on('close', () => this.closed());
  }

  listen(onGone: (() => void) | undefined): void {
    this.onGone = onGone;
  }

  private closed(): void {
    if (!this.res.writableFinished) {
      this.gone = true;
      this.onGone?.();
    }
    notify(() => this.watch?.closed(this.answer));
  }
}

function contextOf(req: HostedRequest, client: ClientPresence): IRequestContext {
  const target = req.url ?? '/';
  return {
    method: req.method ?? 'GET',
    path: parseTarget(target).path,
    rawUrl: req.originalUrl ?? target,
    headers: req.headers,
    query: {},
    // A parser that has read the stream leaves its result; one that has not leaves an empty object beside an unread stream.
    body: req.readableDidRead ? req.body : req,
    client,
    peer: { address: req.socket.remoteAddress, encrypted: 'encrypted' in req.socket },
  };
}

/** The last resort: a registry that rejects although it never should. */
function broken(): RawResponse {
  const about = { repository: undefined, route: undefined, user: undefined };
  return { status: 500, statusText: undefined, headers: { 'Content-Length': '0', Connection: 'close' }, body: undefined, about };
}

/** Whoever watches does not stand in the way of the request. */
function watchOf(options: NodeHandlerOptions, req: HostedRequest, res: ServerResponse): RequestWatch | undefined {
  let watch: RequestWatch | undefined;
  notify(() => {
    watch = options.onRequest?.(req, res);
    return watch;
  });
  return watch;
}

const silence = (): void => undefined;

async function serve(
  registry: RawHandler,
  req: HostedRequest,
  res: ServerResponse,
  options: NodeHandlerOptions,
  how: SendOptions,
): Promise<void> {
  const serving = new Serving(res, watchOf(options, req, res));
  // Without a listener a connection that breaks while its body is read would end the process.
  req.on('error', silence);
  try {
    serving.answer = await registry.handle(contextOf(req, serving)).catch((cause) => {
      notify(() => options.onError?.(cause));
      return broken();
    });
    await send(req, res, serving.answer, how);
  } catch (cause) {
    if (!serving.gone) notify(() => options.onError?.(cause));
    res.destroy();
  }
}

/**
 * A registry as a listener for node:http, or as Express 4 and 5 middleware: `createServer(toNodeHandler(registry))`, `app.use(toNodeHandler(registry))`.
 * Mount it before body parsers. Where the registry has nothing mounted at a path, `next` is called if there is one.
 */
export function toNodeHandler(registry: RawHandler, options: NodeHandlerOptions = {}): NodeHandler {
  const { clock } = options.runtime ?? systemRuntime;
  const how: SendOptions = { clock, stallMs: options.stallMs ?? UNREAD_MS };
  return (req, res, next) => {
    if (next && registry.handles && !registry.handles(parseTarget(req.url ?? '/').path)) next();
    else void serve(registry, req, res, options, how);
  };
}

/** Asks for the body (100 Continue) when somebody begins to read it, and not before: what is refused unread is never sent. */
function continueOnRead(req: IncomingMessage, res: ServerResponse): void {
  const read = req._read;
  let asked = false;
  req._read = function readAndContinue(this: IncomingMessage, size: number): void {
    if (!asked && !res.headersSent) res.writeContinue();
    asked = true;
    read.call(this, size);
  };
}

/**
 * Settings for a node:http server that faces clients: 15 s for headers, no limit on the length of an upload (the pipeline watches its progress), idle
 * connections kept for 65 s, `Expect: 100-continue` answered when the body is wanted. Call it before `listen`. Add no `upgrade` listener to such a server:
 * Node would hand it requests of clients that merely offer HTTP/2. Needs Node's strict parser: never set `insecureHTTPParser`.
 */
export function harden<S extends Server>(server: S): S {
  server.headersTimeout = 15_000;
  server.requestTimeout = 0;
  server.keepAliveTimeout = 65_000;
  // How often Node looks for headers that are late; an option of `createServer` that is read when the server begins to listen.
  Object.assign(server, { connectionsCheckingInterval: 5_000 });
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    continueOnRead(req, res);
    server.emit('request', req, res);
  });
  return server;
}
