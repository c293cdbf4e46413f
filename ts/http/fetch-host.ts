import { type Runtime, systemRuntime } from '../lib/clock.js';
import type { IRequestContext, RawHandler, RawResponse } from './context.js';
import { guarded, UNREAD_MS } from './hosted-response.js';
import { parseTarget } from './target.js';

export interface FetchHandlerOptions {
  readonly runtime?: Runtime;
  /** Milliseconds after which a body that nobody reads is cancelled. Default 60,000. */
  readonly unreadMs?: number;
  /** The connection's other end, where the host tells; without it no forwarded header is believed. */
  readonly addressOf?: (request: Request, ...rest: unknown[]) => string | undefined;
}

export type FetchHandler = (request: Request, ...rest: unknown[]) => Promise<Response>;

const NULL_BODY = new Set([101, 103, 204, 205, 304]);

function headersOf(request: Request, authority: string): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  request.headers.forEach((value, name) => {
    headers[name] = value;
  });
  if (headers['host'] === undefined && authority !== '') headers['host'] = authority;
  return headers;
}

function contextOf(request: Request, address: string | undefined): IRequestContext {
  const { url } = request;
  const [, scheme = '', authority = ''] = /^([a-z]+):\/\/([^/?#]*)/i.exec(url) ?? [];
  const { path, query } = parseTarget(url);
  return {
    method: request.method,
    path,
    rawUrl: query === '' ? path : `${path}?${query}`,
    headers: headersOf(request, authority),
    query: {},
    body: request.body ?? undefined,
    signal: request.signal,
    peer: { address, encrypted: scheme.toLowerCase() === 'https' },
  };
}

function responseOf(raw: RawResponse, body: ReadableStream<Uint8Array> | Uint8Array | undefined): Response {
  const { status, statusText } = raw;
  // Connections are the host's business, and some hosts refuse to be told.
  const { Connection: _, ...headers } = raw.headers;
  const content = NULL_BODY.has(status) || body === undefined ? null : body;
  return new Response(content as BodyInit | null, { status, headers, ...(statusText !== undefined && { statusText }) });
}

/** A registry as `fetch` handler: `export default { fetch: toFetchHandler(registry) }` on Bun, Deno and Workers, `app.mount('/', …)` with Hono. */
export function toFetchHandler(registry: RawHandler, options: FetchHandlerOptions = {}): FetchHandler {
  const { clock } = options.runtime ?? systemRuntime;
  return async (request, ...rest) => {
    const raw = await registry.handle(contextOf(request, options.addressOf?.(request, ...rest)));
    const { body } = raw;
    if (body === undefined || body instanceof Uint8Array) return responseOf(raw, body);
    return responseOf(raw, guarded(body, clock, request.signal, options.unreadMs ?? UNREAD_MS));
  };
}
