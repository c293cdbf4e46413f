/** Bytes taken from a budget; `release` gives them back, once, however often it is called. */
export interface ByteLease {
  readonly bytes: number;
  release(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly onMove: (() => void) | undefined;
  grant(): void;
}

/** A fixed number of bytes that many streams share. First come, first served: a large wish is never overtaken by small ones. */
export class ByteBudget {
  readonly capacity: number;
  private free: number;
  private readonly waiters: Waiter[] = [];

  /** Throws a RangeError unless `capacity` is a positive integer. */
  constructor(capacity: number) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new RangeError('a byte budget needs a positive capacity');
    this.capacity = capacity;
    this.free = capacity;
  }

  /** Bytes that nobody holds. */
  get available(): number {
    return this.free;
  }

  /** How many wishes stand in the queue. */
  get waiting(): number {
    return this.waiters.length;
  }

  /**
   * Waits for its turn; `onMove` is called whenever the queue ahead has moved meanwhile. Rejects with the signal's reason, and with a RangeError when `bytes`
   * could never be granted.
   */
  acquire(bytes: number, signal?: AbortSignal, onMove?: () => void): Promise<ByteLease> {
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > this.capacity) {
      return Promise.reject(new RangeError(`${bytes} bytes do not fit a budget of ${this.capacity}`));
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.waiters.length === 0 && bytes <= this.free) return Promise.resolve(this.lease(bytes));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.waiters.indexOf(waiter);
        if (at >= 0) this.waiters.splice(at, 1);
        reject(signal?.reason);
        this.grantNext();
      };
      const waiter: Waiter = {
        bytes,
        onMove,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(this.lease(bytes));
        },
      };
      this.waiters.push(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Tells those who wait that the queue has moved: what they wait for is in use. */
  moved(): void {
    for (const waiter of this.waiters) waiter.onMove?.();
  }

  private lease(bytes: number): ByteLease {
    this.free -= bytes;
    let held = true;
    return {
      bytes,
      release: () => {
        if (!held) return;
        held = false;
        this.free += bytes;
        this.grantNext();
        this.moved();
      },
    };
  }

  private grantNext(): void {
    for (let first = this.waiters[0]; first && first.bytes <= this.free; first = this.waiters[0]) {
      this.waiters.shift();
      first.grant();
    }
  }
}
