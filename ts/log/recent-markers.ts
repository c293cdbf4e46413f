import type { RawEntry } from './checkpoint.js';

const KEPT = 512;
const LOOK_BACK = 256;
const ROUND = 16;

/** Which entries the latest markers of one log announced, so that a marker that is still there need not be looked into again. */
export class RecentMarkers {
  private readonly positions = new Map<string, number>();
  private readonly readSlot: (n: number) => Promise<RawEntry | undefined>;
  /** Every entry from here on is known. */
  private from = 0;

  constructor(readSlot: (n: number) => Promise<RawEntry | undefined>) {
    this.readSlot = readSlot;
  }

  /** Forgets all, and begins with what stands from `from` on. */
  restart(from: number, entries: readonly RawEntry[]): void {
    this.positions.clear();
    this.from = from;
    this.add(entries);
  }

  add(entries: readonly RawEntry[]): void {
    for (const { entry } of entries) for (const marker of entry.markers) this.positions.set(marker, entry.n);
    while (this.positions.size > KEPT) {
      const [oldest] = this.positions;
      if (!oldest) return;
      this.positions.delete(oldest[0]);
      this.from = Math.max(this.from, oldest[1] + 1);
    }
  }

  has(marker: string): boolean {
    return this.positions.has(marker);
  }

  /** The entry that `marker` announced; looks back a bounded way. Undefined: none that can be found. */
  async find(marker: string): Promise<number | undefined> {
    const lowest = Math.max(0, this.from - LOOK_BACK);
    while (!this.positions.has(marker) && this.from > lowest) {
      const start = Math.max(lowest, this.from - ROUND);
      const round = await Promise.all(Array.from({ length: this.from - start }, (_, i) => this.readSlot(start + i)));
      for (const raw of round) for (const found of raw?.entry.markers ?? []) this.positions.set(found, raw?.entry.n ?? 0);
      this.from = start;
    }
    return this.positions.get(marker);
  }
}
