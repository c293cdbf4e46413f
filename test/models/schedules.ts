import { Stage, settled } from './stage.js';

/** One thing that a process does. It hears what the one before it has answered, and must know nothing else of what that one did. */
export type Phase = (told: unknown) => Promise<unknown>;

/** All that a process does: one thing, or one after the other, each as an instance of the code that has no memory of what was before. */
export type Script = Phase | readonly Phase[];

export const phasesOf = (script: Script | undefined): readonly Phase[] =>
  script === undefined ? [] : typeof script === 'function' ? [script] : script;

/** What a scenario says after every step and at the end: what is wrong, if anything is. */
export interface Play {
  /** What each process does; what its last phase answers is what `Scenario.ends` hears of it. */
  readonly scripts: Readonly<Record<string, Script>>;
  violated?(finished: boolean): string | undefined;
  /** Looks at what is stored once all is over, outside the schedule. */
  afterwards?(): Promise<string | undefined>;
}

export interface Scenario {
  readonly name: string;
  /** Processes in the order in which they run when nobody is preempted. */
  readonly processes: readonly string[];
  /** Sets the stage before anything is scheduled. */
  play(stage: Stage): Promise<Play>;
  /** Looks at what is stored once all is over, and at what the scripts have answered, outside the schedule: what is wrong, if anything is. */
  ends?(stage: Stage, told: Told): Promise<string | undefined>;
}

/** By process: what its script has answered. */
export type Told = Readonly<Record<string, unknown>>;

interface Choice {
  readonly step: number;
  readonly process: number;
}

export interface Outcome {
  readonly wrong: string | undefined;
  readonly trace: readonly string[];
  /** Who could have run at each step, and who did. */
  readonly steps: readonly { readonly runnable: readonly number[]; readonly chosen: number }[];
}

const MAX_STEPS = 600;

/** Runs the scenario, switching processes only where `choose` says so or where one has nothing left to do. */
export async function run(
  scenario: Scenario,
  choose: (step: number, runnable: readonly number[], current: number) => number | 'stop' | undefined,
  visited: (step: number, stage: Stage, current: number) => boolean = () => false,
): Promise<Outcome> {
  const stage = new Stage(scenario.processes);
  const free = new Set<Promise<void>>();
  const play = await prepare(stage, scenario);
  const told: Record<string, unknown> = {};
  let failure: unknown;
  for (const [name, script] of Object.entries(play.scripts)) {
    const done = acted(stage, name, phasesOf(script))
      .then((answer) => {
        told[name] = answer;
      })
      .catch((error: unknown) => {
        failure ??= error;
      });
    free.add(done);
  }
  const steps: { runnable: readonly number[]; chosen: number }[] = [];
  let current = 0;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const runnable = stage.runnable();
    if (runnable.length === 0) break;
    const wanted = choose(step, runnable, current);
    if (wanted === 'stop') return { wrong: undefined, trace: stage.trace, steps };
    current = wanted ?? (runnable.includes(current) ? current : (runnable[0] as number));
    steps.push({ runnable, chosen: current });
    await stage.release(current);
    const wrong = play.violated?.(false);
    if (wrong !== undefined) return { wrong, trace: stage.trace, steps };
    if (visited(step, stage, current)) return { wrong: undefined, trace: stage.trace, steps };
  }
  if (failure !== undefined) return { wrong: `a script failed: ${String(failure)}`, trace: stage.trace, steps };
  if (steps.length >= MAX_STEPS) return { wrong: 'does not come to an end', trace: stage.trace, steps };
  const wrong = play.violated?.(true) ?? (await play.afterwards?.()) ?? (await scenario.ends?.(stage, told));
  return { wrong, trace: stage.trace, steps };
}

async function acted(stage: Stage, name: string, phases: readonly Phase[]): Promise<unknown> {
  let told: unknown;
  for (const phase of phases) {
    await stage.step(name, 'begins', true);
    told = await phase(told);
  }
  return told;
}

