import { RegistryError, unavailable } from '../errors/registry-error.js';
import type { Clock } from '../lib/clock.js';
import { NextFlight } from '../lib/next-flight.js';
import { readWhole } from '../storage/abilities.js';
import type { StorageDriver } from '../storage/driver.js';
import { type CheckpointStand, Checkpoints, checkpointDue, NO_CHECKPOINT, type RawEntry, standAfter } from './checkpoint.js';
import { DamagedEntry, decodeEntry, MAX_ENTRY_BYTES } from './entry.js';
import { type Erased, emptySnapshot, FoldAgain, foldEntry, NOTHING_ERASED, namedBy } from './fold.js';
import { RecentMarkers } from './recent-markers.js';
import type { LogSchema, Snapshot } from './schema.js';

const ROUND = 16;
/** Rounds that follow what is known begin narrow: mostly one entry has come, and every slot beyond the end is a call for nothing. */
const WIDENING = 4;
/** More entries than this without a checkpoint are not folded inside a request. */
const MAX_TAIL = 1000;

export interface LogContext<S> {
  readonly clock: Clock;
  readonly driver: StorageDriver;
  readonly schema: LogSchema<S>;
  /** Key of slot `n`. */
  slot(n: number): string;
  checkpointKey(part: 'base' | 'delta'): string;
  /** Told when a log is found damaged, or work behind an answer fails. */
  onFault(error: unknown, where: string): void;
  /** Entries that are about to be taken in. */
  onEntries?(entries: readonly RawEntry[]): void;
  /** Tests only: the mutant `reread-settles-later-probes`. */
  readonly settlesLater: boolean;
}

interface Fold<S> {
  readonly snapshot: Snapshot<S>;
  readonly entries: readonly RawEntry[];
  /** There is more than may be folded at once. */
  readonly more?: boolean;
}

/**
 * One log as this process knows it: a folded state, and how much of it is settled. `dirty` is the number of the last probe that named the log, `clean`
 * that of the last one which a re-read has answered (design §1.2); what is in between must not be answered from.
 */
export class Log<S> {
  readonly key: string;
  readonly recent: RecentMarkers = new RecentMarkers((n) => this.readSlot(n));
  dirty = 0;
  clean = 0;
  private readonly context: LogContext<S>;
  private readonly checkpoints: Checkpoints<S>;
  private readonly reread: NextFlight<Snapshot<S>>;
  private name: string | undefined;
  private known: Snapshot<S> | undefined;
  /** What is known was taken from a checkpoint, or is half folded: it may be behind whatever probes say. */
  private behind = false;
  private expected = 0;
  private erased: Erased = NOTHING_ERASED;
  private readonly stubs = new Set<number>();
  private stand: CheckpointStand = NO_CHECKPOINT;
  private rebuilding: Promise<void> | undefined;
  private checkpointing: Promise<void> | undefined;

  /** `identity` undefined: known by its folder only; it stands in entry 0. */
  constructor(key: string, identity: string | undefined, context: LogContext<S>) {
    this.key = key;
    this.name = identity;
    this.context = context;
    this.checkpoints = new Checkpoints(context.clock, context.driver, context.schema, (part) => context.checkpointKey(part));
    this.reread = new NextFlight(() => this.advance());
  }

  /** The identity string, as far as it is known. */
  get identity(): string {
    return this.name ?? '';
  }

  /** Says whose log this is, where only its folder was known. */
  identify(identity: string): void {
    if (this.name || identity === '') return;
    this.name = identity;
    if (this.known && !this.known.named) this.known = undefined;
  }

  /** The last state folded, however old. */
  get snapshot(): Snapshot<S> | undefined {
    return this.known;
  }

  /**
   * The last state folded, if it answers all probes up to this number. Readers ask for those that had ended when they began, and not for later ones: while
   * a marker is seen whose entry has not come, every probe asks for another look, and a reader who waited for all of them might wait for ever.
   */
  settledFor(probe: number): Snapshot<S> | undefined {
    return this.behind || this.clean < probe ? undefined : this.known;
  }

  /** Re-reads the log; begins after this call, shared with whoever asks meanwhile. Settles the probes that ended before it began. */
  refresh(): Promise<Snapshot<S>> {
    return this.reread.run();
  }

  /** Reads to the end, however long that takes: a long tail without a checkpoint is folded behind the scenes, and waited for. */
  async readThrough(): Promise<void> {
    for (let rounds = 0; ; rounds += 1) {
      try {
        await this.refresh();
        return;
      } catch (error) {
        if (!(error instanceof RegistryError) || rounds > 1000) throw error;
        await this.idle();
      }
    }
  }

