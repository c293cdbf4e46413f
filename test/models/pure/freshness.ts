import type { Model, Step } from './explore.js';

/** One package, its feed and markers, and the memory that requests on one instance share. */
interface World {
  /** Entries in the package's log; those acknowledged; entries that each feed item reaches to. */
  log: number;
  acknowledged: number;
  feed: number[];
  markers: number[];
  /** The instance: feed items known, position of the cached state, last probe that named the package, last one that a re-read has answered. */
  known: number;
  cached: number;
  dirty: number;
  clean: number;
}

interface Memory {
  at: string;
  round: number;
  /** Of the sweeper: markers listed. */
  listed: number[];
  to: number;
  /** Of a request: acknowledged when it began, what it answered. */
  after: number;
  answer: number;
  rereads: boolean;
  mark: number;
}

export interface FreshnessRules {
  readonly markersFirst: boolean;
  /** What a probe saw is noted for all requests, not only for the one that looked. */
  readonly marksShared: boolean;
  /** A re-read answers only probes that ended before it began. */
  readonly settlesEarlierOnly: boolean;
}

const fedTo = ({ feed }: World): number => feed.at(-1) ?? 0;

const writer =
  (publishes: number): Step<World, Memory> =>
  (world, me) => {
    if (me.round === publishes) return undefined;
    switch (me.at) {
      case 'begin':
        world.markers.push(me.round);
        me.at = 'create';
        return `marks change ${me.round}`;
      case 'create':
        world.log += 1;
        me.at = 'answer';
        return `commits entry ${world.log}`;
      default:
        world.acknowledged = world.log;
        me.round += 1;
        me.at = 'begin';
        return `acknowledges ${world.acknowledged}`;
    }
  };

const sweeper =
  (rounds: number): Step<World, Memory> =>
  (world, me) => {
    if (me.round === rounds) return undefined;
    switch (me.at) {
      case 'begin':
        if (world.markers.length === 0 || world.log === fedTo(world)) return undefined;
        me.listed = [...world.markers];
        me.to = world.log;
        me.at = 'append';
        return `lists ${me.listed}, reads the log to ${me.to}`;
      case 'append':
        world.feed.push(me.to);
        me.at = 'delete';
        return `feeds up to ${me.to}`;
      default: {
        const covered = me.listed.filter((marker) => marker < fedTo(world));
        world.markers = world.markers.filter((marker) => !covered.includes(marker));
        me.round += 1;
        me.at = 'begin';
        return `deletes markers ${covered}`;
      }
    }
  };

function request({ markersFirst, marksShared, settlesEarlierOnly }: FreshnessRules): Step<World, Memory> {
  const named = (world: World, me: Memory) => {
    me.rereads = true;
    if (marksShared) world.dirty += 1;
  };
  const look = (world: World, me: Memory, where: 'markers' | 'feed') => {
    if (where === 'markers' && world.markers.length > 0) named(world, me);
    if (where === 'feed' && world.feed.length > world.known) {
      world.known = world.feed.length;
      named(world, me);
    }
  };
  const [first, second] = markersFirst ? (['markers', 'feed'] as const) : (['feed', 'markers'] as const);
  const answer = (world: World, me: Memory) => {
    me.answer = world.cached;
    me.at = 'done';
    return `a request answers ${me.answer}`;
  };
  return (world, me) => {
    switch (me.at) {
      case 'begin':
        me.after = world.acknowledged;
        me.at = 'first';
        return `a request begins after ${me.after}`;
      case 'first':
        look(world, me, first);
        me.at = 'second';
        return `a request looks at the ${first}`;
      case 'second':
        look(world, me, second);
        me.at = me.rereads || world.dirty > world.clean ? 'read' : 'answer';
        return `a request looks at the ${second}`;
      case 'read':
        me.to = world.log;
        me.mark = world.dirty;
        me.at = 'take in';
        return `a request re-reads up to ${me.to}`;
      case 'take in':
        world.cached = Math.max(world.cached, me.to);
        world.clean = settlesEarlierOnly ? Math.max(world.clean, me.mark) : world.dirty;
        return answer(world, me);
      case 'answer':
        return answer(world, me);
      default:
        return undefined;
    }
  };
}

