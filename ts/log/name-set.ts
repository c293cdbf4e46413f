import { type FeedState, isThere } from './feed.js';
import type { FeedItem, Snapshot } from './schema.js';

/** The packages that are there: the feed's, and what is ahead of it. The same map as before while nothing has changed. */
export class NameSet {
  private merged: { readonly stamp: string; readonly items: ReadonlyMap<string, FeedItem> } | undefined;

  /** `fresh`: packages as their own logs have them just now. */
  of({ position, state }: Snapshot<FeedState>, fresh: readonly (FeedItem | undefined)[]): ReadonlyMap<string, FeedItem> {
    const ahead = fresh.filter((item) => item !== undefined).filter(({ key, to }) => to > (state.items.get(key)?.to ?? 0));
    const stamp = `${position}:${ahead.map(({ key, to }) => `${key}=${to}`).join()}`;
    if (this.merged?.stamp === stamp) return this.merged.items;
    const items = new Map<string, FeedItem>();
    for (const item of [...state.items.values(), ...ahead]) {
      if (isThere(item)) items.set(item.key, item);
      else items.delete(item.key);
    }
    this.merged = { stamp, items };
    return items;
  }
}
