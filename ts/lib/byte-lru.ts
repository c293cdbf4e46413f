/** Keeps what was used last, up to a number of bytes. What weighs more than the whole is not kept. */
export class ByteLru<K, V> {
  private readonly entries = new Map<K, { readonly value: V; readonly bytes: number }>();
  private readonly max: number;
  private used = 0;
  /** The key behind all others: who asks for it again moves nothing. */
  private newest: K | undefined;

  /** @param max bytes in all */
  constructor(max: number) {
    this.max = max;
  }

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
    if (entry === undefined || key === this.newest) return entry?.value;
    this.entries.delete(key);
    this.entries.set(key, entry);
    this.newest = key;
    return entry.value;
  }

  /** The value, without counting as a use. */
  peek(key: K): V | undefined {
    return this.entries.get(key)?.value;
  }

  set(key: K, value: V, bytes: number): void {
    this.delete(key);
    if (bytes > this.max) return;
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
    if (entry === undefined) return false;
    this.used -= entry.bytes;
    if (key === this.newest) this.newest = undefined;
    return this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
    this.newest = undefined;
    this.used = 0;
  }
}
