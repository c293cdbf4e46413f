import type { ByteBudget } from '../../lib/byte-budget.js';
import type { Clock } from '../../lib/clock.js';
import { StorageError } from '../storage-error.js';

/** How long a stream is not judged, and how long it may bring nothing at all, in milliseconds. */
const GRACE = 10_000;
const LOOKS = 2;
/** Below this a stream is slow: if another one takes half of its time, it is the stream that is slow, and not this process or the store. */
const SLOW_BYTES_PER_MS = 64;
/** Below this it goes, whatever others do: eighty of them would fill a part of the usual size in five minutes each. */
const SLOWEST_BYTES_PER_MS = 16;
/** Those who wait hear of so many bytes. */
const STEP_BYTES = 256 * 1_024;

/** Streams that fill memory which others may wait for. Whoever dribbles then is given up; who is no slower than the others is not. */
export class Pace {
  private readonly budget: ByteBudget;
  private readonly fills = new Set<Fill>();

  constructor(budget: ByteBudget) {
    this.budget = budget;
  }

  begin(clock: Clock): Fill {
    const fill = new Fill(this.budget, clock, () => this.leave(fill));
    this.fills.add(fill);
    return fill;
  }

  private leave(left: Fill): void {
    this.fills.delete(left);
    if (left.full) for (const fill of this.fills) fill.compare(left);
  }
}

/** One part being filled. */
export class Fill {
  /** Its memory was not larger than the body. */
  full = false;
  private readonly budget: ByteBudget;
  private readonly clock: Clock;
  private readonly leave: () => void;
  private readonly began: number;
  private bytes = 0;
  private told = 0;
  /** Milliseconds that the quickest of those took which began later and are done. */
  private quickest = Number.POSITIVE_INFINITY;

  constructor(budget: ByteBudget, clock: Clock, leave: () => void) {
    this.budget = budget;
    this.clock = clock;
    this.leave = leave;
    this.began = clock.monotonic();
  }

  /** So many bytes have come. Throws a StorageError `unavailable` where they come too slowly. */
  gain(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes - this.told >= STEP_BYTES) {
      this.told = this.bytes;
      this.budget.moved();
    }
    const { elapsed } = this;
    const speed = this.bytes / elapsed;
    if (elapsed <= GRACE || speed >= SLOW_BYTES_PER_MS || this.budget.waiting === 0) return;
    if (speed < SLOWEST_BYTES_PER_MS || elapsed > 2 * this.quickest) throw tooSlow();
  }

  /** Tells `give` the error of `gain` when nothing comes for too long while others wait. Call what is returned when something has come. */
  watch(give: (error: StorageError) => void): () => void {
    const { clock, budget } = this;
    let seen = 0;
    const look = (): void => {
      seen = budget.waiting > 0 ? seen + 1 : 0;
      // A process that comes late fires its timers before it looks at its sockets: a single look says nothing.
      if (seen === LOOKS) give(tooSlow());
      else timer = clock.after(GRACE / LOOKS, look);
    };
    let timer = clock.after(GRACE / LOOKS, look);
    return () => timer.cancel();
  }

  compare(other: Fill): void {
    if (other.began >= this.began) this.quickest = Math.min(this.quickest, other.elapsed);
  }

  /** Nothing more is filled. */
  end(full: boolean): void {
    this.full = full;
    this.leave();
  }

  private get elapsed(): number {
    return this.clock.monotonic() - this.began;
  }
}

const tooSlow = (): StorageError =>
  new StorageError('unavailable', 's3: the body came too slowly while other uploads waited for memory');
