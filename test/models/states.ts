import { Actor, beginning, beginningOf, type Edge, GO, type Point } from './actor.js';
import { type Play, phasesOf, prepare, replay, type Scenario, type Told } from './schedules.js';
import { Stage } from './stage.js';
import { type Asked, createdBy, meets, mixed, reading, touchCount, World } from './world.js';

/** How a state was reached: who took the last step, and what was before. */
interface Way {
  readonly index: number;
  readonly before: Way | undefined;
}

/** Where all processes stand, and what is stored. */
interface State {
  readonly points: readonly Point[];
  readonly world: World;
  readonly way: Way | undefined;
}

/** What is touched, as bits. */
class Touches {
  readonly numbers: number[] = [];
  private words = new Uint32Array(8);

  has(number: number): boolean {
    return (((this.words[number >>> 5] ?? 0) >>> (number & 31)) & 1) === 1;
  }

  add(number: number): void {
    this.numbers.push(number);
    const word = number >>> 5;
    if (word >= this.words.length) {
      const words = new Uint32Array(word * 2);
      words.set(this.words);
      this.words = words;
    }
    this.words[word] = (this.words[word] ?? 0) | (1 << (number & 31));
  }

  common({ words }: Touches): number[] {
    const length = Math.min(words.length, this.words.length);
    const common: number[] = [];
    for (let i = 0; i < length; i += 1)
      for (let bits = (this.words[i] as number) & (words[i] as number); bits !== 0; bits &= bits - 1)
        common.push(i * 32 + 31 - Math.clz32(bits & -bits));
    return common;
  }
}

/** What one step touches, and all that meets it. */
class Footprint {
  private readonly own: readonly number[];
  private readonly met = new Touches();
  private looked = 0;

  constructor(own: readonly number[]) {
    this.own = own;
  }

  meets(number: number): boolean {
    return this.own.some((one) => meets(one, number));
  }

  /** Of everything that is known by now. */
  meeting(): Touches {
    for (; this.looked < touchCount(); this.looked += 1) if (this.meets(this.looked)) this.met.add(this.looked);
    return this.met;
  }
}

/** What may come behind a point, as far as it was seen, and who relies on what does not. */
interface Future {
  readonly touches: Touches;
  readonly relied: Map<Footprint, (Way | undefined)[]>;
}

export interface Found {
  /** Different ones: of the store, the time, and what each process has been answered. */
  readonly states: number;
  readonly steps: number;
  readonly ends: number;
  /** Times that the real code was run from the beginning. */
  readonly runs: number;
  readonly complete: boolean;
  readonly wrong: string | undefined;
  readonly replay: string | undefined;
  readonly trace: readonly string[];
}

export interface Search {
  /** States that are enough. */
  readonly limit?: number | undefined;
  /** False: every process goes on in every state, whether or not what it does meets anything. */
  readonly reduced?: boolean;
}

const LIVE = 300;

class Explorer {
  private readonly scenario: Scenario;
  private readonly reduced: boolean;
  private readonly roots: readonly Point[];
  private readonly live = new Map<Point, Actor>();
  /** What a process still does behind a point, where that is settled already. */
  private readonly tails = new Map<Point, string>();
  /** The point that stands for those with the same tail; behind the end of a phase, where the next begins. */
  private readonly alike = new Map<string, Point>();
  private readonly futures = new Map<Point, Future>();
  private readonly footprints = new Map<string, Footprint>();
  private readonly stack: State[] = [];
  private readonly reopened: (Way | undefined)[] = [];
  private readonly seen = new Set<number>();
  private first: World | undefined;
  /** How many each process has. */
  private phases: readonly number[] = [];
  runs = 0;
  steps = 0;
  ends = 0;

  constructor(scenario: Scenario, { reduced = true }: Search) {
    this.scenario = scenario;
    this.reduced = reduced;
    this.roots = scenario.processes.map(() => beginning(0, undefined));
  }

  get states(): number {
    return this.seen.size;
  }

  async explore(limit: number): Promise<Pick<Found, 'complete' | 'wrong'> & { readonly way?: Way | undefined }> {
    const [stage, { scripts }] = await this.prepared();
    this.phases = this.scenario.processes.map((name) => phasesOf(scripts[name]).length);
    this.first = World.of(stage);
    this.push({ points: this.roots, world: this.first, way: undefined });
    for (let state = this.next(); state; state = this.next()) {
      if (this.seen.size > limit) return { complete: false, wrong: undefined };
      const wrong = await this.open(state);
      if (wrong !== undefined) return { complete: false, wrong, way: state.way };
    }
    return { complete: true, wrong: undefined };
  }

