import { RegistryError } from '../errors/registry-error.js';
import type { ByteRange, Content, Opened } from '../lib/content.js';
import { evaluate, rangeApplies } from './conditional.js';
import { ResponseHeaders } from './headers.js';
import { acceptedCoding } from './negotiate.js';
import { parseRange } from './range.js';
import type { CachePolicy, Reply } from './reply.js';
import type { HeaderBag } from './route.js';

/** What a Reply is an answer to. */
export interface Asked {
  readonly method: string;
  readonly headers: HeaderBag;
  /** Anonymous callers would be given the same: shared caches may keep it. */
  readonly shared: () => boolean | Promise<boolean>;
  /** The answer depends on who asks. */
  readonly perCaller: boolean;
  /** Milliseconds since an upstream that fails now has confirmed it. Undefined: it is fresh. */
  readonly staleFor?: number | undefined;
  readonly lifetime: { readonly signal: AbortSignal };
}

export interface Answer {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Opened | undefined;
}

type ContentReply = Extract<Reply, { type: 'content' }>;
type Encoding = { readonly coding: 'gzip' | 'br'; readonly bytes: Uint8Array; readonly etag: string };

const quoted = (etag: string): string => `"${etag}"`;

function cacheControl(cache: CachePolicy, shared: boolean): string {
  if (cache === 'no-store') return 'no-store';
  const who = shared ? 'public' : 'private';
  return cache === 'immutable' ? `${who}, max-age=31536000, immutable` : `${who}, no-cache`;
}

function describe(asked: Asked, reply: ContentReply, shared: boolean): ResponseHeaders {
  const { content, cache } = reply;
  const headers = new ResponseHeaders();
  headers.set('Content-Type', content.mediaType);
  headers.set('X-Content-Type-Options', 'nosniff');
  headers.set('Content-Security-Policy', "default-src 'none'; sandbox");
  if (content.etag !== undefined) headers.set('ETag', quoted(content.etag));
  if (content.lastModified) headers.set('Last-Modified', content.lastModified.toUTCString());
  if (reply.ranges && content.size !== undefined) headers.set('Accept-Ranges', 'bytes');
  headers.setAll(reply.headers);
  headers.set('Cache-Control', cacheControl(cache, shared));
  if (asked.staleFor !== undefined && cache !== 'immutable') {
    headers.set('Age', String(Math.floor(asked.staleFor / 1_000)));
    headers.set('Warning', '110 - "Response is Stale"');
  }
  const callers = asked.perCaller || (!shared && cache !== 'no-store');
  if (reply.vary.length > 0 || content.encoded || callers) {
    const codings = content.encoded ? ['Accept-Encoding'] : [];
    headers.vary([...reply.vary, ...codings, ...(callers ? ['Authorization'] : [])]);
  }
  return headers;
}

/** Ready-made coded bytes, where the content has them. */
async function encoded(content: Content, coding: Encoding['coding']): Promise<Encoding | undefined> {
  const found = await content.encoded?.(coding);
  return found && { coding, ...found };
}

/** The range to serve; undefined: the whole. */
function rangeFor(asked: Asked, reply: ContentReply): ByteRange | 'unsatisfiable' | undefined {
  const { etag, lastModified, size } = reply.content;
  const header = asked.method === 'GET' && reply.ranges && size !== undefined ? asked.headers.get('range') : undefined;
  if (header === undefined || size === undefined || !rangeApplies(asked.headers, etag, lastModified)) return undefined;
  return parseRange(header, size, reply.ranges === 'strict');
}

const unsatisfiable = ({ size }: Content): RegistryError =>
  new RegistryError('range_not_satisfiable', 'range not satisfiable', {
    headers: { 'Content-Range': `bytes */${size}`, 'Accept-Ranges': 'bytes' },
  });

/** Opened bytes that are not as long as announced would spoil the connection's framing. */
function checked(opened: Opened, length: number | undefined): Opened {
  if (opened instanceof Uint8Array && length !== undefined && opened.byteLength !== length)
    throw new TypeError(`content announced ${length} bytes and has ${opened.byteLength}`);
  return opened;
}

