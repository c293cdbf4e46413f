import type { WriteBody } from '../driver.js';
import { StorageError } from '../storage-error.js';
import type { Fill } from './s3-pace.js';

/** Chunks of any body, cut into the buffers that the caller brings. `close` lets go of the source, whatever it is. */
export class Source {
  private readonly next: () => Promise<Uint8Array | undefined>;
  private readonly stop: (reason: unknown) => Promise<void>;
  private rest: Uint8Array = new Uint8Array(0);
  private done = false;

  constructor(body: WriteBody) {
    const opened = open(body);
    this.next = opened.next;
    this.stop = opened.stop;
  }

  get ended(): boolean {
    return this.done && this.rest.byteLength === 0;
  }

  /**
   * Fills `buffer` from `at`; returns how far it got, which is short of the end only when the body has ended.
   * Rejects with what the body threw, with `aborted`, or when it dribbles while others wait (`fill`, which ends with this).
   */
  async fill(buffer: Uint8Array, at: number, signal: AbortSignal | undefined, fill?: Fill): Promise<number> {
    let filled = at;
    try {
      while (filled < buffer.byteLength) {
        if (this.rest.byteLength === 0 && !(await this.more(signal, fill))) return filled;
        const piece = this.rest.subarray(0, buffer.byteLength - filled);
        buffer.set(piece, filled);
        filled += piece.byteLength;
        this.rest = this.rest.subarray(piece.byteLength);
        fill?.gain(piece.byteLength);
      }
      // A full buffer and a body that ends right there must not make an empty part.
      if (this.rest.byteLength === 0) await this.more(signal, fill);
      return filled;
    } finally {
      fill?.end(filled === buffer.byteLength);
    }
  }

  async close(reason: unknown): Promise<void> {
    if (this.done) return;
    this.done = true;
    this.rest = new Uint8Array(0);
    await this.stop(reason).catch(() => undefined);
  }

  private async more(signal: AbortSignal | undefined, fill: Fill | undefined): Promise<boolean> {
    while (!this.done && this.rest.byteLength === 0) {
      const chunk = await interruptible(this.next(), signal, fill);
      if (chunk === undefined) this.done = true;
      else if (chunk instanceof Uint8Array) this.rest = chunk;
      else throw new StorageError('invalid', 's3: a body may only bring bytes');
    }
    return this.rest.byteLength > 0;
  }
}

/** Waits for a chunk, but no longer than the signal, or the patience of those who wait for this stream's memory. */
function interruptible<T>(wait: Promise<T>, signal: AbortSignal | undefined, fill: Fill | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => finish(() => reject(new StorageError('aborted', 's3: aborted', signal?.reason)));
    const finish = (settle: () => void): void => {
      unwatch?.();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const unwatch = fill?.watch((error) => finish(() => reject(error)));
    signal?.addEventListener('abort', onAbort, { once: true });
    wait.then(
      (value) => finish(() => resolve(value)),
      (error) => finish(() => reject(error)),
    );
    if (signal?.aborted) onAbort();
  });
}

interface OpenedSource {
  next(): Promise<Uint8Array | undefined>;
  stop(reason: unknown): Promise<void>;
}

function open(body: WriteBody): OpenedSource {
  if (body instanceof Uint8Array) {
    let left: Uint8Array | undefined = body;
    return {
      next: async () => {
        const chunk = left;
        left = undefined;
        return chunk;
      },
      stop: async () => undefined,
    };
  }
  if (body instanceof ReadableStream) {
    if (body.locked) throw new StorageError('invalid', 's3: the body is in other hands');
    const reader = body.getReader();
    return {
      next: async () => (await reader.read()).value,
      stop: (reason) => reader.cancel(reason),
    };
  }
  if (typeof (body as Partial<AsyncIterable<unknown>> | undefined)?.[Symbol.asyncIterator] !== 'function') {
    throw new StorageError('invalid', 's3: a body is bytes, a stream of bytes or an async iterable of bytes');
  }
  const iterator = body[Symbol.asyncIterator]();
  return {
    next: async () => {
      const step = await iterator.next();
      return step.done ? undefined : step.value;
    },
    // A generator that is suspended in a read never settles its `return`; nobody may wait for it.
    stop: async () => void iterator.return?.()?.then(undefined, () => undefined),
  };
}
