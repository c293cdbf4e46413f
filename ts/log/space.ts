import { RegistryError, unavailable } from '../errors/registry-error.js';
import type { Runtime } from '../lib/clock.js';
import { NextFlight, unlessAborted } from '../lib/next-flight.js';
import { readWhole } from '../storage/abilities.js';
import type { StorageDriver } from '../storage/driver.js';
import { checkpointKey, feedCheckpointKey, feedSlot, logPrefix, logSlot, packageKey, timeOf } from '../storage/key.js';
import { withTimeLimit } from '../storage/time-limit.js';
import { Behind } from './behind.js';
import { Cells } from './cells.js';
import { Committer } from './committer.js';
import { encodeStub } from './entry.js';
import { type FeedState, fedItem, feedSchema } from './feed.js';
import { emptySnapshot, eraseChange, floorChange, redacted } from './fold.js';
import { Freshness } from './freshness.js';
import { Log } from './log.js';
import type { Mutant } from './mutant.js';
import { NameSet } from './name-set.js';
import { OwnMarkers } from './own-markers.js';
import type {
  CommitOptions,
  Committed,
  Decide,
  FeedItem,
  HistoryEntry,
  HistoryOptions,
  LogSchema,
  LogSpace,
  Snapshot,
} from './schema.js';
import { Sweeper } from './sweeper.js';

export interface SpaceOptions<S> {
  /** A repository's id, `~users` or `~repositories`. */
  readonly id: string;
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  readonly schema: LogSchema<S>;
  /** Milliseconds that a read may be behind; ignored on drivers that are looked at synchronously. */
  readonly maxStaleness: number;
  /** Bytes for folded states. Default 32 MiB. */
  readonly cacheBytes?: number;
  /** A log's folder from its identity; default `packageKey`. */
  readonly keyOf?: (identity: string) => string;
  /** See `ObjectStore.copyAbove`; needed where changes bring in objects. */
  readonly copyAbove?: (key: string, floor: number, signal: AbortSignal) => Promise<string | undefined>;
  /** Told of damage, and of failures behind answers. Default: nobody. */
  readonly onFault?: (error: unknown, where: string) => void;
  /** Tests only: see `Mutant`. */
  readonly mutants?: ReadonlySet<Mutant>;
}

const CALL_TIMEOUT_MS = 15_000;
/** A look at all markers leaves a tail of fewer feed entries than this behind the feed's checkpoint; changes leave it to the look for longer. */
const FEED_ENTRIES_BETWEEN = 16;
const FEED_ENTRIES_AT_MOST = 64;
const MAX_KEYS = 4_096;
/** Packages that are marked and not yet in the feed: more are never read inside a request. */
const MAX_MARKED = 1_000;
const MARKED_AT_ONCE = 16;
const DEFAULT_CACHE_BYTES = 32 * 1024 * 1024;

type Options = { readonly signal?: AbortSignal | undefined };

/** The logs of one space, their feed and the probe that keeps them fresh (design §1). Knows nothing of packages. */
export class Space<S> implements LogSpace<S> {
  readonly id: string;
  private readonly options: SpaceOptions<S>;
  private readonly driver: StorageDriver;
  private readonly mutants: ReadonlySet<Mutant>;
  private readonly feed: Log<FeedState>;
  private readonly freshness: Freshness;
  private readonly own: OwnMarkers;
  private readonly sweeping: NextFlight<number>;
  private readonly feeding: NextFlight<void>;
  private readonly behind: Behind;
  private readonly cells: Cells<S>;
  /** A name's key costs a hash. */
  private readonly keys = new Map<string, string>();
  private opening: Promise<void> | undefined;
  private probes = 0;
  private readonly nameSet = new NameSet();