  /** A state to begin a write with: what is known, or the checkpoint without looking for what came after. Two storage calls at most where that is good. */
  async begin(): Promise<Snapshot<S>> {
    if (this.known) return this.known;
    const found = await this.fromCheckpoint(false);
    const fold = found ? { snapshot: found.start, entries: [] } : await this.tail(this.nothing(), 1, MAX_TAIL);
    if (fold.more) return this.refresh();
    if (!this.known) {
      this.adopt(fold);
      // readers must look before they believe it
      this.behind = true;
    }
    return this.known ?? fold.snapshot;
  }

  /** Nothing is known to have been committed: the create of slot 0 will tell. No storage call. */
  beginAbsent(): Snapshot<S> {
    return this.known ?? this.nothing();
  }

  /** Own entry, just created on top of `before`. `mark` is `dirty` as it was before the create began. */
  async accept(before: Snapshot<S>, raw: RawEntry, mark: number): Promise<Snapshot<S>> {
    try {
      const after = foldEntry(this.context.schema, before, raw.entry, this.erased);
      if ((this.known?.position ?? 0) < after.position) {
        this.adopt({ snapshot: after, entries: [raw] });
        this.behind = false;
      }
      this.clean = Math.max(this.clean, mark);
      return after;
    } catch (error) {
      if (!(error instanceof FoldAgain)) throw error;
      this.forget(error.erased);
      return this.refresh();
    }
  }

  /** The feed has seen this many entries: fewer mean that some are missing. */
  expect(entries: number): void {
    this.expected = Math.max(this.expected, entries);
  }

  async readSlot(n: number): Promise<RawEntry | undefined> {
    const stored = await readWhole(this.context.driver, this.context.slot(n), 2 * MAX_ENTRY_BYTES);
    return stored && { entry: decodeEntry(stored.bytes, n), bytes: stored.bytes };
  }

  /** Slots from `n` on, oldest first, in rounds. */
  async *entriesFrom(n: number): AsyncGenerator<RawEntry> {
    for (let from = n; ; from += ROUND) {
      const round = await this.round(from, ROUND);
      yield* round;
      if (round.length < ROUND) return;
    }
  }

  /** Writes the state down where that is due (default: see `checkpointDue`); one at a time, failures are told and no more. */
  checkpoint(between?: number): Promise<void> {
    this.checkpointing ??= this.writeCheckpoint(between).finally(() => {
      this.checkpointing = undefined;
    });
    return this.checkpointing;
  }

  /** Settles once nothing goes on behind answers for this log. */
  async idle(): Promise<void> {
    await Promise.all([this.rebuilding, this.checkpointing]);
  }

  get busy(): boolean {
    return this.rebuilding !== undefined || this.checkpointing !== undefined;
  }

  private async writeCheckpoint(between: number | undefined): Promise<void> {
    const { schema } = this.context;
    try {
      while (this.known?.named && this.known.broken === undefined && checkpointDue(schema, this.known, this.stand, between)) {
        const snapshot = this.known;
        const before = this.stand;
        const written = await this.checkpoints.write(snapshot, before);
        // entries that came meanwhile lie behind what was kept for the delta
        this.stand = { ...written, since: [...written.since, ...this.stand.since.slice(before.since.length)] };
      }
    } catch (error) {
      this.context.onFault(error, `checkpoint of ${this.key}`);
    }
  }

  private async advance(): Promise<Snapshot<S>> {
    const mark = this.dirty;
    const fold = await this.foldOn(MAX_TAIL);
    if (fold.more) {
      this.adopt(fold);
      this.behind = true;
      this.rebuild();
      throw unavailable('this package is being indexed, try again shortly');
    }
    const after = this.adopt(fold);
    this.clean = Math.max(this.clean, this.context.settlesLater ? this.dirty : mark);
    this.behind = false;
    return after;
  }

  private async foldOn(limit: number): Promise<Fold<S>> {
    try {
      if (this.known && this.known.broken === undefined) return await this.tail(this.known, 1, limit);
      const found = this.erased.size === 0 ? await this.fromCheckpoint(true) : undefined;
      if (found?.complete) return { snapshot: found.start, entries: [] };
      return await this.tail(found?.start ?? this.nothing(), found ? ROUND : 2, limit);
    } catch (error) {
      if (!(error instanceof FoldAgain)) throw error;
      this.forget(error.erased);
      return this.foldOn(limit);
    }
  }

  /** From slot 0 again, leaving out what was erased: neither cache nor checkpoint may bring it back. */
  private forget(erased: number): void {
    this.erased = new Set([...this.erased, erased]);
    this.known = undefined;
    this.stand = NO_CHECKPOINT;
    this.recent.restart(0, []);
  }

