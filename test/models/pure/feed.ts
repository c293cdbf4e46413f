import type { Model, Process, Step } from './explore.js';

interface World {
  log: { readonly marker?: number; readonly floor?: number }[];
  feed: { readonly from: number; readonly to: number }[];
  /** Times of the markers; the fraction tells writers apart. */
  markers: number[];
}

interface Memory {
  at: string;
  seen: number;
  marker: number;
  tries: number;
  round: number;
  listed: number[];
  slot: number;
  from: number;
  open: number[];
}

export interface FeedRules {
  /** Markers count as expired only once a floor stands above them. */
  readonly commitsFloor: boolean;
}

const floorOf = ({ log }: World): number => Math.max(0, ...log.map(({ floor = 0 }) => floor));
const fedTo = ({ feed }: World): number => feed.at(-1)?.to ?? 0;
const placeOf = ({ log }: World, marker: number): number => log.findIndex((entry) => entry.marker === marker);

const writer =
  (id: number, clock: number, tries: number, { commitsFloor }: FeedRules): Step<World, Memory> =>
  (world, me) => {
    switch (me.at) {
      case 'begin': {
        me.seen = world.log.length;
        const void_ = me.marker > 0 && commitsFloor && Math.floor(me.marker) < floorOf(world);
        if (void_) me.marker = 0;
        me.at = me.marker > 0 ? 'create' : me.tries < tries ? 'mark' : 'done';
        return `validates at ${me.seen}, then ${me.at}`;
      }
      case 'mark':
        me.tries += 1;
        // never below the floor of the state that it validated
        me.marker = (commitsFloor ? Math.max(clock, floorOf({ ...world, log: world.log.slice(0, me.seen) })) : clock) + id / 10;
        world.markers.push(me.marker);
        me.at = 'create';
        return `puts marker ${me.marker}`;
      case 'create':
        me.at = world.log.length === me.seen ? 'done' : 'begin';
        if (me.at === 'begin') return 'finds the slot taken';
        world.log.push({ marker: me.marker });
        return `commits behind ${me.marker}`;
      default:
        return undefined;
    }
  };

/** Whether an open marker has expired is anybody's guess: clocks may be anything. */
const lookAt =
  (rules: FeedRules, expires: boolean): Step<World, Memory> =>
  (world, me) => {
    if (me.at !== 'look') return undefined;
    const open = me.listed.filter((marker) => placeOf(world, marker) < 0);
    if (expires && open.length === 0) return undefined;
    me.seen = world.log.length;
    me.open = expires ? open : [];
    me.at = expires ? (rules.commitsFloor ? 'floor' : 'drop') : 'append';
    return `reads the log to ${me.seen}${expires ? `, calls ${open} expired` : ''}`;
  };

const sweep =
  (rounds: number): Step<World, Memory> =>
  (world, me) => {
    if (me.round === rounds) return undefined;
    switch (me.at) {
      case 'begin':
        if (world.markers.length === 0) return undefined;
        me.listed = [...world.markers];
        me.at = 'fold';
        return `lists ${me.listed}`;
      case 'fold':
        me.slot = world.feed.length;
        me.from = fedTo(world);
        me.at = 'look';
        return `folds the feed to ${me.slot}`;
      case 'floor':
        me.at = world.log.length === me.seen ? 'drop' : 'look';
        if (me.at === 'look') return 'finds the slot for the floor taken';
        world.log.push({ floor: Math.max(...me.open.map(Math.floor)) + 1 });
        me.seen = world.log.length;
        return `raises the floor above ${me.open}`;
      case 'drop':
        world.markers = world.markers.filter((marker) => !me.open.includes(marker));
        me.at = 'append';
        return `deletes markers ${me.open}`;
      case 'append':
        if (me.seen > me.from && world.feed.length !== me.slot) {
          me.at = 'fold';
          return "finds the feed's slot taken";
        }
        if (me.seen > me.from) world.feed.push({ from: me.from, to: me.seen });
        me.at = 'delete';
        return me.seen > me.from ? `feeds ${me.from} to ${me.seen}` : 'has nothing to feed';
      case 'delete': {
        const covered = me.listed.filter((marker) => placeOf(world, marker) >= 0 && placeOf(world, marker) < fedTo(world));
        world.markers = world.markers.filter((marker) => !covered.includes(marker));
        Object.assign(me, { at: 'begin', round: me.round + 1, listed: [], open: [], seen: 0, slot: 0, from: 0 });
        return `deletes covered markers ${covered}`;
      }
      default:
        return undefined;
    }
  };

const sweeper = (rounds: number, rules: FeedRules): Process<World, Memory> => [
  sweep(rounds),
  lookAt(rules, false),
  lookAt(rules, true),
];

export interface FeedSize {
  /** How often the second writer may mark anew. */
  readonly tries: number;
  readonly rounds: readonly number[];
}

/** Two writers of one package and sweepers that may call any marker expired. What was committed is in the feed or still marked. */
export const feedModel = (rules: FeedRules, { tries, rounds }: FeedSize): Model<World, Memory> => ({
  world: { log: [], feed: [], markers: [] },
  memory: () => ({ at: 'begin', seen: 0, marker: 0, tries: 0, round: 0, listed: [], slot: 0, from: 0, open: [] }),
  processes: [[writer(1, 6, 1, rules)], [writer(2, 5, tries, rules)], ...rounds.map((count) => sweeper(count, rules))],
  violated: (world) => {
    if (world.feed.some(({ from }, i) => from !== (world.feed[i - 1]?.to ?? 0))) return 'the feed has a gap or an overlap';
    const lost = world.log.some(({ marker }, n) => marker !== undefined && n >= fedTo(world) && !world.markers.includes(marker));
    return lost ? 'a committed change is neither in the feed nor marked' : undefined;
  },
});
