import { text, utf8 } from '../lib/bytes.js';
import type { Json } from '../lib/json.js';
import { LayeredMap } from '../lib/layered-map.js';
import { atOnce, joined, type Sliced } from '../lib/slices.js';
import { type Change, type FeedItem, type LogSchema, type NewChange, UnknownChange } from './schema.js';

/** The fold of a space's feed: the name set, with what indexes record of each package. */
export interface FeedState {
  readonly items: LayeredMap<string, FeedItem>;
  readonly weight: number;
}

const ITEM_OVERHEAD = 200;

const weight = (item: FeedItem | undefined): number => (item ? ITEM_OVERHEAD + 2 * (item.identity.length + item.key.length) : 0);

/** "Package P went from a to b." */
export const fedChange = (item: FeedItem, from: number): NewChange => ({
  type: 'fed',
  by: '~',
  key: item.key,
  name: item.identity,
  from,
  to: item.to,
  ...(item.summary === undefined ? {} : { summary: item.summary }),
});

const itemOf = (change: Change): FeedItem => ({
  key: String(change['key']),
  identity: String(change['name']),
  to: Number(change['to']),
  summary: change['summary'],
});

/** The item that a feed's change brings. */
export const fedItem = (change: Change): FeedItem | undefined => (change.type === 'fed' ? itemOf(change) : undefined);

/** The summaries of a checkpoint, one behind the other. */
interface Summaries {
  bytes: Uint8Array;
}

/**
 * An item as a checkpoint has it: most summaries are never asked for, and all of them together take long to parse. It knows where its summary lies: a view
 * of the bytes for each of a hundred thousand would take as much memory again, and the garbage collector's time.
 */
class StoredItem implements FeedItem {
  readonly key: string;
  readonly identity: string;
  readonly to: number;
  private summaries: Summaries | undefined;
  private readonly from: number;
  private readonly length: number;
  private parsed: Json | undefined;

  constructor(key: string, identity: string, to: number, summaries: Summaries, from: number, length: number) {
    this.key = key;
    this.identity = identity;
    this.to = to;
    this.summaries = summaries;
    this.from = from;
    this.length = length;
    this.parsed = undefined;
  }

  get summary(): Json | undefined {
    if (this.summaries) this.parsed = JSON.parse(text(this.bytesIn(this.summaries))) as Json;
    this.summaries = undefined;
    return this.parsed;
  }

  get raw(): Uint8Array {
    return this.summaries ? this.bytesIn(this.summaries) : utf8(JSON.stringify(this.parsed));
  }

  private bytesIn({ bytes }: Summaries): Uint8Array {
    return bytes.subarray(this.from, this.from + this.length);
  }
}

/** Whether the package exists, without looking into its summary. */
export const isThere = (item: FeedItem): boolean => item instanceof StoredItem || item.summary !== undefined;

const rawSummary = (item: FeedItem): Uint8Array | undefined =>
  item instanceof StoredItem ? item.raw : item.summary === undefined ? undefined : utf8(JSON.stringify(item.summary));

/**
 * Packages, with a column for each of what is known of them: as many rows take twice as long to parse. A length is that of the summary behind all lines; -1:
 * the package does not exist.
 */
type Columns = readonly [keys: string[], identities: string[], positions: number[], lengths: number[]];
/** Packages in a line: they are parsed neither one by one, nor all as one text beside their items. */
const IN_A_LINE = 500;

/** Lines of columns, an empty line, then the summaries one behind the other. */
function* encodeItems({ items }: FeedState): Sliced<Uint8Array> {
  const lines: Uint8Array[] = [];
  const summaries: Uint8Array[] = [];
  let columns: Columns = [[], [], [], []];
  const close = () => {
    if (columns[0].length > 0) lines.push(utf8(`${JSON.stringify(columns)}\n`));
    columns = [[], [], [], []];
  };
  for (const item of items.values()) {
    const raw = rawSummary(item);
    if (raw) summaries.push(raw);
    const [keys, identities, positions, lengths] = columns;
    keys.push(item.key);
    identities.push(item.identity);
    positions.push(item.to);
    if (lengths.push(raw?.byteLength ?? -1) < IN_A_LINE) continue;
    close();
    yield;
  }
  close();
  return yield* joined([...lines, utf8('\n'), ...summaries]);
}

/** Hands over line by line; answers where the summaries begin. */
function* eachLine(bytes: Uint8Array, take: (columns: Columns) => void): Sliced<number> {
  for (let start = 0; ; ) {
    const end = bytes.indexOf(10, start);
    if (end < 0) throw new RangeError('a feed state that is cut off');
    if (end === start) return end + 1;
    take(JSON.parse(text(bytes.subarray(start, end))) as Columns);
    start = end + 1;
    yield;
  }
}

/** Throws on bytes that `encodeItems` did not write. The items keep a hold on `bytes` until they are asked for their summaries. */
function* decodeItems(bytes: Uint8Array): Sliced<FeedState> {
  const items = new Map<string, FeedItem>();
  const summaries: Summaries = { bytes };
  let at = 0;
  let total = 0;
  const begin = yield* eachLine(bytes, ([keys, identities, positions, lengths]) => {
    let row = 0;
    for (const key of keys) {
      const identity = identities[row] ?? '';
      const to = positions[row] ?? 0;
      const length = lengths[row++] ?? -1;
      const item =
        length < 0 ? { key, identity, to, summary: undefined } : new StoredItem(key, identity, to, summaries, at, length);
      at += Math.max(0, length);
      total += weight(item);
      items.set(key, item);
    }
  });
  summaries.bytes = bytes.subarray(begin);
  if (at !== summaries.bytes.byteLength) throw new RangeError('a feed state with bytes missing or left over');
  return { items: LayeredMap.over(items), weight: total };
}

export const feedSchema: LogSchema<FeedState> = {
  revision: 'feed-3',
  initial: () => ({ items: LayeredMap.of<string, FeedItem>([]), weight: 0 }),
  apply(state, change) {
    if (change.type !== 'fed') throw new UnknownChange(`feed change ${change.type}`);
    const item = itemOf(change);
    return { items: state.items.with(item.key, item), weight: state.weight + weight(item) - weight(state.items.get(item.key)) };
  },
  encode: (state) => atOnce(encodeItems(state)),
  decode: (bytes) => atOnce(decodeItems(bytes)),
  inSlices: { encode: encodeItems, decode: decodeItems },
  weigh: (state) => state.weight,
  summarise: () => undefined,
};
