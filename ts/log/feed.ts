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
    const lines = bytes.byteLength === 0 ? [] : text(bytes).split('\n');
    let total = 0;
    const items = lines.map((line): [string, FeedItem] => {
      const [key, identity, to, summary] = JSON.parse(line) as [string, string, number, Json | undefined];
      const item: FeedItem = { key, identity, to, summary };
      total += weight(item);
      return [key, item];
    });
    return { items: LayeredMap.of(items), weight: total };
  },
  weigh: (state) => state.weight,
  summarise: () => undefined,
};
