import { type Outcome, run, type Scenario } from './schedules.js';
import type { Footprint } from './stage.js';

const met = (keys: ReadonlySet<string>, others: ReadonlySet<string>): boolean => {
  for (const key of keys) {
    if (others.has(key)) return true;
    for (const other of others) {
      if (other.endsWith('*') && key.startsWith(other.slice(0, -1))) return true;
    }
  }
  return false;
};

/** Steps that do not meet lead to the same whichever comes first. */
const meet = (one: Footprint, other: Footprint): boolean =>
  met(one.writes, other.writes) || met(one.writes, other.reads) || met(other.writes, one.reads);

/** One step of the schedule that is being looked at, and which others are to be tried in its place. */
interface Node {
  readonly runnable: readonly number[];
  chosen: number;
  footprint: Footprint;
  readonly wanted: Set<number>;
  /** Processes whose next step has been tried here or before, and has met nothing since: to try it again would show nothing new. */
  readonly asleep: Map<number, Footprint>;
  /** By process: the last of its steps that this one depends on. */
  before: readonly number[];
}

export interface Explored {
  /** Seen to their end: one for each order in which steps can meet. */
  readonly schedules: number;
  /** Given up half-way, because one of the others stands for them. */
  readonly cut: number;
  /** Every order in which steps can meet has been looked at. */
  readonly complete: boolean;
  readonly wrong: string | undefined;
  readonly replay: string | undefined;
  readonly trace: readonly string[];
}

/** Depth-first over the schedules of one scenario, each of which stands for all those in which steps that do not meet have changed places (DPOR, Flanagan and Godefroid 2005, with sleep sets). */
class Explorer {
  readonly nodes: Node[] = [];
  private readonly scenario: Scenario;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
  }

  /** Runs what the nodes say and on to the end; `cut`: not so far, because it would show nothing new. */
  async once(): Promise<Outcome & { readonly cut: boolean }> {
    const prefix = this.nodes.length;
    const asleepAt = (step: number): Map<number, Footprint> => this.after(step - 1);
    const outcome = await run(
      this.scenario,
      (step, runnable, current) => {
        const known = this.nodes[step];
        if (known) return known.chosen;
        const asleep = asleepAt(step);
        const awake = runnable.filter((process) => !asleep.has(process));
        if (awake.length === 0) {
          this.nodes.push({ runnable, chosen: -1, footprint: EMPTY, wanted: new Set(), asleep, before: [] });
          return 'stop';
        }
        const chosen = awake.includes(current) ? current : (awake[0] as number);
        this.nodes.push({ runnable, chosen, footprint: EMPTY, wanted: new Set([chosen]), asleep, before: [] });
        return chosen;
      },
      (step, stage) => {
        const node = this.nodes[step] as Node;
        node.footprint = stage.footprint;
        if (step >= prefix - 1) this.note(step);
        return false;
      },
    );
    return { ...outcome, cut: this.pending() };
  }

  /** Who sleeps behind a step. */
  private after(step: number): Map<number, Footprint> {
    const node = this.nodes[step];
    if (!node) return new Map();
    return new Map([...node.asleep].filter(([process, print]) => process !== node.chosen && !meet(print, node.footprint)));
  }

  /** What the step depends on, and where it could have come earlier instead. */
  private note(step: number): void {
    const node = this.nodes[step] as Node;
    node.before = this.order(step, node.chosen, node.footprint);
  }

  private order(step: number, process: number, print: Footprint): number[] {
    const width = this.scenario.processes.length;
    const own = this.lastOf(process, step);
    const before = own === undefined ? new Array<number>(width).fill(-1) : [...(this.nodes[own] as Node).before];
    let raced = false;
    for (let at = step - 1; at >= 0; at -= 1) {
      const node = this.nodes[at] as Node;
      const { chosen } = node;
      if (chosen === process || (before[chosen] ?? -1) >= at || !meet(node.footprint, print)) continue;
      if (!raced) {
        raced = true;
        if (node.runnable.includes(process)) node.wanted.add(process);
        else for (const other of node.runnable) node.wanted.add(other);
      }
      node.before.forEach((last, other) => {
        before[other] = Math.max(before[other] ?? -1, last);
      });
    }
    before[process] = step;
    return before;
  }

  private lastOf(process: number, step: number): number | undefined {
    for (let at = step - 1; at >= 0; at -= 1) if (this.nodes[at]?.chosen === process) return at;
    return undefined;
  }

  /** Where a schedule ends because all who could go on sleep: what their next steps would have met. */
  private pending(): boolean {
    const last = this.nodes.at(-1);
    if (last?.chosen !== -1) return false;
    this.nodes.pop();
    for (const [process, print] of last.asleep) this.order(this.nodes.length, process, print);
    return true;
  }

  /** Goes back to the last step in whose place another is to be tried. False: there is none. */
  back(): boolean {
    for (let node = this.nodes.at(-1); node; node = this.nodes.at(-1)) {
      node.asleep.set(node.chosen, node.footprint);
      const next = [...node.wanted].find((process) => !node?.asleep.has(process));
      if (next !== undefined) {
        node.chosen = next;
        return true;
      }
      this.nodes.pop();
    }
    return false;
  }
}

const EMPTY: Footprint = { reads: new Set(), writes: new Set() };

/** All that the scenario's processes can do to each other, or as much as `limit` runs show. Stops at the first violation. */
export async function exploreAll(scenario: Scenario, limit: number): Promise<Explored> {
  const explorer = new Explorer(scenario);
  let [schedules, cut] = [0, 0];
  const told = (complete: boolean): Explored => ({ schedules, cut, complete, wrong: undefined, replay: undefined, trace: [] });
  do {
    if (schedules + cut >= limit) return told(false);
    const outcome = await explorer.once();
    if (outcome.cut) cut += 1;
    else schedules += 1;
    if ((schedules + cut) % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (outcome.wrong !== undefined) {
      const order = explorer.nodes.map(({ chosen }) => chosen).join('');
      return { ...told(false), wrong: outcome.wrong, replay: `${scenario.name} order ${order}`, trace: outcome.trace };
    }
  } while (explorer.back());
  return told(true);
}