  /** Folds on behind answers, piece by piece, until the end is reached. */
  private rebuild(): void {
    const pieces = async () => {
      for (let more = true; more; ) {
        const fold = await this.foldOn(MAX_TAIL);
        this.adopt(fold);
        more = fold.more ?? false;
      }
      await this.checkpoint();
    };
    this.rebuilding ??= pieces()
      .catch((error) => this.context.onFault(error, `rebuild of ${this.key}`))
      .finally(() => {
        this.rebuilding = undefined;
      });
  }

  private nothing(): Snapshot<S> {
    return emptySnapshot(this.context.schema, this.name ?? '', this.key);
  }

  /** The checkpoint, proved by its entry. `ahead`: looks at the next slot too, which costs no round more; absent, the state is `complete`. */
  private async fromCheckpoint(ahead: boolean): Promise<{ readonly start: Snapshot<S>; readonly complete: boolean } | undefined> {
    const found = await this.checkpoints.load(this.key);
    if (!found) return undefined;
    const { snapshot, stand } = found;
    try {
      const [last, next] = await Promise.all([
        this.readSlot(snapshot.position - 1),
        ahead ? this.readSlot(snapshot.position) : undefined,
      ]);
      if (last?.entry.hash !== snapshot.head) return undefined;
      this.stand = stand;
      this.recent.restart(snapshot.position - 1, [last]);
      return { start: snapshot, complete: ahead && !next };
    } catch (error) {
      if (error instanceof DamagedEntry) return undefined;
      throw error;
    }
  }

  private async tail(start: Snapshot<S>, width: number, limit: number): Promise<Fold<S>> {
    const entries: RawEntry[] = [];
    let snapshot = start;
    for (let count = width; snapshot.broken === undefined; count = Math.min(ROUND, WIDENING * count)) {
      if (entries.length >= limit) return { snapshot, entries, more: true };
      const round = await this.roundOrDamage(snapshot, count);
      for (const raw of round.entries) {
        snapshot = foldEntry(this.context.schema, namedBy(this.context.schema, snapshot, raw.entry), raw.entry, this.erased);
        if (raw.entry.erased && !this.erased.has(raw.entry.n)) this.stubs.add(raw.entry.n);
        entries.push(raw);
      }
      if (round.damage !== undefined) snapshot = { ...snapshot, broken: round.damage };
      if (round.entries.length < count) break;
    }
    if (snapshot.broken === undefined && snapshot.position < this.expected) {
      return { snapshot: { ...snapshot, broken: `entry ${snapshot.position} is missing` }, entries };
    }
    const stub = [...this.stubs].find((n) => !this.erased.has(n));
    return stub === undefined
      ? { snapshot, entries }
      : { snapshot: { ...snapshot, broken: `entry ${stub} was reduced and no entry says so` }, entries };
  }

  private async roundOrDamage(
    snapshot: Snapshot<S>,
    count: number,
  ): Promise<{ readonly entries: readonly RawEntry[]; readonly damage?: string }> {
    try {
      return { entries: await this.round(snapshot.position, count) };
    } catch (error) {
      if (!(error instanceof DamagedEntry)) throw error;
      // what stands before the damage is still good: take it one by one
      const entries: RawEntry[] = [];
      for (let n = snapshot.position; n < snapshot.position + count; n += 1) {
        const raw = await this.readSlot(n).catch((reason: unknown) => {
          if (reason instanceof DamagedEntry) return undefined;
          throw reason;
        });
        if (!raw) break;
        entries.push(raw);
      }
      return { entries, damage: error.message };
    }
  }

  /** Slots from `from` up to the first absent one. An absent slot before a present one is looked at again: it may have been created meanwhile. */
  private async round(from: number, count: number): Promise<readonly RawEntry[]> {
    const slots = await Promise.all(Array.from({ length: count }, (_, i) => this.readSlot(from + i)));
    const entries: RawEntry[] = [];
    for (const [i, slot] of slots.entries()) {
      const later = slots.slice(i + 1).some((raw) => raw !== undefined);
      const raw = slot ?? (later ? await this.readSlot(from + i) : undefined);
      if (!raw && later) throw new DamagedEntry(`entry ${from + i} is missing`);
      if (!raw) break;
      entries.push(raw);
    }
    return entries;
  }

  private adopt({ snapshot, entries }: Fold<S>): Snapshot<S> {
    if (snapshot.broken !== undefined && this.known?.broken === undefined) {
      this.context.onFault(new DamagedEntry(snapshot.broken), `log ${this.key} is closed for changes`);
    }
    if (this.known && this.known.position > snapshot.position && snapshot.broken === undefined) return this.known;
    const fresh = entries.filter(({ entry }) => entry.n >= (this.known?.position ?? 0));
    this.recent.add(fresh);
    this.stand = standAfter(this.stand, fresh);
    if (snapshot.named) this.name = snapshot.identity;
    this.context.onEntries?.(fresh);
    this.known = snapshot;
    return snapshot;
  }
}