  constructor(options: SpaceOptions<S>) {
    this.id = options.id;
    this.options = options;
    this.mutants = options.mutants ?? new Set();
    this.driver = withTimeLimit(options.driver, options.runtime.clock, CALL_TIMEOUT_MS);
    this.feed = this.feedLog();
    this.freshness = new Freshness({
      space: this.id,
      driver: this.driver,
      clock: options.runtime.clock,
      feed: this.feed,
      maxStaleness: options.maxStaleness,
      onMarker: ({ marker, pkg }) => this.marked(pkg, marker),
      onLeftover: () => this.behind.foundLeftover(),
      mutants: this.mutants,
    });
    this.cells = new Cells(options.cacheBytes ?? DEFAULT_CACHE_BYTES, options.schema, (key, identity) =>
      this.newCell(key, identity),
    );
    this.own = new OwnMarkers(this.id);
    const sweeper = this.newSweeper();
    this.sweeping = new NextFlight(() => sweeper.sweep());
    this.feeding = new NextFlight(() => sweeper.feedOwn());
    this.behind = new Behind({
      clock: options.runtime.clock,
      feedOwn: () => this.feedOwn(),
      sweep: () => this.sweep(),
      onFault: (error) => this.fault(error, `sweep of ${this.id}`),
    });
  }

  /** Reads the feed. Whatever is asked meanwhile waits for it, and fails with it. */
  async open(): Promise<void> {
    this.opening = this.feed.readThrough();
    try {
      await this.opening;
    } finally {
      this.opening = undefined;
    }
    this.behind.look();
  }

  async read(identity: string, options: Options = {}): Promise<Snapshot<S>> {
    if (this.opening) await this.opened(options);
    const key = this.keyOf(identity);
    const named = await this.freshness.settle(key, options);
    // nothing is kept for names that do not exist: a storm of them costs nothing
    if (!this.cells.peek(key)?.log.snapshot && !named && !this.isFed(key))
      return emptySnapshot(this.options.schema, identity, key);
    const { log } = this.cells.get(key, identity);
    const snapshot = log.settledFor(log.dirty) ?? (await this.settled(log, options));
    this.cells.used(key);
    return snapshot;
  }

  async readStrong(identity: string, options: Options = {}): Promise<Snapshot<S>> {
    if (this.opening) await this.opened(options);
    const key = this.keyOf(identity);
    const snapshot = await unlessAborted(this.cells.get(key, identity).log.refresh(), options.signal);
    this.cells.used(key);
    return snapshot;
  }

  async readForWrite(identity: string, options: Options = {}): Promise<Snapshot<S>> {
    if (this.opening) await this.opened(options);
    const key = this.keyOf(identity);
    const snapshot = await unlessAborted(this.begin(key, identity), options.signal);
    // counted, or names that are asked for and never written to would be kept without bound
    this.cells.used(key);
    return snapshot;
  }

  async commit<R>(identity: string, decide: Decide<S, R>, options: CommitOptions = {}): Promise<Committed<S, R>> {
    if (this.opening) await this.opened(options);
    const key = this.keyOf(identity);
    const committed = await this.cells.get(key, identity).committer.commit(decide, options);
    this.cells.used(key);
    return committed;
  }

  async names(options: Options = {}): Promise<{ readonly position: number; readonly items: ReadonlyMap<string, FeedItem> }> {
    if (this.opening) await this.opened(options);
    const { marked } = await this.freshness.settleAll(options.signal);
    const fresh = await unlessAborted(this.itemsNow([...marked]), options.signal);
    const feed = this.feed.snapshot ?? (await this.feed.refresh());
    return { position: feed.position, items: this.nameSet.of(feed, fresh) };
  }

  async *history(identity: string, options: HistoryOptions = {}): AsyncIterable<HistoryEntry> {
    if (this.opening) await this.opened(options);
    for await (const { entry } of this.cells.get(this.keyOf(identity), identity).log.entriesFrom(options.from ?? 0)) {
      options.signal?.throwIfAborted();
      yield { n: entry.n, id: entry.id, at: entry.at, changes: entry.changes };
    }
  }

  /** Erases what entry `n` says, keeping its skeleton and the chain (design §1.5). Throws `RegistryError('not_found')` when there is none. */
  async erase(identity: string, n: number, by: string): Promise<void> {
    const { log, committer } = this.cells.get(this.keyOf(identity), identity);
    const raw = await log.readSlot(n);
    if (!raw) throw new RegistryError('not_found', `entry ${n} not found`);
    await committer.commit(() => ({ changes: [eraseChange(by, n)], result: undefined }), {});
    const { changes, markers } = raw.entry;
    const stub = encodeStub(
      raw.bytes,
      changes.map((change) => redacted(this.options.schema, change)),
      markers,
    );
    await this.driver.write(logSlot(this.id, log.key, n), stub);
    await log.refresh();
  }

