import { unavailable } from '../errors/registry-error.js';
import type { Runtime } from '../lib/clock.js';
import type { StorageDriver } from '../storage/driver.js';
import { CommitBatch } from './commit.js';
import type { Log } from './log.js';
import type { Mutant } from './mutant.js';
import type { CommitOptions, Committed, Decide, LogSchema, Snapshot } from './schema.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_BATCH = 256;
const MAX_QUEUE = 4096;

export interface CommitContext<S> {
  readonly space: string;
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  readonly schema: LogSchema<S>;
  slot(key: string, n: number): string;
  /** What a write may begin with; possibly behind. */
  begin(): Promise<Snapshot<S>>;
  /** See `ObjectStore.copyAbove`. */
  copyAbove(key: string, floor: number, signal: AbortSignal): Promise<string | undefined>;
  /** Milliseconds from a create to the answer. */
  readonly settleMs: number;
  /** An entry stands, announced by this marker: checkpoint and feed follow behind the answer. */
  onCommitted(marker: string | undefined, entry: number): void;
  onFault(error: unknown, where: string): void;
  readonly mutants: ReadonlySet<Mutant>;
}

/** One caller's change on its way. */
export interface Member<S> {
  readonly decide: Decide<S, unknown>;
  readonly options: CommitOptions;
  /** Floors by collectors: nothing that a reader could see, hence announced by no marker. */
  readonly unmarked: boolean;
  /** On the monotonic clock. */
  readonly deadline: number;
  resolve(committed: Committed<S, unknown>): void;
  reject(error: unknown): void;
}

/**
 * Commits to one log. Changes that arrive while one is under way wait and become one entry together (group commit), so that contention grows with the
 * number of processes and not of clients.
 */
export class Committer<S> {
  private readonly log: Log<S>;
  private readonly context: CommitContext<S>;
  private queue: Member<S>[] = [];
  private leading: Promise<void> | undefined;

  constructor(log: Log<S>, context: CommitContext<S>) {
    this.log = log;
    this.context = context;
  }

  get busy(): boolean {
    return this.leading !== undefined;
  }

  async idle(): Promise<void> {
    await this.leading;
  }

  commit<R>(decide: Decide<S, R>, options: CommitOptions, unmarked = false): Promise<Committed<S, R>> {
    if (this.queue.length >= MAX_QUEUE) return Promise.reject(unavailable('too many changes to this package are waiting'));
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const deadline = this.context.runtime.clock.monotonic() + (options.timeout ?? DEFAULT_TIMEOUT_MS);
    return new Promise<Committed<S, R>>((resolve, reject) => {
      const settled = resolve as (committed: Committed<S, unknown>) => void;
      this.queue.push({ decide, options, unmarked, deadline, resolve: settled, reject });
      this.leading ??= this.lead();
    });
  }

  private async lead(): Promise<void> {
    // a turn, so that changes of the same moment share an entry
    await Promise.resolve();
    try {
      while (this.queue.length > 0) {
        const unmarked = this.queue[0]?.unmarked;
        const members = this.queue.filter((member) => member.unmarked === unmarked).slice(0, MAX_BATCH);
        this.queue = this.queue.filter((member) => !members.includes(member));
        const batch = new CommitBatch(this.log, this.context, members);
        const rest = await batch.run();
        this.queue = [...rest, ...this.queue];
      }
    } finally {
      // in the turn that saw the empty queue: whoever comes a microtask later must not count on this leader
      this.leading = undefined;
    }
  }
}
