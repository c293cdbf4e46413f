import { text, utf8 } from '../lib/bytes.js';
import type { Json } from '../lib/json.js';
import { LayeredMap } from '../lib/layered-map.js';
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

/** One after the other: the whole as one text would be in memory beside its items. */
function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; ) {
    const end = bytes.indexOf(10, start);
    yield bytes.subarray(start, end < 0 ? bytes.byteLength : end);
    start = end < 0 ? bytes.byteLength : end + 1;
  }
}

export const feedSchema: LogSchema<FeedState> = {
  revision: 'feed-1',
  initial: () => ({ items: LayeredMap.of<string, FeedItem>([]), weight: 0 }),
  apply(state, change) {
    if (change.type !== 'fed') throw new UnknownChange(`feed change ${change.type}`);
    const item = itemOf(change);
    return { items: state.items.with(item.key, item), weight: state.weight + weight(item) - weight(state.items.get(item.key)) };
  },
  encode: ({ items }) =>
    utf8(
      [...items.values()]
        .map(({ key, identity, to, summary }) =>
          JSON.stringify(summary === undefined ? [key, identity, to] : [key, identity, to, summary]),
        )
        .join('\n'),
    ),
  decode(bytes) {
    let total = 0;
    const items = function* (): Generator<[string, FeedItem]> {
      for (const line of linesOf(bytes)) {
        const [key, identity, to, summary] = JSON.parse(text(line)) as [string, string, number, Json | undefined];
        const item: FeedItem = { key, identity, to, summary };
        total += weight(item);
        yield [key, item];
      }
    };
    return { items: LayeredMap.of(items()), weight: total };
  },
  weigh: (state) => state.weight,
  summarise: () => undefined,
};
