const GONE = Symbol('gone');

/** The layer in which a key has its place in the order. */
type Layer = 'base' | 'middle' | 'top';

interface Changed<V> {
  readonly value: V | typeof GONE;
  readonly place: Layer;
}

type Changes<K, V> = ReadonlyMap<K, Changed<V>>;

/** Changes that the top layer takes: each change copies it. */
const TOP = 64;
/** The middle layer is merged into the base when it has this part of its size: so the base is made anew once for many changes. */
const MIDDLE = 1 / 8;

type Sorted = readonly string[];
type Places = [inBase: number, inMiddle: number, inTop: number];

/** Sorted keys of layers, which never change. */
const sortings = new WeakMap<object, Sorted>();

/** What a value names: others look for keys by it. The same function finds what it has once sorted out. */
export type Naming<V> = (value: V) => Iterable<string>;

type Named<K> = ReadonlyMap<string, K | readonly K[]>;

/** By layer, which never changes, and by what is asked: who names what. */
const namings = new WeakMap<object, Map<unknown, Named<unknown>>>();

function namedIn<K, V>(layer: object, entries: Iterable<readonly [K, V]>, naming: Naming<V>): Named<K> {
  const known = namings.get(layer) ?? new Map<unknown, Named<unknown>>();
  namings.set(layer, known);
  const before = known.get(naming) as Named<K> | undefined;
  if (before) return before;
  const named = new Map<string, K | K[]>();
  for (const [key, value] of entries)
    for (const name of naming(value)) {
      const others = named.get(name);
      // nearly always one: an array for each of a hundred thousand would be megabytes
      if (others === undefined) named.set(name, key);
      else if (Array.isArray(others)) others.push(key);
      else named.set(name, [others, key]);
    }
  known.set(naming, named);
  return named;
}

function* present<K, V>(changes: Changes<K, V>): Generator<[K, V], undefined, unknown> {
  for (const [key, { value }] of changes) if (value !== GONE) yield [key, value];
  return undefined;
}

const lesser = (one: string | undefined, other: string | undefined): string | undefined =>
  one === undefined || (other !== undefined && other < one) ? other : one;

function sortedKeys(layer: ReadonlyMap<string, unknown>): Sorted {
  const known = sortings.get(layer);
  if (known) return known;
  const keys = [...layer.keys()].sort();
  sortings.set(layer, keys);
  return keys;
}

