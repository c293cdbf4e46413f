/** One atomic step of one process: changes the world and its own memory in place, and says what it did. Undefined: it waits, or has finished. */
export type Step<W, M> = (world: W, me: M) => string | undefined;

/** A process whose next step may go several ways lists them all. */
export type Process<W, M> = readonly Step<W, M>[];

export interface Model<W, M extends object> {
  readonly world: W;
  /** What each process remembers at first. */
  readonly memory: () => M;
  readonly processes: readonly Process<W, M>[];
  /** Must change nothing. */
  violated(world: W, memories: readonly M[]): string | undefined;
  /** Processes that do the same are interchangeable: their memories may be sorted, so that fewer states are told apart. */
  readonly alike?: readonly number[];
}

export interface Verdict {
  readonly states: number;
  readonly wrong: string | undefined;
  readonly steps: readonly string[];
}

interface Node {
  /** Numbers of the world and of each process's memory. */
  readonly world: number;
  readonly memories: readonly number[];
  readonly label: string;
  readonly before: Node | undefined;
}

interface Move {
  readonly world: number;
  readonly memory: number;
  readonly label: string;
}

const MAX_STATES = 3_000_000;

/** Gives each content a number: many states are made of few worlds and few memories. */
class Contents<T> {
  private readonly numbers = new Map<string, number>();
  private readonly texts: string[] = [];
  private readonly values: T[] = [];

  numberOf(value: T): number {
    const text = JSON.stringify(value);
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    const number = this.texts.length;
    this.numbers.set(text, number);
    this.texts.push(text);
    this.values.push(JSON.parse(text) as T);
    return number;
  }

  /** To look at. */
  at(number: number): T {
    return this.values[number] as T;
  }

  /** To change. */
  copy(number: number): T {
    return JSON.parse(this.texts[number] as string) as T;
  }
}

/** Looks at every state that any interleaving can lead to. A pause or a crash is a process that is not chosen any more. */
export function exploreModel<W, M extends object>(model: Model<W, M>): Verdict {
  const { processes, violated, alike = [] } = model;
  const [worlds, memories] = [new Contents<W>(), new Contents<M>()];
  const movesOf = remembered(processes, worlds, memories);
  const seen = new Set<string>();
  const start = processes.map(() => memories.numberOf(model.memory()));
  const open: Node[] = [{ world: worlds.numberOf(model.world), memories: start, label: 'start', before: undefined }];
  for (let node = open.pop(); node; node = open.pop()) {
    const name = nameOf(node);
    if (seen.has(name)) continue;
    seen.add(name);
    if (seen.size > MAX_STATES) throw new Error('more states than a test may look at');
    const wrong = violated(
      worlds.at(node.world),
      node.memories.map((number) => memories.at(number)),
    );
    if (wrong !== undefined) return { states: seen.size, wrong, steps: path(node) };
    for (const [i, own] of node.memories.entries()) {
      for (const { world, memory, label } of movesOf(i, node.world, own)) {
        const next = inOrder(node.memories.with(i, memory), alike);
        const to: Node = { world, memories: next, label: `${i}: ${label}`, before: node };
        if (!seen.has(nameOf(to))) open.push(to);
      }
    }
  }
  return { states: seen.size, wrong: undefined, steps: [] };
}

const nameOf = ({ world, memories }: Node): string => String.fromCharCode(world >>> 16, world & 0xffff, ...memories);

/** What a process can do next rests on the world and on its own memory alone: each such pair is tried once. */
function remembered<W, M extends object>(processes: Model<W, M>['processes'], worlds: Contents<W>, memories: Contents<M>) {
  const known = processes.map(() => new Map<number, readonly Move[]>());
  return (i: number, world: number, memory: number): readonly Move[] => {
    const pair = world * 0x10000 + memory;
    const before = known[i]?.get(pair);
    if (before) return before;
    const moves = (processes[i] as Process<W, M>).flatMap((step): readonly Move[] => {
      const [nextWorld, nextMemory] = [worlds.copy(world), memories.copy(memory)];
      const label = step(nextWorld, nextMemory);
      if (label === undefined) return [];
      const numbers = { world: worlds.numberOf(nextWorld), memory: memories.numberOf(nextMemory) };
      if (numbers.memory > 0xffff) throw new Error('more memories than a test may look at');
      return [{ ...numbers, label }];
    });
    known[i]?.set(pair, moves);
    return moves;
  };
}

function inOrder(memories: readonly number[], alike: readonly number[]): readonly number[] {
  if (alike.length === 0) return memories;
  const sorted = alike.map((i) => memories[i] as number).sort((a, b) => a - b);
  const ordered = [...memories];
  for (const [at, i] of alike.entries()) ordered[i] = sorted[at] as number;
  return ordered;
}

function path(last: Node): readonly string[] {
  const steps: string[] = [];
  for (let node: Node | undefined = last; node; node = node.before) steps.unshift(node.label);
  return steps;
}
