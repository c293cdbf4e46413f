import { describe, expect, it } from 'vitest';
import type { Mutant } from '../../ts/log/mutant.js';
import { explore, type Found, random, replay, type Scenario } from './schedules.js';
import { exploreStates } from './states.js';
import { World } from './world.js';

export type Mutants = ReadonlySet<Mutant>;

const whole = Boolean(process.env['REQUIRE_CLIENTS']);
/** CI looks at everything with three switches; by hand at what is quick of those with two. */
const PREEMPTIONS = Number(process.env['MODEL_PREEMPTIONS'] ?? (whole ? 3 : 2));
const SECONDS = Number(process.env['MODEL_SECONDS'] ?? (whole ? 5 : 0.2));
const SCHEDULES = whole ? Number.POSITIVE_INFINITY : 500;
const SEED = Number(process.env['MODEL_SEED'] ?? 1);
const REPLAY = process.env['MODEL_REPLAY'];
const NOTHING: Found = { schedules: 0, wrong: undefined, replay: undefined, trace: [] };

const told = ({ wrong, replay: line, trace }: Pick<Found, 'wrong' | 'replay' | 'trace'>): string =>
  `${wrong}\n  replay: MODEL_REPLAY='${line}' npx vitest run --config test/vitest.config.ts test/models\n  ${trace.join('\n  ')}`;

async function randomFor(scenario: Scenario): Promise<Found> {
  const end = performance.now() + SECONDS * 1000;
  let schedules = 0;
  for (let seed = SEED; performance.now() < end; seed += 50) {
    const found = await random(scenario, seed, 50);
    schedules += found.schedules;
    if (found.wrong !== undefined) return { ...found, schedules };
  }
  return { ...NOTHING, schedules };
}

/** Random schedules first: they find in a second what lies many switches deep; unless it takes few, but the right ones. */
async function hunt(scenario: Scenario, few: boolean): Promise<Found> {
  if (few) return explore(scenario, 3, 4000);
  const lucky = await random(scenario, SEED, 4000);
  return lucky.wrong === undefined ? explore(scenario, 3, 4000) : lucky;
}

/** `make` names its scenario; mutants are told apart in replay lines by what stands behind a `+`. */
const named = (make: (mutants: Mutants) => Scenario, mutants: readonly Mutant[]): Scenario => {
  const scenario = make(new Set(mutants));
  return { ...scenario, name: [scenario.name, ...mutants].join('+') };
};

/** For scenarios of many steps: after so many `schedules`, those with the fewest preemptions first, it is enough. */
export interface Bounds {
  readonly preemptions?: number;
  readonly schedules?: number;
}

/** What `tests` says of the scenario and of its variants with a mutant each; or one line of theirs is replayed. */
function describeReal(
  make: (mutants: Mutants) => Scenario,
  mutants: readonly Mutant[],
  tests: (honest: Scenario, broken: readonly Scenario[]) => void,
): void {
  const honest = named(make, []);
  const broken = mutants.map((mutant) => named(make, [mutant]));
  if (REPLAY !== undefined) replayOne([honest, ...broken], REPLAY);
  else describe(`the real code: ${honest.name}`, () => tests(honest, broken));
}

/** Every schedule of the real code with few switches, then random ones; and the same with each of `mutants` switched on, which must be noticed. */
export function checkScenario(
  make: (mutants: Mutants) => Scenario,
  mutants: readonly Mutant[],
  { few = false, preemptions = PREEMPTIONS, schedules = SCHEDULES }: Bounds & { readonly few?: boolean } = {},
): void {
  describeReal(make, mutants, (honest, broken) => {
    it(`holds with up to ${preemptions} preemptions, in ${schedules === Number.POSITIVE_INFINITY ? 'every schedule' : `at most ${schedules} schedules`}, and in random ones`, {
      timeout: 300_000,
    }, async () => {
      const found = await explore(honest, preemptions, schedules);
      expect(found.wrong, told(found)).toBeUndefined();
      const more = await randomFor(honest);
      expect(more.wrong, told(more)).toBeUndefined();
      // a scenario without races proves nothing
      expect(found.schedules).toBeGreaterThan(20);
      console.log(`${honest.name}: ${found.schedules} schedules, ${more.schedules} random ones`);
    });
    for (const scenario of broken) {
      it(`notices ${scenario.name}`, { timeout: 120_000 }, async () => {
        const found = await hunt(scenario, few);
        expect(found.wrong, `not noticed in ${found.schedules} schedules`).toBeDefined();
      });
    }
  });
}

