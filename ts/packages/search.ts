import type { Json } from '../lib/json.js';
import type { FeedItem } from '../log/schema.js';

export interface SearchRequest {
  /** Words that must all occur; none: everything. At most the first 16 count. */
  readonly text: string;
  /** How many to skip, default 0. */
  readonly from?: number;
  /** How many to answer, default 20, at most 250. */
  readonly size?: number;
  /** Whether the caller may know of it. Asked before counting, so that neither pages nor totals tell of hidden ones. */
  readonly visible?: (item: FeedItem) => boolean;
}

export interface SearchHit {
  readonly item: FeedItem;
  /** 0 (found in the description only) to 4 (the very name), by the best of the words. */
  readonly rank: number;
}

export interface SearchPage {
  readonly total: number;
  readonly hits: readonly SearchHit[];
}

interface Indexed {
  readonly item: FeedItem;
  readonly name: string;
  readonly keywords: readonly string[];
  /** All of it: one look refuses most. Words have no line breaks in them, so that none is found across two fields. */
  readonly text: string;
}

const WORDS_MAX = 16;
const TEXT_MAX = 1024;
const PAGE_MAX = 250;

const fold = (text: string): string => text.normalize('NFKC').toLowerCase();

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

function indexed(item: FeedItem): Indexed {
  const { summary } = item;
  const fields =
    typeof summary === 'object' && summary !== null && !Array.isArray(summary)
      ? (summary as { readonly [field: string]: Json })
      : {};
  const listed = fields['keywords'];
  const name = fold(textOf(fields['name']) || item.identity);
  const keywords = Array.isArray(listed) ? (listed as readonly Json[]).map((word) => fold(textOf(word))).filter(Boolean) : [];
  return { item, name, keywords, text: [name, ...keywords, fold(textOf(fields['description']))].join('\n') };
}

/** How well one word fits: the very name 4, its beginning (or that of the part behind a scope) 3, inside it 2, a keyword 1, anywhere else 0; -1 not at all. */
function rankOfWord({ name, keywords, text }: Indexed, word: string): number {
  if (!text.includes(word)) return -1;
  if (name === word) return 4;
  const inName = name.indexOf(word);
  if (inName === 0 || (inName > 0 && name[inName - 1] === '/')) return 3;
  if (inName > 0) return 2;
  return keywords.some((keyword) => keyword.startsWith(word)) ? 1 : 0;
}

/**
 * Search over the summaries of a feed, in memory. `update` looks at what is new only; summaries may have `name`, `description` and `keywords`.
 * Pages are stable while the feed stands still: the order is rank, then name.
 */
export class SearchIndex {
  private readonly byKey = new Map<string, Indexed>();
  private seen: ReadonlyMap<string, FeedItem> | undefined;
  /** By name, remade when a name comes or goes. */
  private sorted: readonly Indexed[] = [];

  get size(): number {
    return this.byKey.size;
  }

  /** Takes over what `LogSpace.names` says; answers how many packages were read anew. */
  update({ items }: { readonly items: ReadonlyMap<string, FeedItem> }): number {
    if (items === this.seen) return 0;
    this.seen = items;
    let changed = 0;
    for (const [key, item] of items) {
      if (this.byKey.get(key)?.item === item) continue;
      this.byKey.set(key, indexed(item));
      changed++;
    }
    const gone = this.byKey.size > items.size ? [...this.byKey.keys()].filter((key) => !items.has(key)) : [];
    for (const key of gone) this.byKey.delete(key);
    if (changed + gone.length > 0) this.sorted = [...this.byKey.values()].sort(byName);
    return changed;
  }

  search({ text, from = 0, size = 20, visible = () => true }: SearchRequest): SearchPage {
    const words = [...new Set(fold(text.slice(0, TEXT_MAX)).split(/\s+/u).filter(Boolean))].slice(0, WORDS_MAX);
    const ranks: SearchHit[][] = [[], [], [], [], []];
    let total = 0;
    for (const one of this.sorted) {
      const rank = rankOf(one, words);
      if (rank < 0 || !visible(one.item)) continue;
      total++;
      ranks[rank]?.push({ item: one.item, rank });
    }
    const first = clamp(from, 0, total);
    const hits = ranks
      .reverse()
      .flat()
      .slice(first, first + clamp(size, 0, PAGE_MAX));
    return { total, hits };
  }
}

const byName = (a: Indexed, b: Indexed): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.item.key < b.item.key ? -1 : 1;

/** The best of the words decides, but each must occur. */
function rankOf(one: Indexed, words: readonly string[]): number {
  let best = 0;
  for (const word of words) {
    const rank = rankOfWord(one, word);
    if (rank < 0) return -1;
    if (rank > best) best = rank;
  }
  return best;
}

const clamp = (value: number, low: number, high: number): number =>
  Number.isNaN(value) ? low : Math.min(high, Math.max(low, Math.trunc(value)));
