import { text, utf8 } from '../lib/bytes.js';
import type { Clock } from '../lib/clock.js';
import { sha256InSlices } from '../lib/digest.js';
import { inTurns, joined, type Sliced } from '../lib/slices.js';
import { readWhole } from '../storage/abilities.js';
import type { StorageDriver } from '../storage/driver.js';
import { decodeEntry, type Entry } from './entry.js';
import { foldEntry, NOTHING_ERASED } from './fold.js';
import type { Floor, LogSchema, Snapshot } from './schema.js';

/** Above this a checkpoint has two parts: a base, and a delta with the entries since. */
const ONE_PART_BYTES = 1024 * 1024;
/** Below this every commit is followed by a checkpoint. */
const ALWAYS_BELOW_BYTES = 64 * 1024;
const ENTRIES_BETWEEN = 64;
const MAX_BASE_BYTES = 1024 * 1024 * 1024;

export interface RawEntry {
  readonly entry: Entry;
  readonly bytes: Uint8Array;
}

/** What is known of a log's checkpoint, to decide when the next one is due and what it may build upon. */
export interface CheckpointStand {
  /** Entries covered by what lies in storage. */
  readonly position: number;
  readonly base: { readonly position: number; readonly sha256: string; readonly bytes: number } | undefined;
  /** Entries since the base, kept only while the base is large. */
  readonly since: readonly Uint8Array[];
}

export const NO_CHECKPOINT: CheckpointStand = { position: 0, base: undefined, since: [] };

interface Head {
  readonly format: 1;
  readonly sha256: string;
}

interface BaseFacts {
  readonly revision: string;
  readonly key: string;
  readonly identity: string;
  readonly named: boolean;
  readonly position: number;
  readonly head: string;
  readonly at: number;
  readonly floor: Floor;
}

interface DeltaFacts {
  readonly base: string;
}

/** The whole checkpoint: `body` behind a head that says, besides its hash, `more`. */
function* sealed<M>(body: Uint8Array, more: M): Sliced<{ readonly sha256: string; readonly bytes: Uint8Array }> {
  const sha256 = yield* sha256InSlices(body);
  const bytes = yield* joined([utf8(`${JSON.stringify({ format: 1, ...more, sha256 })}\n`), body]);
  return { sha256, bytes };
}

function* split<H extends Head>(bytes: Uint8Array): Sliced<{ readonly head: H; readonly body: Uint8Array } | undefined> {
  const end = bytes.indexOf(10);
  if (end < 0) return undefined;
  const head = JSON.parse(text(bytes.subarray(0, end))) as H;
  const body = bytes.subarray(end + 1);
  return head.format === 1 && head.sha256 === (yield* sha256InSlices(body)) ? { head, body } : undefined;
}

/** True when this state should be written down now: after `between` entries where that is said. */
export function checkpointDue<S>(
  schema: LogSchema<S>,
  snapshot: Snapshot<S>,
  stand: CheckpointStand,
  between: number | undefined,
): boolean {
  const behind = snapshot.position - stand.position;
  if (between !== undefined) return behind >= between;
  return behind >= ENTRIES_BETWEEN || (behind > 0 && schema.weigh(snapshot.state) < ALWAYS_BELOW_BYTES);
}

/** Entries since the base as they come, as long as a delta may be made of them. */
export function standAfter(stand: CheckpointStand, entries: readonly RawEntry[]): CheckpointStand {
  if (!stand.base || stand.base.bytes <= ONE_PART_BYTES) return stand;
  return { ...stand, since: [...stand.since, ...entries.map(({ bytes }) => bytes)] };
}

/** The checkpoints of one log: views that may vanish or be behind at any time. */
export class Checkpoints<S> {
  private readonly clock: Clock;
  private readonly driver: StorageDriver;
  private readonly schema: LogSchema<S>;
  private readonly keyOf: (part: 'base' | 'delta') => string;

  constructor(clock: Clock, driver: StorageDriver, schema: LogSchema<S>, keyOf: (part: 'base' | 'delta') => string) {
    this.clock = clock;
    this.driver = driver;
    this.schema = schema;
    this.keyOf = keyOf;
  }

