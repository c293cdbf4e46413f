import type { WriteBody } from './driver.js';
import { StorageError } from './storage-error.js';

interface Opened {
  next(): Promise<Uint8Array | undefined>;
  stop(reason: unknown): unknown;
}

/** The chunks of any body, one by one. `close` lets go of the source, whatever it is; an abort does not wait for a chunk that never comes. */
export class BodySource {
  private readonly opened: Opened;
  private readonly signal: AbortSignal | undefined;
  private ended = false;
  private thrown: { readonly error: unknown } | undefined;
  private interrupt: ((error: unknown) => void) | undefined;

  /** Throws a StorageError `invalid` when the body is none, or in other hands. */
  constructor(body: WriteBody, signal?: AbortSignal) {
    this.opened = open(body);
    this.signal = signal;
    signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  /** The next chunk that is not empty; undefined at the end. Rejects with what the body threw, or with a StorageError `aborted` or `invalid`. */
  async next(): Promise<Uint8Array | undefined> {
    while (!this.ended) {
      const chunk = await this.step();
      if (chunk === undefined) this.finish();
      else if (!(chunk instanceof Uint8Array)) throw new StorageError('invalid', 'a body may bring nothing but bytes');
      else if (chunk.byteLength > 0) return chunk;
    }
    return undefined;
  }

  /** True for what the body itself threw, which is passed on as it came. */
  isFailure(error: unknown): boolean {
    return this.thrown !== undefined && this.thrown.error === error;
  }

  /** Never waits and never throws: a generator that is suspended in a read does not settle its `return`. */
  close(reason?: unknown): void {
    if (this.ended) return;
    this.finish();
    try {
      Promise.resolve(this.opened.stop(reason)).catch(() => undefined);
    } catch {
      // what a source has to say about being let go of interests nobody
    }
  }

  private step(): Promise<Uint8Array | undefined> {
    if (this.signal === undefined) return this.pull();
    if (this.signal.aborted) return Promise.reject(aborted(this.signal));
    return new Promise((resolve, reject) => {
      this.interrupt = reject;
      this.pull().then(resolve, reject);
    });
  }

  private async pull(): Promise<Uint8Array | undefined> {
    try {
      return await this.opened.next();
    } catch (error) {
      this.thrown = { error };
      throw error;
    }
  }

  private finish(): void {
    this.ended = true;
    this.signal?.removeEventListener('abort', this.onAbort);
  }

  private readonly onAbort = (): void => {
    if (this.signal) this.interrupt?.(aborted(this.signal));
  };
}

export const aborted = (signal: AbortSignal): StorageError => new StorageError('aborted', 'aborted by the caller', signal.reason);

/** Lets go of a body that nobody will read. */
export function discardBody(body: WriteBody, reason?: unknown): void {
  if (body instanceof Uint8Array) return;
  try {
    new BodySource(body).close(reason);
  } catch {
    // in other hands: theirs to close
  }
}

function open(body: WriteBody): Opened {
  if (body instanceof Uint8Array) return openBytes(body);
  if (body instanceof ReadableStream) {
    if (body.locked) throw new StorageError('invalid', 'the body is being read by somebody else');
    const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
    return { next: async () => (await reader.read()).value, stop: (reason) => reader.cancel(reason) };
  }
  if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)) {
    throw new StorageError('invalid', 'a body is bytes, a stream of bytes, or an async iterable of bytes');
  }
  const iterator = body[Symbol.asyncIterator]();
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return done ? undefined : value;
    },
    stop: () => iterator.return?.(),
  };
}

function openBytes(bytes: Uint8Array): Opened {
  let left: Uint8Array | undefined = bytes;
  return {
    next: async () => {
      const chunk = left;
      left = undefined;
      return chunk;
    },
    stop: () => undefined,
  };
}
