import { Readable } from 'node:stream';
import { invalid, RegistryError } from '../errors/registry-error.js';
import { utf8 } from '../lib/bytes.js';
import { essenceOf, isJsonType } from '../lib/media-type.js';
import { isAsyncIterable, isWebStream, iterate } from '../lib/streams.js';
import type { HeaderBag } from './route.js';

/** What the request's headers say of its body. */
export interface BodyFacts {
  /** Content-Length in bytes. */
  readonly declared: number | undefined;
  readonly chunked: boolean;
  /** Content-Type as sent, empty when there was none. */
  readonly mediaType: string;
  readonly gzip: boolean;
}

/** Where the bytes come from. `parsed`: a framework has read them before us. */
export type BodySource =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'stream'; readonly open: () => AsyncIterator<Uint8Array | string> }
  | { readonly kind: 'parsed'; readonly value: unknown };

/** The one sentence for every way in which a body can be gone before we see it. */
export const bodyTaken = (): RegistryError =>
  invalid('the request body has been read already: mount the registry before body parsers');

/** Throws `invalid` for a malformed Content-Length, `unsupported_media_type` for a content coding that the route does not take. */
export function bodyFacts(headers: HeaderBag, codings: readonly 'gzip'[]): BodyFacts {
  const length = headers.get('content-length');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw invalid('malformed Content-Length');
  const coding = headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity';
  const gzip = coding === 'gzip' || coding === 'x-gzip';
  if (coding !== '' && coding !== 'identity' && !(gzip && codings.includes('gzip'))) {
    throw new RegistryError('unsupported_media_type', 'content coding not accepted here', {
      headers: { 'Accept-Encoding': codings.length > 0 ? codings.join(', ') : 'identity' },
    });
  }
  return {
    declared: length === undefined ? undefined : Number(length),
    chunked: headers.get('transfer-encoding') !== undefined,
    mediaType: headers.get('content-type') ?? '',
    gzip,
  };
}

function nodeIterator(stream: Readable): AsyncIterator<Uint8Array | string> {
  if (stream.readableDidRead || stream.destroyed) throw bodyTaken();
  return new ReadableChunks(stream);
}

const DONE = { done: true, value: undefined } as const;

/** A Node stream's chunks. Its own iterator watches over more than a body needs: a small upload would pay for it as much as for all of its reading. */
class ReadableChunks implements AsyncIterator<Uint8Array | string> {
  private readonly stream: Readable;
  private failure: { readonly cause: unknown } | undefined;
  private wake: (() => void) | undefined;
  private left = false;

  constructor(stream: Readable) {
    this.stream = stream;
    stream.on('readable', this.moved).on('end', this.moved).on('close', this.moved).on('error', this.failed);
  }

  async next(): Promise<IteratorResult<Uint8Array | string, undefined>> {
    const { stream } = this;
    while (!this.left) {
      if (this.failure) throw this.failure.cause;
      const chunk: Uint8Array | string | null = stream.destroyed ? null : stream.read();
      if (chunk !== null) return { done: false, value: chunk };
      if (stream.readableEnded) this.leave();
      else if (stream.destroyed) throw stream.errored ?? new Error('the stream was closed before its end');
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return DONE;
  }

  /** Destroying an incoming request closes its socket, and with it the way for our answer. */
  async return(): Promise<IteratorResult<Uint8Array | string, undefined>> {
    this.leave();
    if (!('httpVersion' in this.stream)) this.stream.destroy();
    return DONE;
  }

  /** The listener for errors stays: a connection that breaks later must not end the process. */
  private leave(): void {
    this.left = true;
    this.stream.off('readable', this.moved).off('end', this.moved).off('close', this.moved);
    this.moved();
  }

  private readonly moved = (): void => {
    this.wake?.();
    this.wake = undefined;
  };

  private readonly failed = (cause: unknown): void => {
    this.failure = { cause };
    this.moved();
  };
}

function webIterator(stream: ReadableStream<Uint8Array>): AsyncIterator<Uint8Array> {
  if (stream.locked) throw bodyTaken();
  return iterate(stream);
}

const isEmptyRecord = (value: object): boolean => !Array.isArray(value) && Object.keys(value).length === 0;

/** `express.json({ strict: false })` turns `"1.0.0"` into a string: it is told from text by the two quotes that the length still counts. */
function parsedString(value: string, facts: BodyFacts, bytes: Uint8Array): boolean {
  if (facts.declared === undefined || facts.declared === bytes.byteLength || !isJsonType(essenceOf(facts.mediaType)))
    return false;
  return utf8(JSON.stringify(value)).byteLength === facts.declared;
}

/** Tells the forms of a body apart (public-api.md, `IRequestContext.body`). Throws `bodyTaken` where bytes were announced and are not there. */
export function bodySource(body: unknown, facts: BodyFacts): BodySource {
  const announced = facts.chunked || (facts.declared ?? 0) > 0;
  if (body === undefined || body === null) {
    if (announced) throw bodyTaken();
    return { kind: 'none' };
  }
  if (typeof body === 'string') {
    const bytes = utf8(body);
    if (parsedString(body, facts, bytes)) return { kind: 'parsed', value: body };
    return bytes.byteLength === 0 && !announced ? { kind: 'none' } : { kind: 'bytes', bytes };
  }
  if (body instanceof Uint8Array) return body.byteLength === 0 && !announced ? { kind: 'none' } : { kind: 'bytes', bytes: body };
  if (body instanceof ArrayBuffer) return bodySource(new Uint8Array(body), facts);
  if (isWebStream(body)) return facts.declared === 0 ? { kind: 'none' } : { kind: 'stream', open: () => webIterator(body) };
  if (body instanceof Readable || isAsyncIterable(body)) {
    if (facts.declared === 0 || ('httpVersion' in body && !announced)) return { kind: 'none' };
    return { kind: 'stream', open: () => (body instanceof Readable ? nodeIterator(body) : body[Symbol.asyncIterator]()) };
  }
  if (typeof body === 'object' && isEmptyRecord(body)) {
    if (!announced) return { kind: 'none' };
    if (facts.declared !== undefined && facts.declared !== 2 && !facts.gzip) throw bodyTaken();
  }
  return { kind: 'parsed', value: body };
}

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** True where the coding still has to be undone: frameworks that hand over bytes may have done so. */
export const stillEncoded = (source: BodySource, facts: BodyFacts): boolean =>
  facts.gzip && (source.kind === 'stream' || (source.kind === 'bytes' && isGzip(source.bytes)));
