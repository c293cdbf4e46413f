import type { Clock, Runtime } from '../../ts/lib/clock.js';
import { sleepOn } from '../sleep-on.js';

/** A clock that stands still until it is told to move; timers run in order of their time. */
export class ManualClock implements Clock {
  private time = 0;
  private timers: { readonly at: number; readonly run: () => void }[] = [];

  now(): number {
    return 1_700_000_000_000 + this.time;
  }

  monotonic(): number {
    return this.time;
  }

  get pending(): number {
    return this.timers.length;
  }

  after(milliseconds: number, run: () => void): { cancel(): void } {
    const timer = { at: this.time + milliseconds, run };
    this.timers.push(timer);
    return {
      cancel: () => {
        this.timers = this.timers.filter((other) => other !== timer);
      },
    };
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, milliseconds, signal);
  }

  advance(milliseconds: number): void {
    const until = this.time + milliseconds;
    for (;;) {
      const [next] = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers = this.timers.filter((other) => other !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = until;
  }
}

export const manualRuntime = (clock: Clock): Runtime => ({
  clock,
  random: { bytes: (count) => new Uint8Array(count).fill(7), fraction: () => 0.5 },
});

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