  private next(): State | undefined {
    const state = this.stack.pop();
    if (state || this.reopened.length === 0) return state;
    return this.again(this.reopened.pop());
  }

  private async prepared(): Promise<[Stage, Play]> {
    const stage = new Stage(this.scenario.processes);
    const play = await prepare(stage, this.scenario);
    if (play.violated || play.afterwards) throw new Error(`${this.scenario.name}: only its ends are looked at here`);
    return [stage, play];
  }

  private push(state: State): void {
    const id = idOf(state);
    if (this.seen.has(id)) return;
    this.seen.add(id);
    this.stack.push(state);
  }

  /** What can come next; in a reduced search one step alone, where nothing that others may do before it meets it. Answers what is wrong, if all is over. */
  private async open(state: State): Promise<string | undefined> {
    const waiting = state.points.flatMap((point, index) => (point.kind === 'waits' ? [index] : []));
    if (waiting.length === 0) return this.finish(state);
    const last = state.way?.index ?? 0;
    const others: State[] = [];
    for (const index of [last, ...waiting.filter((one) => one !== last)]) {
      if (!waiting.includes(index)) continue;
      const after = await this.step(state, index);
      if (this.reduced && waiting.length > 1 && this.alone(state, index, after.world.touched)) {
        this.push(after);
        return undefined;
      }
      others.push(after);
    }
    for (const other of others.reverse()) this.push(other);
    return undefined;
  }

  /** The state behind one process's step. */
  private async step(state: State, index: number): Promise<State> {
    this.steps += 1;
    const from = state.points[index] as Point;
    let world = state.world.copy();
    let to = walk(from, world);
    if (!to) {
      const actor = await this.actorAt(from, index);
      world = state.world.copy();
      to = await actor.step(world);
      await this.lookAhead(to, actor, world);
    }
    const points = [...state.points];
    points[index] = this.merged(to, index);
    return { points, world, way: { index, before: state.way } };
  }

  /** The point that stands for this one and for all others of the process that nothing tells apart any more. */
  private merged(point: Point, index: number): Point {
    if (point.taken) return point.taken;
    const tail = this.tails.get(point);
    if (tail === undefined) return point;
    const { phase } = beginningOf(point).begins;
    const text = `${index} ${phase} ${tail}`;
    const more = point.kind === 'over' && phase + 1 < (this.phases[index] as number) && point.end?.failure === undefined;
    const known = this.alike.get(text) ?? (more ? beginning(phase + 1, point.end?.answer) : point);
    this.alike.set(text, known);
    point.taken = known;
    if (known === point) return known;
    known.alike.add(point);
    for (const number of this.future(known).touches.numbers) this.mayCome(point, number);
    return known;
  }

  /** Whether what a process still does is the same whatever it is answered: what it has seen before no longer matters then. */
  private async lookAhead(point: Point, actor: Actor, world: World): Promise<void> {
    if (point.kind === 'over') this.tails.set(point, point.text);
    else if (point.text.split(', ').every((asked) => asked.startsWith('delete '))) {
      const next = await actor.step(world.copy());
      await this.lookAhead(next, actor, world);
      const tail = this.tails.get(next);
      if (tail !== undefined) this.tails.set(point, `${point.text}, then ${tail}`);
    } else this.keep(point, actor);
  }

  private keep(point: Point, actor: Actor): void {
    this.live.set(point, actor);
    const oldest = this.live.size > LIVE ? this.live.keys().next().value : undefined;
    if (oldest) this.live.delete(oldest);
  }

  private async actorAt(point: Point, index: number): Promise<Actor> {
    const known = this.live.get(point);
    if (known) {
      this.live.delete(point);
      return known;
    }
    this.runs += 1;
    const [stage, play] = await this.prepared();
    const root = beginningOf(point);
    const { phase, told } = root.begins;
    const name = this.scenario.processes[index] as string;
    const script = async () => phasesOf(play.scripts[name])[phase]?.(told);
    const actor = new Actor(stage, index, name, script, root, (edge, world) => this.learn(edge, world));
    await actor.replay(point);
    return actor;
  }

  /** A process was seen to do something new. */
  private learn(edge: Edge, world: World): void {
    for (const number of world.latest()) this.mayCome(edge.from, number);
  }

