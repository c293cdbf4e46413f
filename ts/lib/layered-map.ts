const GONE = Symbol('gone');

interface Changed<V> {
  readonly value: V | typeof GONE;
  /** Behind all keys of the base, also when the base knows the key: it was deleted and came back. */
  readonly appended: boolean;
}

/**
 * An immutable map of which a changed copy is cheap: a large base that copies share, and a small overlay of what differs from it. A change copies the
 * overlay only; every √n changes the two become a new base. Iterates in insertion order, exactly as a `Map` would that had seen the same changes.
 */
export class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  private readonly base: ReadonlyMap<K, V>;
  private readonly overlay: ReadonlyMap<K, Changed<V>>;
  readonly size: number;

  private constructor(base: ReadonlyMap<K, V>, overlay: ReadonlyMap<K, Changed<V>>, size: number) {
    this.base = base;
    this.overlay = overlay;
    this.size = size;
  }

  /** Takes the entries in their order; a later one with the same key replaces the value. */
  static of<K, V>(entries: Iterable<readonly [K, V]> = []): LayeredMap<K, V> {
    const base = new Map(entries);
    return new LayeredMap(base, new Map(), base.size);
  }

  get(key: K): V | undefined {
    const changed = this.overlay.get(key);
    if (changed === undefined) return this.base.get(key);
    return changed.value === GONE ? undefined : changed.value;
  }

  has(key: K): boolean {
    const changed = this.overlay.get(key);
    return changed === undefined ? this.base.has(key) : changed.value !== GONE;
  }

  with(key: K, value: V): LayeredMap<K, V> {
    return this.withAll([[key, value]]);
  }

  /** Many changes for the price of one copy. */
  withAll(entries: Iterable<readonly [K, V]>): LayeredMap<K, V> {
    const overlay = new Map(this.overlay);
    let size = this.size;
    for (const [key, value] of entries) {
      const before = overlay.get(key);
      const back = before?.value === GONE;
      const known = before === undefined ? this.base.has(key) : !back;
      if (!known) size++;
      if (back) overlay.delete(key);
      overlay.set(key, { value, appended: back || (before?.appended ?? !known) });
    }
    return this.settled(overlay, size);
  }

  without(key: K): LayeredMap<K, V> {
    if (!this.has(key)) return this;
    const overlay = new Map(this.overlay);
    if (this.base.has(key)) overlay.set(key, { value: GONE, appended: false });
    else overlay.delete(key);
    return this.settled(overlay, this.size - 1);
  }

  *entries(): Generator<[K, V], undefined, unknown> {
    for (const [key, value] of this.base) {
      const changed = this.overlay.get(key);
      if (changed === undefined) yield [key, value];
      else if (!changed.appended && changed.value !== GONE) yield [key, changed.value];
    }
    for (const [key, { value, appended }] of this.overlay) if (appended && value !== GONE) yield [key, value];
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

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void, thisArg?: unknown): void {
    for (const [key, value] of this.entries()) callback.call(thisArg, value, key, this);
  }

  private settled(overlay: ReadonlyMap<K, Changed<V>>, size: number): LayeredMap<K, V> {
    const next = new LayeredMap(this.base, overlay, size);
    return overlay.size > Math.max(64, Math.sqrt(this.base.size)) ? LayeredMap.of(next) : next;
  }
}
