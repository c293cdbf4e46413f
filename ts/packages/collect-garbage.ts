import { unavailable } from '../errors/registry-error.js';
import { nextTurn, Pace } from '../lib/turns.js';
import { floorChange } from '../log/fold.js';
import type { Mutant } from '../log/mutant.js';
import type { Committed, Decide, Snapshot } from '../log/schema.js';
import type { Space } from '../log/space.js';
import type { ListedObject, StorageDriver } from '../storage/driver.js';
import { logSlot, timeOf } from '../storage/key.js';
import { storeTime } from '../storage/store-time.js';
import type { Inventory } from './inventory.js';

/** Logs by their folder: a collector finds keys, not names. Both answer undefined where the log cannot be reached that way. */
export interface KeyedLogs<S> {
  /** Of the space, which is also the repository's. */
  readonly id: string;
  read(key: string): Promise<Snapshot<S> | undefined>;
  /** Commits what no reader can see. */
  commit<R>(key: string, decide: Decide<S, R>): Promise<Committed<S, R> | undefined>;
}

/** The logs of a space by their folders; one that was never begun counts as empty. */
export const keyedLogs = <S>(space: Pick<Space<S>, 'id' | 'readStrongByKey' | 'commitUnseenByKey'>): KeyedLogs<S> => ({
  id: space.id,
  read: (key) => space.readStrongByKey(key),
  commit: (key, decide) => space.commitUnseenByKey(key, decide),
});

export interface GarbageOptions<S> {
  readonly driver: StorageDriver;
  readonly logs: KeyedLogs<S>;
  readonly inventory: Inventory<S>;
  /** Milliseconds by the store's clock that an object may wait for a log to name it. Default 24 hours; never below what an upload may take. */
  readonly grace?: number;
  /** Milliseconds by the store's clock that a deleted version's bytes are kept. Default 30 days. */
  readonly retention?: number;
  /** True: says what a real run would delete, and commits and deletes nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Hears of each key, before it is deleted. */
  readonly onCondemned?: (key: string) => void;
  readonly onFault: (fault: { readonly where: string; readonly error: unknown }) => void;
  /** Tests only: see `Mutant`. */
  readonly mutants?: ReadonlySet<Mutant>;
}

export interface GarbageReport {
  /** Objects looked at. */
  objects: number;
  /** Deleted (in a dry run: that would be deleted), and their bytes. */
  condemned: number;
  bytes: number;
  /** Keys that are none of ours: left alone. */
  foreign: number;
  /** Objects of packages whose log cannot be reached or read here: left alone. */
  spared: number;
}

const DAY = 24 * 60 * 60 * 1000;
const BY = '~collector';
const OBJECT_NAME = /^\d{13}-[a-z2-7]{26}$/;
const NONE_RETIRED: ReadonlyMap<string, boolean> = new Map();
const PACKAGE_NAME = /^[a-z0-9-]+-[a-z2-7]{32}$/;

/**
 * Deletes what no log names any more (design §1.5): uploads whose publish never came, files of versions whose retention time is over. First commits a
 * floor just above the newest key condemned, so that no paused writer can bring one in, then deletes. Writers may go on meanwhile; a run that stops
 * half-way has done no harm. Memory: one page of a listing beside the state of one package.
 */
export async function collectGarbage<S>(options: GarbageOptions<S>): Promise<GarbageReport> {
  return new Collection(options).run();
}

interface Candidates<S> {
  /** It names none of them. */
  readonly state: S | undefined;
  readonly objects: ReadonlyMap<string, ListedObject>;
  /** Of the retired ones among them: whether their time is over. */
  readonly ripe: ReadonlyMap<string, boolean>;
}

/** Objects that a state names, of which so many are looked at in one turn of the event loop. */
const LOOKED_AT = 4_096;

class Collection<S> {
  private readonly options: GarbageOptions<S>;
  private readonly report: GarbageReport = { objects: 0, condemned: 0, bytes: 0, foreign: 0, spared: 0 };
  private readonly prefix: string;
  /** The store's own time as the run begins: ages are only ever taken for smaller than they are. */
  private now = 0;

  constructor(options: GarbageOptions<S>) {
    this.options = options;
    this.prefix = `objects/${options.logs.id}/`;
  }

  async run(): Promise<GarbageReport> {
    const { driver, signal } = this.options;
    this.now = await storeTime(driver, this.options.logs.id, { signal });
    for (let after: string | undefined, more = true; more; ) {
      signal?.throwIfAborted();
      const page = await driver.list(this.prefix, { after, signal });
      for (const [pkg, objects] of this.byPackage(page.objects)) await this.collect(pkg, objects);
      after = page.next;
      more = after !== undefined;
    }
    return this.report;
  }

