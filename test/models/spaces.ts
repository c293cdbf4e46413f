import type { Runtime } from '../../ts/lib/clock.js';
import { Space } from '../../ts/log/space.js';
import { packageKey } from '../../ts/storage/key.js';
import { type Names, namesSchema, testRuntime } from '../log/set-log.js';
import type { Mutants } from './check.js';
import type { DriverHabits, Stage } from './stage.js';

/** The package that every scenario is about, and its folder. */
export const P = 'p';
export const KEY = packageKey(P);

export interface SpaceHabits extends DriverHabits {
  readonly maxStaleness?: number;
}

/** The same in every run: ids depend on nothing but what a process has seen. `skew`: milliseconds that its wall clock is ahead. Where storage is `local`, ends of turns are steps. */
export function runtimeOf(stage: Stage, process: string, { skew = 0, local = false }: DriverHabits = {}): Runtime {
  const runtime = testRuntime(
    [...process].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, 7),
    stage.clock,
  );
  const clock = Object.assign(Object.create(stage.clock) as typeof stage.clock, {
    now: () => stage.clock.now() + skew,
    ...(local && { afterTurn: (run: () => void) => void stage.step(process, 'the turn ends').then(run) }),
  });
  return { ...runtime, clock };
}

/** One instance. */
export const spaceOf = (stage: Stage, process: string, mutants: Mutants, habits: SpaceHabits = {}): Space<Names> =>
  new Space<Names>({
    id: 'r',
    driver: stage.driver(process, habits),
    runtime: runtimeOf(stage, process, habits),
    schema: namesSchema,
    maxStaleness: habits.maxStaleness ?? 0,
    mutants,
    onFault: (error) => {
      throw error;
    },
  });

/** False for any failure. */
export const tried = async (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );

export interface Line {
  readonly markers: readonly string[];
  readonly changes: readonly {
    readonly type: string;
    readonly value?: string;
    readonly from?: number;
    readonly to?: number;
    readonly objectsFloor?: number;
    readonly version?: string;
    readonly objects?: readonly string[];
  }[];
}

const parsed = new WeakMap<Uint8Array, Line>();

function lineOf(bytes: Uint8Array): Line {
  const known = parsed.get(bytes);
  if (known) return known;
  const line = JSON.parse(new TextDecoder().decode(bytes).split('\n')[1] as string) as Line;
  parsed.set(bytes, line);
  return line;
}

/** Second lines of what is stored under slots `<prefix>0000000000.jsonl` and on. */
export function linesOf({ store }: Stage, prefix: string): readonly Line[] {
  const lines: Line[] = [];
  for (let n = 0; ; n += 1) {
    const found = store.objects.get(`${prefix}${String(n).padStart(10, '0')}.jsonl`);
    if (!found) return lines;
    lines.push(lineOf(found.bytes));
  }
}

export const logOf = (stage: Stage): readonly Line[] => linesOf(stage, `log/r/${KEY}/`);

/** A committed change must be in the feed or still have its marker; the feed has neither gap nor overlap. */
export function unfed(stage: Stage): string | undefined {
  const fed = linesOf(stage, 'feed/r/').flatMap(({ changes }) => changes);
  if (fed.some(({ from }, i) => from !== (fed[i - 1]?.to ?? 0))) return 'the feed has a gap or an overlap';
  const upTo = fed.at(-1)?.to ?? 0;
  const lost = logOf(stage).findIndex(
    ({ markers, changes }, n) =>
      n >= upTo &&
      changes.some(({ type }) => type === 'add') &&
      !markers.some((marker) => stage.store.objects.has(`pending/r/${marker}-${KEY}`)),
  );
  return lost < 0 ? undefined : `entry ${lost} is neither in the feed nor marked`;
}
