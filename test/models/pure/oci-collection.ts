import type { Model, Step } from './explore.js';

type Entry = { readonly type: 'blob' | 'drop'; readonly key: number } | { readonly type: 'manifest' };

/** An image repository with one digest, whose bytes may lie under several keys. */
interface World {
  log: Entry[];
  bytes: number[];
}

interface Memory {
  at: string;
  seen: number;
  key: number;
  acknowledged: boolean;
}

export interface OciRules {
  /** The collector commits `drop` before it deletes. */
  readonly dropFirst: boolean;
  /** A manifest that lost its slot is validated against what won. */
  readonly validatesAgain: boolean;
}

/** Key of the blob that the log gives the right to serve (0: none), and whether a manifest refers to it. */
function stateOf({ log }: World): { readonly blob: number; readonly referenced: boolean } {
  let blob = 0;
  let referenced = false;
  for (const entry of log) {
    if (entry.type === 'manifest') referenced = true;
    else if (entry.type === 'blob') blob = entry.key;
    else if (entry.key === blob) blob = 0;
  }
  return { blob, referenced };
}

const pusher =
  (id: number, { validatesAgain }: OciRules): Step<World, Memory> =>
  (world, me) => {
    const { blob } = stateOf(world);
    switch (me.at) {
      case 'begin':
        me.at = blob ? 'validate' : 'upload';
        return `asks for the blob: ${blob ? 'there' : 'absent'}`;
      case 'upload':
        me.key = 10 + id;
        world.bytes.push(me.key);
        me.at = 'fold';
        return `uploads ${me.key}`;
      case 'fold':
        me.seen = world.log.length;
        me.at = 'commit blob';
        return `folds to ${me.seen}`;
      case 'commit blob':
        me.at = world.log.length === me.seen ? 'validate' : 'fold';
        if (me.at === 'fold') return 'finds the slot taken';
        world.log.push({ type: 'blob', key: me.key });
        return `commits blob ${me.key}`;
      case 'validate':
        me.seen = world.log.length;
        me.at = blob ? 'commit manifest' : 'done';
        return `validates the manifest: ${blob ? 'good' : 'its blob is unknown'}`;
      case 'commit manifest':
        if (validatesAgain && world.log.length !== me.seen) {
          me.at = 'validate';
          return 'finds the slot taken';
        }
        world.log.push({ type: 'manifest' });
        me.acknowledged = true;
        me.at = 'done';
        return 'commits the manifest';
      default:
        return undefined;
    }
  };

const collector =
  ({ dropFirst }: OciRules): Step<World, Memory> =>
  (world, me) => {
    const { blob, referenced } = stateOf(world);
    switch (me.at) {
      case 'begin':
        me.seen = world.log.length;
        me.key = blob;
        me.at = !blob || referenced ? 'done' : dropFirst ? 'drop' : 'delete';
        return `looks: ${me.at}`;
      case 'drop':
        me.at = world.log.length === me.seen ? 'delete' : 'begin';
        if (me.at === 'begin') return 'finds the slot taken';
        world.log.push({ type: 'drop', key: me.key });
        return `drops ${me.key}`;
      case 'delete':
        world.bytes = world.bytes.filter((key) => key !== me.key);
        me.at = 'done';
        return `deletes ${me.key}`;
      default:
        return undefined;
    }
  };

/** Two pushers that reuse a layer which nothing refers to yet, two collectors. An acknowledged manifest has its layer. */
export const ociModel = (rules: OciRules): Model<World, Memory> => ({
  world: { log: [{ type: 'blob', key: 1 }], bytes: [1] },
  memory: () => ({ at: 'begin', seen: 0, key: 0, acknowledged: false }),
  processes: [[pusher(1, rules)], [pusher(2, rules)], [collector(rules)], [collector(rules)]],
  alike: [2, 3],
  violated: (world, memories) => {
    const { blob, referenced } = stateOf(world);
    const promised = referenced && memories.some(({ acknowledged }) => acknowledged);
    return promised && !world.bytes.includes(blob) ? 'a manifest was acknowledged and its layer is gone' : undefined;
  },
});