  /** Appends to the feed what it lacks, now. For collectors, tests and the end of a process. */
  async sweep(): Promise<void> {
    await this.sweeping.run();
    this.cells.trimAll();
    await this.feed.checkpoint(FEED_ENTRIES_BETWEEN);
  }

  /** Appends to the feed what this process has committed itself: neither lists nor reads what it still knows. */
  async feedOwn(): Promise<void> {
    await this.feeding.run();
    this.cells.trim();
    await this.feed.checkpoint(FEED_ENTRIES_AT_MOST);
  }

  /**
   * `readStrong` by the log's folder, for collectors: they find keys, not names. Looks behind the end too: a log that has lost entries must not pass for a
   * shorter one, or what those entries named would be deleted.
   */
  async readStrongByKey(key: string): Promise<Snapshot<S>> {
    const { log } = this.cells.get(key);
    let snapshot = await log.refresh();
    this.cells.used(key);
    for (let behind = -1; snapshot.broken === undefined && behind < snapshot.position; ) {
      behind = snapshot.position;
      const { objects } = await this.driver.list(logPrefix(this.id, key), { after: logSlot(this.id, key, behind), limit: 1 });
      if (objects.length === 0) return snapshot;
      // those may have come since: only a log that does not go on has lost something
      snapshot = await log.refresh();
    }
    return snapshot.broken === undefined ? { ...snapshot, broken: `entry ${snapshot.position} is missing` } : snapshot;
  }

  /** `commitUnseen` by the log's folder; the log may never have been begun. */
  async commitUnseenByKey<R>(key: string, decide: Decide<S, R>): Promise<Committed<S, R>> {
    return this.cells.get(key).committer.commit(decide, {}, true);
  }

  /** Commits what no reader can see (a floor), announced by no marker and not waited for. For collectors. */
  async commitUnseen<R>(identity: string, decide: Decide<S, R>): Promise<Committed<S, R>> {
    return this.cells.get(this.keyOf(identity), identity).committer.commit(decide, {}, true);
  }

  /** Does now what is left behind answers: checkpoints, and the feed. */
  async finish(): Promise<void> {
    await this.behind.finish();
  }

  async close(): Promise<void> {
    await this.opening?.catch(() => undefined);
    await this.cells.idle();
    await this.behind.close();
    await this.cells.idle();
    await this.feed.idle();
  }

  /** What nobody has announced and the feed does not know is not there: nothing may be said of a package before the feed has been read. */
  private opened({ signal }: Options): Promise<void> | undefined {
    return this.opening && unlessAborted(this.opening, signal);
  }

  private keyOf(identity: string): string {
    const known = this.keys.get(identity);
    if (known !== undefined) return known;
    const key = (this.options.keyOf ?? packageKey)(identity);
    if (this.keys.size >= MAX_KEYS) this.keys.clear();
    this.keys.set(identity, key);
    return key;
  }

  /** The log's state for a reader whose probe has ended. The signal is asked for by who has to wait only: to make one is the dearest thing in a short request. */
  private async settled(log: Log<S>, options: Options = {}): Promise<Snapshot<S>> {
    const probe = log.dirty;
    for (;;) {
      const snapshot = log.settledFor(probe);
      if (snapshot) return snapshot;
      await unlessAborted(log.refresh(), options.signal);
    }
  }

  private begin(key: string, identity: string): Promise<Snapshot<S>> {
    const { log } = this.cells.get(key, identity);
    return this.feed.snapshot && !this.isFed(key) ? Promise.resolve(log.beginAbsent()) : log.begin();
  }

  private isFed(key: string): boolean {
    return this.feed.snapshot?.state.items.has(key) ?? false;
  }

  private async itemsNow(keys: readonly string[]): Promise<readonly (FeedItem | undefined)[]> {
    if (keys.length > MAX_MARKED) {
      this.behind.foundLeftover(true);
      throw unavailable('many packages have just changed and are being indexed, try again shortly');
    }
    const items: (FeedItem | undefined)[] = [];
    for (let i = 0; i < keys.length; i += MARKED_AT_ONCE)
      items.push(...(await Promise.all(keys.slice(i, i + MARKED_AT_ONCE).map((key) => this.itemNow(key)))));
    return items;
  }

