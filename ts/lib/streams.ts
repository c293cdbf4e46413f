import { Readable } from 'node:stream';
import type { ReadableStream as NodeWebStream } from 'node:stream/web';
import { utf8 } from './bytes.js';

/** A Web stream as either type library writes it. */
export type AnyWebStream = ReadableStream<Uint8Array> | NodeWebStream<Uint8Array>;

export interface ReadLimit {
  /** Most bytes to hold; one more throws a RangeError and cancels the stream. */
  readonly limit?: number;
}

const BUFFER_LIMIT = 1024 ** 3;
const JSON_LIMIT = 64 * 1024 ** 2;

export const isWebStream = (value: unknown): value is ReadableStream<Uint8Array> =>
  typeof value === 'object' && value !== null && typeof (value as { getReader?: unknown }).getReader === 'function';

export const isAsyncIterable = (value: unknown): value is AsyncIterable<Uint8Array | string> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;

/** Iterates a Web stream; leaving the loop early cancels the source. */
export function iterate(stream: ReadableStream<Uint8Array>): AsyncIterableIterator<Uint8Array> {
  const reader = stream.getReader();
  let open = true;
  const stop = async (reason?: unknown): Promise<void> => {
    if (!open) return;
    open = false;
    await reader.cancel(reason).catch(() => undefined);
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (!open) return { done: true, value: undefined };
      const { done, value } = await reader.read();
      if (!done) return { done: false, value };
      open = false;
      reader.releaseLock();
      return { done: true, value: undefined };
    },
    async return() {
      await stop();
      return { done: true, value: undefined };
    },
  };
}

/** The whole stream in memory. Throws a RangeError beyond `limit` bytes (default 1 GiB). An absent body is empty. */
export async function streamToBuffer(stream: AnyWebStream | undefined, options: ReadLimit = {}): Promise<Buffer> {
  const limit = options.limit ?? BUFFER_LIMIT;
  const parts: Uint8Array[] = [];
  let size = 0;
  if (stream) {
    for await (const part of iterate(stream as ReadableStream<Uint8Array>)) {
      size += part.byteLength;
      if (size > limit) throw new RangeError(`stream is longer than ${limit} bytes`);
      parts.push(part);
    }
  }
  return Buffer.concat(parts, size);
}

/** The stream's JSON. Throws a SyntaxError when it is none, a RangeError beyond `limit` bytes (default 64 MiB). */
export async function streamToJson<T = unknown>(stream: AnyWebStream | undefined, options: ReadLimit = {}): Promise<T> {
  const bytes = await streamToBuffer(stream, { limit: options.limit ?? JSON_LIMIT });
  return JSON.parse(bytes.toString('utf8')) as T;
}

function oneChunk(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let sent = bytes.byteLength === 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (!sent) controller.enqueue(bytes);
        sent = true;
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

function fromIterable(source: AsyncIterable<Uint8Array | string>): ReadableStream<Uint8Array> {
  let iterator: AsyncIterator<Uint8Array | string> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        iterator ??= source[Symbol.asyncIterator]();
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(typeof value === 'string' ? utf8(value) : value);
      },
      async cancel(reason) {
        if (source instanceof Readable) source.destroy();
        else {
          iterator ??= source[Symbol.asyncIterator]();
          await iterator.return?.(reason);
        }
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * Anything as a Web stream: text (UTF-8), bytes, a Web stream (itself), a Node `Readable` or other async iterable (its `cancel` closes the source),
 * any other value as JSON; nothing is the empty stream.
 */
export function toReadableStream(value: unknown): ReadableStream<Uint8Array> {
  if (isWebStream(value)) return value;
  if (value instanceof Uint8Array) return oneChunk(value);
  if (value instanceof ArrayBuffer) return oneChunk(new Uint8Array(value));
  if (typeof value === 'string') return oneChunk(utf8(value));
  if (value === undefined) return oneChunk(new Uint8Array(0));
  if (isAsyncIterable(value)) return fromIterable(value);
  return oneChunk(utf8(JSON.stringify(value)));
}

/** A Web stream as a Node `Readable`; destroying it cancels the source. */
export const toNodeReadable = (stream: AnyWebStream): Readable => Readable.fromWeb(stream as NodeWebStream<Uint8Array>);
