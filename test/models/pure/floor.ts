import type { Model, Step } from './explore.js';

/** What is stored for one package: its log, and objects by key. A key's number is the time at its front. */
interface World {
  log: { readonly floor?: number; readonly object?: number }[];
  objects: number[];
}

interface Memory {
  at: string;
  /** Length of the log when it was folded. */
  seen: number;
  object: number;
  copies: number;
  acknowledged: boolean;
  listed: number[];
  condemned: number[];
}

export interface FloorRules {
  readonly commitsFloor: boolean;
}

const floorOf = ({ log }: World): number => Math.max(0, ...log.map(({ floor = 0 }) => floor));
const without = (all: readonly number[], some: readonly number[]) => all.filter((one) => !some.includes(one));

/** Two writers must not make the same key: the fraction stands for the nonce. */
const keyAt = (time: number, id: number): number => time + id / 10;

const writer =
  (id: number, clock: number, { commitsFloor }: FloorRules): Step<World, Memory> =>
  (world, me) => {
    switch (me.at) {
      case 'begin':
        me.object = keyAt(clock, id);
        world.objects.push(me.object);
        me.at = 'validate';
        return `uploads ${me.object}`;
      case 'validate':
        me.seen = world.log.length;
        me.at = commitsFloor && Math.floor(me.object) < floorOf(world) ? 'rescue' : 'create';
        return `validates at ${me.seen}, then ${me.at}`;
      case 'create':
        me.at = world.log.length === me.seen ? 'done' : 'validate';
        if (me.at !== 'done') return 'finds the slot taken';
        world.log.push({ object: me.object });
        me.acknowledged = true;
        return `commits ${me.object} and is acknowledged`;
      case 'rescue': {
        me.copies += 1;
        me.at = me.copies > 2 || !world.objects.includes(me.object) ? 'done' : 'validate';
        if (me.at === 'done') return 'is told to send the bytes again';
        me.object = keyAt(Math.max(clock, floorOf(world) + 1), id);
        world.objects.push(me.object);
        return `copies to ${me.object}`;
      }
      default:
        return undefined;
    }
  };

const collector =
  ({ commitsFloor }: FloorRules): Step<World, Memory> =>
  (world, me) => {
    switch (me.at) {
      case 'begin':
        me.listed = [...world.objects];
        me.at = 'fold';
        return `lists ${me.listed}`;
      case 'fold': {
        me.seen = world.log.length;
        const named = world.log.flatMap(({ object }) => object ?? []);
        me.condemned = without(me.listed, named);
        me.at = me.condemned.length === 0 ? 'done' : commitsFloor ? 'floor' : 'delete';
        return `condemns ${me.condemned}`;
      }
      case 'floor':
        me.at = world.log.length === me.seen ? 'delete' : 'fold';
        if (me.at === 'fold') return 'finds the slot taken';
        world.log.push({ floor: Math.max(...me.condemned.map(Math.floor)) + 1 });
        return `commits a floor above ${me.condemned}`;
      case 'delete':
        world.objects = without(world.objects, me.condemned);
        me.at = 'done';
        return `deletes ${me.condemned}`;
      default:
        return undefined;
    }
  };

/** Two writers, the clock of one far behind; two collectors. Acknowledged bytes stay. */
export const floorModel = (rules: FloorRules): Model<World, Memory> => ({
  world: { log: [], objects: [] },
  memory: () => ({ at: 'begin', seen: 0, object: 0, copies: 0, acknowledged: false, listed: [], condemned: [] }),
  processes: [[writer(1, 20, rules)], [writer(2, 10, rules)], [collector(rules)], [collector(rules)]],
  alike: [2, 3],
  violated: (world, memories) =>
    memories.some(({ acknowledged, object }) => acknowledged && !world.objects.includes(object))
      ? 'acknowledged bytes are gone'
      : undefined,
});