/** A writer, a sweeper, and three requests that share a cache: what begins after an acknowledgement sees it. */
export const freshnessModel = (rules: FreshnessRules, publishes: number): Model<World, Memory> => ({
  world: { log: 0, acknowledged: 0, feed: [], markers: [], known: 0, cached: 0, dirty: 0, clean: 0 },
  memory: () => ({ at: 'begin', round: 0, listed: [], to: 0, after: 0, answer: -1, rereads: false, mark: 0 }),
  processes: [[writer(publishes)], [sweeper(publishes)], ...[0, 1, 2].map(() => [request(rules)])],
  alike: [2, 3, 4],
  violated: (_, memories) =>
    memories.some(({ at, answer, after }) => at === 'done' && answer >= 0 && answer < after)
      ? 'a request does not see what was acknowledged before it began'
      : undefined,
});

/** A process whose requests share looks at a folder: `looks` is how many have begun, `done` how many have ended, `wanted` the last that anybody waits for. */
interface Shared extends World {
  looks: number;
  done: number;
  wanted: number;
  /** Looks that have named the package. */
  named: number[];
}

interface Sharer extends Memory {
  look: number;
}

export interface SharingRules {
  /** Whoever asks waits for a look that has not begun. */
  readonly waitsForNext: boolean;
}

/** A directory read, then an existence check: other processes come in between, and other requests of this one while a feed entry is taken in. */
const looker: Step<Shared, Sharer> = (world, me) => {
  const saw = (): void => {
    world.dirty += 1;
    world.named.push(world.looks);
  };
  switch (me.at) {
    case 'begin':
      if (world.wanted <= world.looks) return undefined;
      world.looks += 1;
      if (world.markers.length > 0) saw();
      me.at = 'feed';
      return `look ${world.looks} reads the markers`;
    case 'feed':
      me.to = world.feed.length;
      me.at = 'end';
      return `look ${world.looks} finds ${me.to} feed entries`;
    default:
      if (me.to > world.known) {
        world.known = me.to;
        saw();
      }
      world.done = world.looks;
      me.at = 'begin';
      return `look ${world.done} ends`;
  }
};

function sharing({ waitsForNext }: SharingRules): Step<Shared, Sharer> {
  const reads = request({ markersFirst: true, marksShared: true, settlesEarlierOnly: true });
  return (world, me) => {
    switch (me.at) {
      case 'begin':
        me.after = world.acknowledged;
        me.look = !waitsForNext && world.looks > world.done ? world.looks : world.looks + 1;
        world.wanted = Math.max(world.wanted, me.look);
        me.at = 'wait';
        return `a request begins after ${me.after} and waits for look ${me.look}`;
      case 'wait':
        if (world.done < me.look) return undefined;
        me.at = world.named.includes(me.look) || world.dirty > world.clean ? 'read' : 'answer';
        return `look ${me.look} is done for a request`;
      default:
        return reads(world, me);
    }
  };
}

/** The same, where all requests of a process share looks. */
export const sharedLookModel = (rules: SharingRules, publishes: number, requests: number): Model<Shared, Sharer> => ({
  world: {
    log: 0,
    acknowledged: 0,
    feed: [],
    markers: [],
    known: 0,
    cached: 0,
    dirty: 0,
    clean: 0,
    looks: 0,
    done: 0,
    wanted: 0,
    named: [],
  },
  memory: () => ({ at: 'begin', round: 0, listed: [], to: 0, after: 0, answer: -1, rereads: false, mark: 0, look: 0 }),
  processes: [
    [writer(publishes)],
    [sweeper(publishes)],
    [looker],
    ...Array.from({ length: requests }, () => [sharing(rules)]),
  ] as Model<Shared, Sharer>['processes'],
  alike: Array.from({ length: requests }, (_, n) => n + 3),
  violated: (_, memories) =>
    memories.some(({ at, answer, after }) => at === 'done' && answer >= 0 && answer < after)
      ? 'a request does not see what was acknowledged before it began'
      : undefined,
});