  /** A state to start from, to be believed only if entry `position - 1` exists and has the hash `head`. Junk counts as absent. */
  async load(key: string): Promise<{ readonly snapshot: Snapshot<S>; readonly stand: CheckpointStand } | undefined> {
    const stored = await readWhole(this.driver, this.keyOf('base'), MAX_BASE_BYTES);
    if (!stored) return undefined;
    try {
      return await this.restore(key, stored.bytes);
    } catch {
      // a checkpoint is a convenience: whatever is wrong with it, the log has the truth
      return undefined;
    }
  }

  private async restore(key: string, bytes: Uint8Array) {
    const base = await inTurns(this.clock, split<Head & BaseFacts>(bytes));
    if (!base || base.head.revision !== this.schema.revision || base.head.key !== key) return undefined;
    const { identity, named, position, head, at, floor, sha256 } = base.head;
    const { inSlices } = this.schema;
    const state = inSlices ? await inTurns(this.clock, inSlices.decode(base.body)) : this.schema.decode(base.body);
    const snapshot: Snapshot<S> = { identity, named, key, position, head, at, floor, state };
    const stand: CheckpointStand = { position, base: { position, sha256, bytes: bytes.byteLength }, since: [] };
    if (bytes.byteLength <= ONE_PART_BYTES) return { snapshot, stand };
    return this.withDelta(snapshot, stand);
  }

  private async withDelta(snapshot: Snapshot<S>, stand: CheckpointStand) {
    const stored = await readWhole(this.driver, this.keyOf('delta'), MAX_BASE_BYTES);
    const delta = stored && (await inTurns(this.clock, split<Head & DeltaFacts>(stored.bytes)));
    if (!delta || delta.head.base !== stand.base?.sha256) return { snapshot, stand };
    const since = [...entriesIn(delta.body)];
    const after = await inTurns(this.clock, this.folded(snapshot, since));
    return after.broken === undefined
      ? { snapshot: after, stand: { ...stand, position: after.position, since } }
      : { snapshot, stand };
  }

  private *folded(before: Snapshot<S>, entries: readonly Uint8Array[]): Sliced<Snapshot<S>> {
    let after = before;
    for (const bytes of entries) {
      after = foldEntry(this.schema, after, decodeEntry(bytes, after.position), NOTHING_ERASED);
      yield;
    }
    return after;
  }

  /** Writes the state down; answers the new stand. Meanwhile the log may grow: a snapshot stays what it is. */
  async write(snapshot: Snapshot<S>, stand: CheckpointStand): Promise<CheckpointStand> {
    const { base, since } = stand;
    const deltaBytes = since.reduce((sum, bytes) => sum + bytes.byteLength, 0);
    const fits =
      base && base.bytes > ONE_PART_BYTES && base.position + since.length === snapshot.position && deltaBytes <= base.bytes / 8;
    if (fits) {
      const body = await inTurns(this.clock, joined(since));
      const { bytes } = await inTurns(this.clock, sealed<DeltaFacts>(body, { base: base.sha256 }));
      await this.put('delta', bytes);
      return { ...stand, position: snapshot.position };
    }
    const { key, identity, named, position, head, at, floor, state } = snapshot;
    if (head === null) return stand;
    const { inSlices, revision } = this.schema;
    const body = inSlices ? await inTurns(this.clock, inSlices.encode(state)) : this.schema.encode(state);
    const facts: BaseFacts = { revision, key, identity, named, position, head, at, floor };
    const { bytes, sha256 } = await inTurns(this.clock, sealed(body, facts));
    await this.put('base', bytes);
    return { position, base: { position, sha256, bytes: bytes.byteLength }, since: [] };
  }

  private put(part: 'base' | 'delta', bytes: Uint8Array): Promise<unknown> {
    return this.driver.write(this.keyOf(part), bytes, { durable: false });
  }
}

function* entriesIn(body: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < body.byteLength; ) {
    const first = body.indexOf(10, start);
    const end = first < 0 ? -1 : body.indexOf(10, first + 1);
    if (end < 0) return;
    yield body.subarray(start, end + 1);
    start = end + 1;
  }
}
