import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RawResponse } from '../http/context.js';
import { Watchdog } from '../http/watchdog.js';
import type { Clock } from '../lib/clock.js';
import { PieceSize } from '../lib/piece-size.js';

export interface SendOptions {
  readonly clock: Clock;
  /** Milliseconds without progress, of the reader or of the source, after which the connection is cut. */
  readonly stallMs: number;
}

/** Of a body there is one chunk being read and one being sent. */
const chunkSize = new PieceSize({ total: 16 * 1024 ** 2, least: 64 * 1024, most: 1024 ** 2 });
const POOLED = 8;
const LINGER_MS = 1_000;
const DRAIN_MS = 5_000;
const DRAIN_BYTES = 64 * 1024;

/** Buffers that go round, all of one size: zeroing a fresh mebibyte for each chunk costs as much as sending it. */
const pool: ArrayBuffer[] = [];

function buffer(size: number): ArrayBuffer {
  if (pool[0]?.byteLength !== size) pool.length = 0;
  return pool.pop() ?? new ArrayBuffer(size);
}

/** A response that is cut when its reader stalls. */
class Outlet {
  readonly res: ServerResponse;
  private readonly watchdog: Watchdog;
  private queue: number | undefined;

  constructor(res: ServerResponse, options: SendOptions) {
    this.res = res;
    this.watchdog = new Watchdog(options.clock, options.stallMs, () => this.idle());
    res.once('close', () => this.watchdog.stop());
    res.once('finish', () => this.watchdog.stop());
  }

  /** Something is expected to move: the source or the reader. */
  expect(): void {
    if (this.res.closed || this.res.writableFinished) return;
    this.queue = this.queued();
    this.watchdog.wait();
  }

  /** Resolves when the kernel has the bytes. */
  write(chunk: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.res.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
    this.expect();
    return written;
  }

  /** A large write is one step for Node; that the kernel takes it bit by bit shows in the handle only (as in Node's own socket timeout). */
  private queued(): number | undefined {
    return (this.res.socket as { _handle?: { writeQueueSize?: number } | null } | null)?._handle?.writeQueueSize;
  }

  private idle(): void {
    const queue = this.queued();
    if (queue === undefined || queue === this.queue) this.res.destroy();
    else this.expect();
  }
}

interface Chunks {
  /** Whether the next one is asked for while the last is on its way: a source that reads ahead by itself would hold one chunk more for it. */
  readonly ahead: boolean;
  next(): Promise<Uint8Array | undefined>;
  /** The bytes are with the kernel. */
  sent(chunk: Uint8Array): void;
  cancel(): void;
}

function pooledChunks(reader: ReadableStreamBYOBReader, length: number | undefined): Chunks {
  return {
    ahead: true,
    async next() {
      const size = chunkSize.bytes;
      const isShort = length !== undefined && length < size;
      const { done, value } = await reader.read(new Uint8Array(isShort ? new ArrayBuffer(Math.max(1, length)) : buffer(size)));
      return done ? undefined : value;
    },
    sent({ buffer: used }) {
      if (used.byteLength === chunkSize.bytes && pool.length < POOLED) pool.push(used as ArrayBuffer);
    },
    cancel: () => void reader.cancel().catch(() => undefined),
  };
}

function plainChunks(reader: ReadableStreamDefaultReader<Uint8Array>): Chunks {
  return {
    ahead: false,
    next: async () => {
      const { done, value } = await reader.read();
      return done ? undefined : value;
    },
    sent: () => undefined,
    cancel: () => void reader.cancel().catch(() => undefined),
  };
}

/** Byte streams fill our buffers, others bring their own. */
function chunksOf(stream: ReadableStream<Uint8Array>, length: number | undefined): Chunks {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: 'byob' });
  } catch {
    return plainChunks(stream.getReader());
  }
  return pooledChunks(reader, length);
}