async function opened(asked: Asked, content: Content, headers: ResponseHeaders, range?: ByteRange): Promise<Opened> {
  const length = range ? range.end - range.start + 1 : content.size;
  if (length !== undefined) headers.set('Content-Length', String(length));
  const body = checked(await content.open(range, content.inMemory ? undefined : asked.lifetime.signal), length);
  if (body instanceof Uint8Array) headers.set('Content-Length', String(body.byteLength));
  return body;
}

function notModified(headers: ResponseHeaders, etag: string | undefined): Answer {
  for (const name of ['Content-Type', 'Accept-Ranges', 'Content-Length', 'Content-Encoding']) headers.delete(name);
  if (etag !== undefined) headers.set('ETag', quoted(etag));
  return { status: 304, headers, body: undefined };
}

/** GET and HEAD on what is there: preconditions, then the range, then a ready-made coding, then the bytes as they are. */
async function serve(asked: Asked, reply: ContentReply, headers: ResponseHeaders): Promise<Answer> {
  const { content } = reply;
  const range = rangeFor(asked, reply);
  const coding = range || !content.encoded ? undefined : acceptedCoding(asked.headers.get('accept-encoding'));
  const encoding = coding && (await encoded(content, coding));
  const etags = [content.etag, encoding?.etag].filter((etag) => etag !== undefined);
  const verdict = evaluate(asked.headers, { etags, lastModified: content.lastModified });
  if (verdict.type === 'failed') throw new RegistryError('precondition_failed', 'precondition failed');
  if (verdict.type === 'fresh') {
    await content.discard?.();
    return notModified(headers, verdict.etag);
  }
  if (range === 'unsatisfiable') throw unsatisfiable(content);
  if (range) {
    headers.set('Content-Range', `bytes ${range.start}-${range.end}/${content.size}`);
    return { status: 206, headers, body: await opened(asked, content, headers, range) };
  }
  if (encoding) {
    headers.set('Content-Encoding', encoding.coding);
    headers.set('ETag', quoted(encoding.etag));
    headers.set('Content-Length', String(encoding.bytes.byteLength));
    await content.discard?.();
    return { status: 200, headers, body: asked.method === 'HEAD' ? undefined : encoding.bytes };
  }
  return asked.method === 'HEAD' ? head(200, content, headers) : whole(200, asked, content, headers);
}

async function head(status: number, content: Content, headers: ResponseHeaders): Promise<Answer> {
  if (content.size !== undefined) headers.set('Content-Length', String(content.size));
  await content.discard?.();
  return { status, headers, body: undefined };
}

async function whole(status: number, asked: Asked, content: Content, headers: ResponseHeaders): Promise<Answer> {
  const body = await opened(asked, content, headers);
  return { status, headers, body };
}

function bare(asked: Asked, reply: Exclude<Reply, ContentReply>): Answer {
  const headers = new ResponseHeaders();
  if (reply.type === 'redirect') headers.set('Location', reply.location);
  headers.setAll(reply.headers);
  if (asked.method === 'GET' || asked.method === 'HEAD') headers.set('Cache-Control', 'no-store');
  if (reply.status !== 204 && reply.status !== 304 && headers.get('Content-Length') === undefined)
    headers.set('Content-Length', '0');
  return { status: reply.status, headers, body: undefined };
}

/**
 * The one place where a Reply becomes HTTP: validators, 304, ranges, HEAD, codings, cache headers (RFC 9110, RFC 9111). Content is opened here, before any
 * status is sent. Throws `precondition_failed`, `range_not_satisfiable`, and whatever opening throws.
 */
export async function respond(asked: Asked, reply: Reply): Promise<Answer> {
  if (reply.type !== 'content') return bare(asked, reply);
  try {
    if (reply.content.admit) await reply.content.admit(asked.lifetime.signal);
    const said = reply.cache !== 'no-store' && asked.shared();
    const headers = describe(asked, reply, said === true || (said !== false && (await said)));
    const reading = asked.method === 'GET' || asked.method === 'HEAD';
    if (reply.status === 200 && reading) return await serve(asked, reply, headers);
    if (asked.method === 'HEAD') return await head(reply.status, reply.content, headers);
    return await whole(reply.status, asked, reply.content, headers);
  } catch (cause) {
    await reply.content.discard?.().catch(() => undefined);
    throw cause;
  }
}
