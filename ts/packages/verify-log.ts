import type { Clock } from '../lib/clock.js';
import type { RawEntry } from '../log/checkpoint.js';
import { Checkpoints } from '../log/checkpoint.js';
import { closingEntry, DamagedEntry } from '../log/entry.js';
import { emptySnapshot, FoldAgain, foldEntry, namedBy } from '../log/fold.js';
import type { Log } from '../log/log.js';
import { type LogSchema, type Snapshot, UnknownChange } from '../log/schema.js';
import type { StorageDriver } from '../storage/driver.js';

const ROUND = 16;

export interface FoldedLog<S> {
  /** As far as the log is good. */
  readonly snapshot: Snapshot<S>;
  /** What is wrong with the chain; empty: nothing. */
  readonly damage: readonly string[];
  /** All that is wrong is a last entry that was cut short, and no checkpoint has seen it whole. */
  readonly cut: boolean;
  /** Written by a newer program: from the snapshot's position on nothing can be said. */
  readonly unreadable: string | undefined;
  /** `differs`: readers would believe it, and it is not what the log says. `unused`: there is none that they would believe. */
  readonly checkpoint: 'good' | 'differs' | 'unused';
}

export interface FoldRequest<S> {
  readonly clock: Clock;
  readonly driver: StorageDriver;
  readonly log: Log<S>;
  readonly schema: LogSchema<S>;
  /** Of a log whose entries do not say it (a feed); else empty. */
  readonly identity: string;
  /** Of all slots, with its trailing slash. */
  readonly prefix: string;
  readonly checkpointKey: (part: 'base' | 'delta') => string;
  readonly signal?: AbortSignal | undefined;
}

/** Folds a log from its first slot, whatever its length, believing no view; looks at its checkpoint when it passes by. */
export async function foldLog<S>(request: FoldRequest<S>): Promise<FoldedLog<S>> {
  const { clock, driver, log, schema, checkpointKey } = request;
  const checkpoint = (await new Checkpoints(clock, driver, schema, checkpointKey).load(log.key))?.snapshot;
  const erased = new Set<number>();
  for (;;) {
    try {
      const folded = await foldOnce(request, checkpoint, erased);
      if (folded.damage.length > 0 || folded.unreadable !== undefined)
        return { ...folded, cut: folded.cut && (await isLast(request, folded.snapshot.position)) };
      const strays = await straySlots(request, folded.snapshot.position);
      return strays === undefined ? folded : { ...folded, damage: [strays] };
    } catch (error) {
      if (!(error instanceof FoldAgain)) throw error;
      erased.add(error.erased);
    }
  }
}

async function foldOnce<S>(
  { log, schema, identity, signal }: FoldRequest<S>,
  checkpoint: Snapshot<S> | undefined,
  erased: ReadonlySet<number>,
): Promise<FoldedLog<S>> {
  let snapshot = emptySnapshot(schema, identity, log.key);
  let verdict: FoldedLog<S>['checkpoint'] = 'unused';
  const stubs: number[] = [];
  const damage: string[] = [];
  let unreadable: string | undefined;
  let cut = false;
  try {
    for await (const { entry } of slots(log)) {
      signal?.throwIfAborted();
      snapshot = foldEntry(schema, namedBy(schema, snapshot, entry), entry, erased);
      if (snapshot.broken !== undefined) break;
      if (entry.erased) stubs.push(entry.n);
      if (checkpoint?.position === snapshot.position && checkpoint.head === snapshot.head) {
        verdict = sameState(schema, checkpoint, snapshot) ? 'good' : 'differs';
      }
    }
  } catch (error) {
    if (error instanceof DamagedEntry) {
      damage.push(error.message);
      cut = error.cut && (checkpoint?.position ?? 0) <= snapshot.position;
    } else if (error instanceof UnknownChange) unreadable = error.message;
    else throw error;
  }
  if (snapshot.broken !== undefined) damage.push(snapshot.broken);
  for (const n of stubs) if (!erased.has(n)) damage.push(`entry ${n} was reduced and no entry says so`);
  return { snapshot, damage, cut: cut && damage.length === 1, unreadable, checkpoint: verdict };
}

/** Up to the first absent slot, in rounds: most logs are short. Throws at the slot that is damaged, behind all before it. */
async function* slots<S>(log: Log<S>): AsyncGenerator<RawEntry> {
  for (let from = 0, count = 2; ; from += count, count = ROUND) {
    const round = await Promise.allSettled(Array.from({ length: count }, (_, i) => log.readSlot(from + i)));
    for (const slot of round) {
      if (slot.status === 'rejected') throw slot.reason;
      if (slot.value === undefined) return;
      yield slot.value;
    }
  }
}

/**
 * Puts an entry that says nothing where half of one lies: no reader could take it in, so nobody was told that it stands, and a writer that still tries finds
 * the slot taken. The log goes on behind it.
 */
export async function closeCutEntry<S>(driver: StorageDriver, slot: string, { position, head, at }: Snapshot<S>): Promise<void> {
  await driver.write(slot, closingEntry({ n: position, prev: head, at }));
}

/** Compared as they would be written down, so that it does not matter how a state came to be. */
function sameState<S>(schema: LogSchema<S>, kept: Snapshot<S>, folded: Snapshot<S>): boolean {
  const { identity, at, floor } = folded;
  if (
    kept.identity !== identity ||
    kept.at !== at ||
    kept.floor.objects !== floor.objects ||
    kept.floor.markers !== floor.markers
  ) {
    return false;
  }
  const fresh = schema.encode(schema.decode(schema.encode(folded.state)));
  return Buffer.compare(schema.encode(kept.state), fresh) === 0;
}

const slotName = (n: number): string => `${String(n).padStart(10, '0')}.jsonl`;

async function isLast<S>({ driver, prefix, signal }: FoldRequest<S>, n: number): Promise<boolean> {
  return (await driver.list(prefix, { after: prefix + slotName(n), limit: 1, signal })).objects.length === 0;
}

/** A slot is never freed: one behind the first absent one means that entries are gone. */
async function straySlots<S>({ driver, prefix, signal }: FoldRequest<S>, position: number): Promise<string | undefined> {
  const last = prefix + slotName(Math.max(0, position - 1));
  const { objects } = await driver.list(prefix, { after: last, limit: 2, signal });
  const stray = objects.find(({ key }) => key !== last && /^\d{10}\.jsonl$/.test(key.slice(prefix.length)));
  if (!stray) return undefined;
  const n = Number(stray.key.slice(prefix.length, prefix.length + 10));
  // created while the log was read
  if (n === position && position > 0) return undefined;
  return `entry ${position} is missing, entry ${n} is there`;
}