  private byPackage(listed: readonly ListedObject[]): ReadonlyMap<string, readonly ListedObject[]> {
    const groups = new Map<string, ListedObject[]>();
    for (const object of listed) {
      const [pkg = '', name = '', ...rest] = object.key.slice(this.prefix.length).split('/');
      this.report.objects++;
      if (rest.length > 0 || !PACKAGE_NAME.test(pkg) || !OBJECT_NAME.test(name)) {
        this.report.foreign++;
        continue;
      }
      const group = groups.get(pkg);
      if (group) group.push(object);
      else groups.set(pkg, [object]);
    }
    return groups;
  }

  /** One page of one package's objects. */
  private async collect(pkg: string, objects: readonly ListedObject[]): Promise<void> {
    const { driver, onCondemned, onFault, dryRun = false, signal } = this.options;
    try {
      const snapshot = await this.readable(pkg);
      const candidates = await this.candidates(pkg, snapshot?.state, objects);
      if (candidates.objects.size === 0) return;
      const condemned =
        snapshot && (dryRun ? this.condemned(snapshot.state, candidates) : await this.commitFloor(pkg, candidates));
      if (condemned === undefined) {
        this.report.spared += candidates.objects.size;
        return;
      }
      for (const { key, size } of condemned) {
        onCondemned?.(key);
        this.report.condemned++;
        this.report.bytes += size;
      }
      if (!dryRun && condemned.length > 0)
        await driver.delete(
          condemned.map(({ key }) => key),
          { signal },
        );
    } catch (error) {
      signal?.throwIfAborted();
      this.report.spared += objects.length;
      onFault({ where: `collection of ${this.prefix}${pkg}`, error });
    }
  }

  private async readable(pkg: string): Promise<Snapshot<S> | undefined> {
    const snapshot = await this.options.logs.read(pkg);
    if (snapshot?.broken !== undefined) throw unavailable(snapshot.broken);
    return snapshot;
  }

  /** Old enough to go, and named by nothing: the age of an orphan is its own, that of a retired object is its retirement's. */
  private async candidates(pkg: string, state: S | undefined, objects: readonly ListedObject[]): Promise<Candidates<S>> {
    const { inventory, grace = DAY } = this.options;
    const left = new Map(objects.map((object) => [object.key, object]));
    const pace = new Pace(LOOKED_AT);
    if (state !== undefined)
      for (const { key } of inventory.named(state)) {
        left.delete(key);
        if (pace.due()) await nextTurn();
      }
    const ripe = state === undefined ? NONE_RETIRED : await this.ripe(pkg, state, left);
    for (const [key, { modified }] of left) if (!(ripe.get(key) ?? this.now - modified >= grace)) left.delete(key);
    return { state, objects: left, ripe };
  }

  /** For each of `keys` that is retired: whether its time is over. */
  private async ripe(pkg: string, state: S, keys: ReadonlyMap<string, unknown>): Promise<ReadonlyMap<string, boolean>> {
    const { inventory, driver, logs, retention = 30 * DAY, signal } = this.options;
    const answers = new Map<string, boolean>();
    const since = new Map<number, number | undefined>();
    for (const { key, entry, purge } of inventory.retired(state)) {
      if (!keys.has(key)) continue;
      if (!purge && !since.has(entry)) since.set(entry, (await driver.stat(logSlot(logs.id, pkg, entry), { signal }))?.modified);
      const retiredAt = since.get(entry);
      answers.set(key, purge || (retiredAt !== undefined && this.now - retiredAt >= retention));
    }
    return answers;
  }

  /** What of the candidates goes in this state: a writer may have named one meanwhile, or named and deleted it. */
  private condemned(state: S, { state: before, ripe, objects }: Candidates<S>): readonly ListedObject[] {
    const left = new Map(objects);
    if (state !== before) for (const { key } of this.options.inventory.named(state)) left.delete(key);
    for (const { key } of this.options.inventory.retired(state)) if (!ripe.get(key)) left.delete(key);
    return [...left.values()];
  }

  /** The floor stands just above the newest key that goes, never at "now": uploads that are under way stay valid. */
  private async commitFloor(pkg: string, candidates: Candidates<S>): Promise<readonly ListedObject[] | undefined> {
    const { logs, mutants } = this.options;
    const committed = await logs.commit(pkg, ({ state, floor }) => {
      const result = this.condemned(state, candidates);
      if (mutants?.has('collect-without-floor')) return { changes: [], result };
      const newest = mutants?.has('floor-from-clock') ? [this.now] : result.map(({ key }) => timeOf(key));
      const above = Math.max(0, ...newest.map((time) => time + 1));
      return { changes: floor.objects >= above ? [] : [floorChange(BY, { objects: above })], result };
    });
    return committed?.result;
  }
}