/** Two buffers at most, whatever the reader's pace: one that is written, and one that is read meanwhile. Throws when the source or the connection breaks. */
async function pump(chunks: Chunks, outlet: Outlet, length: number | undefined): Promise<void> {
  let total = 0;
  let before: Promise<void> = Promise.resolve();
  for (;;) {
    outlet.expect();
    const chunk = await chunks.next();
    await before;
    if (outlet.res.closed) throw new Error('the client has gone');
    if (chunk === undefined) break;
    total += chunk.byteLength;
    if (length !== undefined && total > length) break;
    before = outlet.write(chunk).then(() => chunks.sent(chunk));
    before.catch(() => undefined);
    if (!chunks.ahead) await before;
  }
  if (length !== undefined && total !== length) throw new Error(`the body has ${total} bytes and not ${length}`);
}

async function sendStream(
  res: ServerResponse,
  stream: ReadableStream<Uint8Array>,
  length: number | undefined,
  options: SendOptions,
): Promise<void> {
  const chunks = chunksOf(stream, length);
  const cancel = (): void => chunks.cancel();
  if (res.closed || res.destroyed) return cancel();
  res.once('close', cancel);
  const outlet = new Outlet(res, options);
  const leave = chunkSize.enter();
  try {
    await pump(chunks, outlet, length);
    res.off('close', cancel);
    res.end();
    outlet.expect();
  } catch (cause) {
    chunks.cancel();
    // The status is out: a cut connection is the only way left to say that this is not all.
    res.destroy();
    throw cause;
  } finally {
    leave();
  }
}

/** Reads on and forgets, until the request ends, `bytes` have passed, or `milliseconds` are over. */
function forget(req: IncomingMessage, bytes: number, milliseconds: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    const done = (): void => {
      timer.cancel();
      resolve();
    };
    const timer = clock.after(milliseconds, done);
    req.once('end', done).once('close', done).once('error', done);
    req.on('data', (chunk: Uint8Array) => {
      seen += chunk.byteLength;
      if (seen > bytes) req.pause();
    });
  });
}

/**
 * An answer to a request whose body will not be read: the client is given a moment to see it. A connection that is closed while bytes come in is reset,
 * and a reset makes clients forget what they have not read yet.
 */
async function endWithUnread(
  req: IncomingMessage,
  res: ServerResponse,
  bytes: Uint8Array | undefined,
  clock: Clock,
): Promise<void> {
  if (bytes) res.write(bytes);
  else res.flushHeaders();
  await forget(req, DRAIN_BYTES, LINGER_MS, clock);
  res.end();
}

function endBytes(req: IncomingMessage, res: ServerResponse, bytes: Uint8Array | undefined, options: SendOptions): void {
  if (!req.complete) {
    res.once('finish', () => {
      // What is left is short, or the answer would close the connection; it is not given for ever either.
      if (!req.complete)
        void forget(req, Number.POSITIVE_INFINITY, DRAIN_MS, options.clock).then(() => req.complete || req.destroy());
    });
  }
  res.end(bytes);
  if ((res.socket?.writableLength ?? 1) > 0) new Outlet(res, options).expect();
}

const declaredLength = (headers: RawResponse['headers']): number | undefined => {
  const length = headers['Content-Length'];
  return length === undefined ? undefined : Number(length);
};

function writeHead(res: ServerResponse, { status, statusText, headers }: RawResponse): void {
  if (res.req.httpVersionMajor < 2) {
    if (statusText === undefined) res.writeHead(status, headers);
    else res.writeHead(status, statusText, headers);
    return;
  }
  const { Connection: _, ...others } = headers;
  res.writeHead(status, others);
}

/** Sends an answer over node:http. Throws when a body breaks off; the connection is cut by then. */
export async function send(req: IncomingMessage, res: ServerResponse, raw: RawResponse, options: SendOptions): Promise<void> {
  const { body } = raw;
  const stream = body === undefined || body instanceof Uint8Array ? undefined : body;
  if (res.closed || res.destroyed || raw.status === 499) {
    stream?.cancel().catch(() => undefined);
    res.destroy();
    return;
  }
  writeHead(res, raw);
  if (stream) return sendStream(res, stream, declaredLength(raw.headers), options);
  const bytes = body as Uint8Array | undefined;
  const unread = raw.headers['Connection'] === 'close' && !req.complete && req.headers.expect === undefined;
  if (unread) return endWithUnread(req, res, bytes, options.clock);
  endBytes(req, res, bytes, options);
}
