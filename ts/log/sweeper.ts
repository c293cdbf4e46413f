import type { Runtime } from '../lib/clock.js';
import { randomId } from '../lib/ids.js';
import type { StorageDriver } from '../storage/driver.js';
import { feedSlot } from '../storage/key.js';
import { decodeEntry, encodeEntry } from './entry.js';
import { type FeedState, fedChange } from './feed.js';
import type { Log } from './log.js';
import { type ListedMarker, listMarkers } from './marker.js';
import type { Mutant } from './mutant.js';
import type { OwnMarker, OwnMarkers } from './own-markers.js';
import type { Change, FeedItem, LogSchema, Snapshot } from './schema.js';

/** Markers whose entry never came are voided after this long, by the store's own clock. */
export const MARKER_EXPIRES_MS = 60 * 60 * 1000;
const MAX_ITEMS_BYTES = 768 * 1024;
const MAX_SUMMARY_BYTES = 8 * 1024;
const AT_ONCE = 16;
const MAX_ROUNDS = 64;

export interface SweepContext<S> {
  readonly space: string;
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  readonly schema: LogSchema<S>;
  readonly feed: Log<FeedState>;
  readonly own: OwnMarkers;
  log(key: string): Log<S>;
  /** Raises the package's floor to just above those of these markers whose entry has not come after all. */
  voidMarkers(log: Log<S>, markers: readonly string[]): Promise<void>;
  /** The store's own time now, in milliseconds. */
  storeTime(): Promise<number>;
  onFault(error: unknown, where: string): void;
  readonly mutants: ReadonlySet<Mutant>;
}

/** What stands about one package's markers. */
interface Standing<S> {
  readonly log: Log<S>;
  readonly snapshot: Snapshot<S>;
  readonly listed: readonly ListedMarker[];
  readonly announced: readonly OwnMarker[];
  readonly open: readonly ListedMarker[];
}

/**
 * Appends to the feed behind the answers (design §1.3): lists the markers, resolves all of them, appends one entry, deletes the markers that it covers.
 * Anybody may do it at any time; who loses the feed's slot looks again.
 */
export class Sweeper<S> {
  private readonly context: SweepContext<S>;

  constructor(context: SweepContext<S>) {
    this.context = context;
  }

  /** Answers how many markers are left that wait for their entry. */
  async sweep(): Promise<number> {
    const markers = await listMarkers(this.context.driver, this.context.space);
    if (markers.length === 0) return 0;
    const standings = await this.resolve(markers);
    const settled = await this.expire(standings);
    await this.append(settled);
    await this.deleteCovered(settled);
    return settled.reduce((sum, { open }) => sum + open.length, 0);
  }

  /**
   * The same for the markers of this process whose entries it has created: nothing is listed, and nothing read that is still known. What others have left
   * is for `sweep`.
   */
  async feedOwn(): Promise<void> {
    const standings = await this.ownStandings();
    if (this.context.mutants.has('own-markers-unfed')) await this.delete(standings.flatMap(({ announced }) => announced));
    await this.append(standings);
    await this.deleteCovered(standings);
  }

  private async ownStandings(): Promise<readonly Standing<S>[]> {
    const standings: Standing<S>[] = [];
    for (const [key, announced] of this.context.own.byLog()) {
      const log = this.context.log(key);
      const last = Math.max(...announced.map(({ entry }) => entry));
      // let go of meanwhile, it may have come back from an older checkpoint
      const known = log.snapshot !== undefined && log.snapshot.position > last;
      const snapshot = (known ? log.snapshot : undefined) ?? (await log.refresh());
      if (snapshot.broken === undefined) standings.push({ log, snapshot, listed: [], announced, open: [] });
    }
    return standings;
  }

  private async resolve(markers: readonly ListedMarker[]): Promise<readonly Standing<S>[]> {
    const byPackage = new Map<string, ListedMarker[]>();
    for (const marker of markers) byPackage.set(marker.pkg, [...(byPackage.get(marker.pkg) ?? []), marker]);
    const packages = [...byPackage];
    const standings: Standing<S>[] = [];
    for (let i = 0; i < packages.length; i += AT_ONCE) {
      const some = await Promise.all(packages.slice(i, i + AT_ONCE).map(([key, own]) => this.stand(key, own)));
      for (const standing of some) if (standing) standings.push(standing);
    }
    return standings;
  }

  private async stand(key: string, markers: readonly ListedMarker[]): Promise<Standing<S> | undefined> {
    const log = this.context.log(key);
    try {
      const known = log.snapshot !== undefined && markers.every(({ marker }) => log.recent.has(marker));
      const snapshot = (known ? log.snapshot : undefined) ?? (await log.refresh());
      if (snapshot.broken !== undefined) return undefined;
      const announced: OwnMarker[] = [];
      const open: ListedMarker[] = [];
      for (const marker of markers) {
        const entry = await log.recent.find(marker.marker);
        if (entry === undefined || entry >= snapshot.position) open.push(marker);
        else announced.push({ storageKey: marker.storageKey, entry });
      }
      return { log, snapshot, listed: markers, announced, open };
    } catch (error) {
      this.context.onFault(error, `sweep of ${key}`);
      return undefined;
    }
  }