/** Place of the first of these sorted texts that is above `last`. */
export function firstBehind(keys: readonly string[], last: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') <= last) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * An immutable map of which a changed copy is cheap: a large base and a middle layer that copies share, and a few changes on top. A change copies the top
 * only; every 64 changes it goes into the middle layer, which goes into the base when it has grown with it. Iterates in insertion order, exactly as a `Map`
 * would that had seen the same changes.
 */
export class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  private readonly base: ReadonlyMap<K, V>;
  private readonly middle: Changes<K, V>;
  private readonly top: Changes<K, V>;
  readonly size: number;

  private constructor(base: ReadonlyMap<K, V>, middle: Changes<K, V>, top: Changes<K, V>, size: number) {
    this.base = base;
    this.middle = middle;
    this.top = top;
    this.size = size;
  }

  /** Takes the entries in their order; a later one with the same key replaces the value. */
  static of<K, V>(entries: Iterable<readonly [K, V]> = []): LayeredMap<K, V> {
    return LayeredMap.over(new Map(entries));
  }

  /** Over a map that nobody changes any more. */
  static over<K, V>(base: ReadonlyMap<K, V>): LayeredMap<K, V> {
    return new LayeredMap(base, new Map(), new Map(), base.size);
  }

  get(key: K): V | undefined {
    const changed = this.changed(key);
    if (changed === undefined) return this.base.get(key);
    return changed.value === GONE ? undefined : changed.value;
  }

  has(key: K): boolean {
    const changed = this.changed(key);
    return changed === undefined ? this.base.has(key) : changed.value !== GONE;
  }

  with(key: K, value: V): LayeredMap<K, V> {
    return this.withAll([[key, value]]);
  }

  /** Many changes for the price of one copy. */
  withAll(entries: Iterable<readonly [K, V]>): LayeredMap<K, V> {
    const top = new Map(this.top);
    let size = this.size;
    for (const [key, value] of entries) {
      const before = top.get(key) ?? this.middle.get(key);
      const place = before ? (before.value === GONE ? undefined : before.place) : this.base.has(key) ? 'base' : undefined;
      if (place === undefined) {
        size++;
        top.delete(key);
      }
      top.set(key, { value, place: place ?? 'top' });
    }
    return this.settled(top, size);
  }

  without(key: K): LayeredMap<K, V> {
    if (!this.has(key)) return this;
    const top = new Map(this.top);
    if (this.base.has(key) || this.middle.has(key)) top.set(key, { value: GONE, place: 'base' });
    else top.delete(key);
    return this.settled(top, this.size - 1);
  }

  *entries(): Generator<[K, V], undefined, unknown> {
    const { base, middle, top } = this;
    for (const [key, value] of base) {
      const changed = this.changed(key);
      if (changed === undefined) yield [key, value];
      else if (changed.place === 'base' && changed.value !== GONE) yield [key, changed.value];
    }
    for (const [key, own] of middle) {
      const { value, place } = top.get(key) ?? own;
      if (place === 'middle' && value !== GONE) yield [key, value];
    }
    for (const [key, { value, place }] of top) if (place === 'top' && value !== GONE) yield [key, value];
    return undefined;
  }

  [Symbol.iterator](): Generator<[K, V], undefined, unknown> {
    return this.entries();
  }

  *keys(): Generator<K, undefined, unknown> {
    for (const [key] of this.entries()) yield key;
    return undefined;
  }

  *values(): Generator<V, undefined, unknown> {
    for (const [, value] of this.entries()) yield value;
    return undefined;
  }

  /**
   * The first `most` keys above `last` (default: of all), sorted. What was sorted once stays sorted under all changes, and only what was changed is looked up:
   * between two such keys those of the base stand as they are.
   */
  keysBehind(this: LayeredMap<string, V>, last: string | undefined, most: number): string[] {
    const [base, middle, top] = [this.base, this.middle, this.top].map(sortedKeys) as [Sorted, Sorted, Sorted];
    let [inBase, inMiddle, inTop] = [base, middle, top].map((keys) =>
      last === undefined ? 0 : firstBehind(keys, last),
    ) as Places;
    const found: string[] = [];
    while (found.length < most) {
      const own = base[inBase];
      const changed = lesser(middle[inMiddle], top[inTop]);
      if (own !== undefined && (changed === undefined || own < changed)) {
        found.push(own);
        inBase++;
        continue;
      }
      if (changed === undefined) break;
      if (own === changed) inBase++;
      if (middle[inMiddle] === changed) inMiddle++;
      if (top[inTop] === changed) inTop++;
      if (this.changed(changed)?.value !== GONE) found.push(changed);
    }
    return found;
  }

  /**
   * Keys whose values name this. What was sorted out for the base stays so under all changes: the first question takes the time of looking at all values, others
   * that of looking at what was changed lately.
   */
  *keysNaming(naming: Naming<V>, name: string): Generator<K, undefined, unknown> {
    const { base, middle, top } = this;
    for (const key of listed(namedIn(base, base, naming).get(name))) if (this.changed(key) === undefined) yield key;
    for (const key of listed(namedIn(middle, present(middle), naming).get(name))) if (!top.has(key)) yield key;
    for (const [key, value] of present(top)) for (const one of naming(value)) if (one === name) yield key;
    return undefined;
  }

  /** Some value names this. */
  names(naming: Naming<V>, name: string): boolean {
    return !this.keysNaming(naming, name).next().done;
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void, thisArg?: unknown): void {
    for (const [key, value] of this.entries()) callback.call(thisArg, value, key, this);
  }

  private changed(key: K): Changed<V> | undefined {
    return this.top.get(key) ?? this.middle.get(key);
  }

  private settled(top: Changes<K, V>, size: number): LayeredMap<K, V> {
    if (top.size <= TOP) return new LayeredMap(this.base, this.middle, top, size);
    const middle = merged(this.middle, top, this.base);
    const next = new LayeredMap<K, V>(this.base, middle, new Map(), size);
    if (middle.size <= Math.max(TOP, this.base.size * MIDDLE)) return next;
    const base = withChanges(this.base, middle);
    // keys that were sorted are merged, which takes a tenth of sorting them again
    if (sortings.has(this.base)) sortings.set(base, (next as LayeredMap<string, V>).keysBehind(undefined, size));
    return LayeredMap.over(base);
  }
}

const listed = <K>(keys: K | readonly K[] | undefined): readonly K[] =>
  keys === undefined ? [] : Array.isArray(keys) ? keys : [keys as K];

/** A copy of the base with a layer's changes: what is new, or came back, stands behind all others. */
function withChanges<K, V>(base: ReadonlyMap<K, V>, middle: Changes<K, V>): Map<K, V> {
  const all = new Map(base);
  for (const [key, { value, place }] of middle) {
    if (value === GONE || place !== 'base') all.delete(key);
    if (value !== GONE) all.set(key, value);
  }
  return all;
}

/** The changes of both layers as one. */
function merged<K, V>(middle: Changes<K, V>, top: Changes<K, V>, base: ReadonlyMap<K, V>): Changes<K, V> {
  const both = new Map(middle);
  for (const [key, { value, place }] of top) {
    if (value === GONE && !base.has(key)) both.delete(key);
    else {
      // whatever it was in the middle layer, its place is behind all others now
      if (place === 'top') both.delete(key);
      both.set(key, { value, place: place === 'top' ? 'middle' : place });
    }
  }
  return both;
}
