/** Time as the library sees it. Everything in `ts/` takes its clock, timers and randomness from a `Runtime`, so that tests can replay a run. */
export interface Clock {
  /** Wall clock: milliseconds since the epoch, an integer. May jump. */
  now(): number;
  /** Milliseconds that never run backwards; may stand still while the machine sleeps. */
  monotonic(): number;
  /** Resolves after `milliseconds`; rejects with the signal's reason when it is aborted first. Does not keep the process alive. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` once after `milliseconds`, unless cancelled. Does not keep the process alive. */
  after(milliseconds: number, run: () => void): { cancel(): void };
  /**
   * Calls `run` in this turn of the event loop, when whatever has arrived in it has been begun: work that many have asked for by then is done once for all.
   * Absent: nobody waits for others.
   */
  afterTurn?(run: () => void): void;
}

export interface Random {
  /** `count` unpredictable bytes. */
  bytes(count: number): Uint8Array;
  /** A number in [0, 1), for jitter only. */
  fraction(): number;
}

export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
}

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, milliseconds);
      (timer as { unref?: () => void }).unref?.();
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds);
    (timer as { unref?: () => void }).unref?.();
    return { cancel: () => clearTimeout(timer) };
  },
  ...(typeof setImmediate === 'function' && { afterTurn: (run: () => void) => void setImmediate(run) }),
};

/** Ids, nonces and salts; keys and secrets are bytes that nobody has held before. */
const POOLED_MAX_BYTES = 16;

/** Asking the system costs far more than the few bytes of an id: it is asked for many of them. No byte is given out twice, and none is kept. */
class RandomPool {
  private readonly pool = new Uint8Array(2_048);
  private at = this.pool.byteLength;

  take(count: number): Uint8Array {
    const { pool } = this;
    if (count > POOLED_MAX_BYTES) return crypto.getRandomValues(new Uint8Array(count));
    if (this.at + count > pool.byteLength) {
      crypto.getRandomValues(pool);
      this.at = 0;
    }
    const bytes = pool.slice(this.at, this.at + count);
    pool.fill(0, this.at, this.at + count);
    this.at += count;
    return bytes;
  }
}

const pool = new RandomPool();

const random: Random = {
  bytes: (count) => pool.take(count),
  fraction: () => Math.random(),
};

/** The machine's own clock and entropy. */
export const systemRuntime: Runtime = { clock, random };

/**
 * Keeps the process from ending until `release` is called. Pauses and timers here do not, and neither do idle connections: a command that only waits for
 * the next attempt would end without a word, and without having done its work.
 */
export function holdProcess(): { release(): void } {
  const handle = setInterval(() => undefined, 0x7fff_ffff);
  return { release: () => clearInterval(handle) };
}

/**
 * Work that somebody waits for: without this, a process with nothing else to do would end in the middle of a back-off, quietly and with exit code 0.
 */
export async function keepAliveDuring<T>(work: () => Promise<T>): Promise<T> {
  const hold = holdProcess();
  try {
    return await work();
  } finally {
    hold.release();
  }
}

/** The same for those who hold and let go a thousand times a second: one timer, which keeps nothing alive while nobody holds. */
export class ProcessHold {
  private handle: ReturnType<typeof setInterval> | undefined;

  hold(): void {
    this.handle ??= setInterval(() => undefined, 0x7fff_ffff);
    (this.handle as { ref?: () => void }).ref?.();
  }

  release(): void {
    const timer = this.handle as { unref?: () => void } | undefined;
    if (timer?.unref) timer.unref();
    else this.end();
  }

  end(): void {
    clearInterval(this.handle);
    this.handle = undefined;
  }
}
