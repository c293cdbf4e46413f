export interface ByteLruOptions {
  /** True: the last value that weighs more than the whole stays beside the others, where making it again for each use would be dear. Default: it is not kept. */
  readonly oneLarger?: boolean;
}

/** Keeps what was used last, up to a number of bytes. */
export class ByteLru<K, V> {
  private readonly entries = new Map<K, { readonly value: V; readonly bytes: number }>();
  private readonly max: number;
  private used = 0;
  /** The key behind all others: who asks for it again moves nothing. */
  private newest: K | undefined;

  private readonly oneLarger: boolean;
  private larger: { readonly key: K; readonly value: V } | undefined;

  /** @param max bytes in all */
  constructor(max: number, { oneLarger = false }: ByteLruOptions = {}) {
    this.max = max;
    this.oneLarger = oneLarger;
  }

  /** Without the one that is larger. */
  get size(): number {
    return this.entries.size;
  }

  /** Bytes of all entries, as they were said to weigh. */
  get bytes(): number {
    return this.used;
  }

  /** The value, which counts as used now. */
  get(key: K): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return this.largerAt(key);
    if (key === this.newest) return entry.value;
    this.entries.delete(key);
    this.entries.set(key, entry);
    this.newest = key;
    return entry.value;
  }

  /** The value, without counting as a use. */
  peek(key: K): V | undefined {
    return this.entries.get(key)?.value ?? this.largerAt(key);
  }

  set(key: K, value: V, bytes: number): void {
    this.delete(key);
    if (bytes > this.max) {
      if (this.oneLarger) this.larger = { key, value };
      return;
    }
    this.entries.set(key, { value, bytes });
    this.newest = key;
    this.used += bytes;
    for (const oldest of this.entries.keys()) {
      if (this.used <= this.max) return;
      this.delete(oldest);
    }
  }

  delete(key: K): boolean {
    const entry = this.entries.get(key);
    if (entry === undefined) return this.deleteLarger(key);
    this.used -= entry.bytes;
    if (key === this.newest) this.newest = undefined;
    return this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
    this.newest = undefined;
    this.larger = undefined;
    this.used = 0;
  }

  private largerAt(key: K): V | undefined {
    return this.larger && this.larger.key === key ? this.larger.value : undefined;
  }

  private deleteLarger(key: K): boolean {
    if (this.larger === undefined || this.larger.key !== key) return false;
    this.larger = undefined;
    return true;
  }
}
