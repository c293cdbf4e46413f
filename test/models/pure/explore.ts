/** One atomic step of one process: changes the world and its own memory in place, and says what it did. Undefined: it waits, or has finished. */
export type Step<W, M> = (world: W, me: M) => string | undefined;

/** A process whose next step may go several ways lists them all. */
export type Process<W, M> = readonly Step<W, M>[];

export interface Model<W, M extends object> {
  readonly world: W;
  /** What each process remembers at first. */
  readonly memory: () => M;
  readonly processes: readonly Process<W, M>[];
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
  readonly text: string;
  readonly label: string;
  readonly before: Node | undefined;
}

const MAX_STATES = 3_000_000;

/** Looks at every state that any interleaving can lead to. A pause or a crash is a process that is not chosen any more. */
export function exploreModel<W, M extends object>(model: Model<W, M>): Verdict {
  const { processes, violated } = model;
  const encode = (world: W, memories: readonly M[]) => JSON.stringify([world, inOrder(memories, model.alike)]);
  const seen = new Set<string>();
  const start = encode(
    model.world,
    processes.map(() => model.memory()),
  );
  const open: Node[] = [{ text: start, label: 'start', before: undefined }];
  for (let node = open.pop(); node; node = open.pop()) {
    if (seen.has(node.text)) continue;
    seen.add(node.text);
    if (seen.size > MAX_STATES) throw new Error('more states than a test may look at');
    const [world, memories] = JSON.parse(node.text) as [W, M[]];
    const wrong = violated(world, memories);
    if (wrong !== undefined) return { states: seen.size, wrong, steps: path(node) };
    for (const [i, ways] of processes.entries()) {
      for (const step of ways) {
        const [nextWorld, nextMemories] = JSON.parse(node.text) as [W, M[]];
        const label = step(nextWorld, nextMemories[i] as M);
        if (label === undefined) continue;
        const text = encode(nextWorld, nextMemories);
        if (!seen.has(text)) open.push({ text, label: `${i}: ${label}`, before: node });
      }
    }
  }
  return { states: seen.size, wrong: undefined, steps: [] };
}

function inOrder<M>(memories: readonly M[], alike: readonly number[] = []): readonly M[] {
  if (alike.length === 0) return memories;
  const sorted = alike.map((i) => memories[i] as M).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return memories.map((memory, i) => (alike.includes(i) ? (sorted[alike.indexOf(i)] as M) : memory));
}

function path(last: Node): readonly string[] {
  const steps: string[] = [];
  for (let node: Node | undefined = last; node; node = node.before) steps.unshift(node.label);
  return steps;
}
