import { type Entry, markersVoid, NO_FLOOR, objectsVoid, raised } from './entry.js';
import type { Change, EntryInfo, LogSchema, NewChange, Snapshot } from './schema.js';

export const emptySnapshot = <S>(schema: LogSchema<S>, identity: string, key: string): Snapshot<S> => ({
  identity,
  named: false,
  key,
  position: 0,
  head: null,
  at: 0,
  floor: NO_FLOOR,
  state: schema.initial(identity),
});

/** The state that this entry's changes meet: before its first named entry a log holds floors only, and is nobody's. */
export function namedBy<S>(schema: LogSchema<S>, before: Snapshot<S>, { name }: Entry): Snapshot<S> {
  if (before.named || name === undefined || name === before.identity) return before;
  return { ...before, identity: name, state: schema.initial(name) };
}

/** An entry further on erased one whose content this fold has taken in: it must begin again without it. */
export class FoldAgain extends Error {
  override readonly name = 'FoldAgain';
  readonly erased: number;

  constructor(erased: number) {
    super(`entry ${erased} was erased`);
    this.erased = erased;
  }
}

/** Entries whose content must not be folded in, as far as known. */
export type Erased = ReadonlySet<number>;
export const NOTHING_ERASED: Erased = new Set();

/** The change that makes everything below these times count for nothing. For collectors and sweepers. */
export const floorChange = (by: string, floor: { readonly objects?: number; readonly markers?: number }): NewChange => ({
  type: 'floor',
  by,
  ...(floor.objects === undefined ? {} : { objectsFloor: floor.objects }),
  ...(floor.markers === undefined ? {} : { markersFloor: floor.markers }),
});

export const eraseChange = (by: string, n: number): NewChange => ({ type: 'erase', by, n });

/** Without what must go: the skeleton. */
export const redacted = <S>(schema: LogSchema<S>, change: Change): Change =>
  schema.redact?.(change) ?? {
    type: change.type,
    by: change.by,
    at: change.at,
    ...(change.objects ? { objects: change.objects } : {}),
  };

/** One change more. `floor` and `erase` belong to the log; all others to its schema. Void changes count for nothing. */
export function applyChange<S>(schema: LogSchema<S>, snapshot: Snapshot<S>, change: Change, entry: EntryInfo): Snapshot<S> {
  if (change.type === 'floor') return { ...snapshot, floor: raised(snapshot.floor, change) };
  if (change.type === 'erase' || objectsVoid(change.objects, snapshot.floor)) return snapshot;
  return { ...snapshot, state: schema.apply(snapshot.state, change, entry) };
}

const broken = <S>(snapshot: Snapshot<S>, why: string): Snapshot<S> => ({ ...snapshot, broken: why });

/**
 * One entry more, its place in the chain checked. A fork or a stub that nobody ordered makes the snapshot `broken`, which stops the fold.
 * Throws `FoldAgain` when the entry erases one that is folded in already, `UnknownChange` from the schema.
 */
export function foldEntry<S>(schema: LogSchema<S>, before: Snapshot<S>, entry: Entry, erased: Erased): Snapshot<S> {
  if (before.broken !== undefined) return before;
  if (entry.n !== before.position || entry.prev !== before.head)
    return broken(before, `entry ${entry.n} does not follow its predecessor`);
  for (const change of entry.changes) {
    const target = change.type === 'erase' ? Number(change['n']) : -1;
    if (target >= 0 && target < entry.n && !erased.has(target)) throw new FoldAgain(target);
  }
  const at = Math.max(before.at, entry.at);
  let after: Snapshot<S> = before;
  const counts = !markersVoid(entry.markers, before.floor);
  for (const change of counts ? entry.changes : []) {
    after = applyChange(schema, after, erased.has(entry.n) ? redacted(schema, change) : change, { n: entry.n, id: entry.id, at });
  }
  return { ...after, named: before.named || entry.name !== undefined, position: entry.n + 1, head: entry.hash, at };
}
