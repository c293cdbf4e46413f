import { describe, expect, it } from 'vitest';
import { run, type Scenario, type Script, type Told } from './schedules.js';
import type { Stage } from './stage.js';
import { exploreStates, type Search } from './states.js';
import { World } from './world.js';

type Method = 'read' | 'write' | 'create' | 'delete' | 'list' | 'wait';

interface Step {
  readonly method: Method;
  readonly key: string;
  /** Left out where what was learnt so far is even. */
  readonly sometimes: boolean;
}

type Programs = Readonly<Record<string, readonly Step[]>>;

const sum = (before: number, text: string): number =>
  [...text].reduce((all, letter) => (all * 31 + letter.charCodeAt(0)) % 1_009, before);

/** All at once, or in two phases: then the second half knows little of what the first has learnt. */
const scriptOf = (stage: Stage, name: string, steps: readonly Step[], phases: number): Script => {
  if (phases === 1) return () => runSteps(stage, name, steps);
  const half = steps.length >> 1;
  return [
    async () => (await runSteps(stage, name, steps.slice(0, half))) % 7,
    (told) => runSteps(stage, name, steps.slice(half), told as number),
  ];
};

/** Processes that do what stands in their programs; what each writes, and whether it does, depends on all that it has learnt. `ends` hears of each end. */
const scenarioOf = (programs: Programs, ends: (end: string) => unknown = () => undefined, phases = 1): Scenario => ({
  name: 'keys',
  processes: Object.keys(programs),
  play: async (stage) => ({
    scripts: Object.fromEntries(
      Object.entries(programs).map(([name, steps]) => [name, scriptOf(stage, name, steps, phases)] as const),
    ),
  }),
  ends: async (stage, told) => void ends(endOf(stage, told)),
});

async function runSteps(stage: Stage, name: string, steps: readonly Step[], before = 1): Promise<number> {
  const driver = stage.driver(name);
  let learnt = before;
  for (const { method, key, sometimes } of steps) {
    if (sometimes && learnt % 2 === 0) continue;
    learnt = sum(learnt, await asked(method, key));
  }
  return learnt;

  async function asked(method: Method, key: string): Promise<string> {
    const body = new TextEncoder().encode(`${name} ${learnt}`);
    if (method === 'wait') stage.clock.pass(1_000);
    else if (method === 'list') return (await driver.list(key.slice(0, 1))).objects.map((one) => one.key).join();
    else if (method === 'delete') await driver.delete([key]);
    else if (method === 'read') return new TextDecoder().decode((await driver.read(key))?.body as Uint8Array | undefined);
    else return driver.write(key, body, { ifAbsent: method === 'create' });
    return `${stage.clock.now()}`;
  }
}

const endOf = (stage: Stage, told: Told): string => `${JSON.stringify(Object.entries(told).sort())} ${World.of(stage).content()}`;

/** Each order of the steps, one after the other: what there is to find, by the plainest of means. */
async function everyOrder(
  programs: Programs,
  phases: number,
): Promise<{ readonly ends: ReadonlySet<string>; readonly orders: number }> {
  const ends = new Set<string>();
  const scenario = scenarioOf(programs, (end) => void ends.add(end), phases);
  let orders = 0;
  for (let order: number[] | undefined = []; order; orders += 1) {
    const chosen: number[] = order;
    const { steps, wrong } = await run(scenario, (step, runnable) => chosen[step] ?? runnable[0]);
    expect(wrong).toBeUndefined();
    order = undefined;
    for (let at = steps.length - 1; at >= 0 && !order; at -= 1) {
      const { runnable, chosen: was } = steps[at] as (typeof steps)[number];
      const next = runnable[runnable.indexOf(was) + 1];
      if (next !== undefined) order = [...steps.slice(0, at).map((step) => step.chosen), next];
    }
  }
  return { ends, orders };
}

async function endsOf(
  programs: Programs,
  search: Search,
  phases = 1,
): Promise<{ readonly ends: ReadonlySet<string>; readonly states: number }> {
  const ends = new Set<string>();
  const { complete, wrong, states } = await exploreStates(
    scenarioOf(programs, (end) => void ends.add(end), phases),
    search,
  );
  expect([complete, wrong]).toEqual([true, undefined]);
  return { ends, states };
}

const METHODS: readonly Method[] = ['read', 'read', 'write', 'write', 'create', 'create', 'delete', 'list', 'wait'];
const KEYS = ['a/1', 'a/2', 'b/1'];