  private async itemNow(key: string): Promise<FeedItem | undefined> {
    const { identity, position, state } = await this.settled(this.cells.get(key).log);
    return position === 0 ? undefined : { key, identity, to: position, summary: this.options.schema.summarise(state) };
  }

  private newCell(key: string, identity: string | undefined) {
    const { runtime, schema } = this.options;
    const log = new Log<S>(key, identity, {
      clock: runtime.clock,
      driver: this.driver,
      schema,
      slot: (n) => logSlot(this.id, key, n),
      checkpointKey: (part) => checkpointKey(this.id, key, part),
      onFault: (error, where) => this.fault(error, where),
      settlesLater: this.mutants.has('reread-settles-later-probes'),
    });
    log.expect(this.feed.snapshot?.state.items.get(key)?.to ?? 0);
    const committer = new Committer<S>(log, {
      space: this.id,
      driver: this.driver,
      runtime,
      schema,
      slot: (own, n) => logSlot(this.id, own, n),
      begin: () => this.begin(key, log.identity),
      copyAbove: (object, floor, signal) => this.options.copyAbove?.(object, floor, signal) ?? Promise.resolve(undefined),
      settleMs: this.freshness.settleMs,
      onCommitted: (marker, entry) => {
        if (marker !== undefined) this.own.add(key, marker, entry);
        this.behind.committed(log);
      },
      onFault: (error, where) => this.fault(error, where),
      mutants: this.mutants,
    });
    return { log, committer };
  }

  private newSweeper(): Sweeper<S> {
    return new Sweeper<S>({
      space: this.id,
      driver: this.driver,
      runtime: this.options.runtime,
      schema: this.options.schema,
      feed: this.feed,
      own: this.own,
      log: (key) => this.cells.get(key).log,
      voidMarkers: (log, markers) => this.voidMarkers(log, markers),
      storeTime: () => this.storeTime(),
      onFault: (error, where) => this.fault(error, where),
      mutants: this.mutants,
    });
  }

  private feedLog(): Log<FeedState> {
    return new Log<FeedState>(this.id, this.id, {
      clock: this.options.runtime.clock,
      driver: this.driver,
      schema: feedSchema,
      slot: (n) => feedSlot(this.id, n),
      checkpointKey: (part) => feedCheckpointKey(this.id, part),
      onFault: (error, where) => this.fault(error, where),
      settlesLater: false,
      // marks what an entry names before the feed's position moves on: the other order lets a neighbour answer from a stale state
      onEntries: (entries) => {
        if (this.mutants.has('feed-moves-unmarked')) return;
        for (const { entry } of entries) for (const change of entry.changes) this.fed(fedItem(change));
      },
    });
  }

  private fed(item: FeedItem | undefined): void {
    const log = item && this.cells.peek(item.key)?.log;
    if (!log) return;
    log.expect(item.to);
    if ((log.snapshot?.position ?? 0) < item.to) this.mark(log);
  }

  private marked(pkg: string, marker: string): void {
    const log = this.cells.peek(pkg)?.log;
    if (log && !log.recent.has(marker)) this.mark(log);
  }

  private mark(log: Log<S>): void {
    this.probes += 1;
    log.dirty = this.probes;
  }

  private async voidMarkers(log: Log<S>, markers: readonly string[]): Promise<void> {
    const { committer } = this.cells.get(log.key);
    const decide = () => {
      const open = markers.filter((marker) => !log.recent.has(marker)).map(timeOf);
      return { changes: open.length > 0 ? [floorChange('~', { markers: Math.max(...open) + 1 })] : [], result: undefined };
    };
    await committer.commit(decide, {}, true);
  }

  /** The store's own clock: what it says of an object that was written just now. */
  private async storeTime(): Promise<number> {
    const key = `derived/clock/${this.id}`;
    await this.driver.write(key, new Uint8Array(0), { durable: false });
    const stored = await readWhole(this.driver, key, 0);
    return stored?.modified ?? 0;
  }

  private fault(error: unknown, where: string): void {
    this.options.onFault?.(error, where);
  }
}
