import type { Clock, Runtime } from '../../ts/lib/clock.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { sleepOn } from '../sleep-on.js';

const START = 1_800_000_000_000;

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** One process's view of the shared time. A frozen one's timers wait, however late it gets. */
export class MachineClock implements Clock {
  frozen = false;
  readonly timers = new Set<Timer>();
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  now(): number {
    return this.world.time;
  }

  monotonic(): number {
    return this.world.time - START;
  }

  after(milliseconds: number, run: () => void): { cancel(): void } {
    const timer = { at: this.world.time + milliseconds, run };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, milliseconds, signal);
  }
}

/** A store, a time that passes only when nobody can go on without it, and randomness that is the same in every run. */
export class World {
  time = START;
  readonly store: StorageDriver;
  private readonly busy: () => boolean;
  private readonly clocks = new Set<MachineClock>();
  private counter = 0;

  /** `busy`: calls to the store are under way, which time must not overtake. */
  constructor(store?: StorageDriver, busy: () => boolean = () => false) {
    this.busy = busy;
    this.store = store ?? new MemoryDriver({ runtime: { clock: new MachineClock(this), random: this.random } });
  }

  get random(): Runtime['random'] {
    return {
      bytes: (count) => {
        this.counter += 1;
        let state = this.counter;
        return Uint8Array.from({ length: count }, () => {
          state = (Math.imul(state, 1103515245) + 12345) >>> 0;
          return state >>> 16;
        });
      },
      fraction: () => 0.5,
    };
  }

  clock(): MachineClock {
    const clock = new MachineClock(this);
    this.clocks.add(clock);
    return clock;
  }

  /** Nothing of this process happens any more. */
  forget(clock: MachineClock): void {
    clock.timers.clear();
    this.clocks.delete(clock);
  }

  /** All promises that can go on do so before this resolves. */
  async turn(): Promise<void> {
    await immediate();
    while (this.busy()) await immediate();
  }

  /** Lets time pass until `work` has settled; fails when nothing is left that could settle it. `idle`: what to wait for between looks. */
  async drive<T>(work: Promise<T>, idle: () => Promise<void> = () => this.turn()): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    work.then(done, done);
    for (let i = 0; i < 20_000; i += 1) {
      await idle();
      if (settled) return work;
      if (!this.tick()) break;
    }
    throw new Error('nothing goes on any more, and the work is not done');
  }

  /** Runs what is due within these milliseconds, and nothing that it calls for later. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    await this.turn();
    while (this.tick(end)) await this.turn();
    this.time = Math.max(this.time, end);
  }

  private tick(until = Number.POSITIVE_INFINITY): boolean {
    let next: { readonly timer: Timer; readonly clock: MachineClock } | undefined;
    for (const clock of this.clocks) {
      if (clock.frozen) continue;
      for (const timer of clock.timers) if (!next || timer.at < next.timer.at) next = { timer, clock };
    }
    if (!next || next.timer.at > until) return false;
    next.clock.timers.delete(next.timer);
    this.time = Math.max(this.time, next.timer.at);
    next.timer.run();
    return true;
  }
}

const immediate = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
