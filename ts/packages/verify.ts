import { quote } from '../formats/quote.js';
import type { Runtime } from '../lib/clock.js';
import { Hasher } from '../lib/digest.js';
import { type FeedState, feedSchema } from '../log/feed.js';
import { Log } from '../log/log.js';
import { listMarkers, newMarker, putMarker } from '../log/marker.js';
import type { LogSchema, Snapshot } from '../log/schema.js';
import type { Space } from '../log/space.js';
import type { ObjectInfo, StorageDriver, StoredObject } from '../storage/driver.js';
import { checkpointKey, feedCheckpointKey, feedPrefix, feedSlot, logPrefix, logSlot, markerKey } from '../storage/key.js';
import { withTimeLimit } from '../storage/time-limit.js';
import type { Inventory, NamedObject } from './inventory.js';
import { packageFolders } from './package-folders.js';
import { closeCutEntry, type FoldedLog, foldLog } from './verify-log.js';

/**
 * - `log`: the chain is broken, a slot is missing or is no entry. - `unreadable`: a newer program wrote it.
 * - `object-missing`, `object-differs`: what a log names is not there, or not those bytes.
 * - `checkpoint`: a view that would be believed and is not what the log says. - `feed-lacks`: a change that the feed does not have.
 * - `feed-differs`: the feed says something else than the log, or more.
 * - `foreign`: what is no key of ours lies there; no problem, it stays as it is.
 */
export type FindingKind =
  | 'log'
  | 'unreadable'
  | 'object-missing'
  | 'object-differs'
  | 'checkpoint'
  | 'feed-lacks'
  | 'feed-differs'
  | 'foreign';

export interface Finding {
  readonly kind: FindingKind;
  /** Empty for what belongs to none. */
  readonly space: string;
  /** The package's name, or its folder where the name is not known; undefined for the feed itself. */
  readonly name: string | undefined;
  readonly message: string;
  readonly repaired: boolean;
}

/** One space to look at. */
export interface VerifiedSpace<S> {
  readonly space: Pick<Space<S>, 'id' | 'sweep'>;
  readonly schema: LogSchema<S>;
  /** Undefined: its logs name no objects (users). */
  readonly inventory?: Inventory<S> | undefined;
}

/** A space of any state, ready to be looked at. */
export interface Verifiable {
  run(options: VerifyOptions, report: VerifyReport): Promise<void>;
}

export const verifiable = <S>(of: VerifiedSpace<S>): Verifiable => ({
  run: (options, report) => new SpaceVerification(options, of, report).run(),
});

export interface VerifyOptions {
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  readonly spaces: readonly Verifiable[];
  /**
   * Rewrites what is derived: deletes checkpoints that differ, feeds what the feed lacks. Truth is not touched, but where a store has kept a part of an entry
   * at the end of a log, of which nobody else knows anything: that slot becomes an entry that says nothing, and the log is open for changes again.
   */
  readonly repair?: boolean;
  /** False: objects are looked at, not re-hashed. Default true. */
  readonly rehash?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onFinding?: (finding: Finding) => void;
}

export interface VerifyReport {
  logs: number;
  entries: number;
  objects: number;
  bytes: number;
  /** The first 1,000; `onFinding` hears of all. */
  readonly findings: Finding[];
  /** All findings that are not repaired. */
  problems: number;
}

const FINDINGS_MAX = 1000;
const MARKERS_AT_ONCE = 500;
/** Milliseconds that one storage call may take until it answers: nobody waits for it, but not for ever. */
const CALL_MS = 60_000;

const fedTo = (feed: Snapshot<FeedState>, key: string): number => feed.state.items.get(key)?.to ?? 0;

interface FoldedOf<T> {
  readonly log: Log<T>;
  readonly schema: LogSchema<T>;
  readonly prefix: string;
  readonly checkpoint: (part: 'base' | 'delta') => string;
  readonly slot: (n: number) => string;
  /** A package's folder; undefined for the feed. */
  readonly key?: string;
  /** Entries of it that the feed knows; undefined: the feed cannot be read. */
  readonly fed?: number | undefined;
}

interface Measured {
  readonly bytes: number;
  readonly sha256: string;
}

async function measure(stored: StoredObject | undefined, signal: AbortSignal | undefined): Promise<Measured | undefined> {
  if (!stored) return undefined;
  const hasher = new Hasher();
  let bytes = 0;
  for await (const chunk of stored.body instanceof Uint8Array ? [stored.body] : stored.body) {
    signal?.throwIfAborted();
    hasher.update(chunk);
    bytes += chunk.byteLength;
  }
  return { bytes, sha256: hasher.digests().sha256 };
}

/** The digest is taken on trust. */
async function sized(stat: Promise<ObjectInfo | undefined>, sha256: string): Promise<Measured | undefined> {
  const found = await stat;
  return found && { bytes: found.size, sha256 };
}