/** Set-up runs without a schedule: its steps are released as they come. */
export async function prepare(stage: Stage, scenario: Scenario): Promise<Play> {
  let ready: Play | undefined;
  let failed: unknown;
  scenario.play(stage).then(
    (play) => {
      ready = play;
    },
    (error: unknown) => {
      failed = error;
    },
  );
  for (let i = 0; i < 10_000 && !ready; i += 1) {
    await settled();
    if (failed !== undefined) throw failed;
    const [first] = ready ? [] : stage.runnable();
    if (first !== undefined) await stage.release(first);
  }
  if (!ready) throw new Error(`${scenario.name}: the stage is never set`);
  stage.trace.length = 0;
  return ready;
}

export interface Found {
  readonly schedules: number;
  readonly wrong: string | undefined;
  /** One line that replays it. */
  readonly replay: string | undefined;
  readonly trace: readonly string[];
}

const bySchedule = (choices: readonly Choice[]) => (step: number, runnable: readonly number[]) => {
  const choice = choices.find((one) => one.step === step);
  return choice && runnable.includes(choice.process) ? choice.process : undefined;
};

/**
 * Every schedule with at most `preemptions` switches away from a process that could have gone on, fewest first. Stops at the first violation. A schedule is
 * not followed further where another one has led to the same observations and the same store with as many switches left.
 */
export async function explore(scenario: Scenario, preemptions: number, maxSchedules = Number.POSITIVE_INFINITY): Promise<Found> {
  let schedules = 0;
  const seen = new Map<string, number>();
  let level: readonly (readonly Choice[])[] = [
    [],
    ...scenario.processes.slice(1).map((_, i): readonly Choice[] => [{ step: 0, process: i + 1 }]),
  ];
  for (let depth = 0; depth <= preemptions; depth += 1) {
    const next: (readonly Choice[])[] = [];
    for (const choices of level) {
      if (schedules >= maxSchedules) return { schedules, wrong: undefined, replay: undefined, trace: [] };
      schedules += 1;
      if (schedules % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      const last = choices.at(-1)?.step ?? 0;
      const left = preemptions - depth;
      const outcome = await run(scenario, bySchedule(choices), (step, stage, current) => {
        if (step < last) return false;
        const state = `${stage.signature()} ${current}`;
        if ((seen.get(state) ?? -1) >= left) return true;
        seen.set(state, left);
        return false;
      });
      if (outcome.wrong !== undefined)
        return { schedules, wrong: outcome.wrong, replay: `${scenario.name} ${JSON.stringify(choices)}`, trace: outcome.trace };
      if (depth === preemptions) continue;
      for (const [step, { runnable, chosen }] of outcome.steps.entries()) {
        if (step <= last) continue;
        for (const process of runnable) if (process !== chosen) next.push([...choices, { step, process }]);
      }
    }
    level = next;
  }
  return { schedules, wrong: undefined, replay: undefined, trace: [] };
}

/** Random schedules, by seed: each step goes to anyone. */
export async function random(scenario: Scenario, seed: number, schedules: number): Promise<Found> {
  for (let i = 0; i < schedules; i += 1) {
    const { wrong, trace } = await run(scenario, bySeed(seed + i));
    if (wrong !== undefined) return { schedules: i + 1, wrong, replay: `${scenario.name} seed ${seed + i}`, trace };
  }
  return { schedules, wrong: undefined, replay: undefined, trace: [] };
}

const bySeed = (seed: number) => {
  let state = (seed * 2654435761) >>> 0 || 1;
  return (_: number, runnable: readonly number[], current: number) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    // stays with a process for a while: that is how races look
    return state % 3 === 0 && runnable.includes(current) ? current : runnable[state % runnable.length];
  };
};

/** Runs what a `replay` line says behind the scenario's name. */
export async function replay(scenario: Scenario, line: string): Promise<Found> {
  const [, how, digits] = /^(seed|order) (\d+)$/.exec(line) ?? [];
  const choose =
    digits === undefined
      ? bySchedule(JSON.parse(line) as readonly Choice[])
      : how === 'seed'
        ? bySeed(Number(digits))
        : (step: number) => (digits[step] === undefined ? undefined : Number(digits[step]));
  const { wrong, trace } = await run(scenario, choose);
  return { schedules: 1, wrong, replay: `${scenario.name} ${line}`, trace };
}
