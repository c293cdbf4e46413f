import { createHash } from 'node:crypto';
import { utf8 } from '../lib/bytes.js';
import type { Content } from '../lib/content.js';

/**
 * `immutable` content never changes under its URL: cached for a year. `revalidate`: kept, but asked about each time (list documents).
 * Whether caches may be shared is not the handler's business: `respond` says `public` only where anonymous callers may read.
 */
export type CachePolicy = 'immutable' | 'revalidate' | 'no-store';

export type ReplyHeaders = Readonly<Record<string, string>>;

/** What a handler returns. Only `respond.ts` turns it into status, headers and bytes. */
export type Reply =
  | {
      readonly type: 'content';
      readonly status: number;
      readonly content: Content;
      readonly cache: CachePolicy;
      /**
       * True for content with a strong validator that is held as one snapshot: files and blobs. `'strict'`: a range that ends before it begins is
       * unsatisfiable; elsewhere it counts as none (RFC 9110 §14.2 leaves the choice).
       */
      readonly ranges: boolean | 'strict';
      /** Request header names that chose this representation, for `Vary`. */
      readonly vary: readonly string[];
      readonly headers: ReplyHeaders;
    }
  | { readonly type: 'empty'; readonly status: number; readonly headers: ReplyHeaders }
  | {
      readonly type: 'redirect';
      readonly status: 301 | 302 | 303 | 307 | 308;
      readonly location: string;
      readonly headers: ReplyHeaders;
    };

export interface ReplyOptions {
  readonly status?: number;
  readonly headers?: ReplyHeaders;
  readonly vary?: readonly string[];
  readonly mediaType?: string;
  /** Of files; default true. */
  readonly ranges?: 'strict';
}

/** Content that lies in memory: generated documents. The etag is a hash of the bytes. */
export function bytesContent(bytes: Uint8Array, mediaType: string): Content {
  let etag: string | undefined;
  return {
    size: bytes.byteLength,
    mediaType,
    get etag() {
      etag ??= createHash('sha256').update(bytes).digest('base64url').slice(0, 27);
      return etag;
    },
    inMemory: true,
    open: async (range) => (range ? bytes.subarray(range.start, range.end + 1) : bytes),
  };
}

/** A stored file: ranges, strong validator. */
export const file = (content: Content, cache: CachePolicy, options: ReplyOptions = {}): Reply => ({
  type: 'content',
  status: options.status ?? 200,
  content,
  cache,
  ranges: options.ranges ?? true,
  vary: options.vary ?? [],
  headers: options.headers ?? {},
});

/** A rendered document: no ranges. */
export const document = (content: Content, cache: CachePolicy, options: ReplyOptions = {}): Reply => ({
  ...(file(content, cache, options) as Extract<Reply, { type: 'content' }>),
  ranges: false,
});

export const textReply = (body: string, cache: CachePolicy, options: ReplyOptions = {}): Reply =>
  document(bytesContent(utf8(body), options.mediaType ?? 'text/plain; charset=utf-8'), cache, options);

export const json = (value: unknown, cache: CachePolicy, options: ReplyOptions = {}): Reply =>
  textReply(JSON.stringify(value), cache, { mediaType: 'application/json', ...options });

export const empty = (status: number, headers: ReplyHeaders = {}): Reply => ({ type: 'empty', status, headers });

export const redirect = (status: 301 | 302 | 303 | 307 | 308, location: string, headers: ReplyHeaders = {}): Reply => ({
  type: 'redirect',
  status,
  location,
  headers,
});
