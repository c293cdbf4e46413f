import type { Readable } from 'node:stream';
import type { Runtime } from '../../lib/clock.js';
import { PieceSize } from '../../lib/piece-size.js';
import { StorageError } from '../storage-error.js';

export interface DownloadOptions {
  /** For messages. */
  readonly what: string;
  /** How many bytes the store announced; fewer are an error. */
  readonly expected: number;
  readonly runtime: Runtime;
  /** Milliseconds that the store may stay silent while somebody waits for bytes. */
  readonly idleTimeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** Small deliveries are worth waiting for up to here: 64 KiB chunks halve the throughput. */
const CHUNK = 256 * 1_024;
/** Read ahead of the reader, by all downloads together: what one stalled download holds is less the more there are. */
const ahead = new PieceSize({ total: 8 * 1_024 * 1_024, least: 64 * 1_024, most: 512 * 1_024 });
const STALL = 'the store stopped sending';

/**
 * The Node body of a download in larger chunks. It counts: a body that ends early is an error, never a clean end. Nothing flows before the first
 * read, and then never more than a bounded stretch ahead of the reader.
 */
class Download {
  private readonly body: Readable;
  private readonly options: DownloadOptions;
  private received = 0;
  private ended = false;
  private failure: unknown;
  private wake: (() => void) | undefined;
  private readonly pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private readonly leave = ahead.enter();

  constructor(body: Readable, options: DownloadOptions) {
    this.body = body;
    this.options = options;
    body.on('data', (chunk: Uint8Array) => this.take(chunk));
    body.once('end', () => this.settle(() => (this.ended = true)));
    body.once('error', (error) => this.settle(() => (this.failure ??= error)));
    body.once('close', () => this.settle(() => (this.failure ??= this.ended ? undefined : new Error('closed'))));
    body.pause();
    if (options.signal?.aborted) this.destroy(options.signal.reason);
    options.signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  /** The next bytes, at most a few chunks joined; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.pendingBytes === 0 && !this.over) await this.fill();
    if (this.options.signal?.aborted) throw this.error('aborted', 'aborted', this.options.signal.reason);
    if (this.pendingBytes > 0) return this.drain();
    if (this.failure !== undefined) throw this.error('unavailable', 'the body was cut off', this.failure);
    this.release();
    if (this.received !== this.options.expected) throw this.error('unavailable', 'the body has the wrong length', undefined);
    return undefined;
  }

  destroy(reason?: unknown): void {
    this.failure ??= reason ?? new Error('cancelled');
    this.release();
    this.body.destroy();
    this.wake?.();
  }

  private readonly onAbort = (): void => this.destroy(this.options.signal?.reason);

  private get over(): boolean {
    return this.ended || this.failure !== undefined;
  }

  private take(chunk: Uint8Array): void {
    this.received += chunk.byteLength;
    this.pending.push(chunk);
    this.pendingBytes += chunk.byteLength;
    if (this.pendingBytes >= ahead.bytes) this.body.pause();
    this.wake?.();
  }

  private settle(note: () => void): void {
    note();
    this.wake?.();
  }

  private async fill(): Promise<void> {
    const timer = this.options.runtime.clock.after(this.options.idleTimeout, () => this.destroy(new Error(STALL)));
    try {
      const woken = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.body.resume();
      await woken;
      // One turn of the loop lets the socket deliver all that has arrived already.
      if (!this.over && this.pendingBytes < Math.min(CHUNK, ahead.bytes)) await new Promise((resolve) => setImmediate(resolve));
    } finally {
      timer.cancel();
      this.wake = undefined;
    }
  }

  private drain(): Uint8Array {
    const [first] = this.pending;
    const joined = this.pending.length === 1 && first ? first : Buffer.concat(this.pending, this.pendingBytes);
    this.pending.length = 0;
    this.pendingBytes = 0;
    if (!this.over) this.body.resume();
    return joined;
  }

  private release(): void {
    this.leave();
    this.options.signal?.removeEventListener('abort', this.onAbort);
  }

  private error(kind: 'aborted' | 'unavailable', text: string, cause: unknown): StorageError {
    this.destroy(cause);
    return new StorageError(kind, `s3: ${this.options.what}: ${text}`, cause);
  }
}

/** All of a small body. Throws a StorageError when it is short, long or cut. */
export async function collect(body: Readable, options: DownloadOptions): Promise<Uint8Array> {
  const download = new Download(body, options);
  const whole = new Uint8Array(options.expected);
  let at = 0;
  for (let chunk = await download.next(); chunk; chunk = await download.next()) {
    if (at + chunk.byteLength > whole.byteLength) {
      download.destroy();
      throw new StorageError('unavailable', `s3: ${options.what}: the body has the wrong length`);
    }
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/** The body as a stream; `cancel` closes the connection at once. */
export function stream(body: Readable, options: DownloadOptions): ReadableStream<Uint8Array> {
  const download = new Download(body, options);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = await download.next();
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
      cancel(reason) {
        download.destroy(reason ?? new Error('cancelled'));
      },
    },
    { highWaterMark: 0 },
  );
}