  private async expire(standings: readonly Standing<S>[]): Promise<readonly Standing<S>[]> {
    const { runtime } = this.context;
    // the writer's clock only says when it is worth asking the store for its own
    const worth = standings.some(({ open }) =>
      open.some(({ time, modified }) => runtime.clock.now() - Math.min(time, modified) > MARKER_EXPIRES_MS),
    );
    if (!worth) return standings;
    const now = await this.context.storeTime();
    return Promise.all(standings.map((standing) => this.expireOne(standing, now)));
  }

  private async expireOne(standing: Standing<S>, now: number): Promise<Standing<S>> {
    const expired = standing.open.filter(({ modified }) => now - modified > MARKER_EXPIRES_MS);
    if (expired.length === 0) return standing;
    const { log } = standing;
    const mutant = this.context.mutants.has('marker-expires-without-floor');
    if (!mutant)
      await this.context.voidMarkers(
        log,
        expired.map(({ marker }) => marker),
      );
    const again = await this.stand(log.key, standing.listed);
    if (!again) return { ...standing, open: [] };
    // only what the floor has passed: a marker above it may still get its entry
    const void_ = again.open.filter(
      ({ time, marker }) => time < again.snapshot.floor.markers || (mutant && expired.some((old) => old.marker === marker)),
    );
    await this.context.driver.delete(void_.map(({ storageKey }) => storageKey));
    return { ...again, open: again.open.filter((marker) => !void_.includes(marker)) };
  }

  private async append(standings: readonly Standing<S>[]): Promise<void> {
    const { feed } = this.context;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const before = feed.snapshot ?? (await feed.refresh());
      const { items, more } = this.itemsFor(standings, before.state);
      if (items.length === 0) return;
      const added = await this.appendOne(before, items);
      if (!added) await feed.refresh();
      else if (!more) return;
    }
  }

  private itemsFor(
    standings: readonly Standing<S>[],
    fed: FeedState,
  ): { readonly items: readonly Change[]; readonly more: boolean } {
    const at = this.context.runtime.clock.now();
    const items: Change[] = [];
    let bytes = 0;
    for (const { log, snapshot } of standings) {
      const from = fed.items.get(log.key)?.to ?? 0;
      if (snapshot.position <= from) continue;
      const change: Change = { ...fedChange(this.itemOf(snapshot), from), at };
      bytes += Buffer.byteLength(JSON.stringify(change));
      if (bytes > MAX_ITEMS_BYTES && items.length > 0) return { items, more: true };
      items.push(change);
    }
    return { items, more: false };
  }

  private itemOf(snapshot: Snapshot<S>): FeedItem {
    const summary = this.context.schema.summarise(snapshot.state);
    const fits = summary === undefined || Buffer.byteLength(JSON.stringify(summary)) <= MAX_SUMMARY_BYTES;
    if (!fits) this.context.onFault(new Error(`summary of ${snapshot.key} is too large`), 'sweep');
    return { key: snapshot.key, identity: snapshot.identity, to: snapshot.position, summary: fits ? summary : null };
  }

  /** False: the slot was taken; look again. */
  private async appendOne(before: Snapshot<FeedState>, changes: readonly Change[]): Promise<boolean> {
    const { space, driver, runtime, feed } = this.context;
    const id = randomId(runtime.random);
    const n = before.position;
    const at = Math.max(before.at, runtime.clock.now());
    const bytes = encodeEntry({
      n,
      prev: before.head,
      id,
      at,
      salt: runtime.random.bytes(16),
      markers: [],
      ...(before.named ? {} : { name: space }),
      changes,
    });
    if ((await driver.write(feedSlot(space, n), bytes, { ifAbsent: true })) === 'exists') {
      const there = await feed.readSlot(n);
      if (there?.entry.id !== id) return false;
    }
    await feed.accept(before, { entry: decodeEntry(bytes, n), bytes }, 0);
    return true;
  }

  private async deleteCovered(standings: readonly Standing<S>[]): Promise<void> {
    const fed = this.context.feed.snapshot?.state.items;
    const covered = standings.flatMap(({ log, announced }) => {
      const to = fed?.get(log.key)?.to ?? 0;
      return announced.filter(({ entry }) => entry < to);
    });
    await this.delete(covered);
  }

  private async delete(markers: readonly OwnMarker[]): Promise<void> {
    if (markers.length === 0) return;
    const keys = markers.map(({ storageKey }) => storageKey);
    await this.context.driver.delete(keys);
    this.context.own.forget(keys);
  }
}