/** Looks at everything stored: chains, named objects and their digests, checkpoints, feeds. Reads only, unless told to repair. */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const report: VerifyReport = { logs: 0, entries: 0, objects: 0, bytes: 0, findings: [], problems: 0 };
  const driver = withTimeLimit(options.driver, options.runtime.clock, CALL_MS);
  for (const space of options.spaces) await space.run({ ...options, driver }, report);
  await nameForeign({ ...options, driver }, report);
  return report;
}

/** Tells of what others have put into the store, as far as its listings show it; each once. */
async function nameForeign({ driver, signal, onFinding }: VerifyOptions, report: VerifyReport): Promise<void> {
  const told = new Set<string>();
  for (let after: string | undefined, more = true; more; ) {
    const page = await driver.list('', { after, signal });
    for (const key of page.foreign ?? []) {
      if (told.has(key) || told.size === FINDINGS_MAX) continue;
      told.add(key);
      const finding: Finding = { kind: 'foreign', space: '', name: undefined, message: quote(key), repaired: false };
      onFinding?.(finding);
      if (report.findings.length < FINDINGS_MAX) report.findings.push(finding);
    }
    after = page.next;
    more = after !== undefined;
  }
}

class SpaceVerification<S> {
  private readonly options: VerifyOptions;
  private readonly of: VerifiedSpace<S>;
  private readonly id: string;
  private readonly report: VerifyReport;
  private readonly lacking: Snapshot<S>[] = [];

  constructor(options: VerifyOptions, of: VerifiedSpace<S>, report: VerifyReport) {
    this.options = options;
    this.of = of;
    this.id = of.space.id;
    this.report = report;
  }

  async run(): Promise<void> {
    const feed = await this.feed();
    const seen = new Set<string>();
    for await (const key of packageFolders(this.options.driver, this.id, this.options.signal)) {
      this.options.signal?.throwIfAborted();
      seen.add(key);
      await this.package(key, feed);
    }
    for (const { key, identity } of feed?.state.items.values() ?? []) {
      if (!seen.has(key)) this.found('feed-differs', identity, 'the feed names a package whose log is gone');
    }
    await this.feedAgain();
  }

  private log<T>(
    key: string,
    schema: LogSchema<T>,
    slot: (n: number) => string,
    checkpoint: (part: 'base' | 'delta') => string,
  ): Log<T> {
    const { driver, runtime } = this.options;
    return new Log<T>(key, undefined, {
      clock: runtime.clock,
      driver,
      schema,
      slot,
      checkpointKey: checkpoint,
      onFault: () => {},
      settlesLater: false,
    });
  }

  private async feed(): Promise<Snapshot<FeedState> | undefined> {
    const own = (part: 'base' | 'delta') => feedCheckpointKey(this.id, part);
    const slot = (n: number) => feedSlot(this.id, n);
    const folded = await this.fold({
      log: this.feedLog(),
      schema: feedSchema,
      prefix: feedPrefix(this.id),
      checkpoint: own,
      slot,
    });
    return folded?.snapshot;
  }

  private feedLog(): Log<FeedState> {
    const own = (part: 'base' | 'delta') => feedCheckpointKey(this.id, part);
    return this.log(this.id, feedSchema, (n) => feedSlot(this.id, n), own);
  }

  private packageLog(key: string): Log<S> {
    const own = (part: 'base' | 'delta') => checkpointKey(this.id, key, part);
    return this.log(key, this.of.schema, (n) => logSlot(this.id, key, n), own);
  }

  private async package(key: string, feed: Snapshot<FeedState> | undefined): Promise<void> {
    const { schema, inventory } = this.of;
    const log = this.packageLog(key);
    const folded = await this.fold({
      log,
      schema,
      prefix: logPrefix(this.id, key),
      checkpoint: (part) => checkpointKey(this.id, key, part),
      slot: (n) => logSlot(this.id, key, n),
      key,
      fed: feed && fedTo(feed, key),
    });
    this.report.logs++;
    if (!folded) return;
    const { snapshot } = folded;
    const name = snapshot.identity || key;
    for (const object of inventory?.named(snapshot.state) ?? []) await this.object(log, name, object);
    if (feed) this.compareFeed(snapshot, feed, name);
  }

  /** Undefined: nothing can be said about what it holds. */
  private async fold<T>(of: FoldedOf<T>): Promise<FoldedLog<T> | undefined> {
    const { driver, repair = false } = this.options;
    const { key, checkpoint } = of;
    let folded = await this.foldOnce(of);
    if (repair && folded.cut && (key === undefined || (of.fed ?? Infinity) <= folded.snapshot.position)) {
      await closeCutEntry(driver, of.slot(folded.snapshot.position), folded.snapshot);
      for (const message of folded.damage) this.found('log', key && (folded.snapshot.identity || key), message, true);
      folded = await this.foldOnce(of);
    }
    const name = key && (folded.snapshot.identity || key);
    this.report.entries += folded.snapshot.position;
    for (const message of folded.damage) this.found('log', name, message);
    if (folded.unreadable !== undefined) {
      this.found('unreadable', name, folded.unreadable);
      return undefined;
    }
    if (folded.checkpoint === 'differs') {
      if (repair) await driver.delete([checkpoint('base'), checkpoint('delta')]);
      this.found('checkpoint', name, 'the checkpoint is not what the log says', repair);
    }
    return folded;
  }

