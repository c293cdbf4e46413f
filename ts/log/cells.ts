import type { Committer } from './committer.js';
import type { Log } from './log.js';
import type { LogSchema } from './schema.js';

export interface Cell<S> {
  readonly log: Log<S>;
  readonly committer: Committer<S>;
}

const OVERHEAD = 1024;

/**
 * The logs that a process keeps folded, up to a number of bytes: those used last. What is at work stays, and so does, beside all others, one log that is
 * larger than what all may have together, the last such one that was used: to read it again each time another log was used would take a second.
 */
export class Cells<S> {
  private readonly cells = new Map<string, Cell<S> & { weight: number }>();
  private readonly max: number;
  private readonly schema: LogSchema<S>;
  private readonly make: (key: string, identity: string | undefined) => Cell<S>;
  /** Handed out since the last trim: others weigh what they weighed then. */
  private touched = new Set<string>();
  private bytes = 0;
  /** Key of the log that is larger than all may be. */
  private giant: string | undefined;

  constructor(max: number, schema: LogSchema<S>, make: (key: string, identity: string | undefined) => Cell<S>) {
    this.max = max;
    this.schema = schema;
    this.make = make;
  }

  get(key: string, identity?: string): Cell<S> {
    this.touched.add(key);
    const known = this.cells.get(key);
    if (known) {
      if (identity !== undefined) known.log.identify(identity);
      return known;
    }
    const cell = { ...this.make(key, identity), weight: OVERHEAD };
    this.bytes += cell.weight;
    this.cells.set(key, cell);
    return cell;
  }

  peek(key: string): Cell<S> | undefined {
    return this.cells.get(key);
  }

  /** Counts as used now; lets go of others when this one has grown. */
  used(key: string): void {
    const cell = this.cells.get(key);
    if (!cell) return;
    const weight = OVERHEAD + (cell.log.snapshot ? this.schema.weigh(cell.log.snapshot.state) : 0);
    this.bytes += weight - cell.weight;
    cell.weight = weight;
    this.cells.delete(key);
    this.cells.set(key, cell);
    if (weight > this.max) this.giant = key;
    if (this.bytes > this.max) this.evict(key);
  }

  /** Weighs again what was handed out, which may have grown since, and lets go of what is too much. */
  trim(): void {
    const { touched } = this;
    this.touched = new Set();
    for (const key of touched) this.used(key);
  }

  /** The same with all: some grow when nobody looks. */
  trimAll(): void {
    for (const key of [...this.cells.keys()]) this.used(key);
    this.touched.clear();
  }

  async idle(): Promise<void> {
    await Promise.all([...this.cells.values()].flatMap(({ log, committer }) => [log.idle(), committer.idle()]));
  }

  private evict(but: string): void {
    const giant = this.giant === undefined ? undefined : this.cells.get(this.giant);
    const most = this.max + (giant && giant.weight > this.max ? giant.weight : 0);
    for (const [key, { log, committer, weight }] of this.cells) {
      if (this.bytes <= most) return;
      if (key === but || key === this.giant || log.busy || committer.busy) continue;
      this.cells.delete(key);
      this.touched.delete(key);
      this.bytes -= weight;
    }
  }
}