  /** All points before this one may lead there. */
  private mayCome(point: Point, number: number): void {
    const chains = [point];
    for (let last = chains.pop(); last; last = chains.pop())
      for (let at: Point | undefined = last; at; at = at.by?.from) {
        if (at.kind === 'waits' && !this.isNews(at, number)) break;
        chains.push(...at.alike);
      }
  }

  /** Whether it was not known that this may come behind a point. Whoever relied on that looks again. */
  private isNews(point: Point, number: number): boolean {
    const { touches, relied } = this.future(point);
    if (touches.has(number)) return false;
    touches.add(number);
    for (const [footprint, ways] of relied) {
      if (!footprint.meets(number)) continue;
      relied.delete(footprint);
      for (const way of ways) this.reopened.push(way);
    }
    return true;
  }

  private future(point: Point): Future {
    const known = this.futures.get(point) ?? { touches: new Touches(), relied: new Map() };
    this.futures.set(point, known);
    return known;
  }

  /** Nothing that the others may do, now or later, meets this step. */
  private alone({ points, world, way }: State, index: number, touched: readonly number[]): boolean {
    const own = [...new Set(touched)].sort((a, b) => a - b);
    const text = own.join();
    const footprint = this.footprints.get(text) ?? new Footprint(own);
    this.footprints.set(text, footprint);
    const met = footprint.meeting();
    const others = points.flatMap((point, i) => (i !== index && point.kind === 'waits' ? [this.future(point)] : []));
    // who creates what is there only looks at it; that somebody takes it away first would be seen by itself
    const isVain = (key: string | undefined): boolean => key !== undefined && world.has(key) && !footprint.meets(reading(key));
    if (others.some(({ touches }) => touches.common(met).some((number) => !isVain(createdBy(number))))) return false;
    for (const { relied } of others) {
      const ways = relied.get(footprint);
      if (ways) ways.push(way);
      else relied.set(footprint, [way]);
    }
    return true;
  }

  /** The state that this way leads to. It has been seen, and opened with too little in mind. */
  private again(way: Way | undefined): State {
    const order: number[] = [];
    for (let one = way; one; one = one.before) order.unshift(one.index);
    const points = [...this.roots];
    let world = (this.first as World).copy();
    for (const index of order) {
      const to = walk(points[index] as Point, world);
      if (!to) throw new Error('a way that was gone is not known');
      points[index] = this.merged(to, index);
      world = world.copy();
    }
    return { points, world, way };
  }

  private async finish({ points, world }: State): Promise<string | undefined> {
    this.ends += 1;
    const told: Record<string, unknown> = {};
    for (const [index, { end }] of points.entries()) {
      if (end?.failure !== undefined) return `a script failed: ${String(end.failure)}`;
      told[this.scenario.processes[index] as string] = end?.answer;
    }
    if (!this.scenario.ends) return undefined;
    const stage = new Stage(this.scenario.processes);
    world.onto(stage);
    return this.scenario.ends(stage, told as Told);
  }
}

/** Where a step leads that was seen before, and what it does to the world; undefined: it was not, and the world is spoilt. */
function walk(point: Point, world: World): Point | undefined {
  let at = point.edges.get(GO)?.to;
  while (at?.kind === 'asks') at = at.edges.get(world.apply(at.asked as Asked).known)?.to;
  return at;
}

/** 53 bits: of a million states, two are taken for one with a chance of one in 20,000. */
function idOf({ points, world }: State): number {
  let { one, two } = world;
  for (const [index, { id }] of points.entries()) {
    one ^= mixed(id, index, 3);
    two ^= mixed(id, index, 4);
  }
  return (one >>> 0) * 2 ** 21 + (two & 0x1fffff);
}

/**
 * Every state that the scenario's processes can bring about, whatever order their steps have and however long each pauses, or as many as `limit`. The real
 * code runs only where a process is answered something that it never was before; a state that was reached in another order is not looked at again.
 */
export async function exploreStates(scenario: Scenario, search: Search = {}): Promise<Found> {
  const explorer = new Explorer(scenario, search);
  const { complete, wrong, way } = await explorer.explore(search.limit ?? Number.POSITIVE_INFINITY);
  const { states, steps, ends, runs } = explorer;
  const told = { states, steps, ends, runs, complete, wrong };
  if (wrong === undefined) return { ...told, replay: undefined, trace: [] };
  let order = '';
  for (let one = way; one; one = one.before) order = `${one.index}${order}`;
  const { trace } = await replay(scenario, `order ${order}`);
  return { ...told, replay: `${scenario.name} order ${order}`, trace };
}
