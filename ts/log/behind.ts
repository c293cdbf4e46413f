import type { Clock } from '../lib/clock.js';

const SOON_MS = 100;
const LOOK_EVERY_MS = 30_000;
/** A marker whose entry never comes is seen by every probe for an hour: looking each time finds nothing new. */
const LEFTOVER_EVERY_MS = 5_000;
const AT_ONCE = 16;

/** A log that has grown. */
export interface Grown {
  /** Never rejects. */
  checkpoint(): Promise<void>;
}

export interface BehindContext {
  readonly clock: Clock;
  /** Feeds what this process has committed, from what it remembers. */
  feedOwn(): Promise<void>;
  /** Feeds whatever is marked. */
  sweep(): Promise<void>;
  onFault(error: unknown): void;
}

/**
 * What goes on behind the answers of a space: soon after a commit its checkpoint and the feed, several commits together, so that they do not compete with
 * the next change; and every now and then a look at what others have left behind.
 */
export class Behind {
  private readonly context: BehindContext;
  private readonly underWay = new Set<Promise<unknown>>();
  private grown = new Set<Grown>();
  private planned: { cancel(): void } | undefined;
  private looking: { cancel(): void } | undefined;
  /** The next planned work looks at all markers. */
  private leftover = false;
  /** When that was asked for last, by the clock that never runs backwards. */
  private leftoverAt = Number.NEGATIVE_INFINITY;
  private closed = false;

  constructor(context: BehindContext) {
    this.context = context;
  }

  committed(log: Grown): void {
    this.grown.add(log);
    this.plan();
  }

  /** Somebody's markers wait for longer than they should. `many`: so many that readers wait for the feed. */
  foundLeftover(many = false): void {
    const now = this.context.clock.monotonic();
    if (!many && now - this.leftoverAt < LEFTOVER_EVERY_MS) return;
    this.leftoverAt = now;
    this.leftover = true;
    this.plan();
  }

  /** From now on, a look at all markers every half minute. */
  look(): void {
    if (this.closed) return;
    this.looking = this.context.clock.after(LOOK_EVERY_MS, () => {
      this.later(this.attempt(() => this.context.sweep()));
      this.look();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.looking?.cancel();
    await this.finish();
  }

  /** Does now what is planned, and waits for what is under way. */
  async finish(): Promise<void> {
    if (this.planned) {
      this.planned.cancel();
      await this.run();
    }
    while (this.underWay.size > 0) await Promise.allSettled([...this.underWay]);
  }

  private plan(): void {
    if (this.closed) return;
    this.planned ??= this.context.clock.after(SOON_MS, () => this.later(this.run()));
  }

  private async run(): Promise<void> {
    this.planned = undefined;
    const { leftover, grown } = this;
    this.leftover = false;
    this.grown = new Set();
    await Promise.all([
      this.checkpoint([...grown]),
      this.attempt(() => (leftover ? this.context.sweep() : this.context.feedOwn())),
    ]);
  }

  private async checkpoint(logs: readonly Grown[]): Promise<void> {
    for (let i = 0; i < logs.length; i += AT_ONCE) await Promise.all(logs.slice(i, i + AT_ONCE).map((log) => log.checkpoint()));
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.context.onFault(error);
    }
  }

  private later(work: Promise<void>): void {
    const settled = work.finally(() => this.underWay.delete(settled));
    this.underWay.add(settled);
  }
}