/** The same programs for the same number. */
function programsOf(seed: number, widths: readonly number[]): Programs {
  let state = seed;
  const upTo = (count: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % count;
  };
  const step = (): Step => ({
    method: METHODS[upTo(METHODS.length)] as Method,
    key: KEYS[upTo(KEYS.length)] as string,
    sometimes: upTo(3) === 0,
  });
  return Object.fromEntries(widths.map((steps, i) => [`p${i}`, Array.from({ length: steps }, step)]));
}

const plain = (method: Method, ...keys: readonly string[]): readonly Step[] =>
  keys.map((key) => ({ method, key, sometimes: false }));

describe('states that steps can lead to', () => {
  it('are the same in every order, in every state and in a reduced search', async () => {
    const total = { orders: 0, states: 0, reduced: 0, ends: 0 };
    for (let seed = 1; seed <= 32; seed += 1) {
      const phases = seed > 24 ? 2 : 1;
      const widths = phases === 2 || seed % 3 === 1 ? [4, 3] : seed % 3 === 0 ? [2, 2, 1] : [1, 2, 2];
      const programs = programsOf(seed, widths);
      const { ends, orders } = await everyOrder(programs, phases);
      const whole = await endsOf(programs, { reduced: false }, phases);
      const reduced = await endsOf(programs, {}, phases);
      expect(whole.ends, JSON.stringify(programs)).toEqual(ends);
      expect(reduced.ends, JSON.stringify(programs)).toEqual(ends);
      total.orders += orders;
      total.states += whole.states;
      total.reduced += reduced.states;
      total.ends += ends.size;
    }
    // programs without races prove nothing, and a search that leaves nothing out is not reduced
    expect(total.ends).toBeGreaterThan(32 * 3);
    expect(total.reduced).toBeLessThan(total.states * 0.8);
    expect(total.states).toBeLessThan(total.orders);
  });

  it('steps that meet nobody are taken in one order', async () => {
    const programs = { a: plain('write', 'a/1', 'a/1'), b: plain('write', 'b/1', 'b/1'), c: plain('read', 'c', 'c') };
    expect((await endsOf(programs, { reduced: false })).states).toBe(4 ** 3);
    // one way through, and what was looked at before it was known that nobody is met
    expect((await endsOf(programs, {})).states).toBeLessThan(4 * 3 + 4);
  });

  it('what is there cannot be created, but for who takes it away first', async () => {
    const programs = {
      a: [...plain('create', 'a/1'), ...plain('delete', 'a/1')],
      b: [...plain('delete', 'a/1'), ...plain('create', 'a/1')],
    };
    expect((await endsOf(programs, {})).ends).toEqual((await everyOrder(programs, 1)).ends);
  });

  it('finds the one order that loses a change, and says it', async () => {
    const adds: readonly Step[] = [...plain('read', 'a/1', 'b/1'), ...plain('write', 'a/1')];
    const both: string[] = [];
    const scenario = scenarioOf({ a: adds, b: adds, c: plain('write', 'b/1') }, (end) => void both.push(end));
    await exploreStates(scenario);
    const rare = both.at(-1) as string;
    const found = await exploreStates({
      ...scenario,
      ends: async (stage, told) => (endOf(stage, told) === rare ? 'lost' : undefined),
    });
    expect(found).toMatchObject({ wrong: 'lost', complete: false });
    expect(found.replay).toMatch(/^keys order [012]+$/);
    expect(found.trace.length).toBeGreaterThan(9);
  });

  it('says when it has not looked at everything', async () => {
    const found = await exploreStates(scenarioOf(programsOf(1, [3, 3])), { limit: 5 });
    expect(found).toMatchObject({ complete: false, wrong: undefined });
  });

  it('does not take what a process does for its own if it depends on more than answers', async () => {
    let leak = 0;
    const leaks = async (stage: Stage): Promise<void> => {
      await stage.driver('b').write(`b/${leak++}`, new Uint8Array(1));
      await stage.driver('b').read('a');
    };
    const scenario: Scenario = {
      name: 'leaky',
      processes: ['a', 'b'],
      play: async (stage) => ({ scripts: { a: () => stage.driver('a').write('a', new Uint8Array(1)), b: () => leaks(stage) } }),
    };
    await expect(exploreStates(scenario, { reduced: false })).rejects.toThrow('depends on more than answers');
  });
});