/** More than a scenario has that is to be seen whole; by hand a part of them. `MODEL_STATES` takes the place of this limit and of every other. */
const MAX_STATES = Number(process.env['MODEL_STATES'] ?? 5_000_000);
const UNBOUND = process.env['MODEL_STATES'] !== undefined;
const FEW_STATES = 300;

/**
 * Every state that the real code can get into, however often processes are switched and however long they pause; and the same with each of `mutants` switched
 * on, which must be noticed. In CI also with a search that leaves nothing out, and in random orders of the code as it runs: they end in the same. `large`: not so, nor what its mutants do;
 * `most`: it has more states than CI has time for, and so many are enough.
 */
export function checkEveryState(
  make: (mutants: Mutants) => Scenario,
  mutants: readonly Mutant[],
  { large = false, most }: { readonly large?: boolean; readonly most?: number } = {},
): void {
  describeReal(make, mutants, (honest, broken) => {
    const all = UNBOUND || (whole && most === undefined);
    it(`holds in ${all ? 'every state' : 'some states'} that its steps can lead to`, { timeout: 1_800_000 }, async () => {
      const found = await exploreStates(honest, { limit: all ? MAX_STATES : whole ? most : FEW_STATES });
      expect(found.wrong, told(found)).toBeUndefined();
      expect(found.states).toBeGreaterThan(100);
      if (all) expect(found.complete, `${found.states} states are not all`).toBe(true);
      console.log(`${honest.name}: ${found.complete ? 'all' : 'the first'} ${found.states} states, ${found.ends} ends`);
    });
    if (all && !large) it('ends in the same in a search that leaves nothing out', { timeout: 300_000 }, () => endsAreAll(honest));
    for (const scenario of broken) {
      it(`notices ${scenario.name}`, { timeout: 300_000 }, async () => {
        for (const reduced of all ? [true, false] : [true]) {
          const found = await exploreStates(scenario, { limit: all ? MAX_STATES : 40_000, reduced });
          expect(found.wrong, `not noticed in ${found.states} states, reduced: ${reduced}`).toBeDefined();
        }
      });
    }
  });
}

/** The reduced search finds every end that the other one does, and that random orders of the code as it runs have. */
async function endsAreAll(scenario: Scenario): Promise<void> {
  const noting = (ends: Set<string>): Scenario => ({
    ...scenario,
    ends: async (stage, told) => void ends.add(`${JSON.stringify(Object.entries(told).sort())} ${World.of(stage).content()}`),
  });
  const [reduced, whole, lucky] = [new Set<string>(), new Set<string>(), new Set<string>()];
  await exploreStates(noting(reduced));
  await exploreStates(noting(whole), { reduced: false });
  expect(reduced).toEqual(whole);
  await random(noting(lucky), SEED, 300);
  expect(lucky.size).toBeGreaterThan(2);
  expect([...lucky].filter((end) => !whole.has(end))).toEqual([]);
}

function replayOne(variants: readonly Scenario[], line: string): void {
  const scenario = variants.find(({ name }) => line.startsWith(`${name} `));
  if (!scenario) return;
  it(`replays ${line}`, async () => {
    const found = await replay(scenario, line.slice(scenario.name.length + 1));
    console.log(found.trace.join('\n'));
    expect(found.wrong).toBeUndefined();
  });
}
