import type { Clock } from '../lib/clock.js';
import type { UpstreamFailure } from './ask.js';

const PAUSE_MS = 60_000;
const KINDS_MAX = 256;

/** Tells the operator that upstreams fail, whatever clients get: of each kind of failure at most once a minute. */
export class Complaints {
  private readonly clock: Clock;
  private readonly onFault: (error: unknown) => void;
  private readonly toldAt = new Map<string, number>();
  private ended = false;

  constructor(clock: Clock, onFault: (error: unknown) => void) {
    this.clock = clock;
    this.onFault = onFault;
  }

  /** What is cut at the end is no failure of theirs. */
  end(): void {
    this.ended = true;
  }

  tell(upstream: string, { message, cause }: UpstreamFailure): void {
    const what = `${upstream}: ${message}`;
    const now = this.clock.monotonic();
    if (this.ended || now - (this.toldAt.get(what) ?? Number.NEGATIVE_INFINITY) < PAUSE_MS) return;
    const [oldest] = this.toldAt.keys();
    if (oldest !== undefined && this.toldAt.size >= KINDS_MAX) this.toldAt.delete(oldest);
    this.toldAt.delete(what);
    this.toldAt.set(what, now);
    this.onFault(new Error(what, { cause }));
  }
}
