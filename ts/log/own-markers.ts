import { markerKey } from '../storage/key.js';

const KEPT = 4096;

/** A marker that this process has put, and the entry that it announced: created, so the marker need not be looked into. */
export interface OwnMarker {
  readonly storageKey: string;
  readonly entry: number;
}

/** This process's markers that stand and await the feed. What is too much is forgotten: the next look at all markers finds it. */
export class OwnMarkers {
  private readonly space: string;
  private readonly markers = new Map<string, { readonly key: string; readonly entry: number }>();

  constructor(space: string) {
    this.space = space;
  }

  add(key: string, marker: string, entry: number): void {
    this.markers.set(markerKey(this.space, marker, key), { key, entry });
    if (this.markers.size <= KEPT) return;
    const [oldest] = this.markers.keys();
    if (oldest !== undefined) this.markers.delete(oldest);
  }

  /** By the log that they speak of. */
  byLog(): ReadonlyMap<string, readonly OwnMarker[]> {
    const found = new Map<string, OwnMarker[]>();
    for (const [storageKey, { key, entry }] of this.markers) {
      const own = found.get(key) ?? [];
      own.push({ storageKey, entry });
      found.set(key, own);
    }
    return found;
  }

  /** Of these, whatever was own is deleted. */
  forget(storageKeys: readonly string[]): void {
    for (const storageKey of storageKeys) this.markers.delete(storageKey);
  }
}
