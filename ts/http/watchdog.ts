import type { Clock } from '../lib/clock.js';

/**
 * Calls `onIdle` once when a wait lasts longer than `limit` milliseconds, or waits that brought too little do so together. One timer serves any number of waits, and is only looked at when it fires:
 * a timer per chunk would cost more than the chunk.
 */
export class Watchdog {
  private readonly clock: Clock;
  private readonly limit: number;
  private readonly onIdle: () => void;
  private since: number | undefined;
  /** Milliseconds of waits that brought too little. */
  private waited = 0;
  private timer: { cancel(): void } | undefined;

  constructor(clock: Clock, limit: number, onIdle: () => void) {
    this.clock = clock;
    this.limit = limit;
    this.onIdle = onIdle;
  }

  /** A wait begins, or begins anew. */
  wait(): void {
    this.since = this.clock.monotonic() - this.waited;
    this.timer ??= this.arm(this.limit);
  }

  /** The wait is over; time until the next one does not count. `enough` false: the next wait goes on where this one ends. */
  rest(enough = true): void {
    this.waited = enough || this.since === undefined ? 0 : this.clock.monotonic() - this.since;
    this.since = undefined;
  }

  stop(): void {
    this.since = undefined;
    this.timer?.cancel();
    this.timer = undefined;
  }

  private arm(milliseconds: number): { cancel(): void } {
    return this.clock.after(milliseconds, () => {
      this.timer = undefined;
      if (this.since === undefined) return;
      const left = this.since + this.limit - this.clock.monotonic();
      if (left > 0) {
        this.timer = this.arm(Math.ceil(left));
        return;
      }
      this.since = undefined;
      this.onIdle();
    });
  }
}