  private foldOnce<T>({ log, schema, prefix, checkpoint, key }: FoldedOf<T>): Promise<FoldedLog<T>> {
    const { driver, runtime, signal } = this.options;
    const { clock } = runtime;
    const identity = key === undefined ? this.id : '';
    return foldLog({ clock, driver, log, schema, identity, prefix, checkpointKey: checkpoint, signal });
  }

  private compareFeed(snapshot: Snapshot<S>, feed: Snapshot<FeedState>, name: string): void {
    const item = feed.state.items.get(snapshot.key);
    const { position } = snapshot;
    const summary = this.of.schema.summarise(snapshot.state);
    const to = item?.to ?? 0;
    if (to > position) this.found('feed-differs', name, `the feed knows ${to} entries, the log has ${position}`);
    else if (to < position && !(to === 0 && summary === undefined)) {
      this.lacking.push(snapshot);
    } else if (item && JSON.stringify(item.summary) !== JSON.stringify(summary)) {
      this.found('feed-differs', name, 'the summary in the feed is not what the log says');
    }
  }

  private async object(log: Log<S>, name: string, { key, size, sha256 }: NamedObject): Promise<void> {
    const { driver, rehash = true, signal } = this.options;
    this.report.objects++;
    const found = rehash
      ? await measure(await driver.read(key, { signal }), signal)
      : await sized(driver.stat(key, { signal }), sha256);
    if (!found) {
      if (await this.stillNamed(log, key)) this.found('object-missing', name, key);
      return;
    }
    this.report.bytes += found.bytes;
    if (found.bytes !== size) this.found('object-differs', name, `${key}: ${found.bytes} bytes instead of ${size}`);
    else if (found.sha256 !== sha256) this.found('object-differs', name, `${key}: another digest than when it was stored`);
  }

  /** A version may have been purged while we looked. */
  private async stillNamed(log: Log<S>, key: string): Promise<boolean> {
    const { state } = await log.refresh();
    for (const object of this.of.inventory?.named(state) ?? []) if (object.key === key) return true;
    return false;
  }

  /** What the feed still lacks, now that all has been read; with `repair` it is fed. */
  private async feedAgain(): Promise<void> {
    if (this.lacking.length === 0) return;
    const { driver, repair = false } = this.options;
    // markers before the feed: what is in neither is lost
    const announced = new Set((await listMarkers(driver, this.id)).map(({ pkg }) => pkg));
    const feed = await this.feedLog().refresh();
    const lost: Snapshot<S>[] = [];
    for (const snapshot of this.lacking) {
      const { key, position } = snapshot;
      if (announced.has(key) || fedTo(feed, key) >= position) continue;
      if (await this.speaks(key, fedTo(feed, key), position)) lost.push(snapshot);
    }
    if (repair && lost.length > 0) await this.feedAnew(lost);
    const after = repair ? await this.feedLog().refresh() : feed;
    for (const { key, identity, position } of lost) {
      const message = `the feed has ${fedTo(feed, key)} of ${position} entries`;
      this.found('feed-lacks', identity || key, message, fedTo(after, key) >= position);
    }
  }

  /** True when one of these entries was announced. A collector's floor is not: nobody can see it, and the feed takes it along with what comes next. */
  private async speaks(key: string, from: number, to: number): Promise<boolean> {
    const log = this.packageLog(key);
    for (let n = from; n < to; n += 1) {
      this.options.signal?.throwIfAborted();
      if (((await log.readSlot(n))?.entry.markers.length ?? 1) > 0) return true;
    }
    return false;
  }

  /** A marker makes the sweep look at its package and feed what is new; those that the writers made are gone. */
  private async feedAnew(lost: readonly Snapshot<S>[]): Promise<void> {
    const { driver, runtime } = this.options;
    for (let from = 0; from < lost.length; from += MARKERS_AT_ONCE) {
      const keys: string[] = [];
      for (const { key, identity, floor } of lost.slice(from, from + MARKERS_AT_ONCE)) {
        const marker = newMarker(runtime, floor.markers);
        await putMarker(driver, marker, { space: this.id, key, identity });
        keys.push(markerKey(this.id, marker, key));
      }
      await this.of.space.sweep();
      await driver.delete(keys);
    }
  }

  private found(kind: FindingKind, name: string | undefined, message: string, repaired = false): void {
    const finding: Finding = { kind, space: this.id, name, message, repaired };
    this.options.onFinding?.(finding);
    if (!repaired) this.report.problems++;
    if (this.report.findings.length < FINDINGS_MAX) this.report.findings.push(finding);
  }
}
