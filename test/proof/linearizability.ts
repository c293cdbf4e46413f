const MOST_STATES = 300_000;

/** One call and its answer, timed by one clock. */
export interface Operation<I, O> {
  readonly client: number;
  readonly input: I;
  /** Undefined: nobody knows what became of it. It may have taken effect at any time from its call on, or never. */
  readonly output: O | undefined;
  readonly called: number;
  /** Of an operation whose end is unknown: `Infinity`. */
  readonly returned: number;
}

/** A thing that does one operation after the other. States are values: `step` makes new ones. */
export interface Model<S, I, O> {
  readonly initial: S;
  /** The state behind this operation, if it could have been answered like that in this state; else undefined. */
  step(state: S, input: I, output: O | undefined): S | undefined;
  /** Equal for equal states. */
  key(state: S): string;
}

export type Verdict =
  | { readonly linearizable: true }
  /** `longest`: how many operations could be put in an order at most; `stuck`: those that were next when nothing fitted any more. */
  | { readonly linearizable: false; readonly longest: number; readonly stuck: readonly number[] };

interface Event {
  readonly operation: number;
  readonly isCall: boolean;
  before: Event;
  next: Event | undefined;
  /** Of a call: where it returns. */
  end: Event | undefined;
}

/** The list of calls and returns in the order of time. */
function eventsOf<I, O>(history: readonly Operation<I, O>[]): Event {
  const points = history.flatMap(({ called, returned }, operation) => [
    { operation, isCall: true, at: called },
    { operation, isCall: false, at: returned },
  ]);
  // What is called in the very moment in which another returns counts as concurrent: calls first.
  points.sort((a, b) => a.at - b.at || Number(b.isCall) - Number(a.isCall));
  const head = { operation: -1, isCall: false, next: undefined, end: undefined } as unknown as Event;
  let last = head;
  const calls = new Map<number, Event>();
  for (const { operation, isCall } of points) {
    const event: Event = { operation, isCall, before: last, next: undefined, end: undefined };
    last.next = event;
    last = event;
    const call = calls.get(operation);
    if (isCall) calls.set(operation, event);
    else if (call) call.end = event;
  }
  return head;
}

function unlink(event: Event): void {
  event.before.next = event.next;
  if (event.next) event.next.before = event.before;
}

function relink(event: Event): void {
  event.before.next = event;
  if (event.next) event.next.before = event;
}

/** Which operations have been put in order. */
class Done {
  private readonly words: Int32Array;
  /** In the order of their calls: all but a few near the end of what is done are then done or not together, and keys stay short. */
  private readonly ranks: readonly number[];

  constructor(history: readonly Operation<unknown, unknown>[]) {
    this.words = new Int32Array(Math.ceil(history.length / 32));
    const order = history.map((_, index) => index).sort((a, b) => (history[a]?.called ?? 0) - (history[b]?.called ?? 0));
    const ranks: number[] = [];
    for (const [rank, index] of order.entries()) ranks[index] = rank;
    this.ranks = ranks;
  }

  flip(operation: number): void {
    const rank = this.ranks[operation] ?? 0;
    this.words[rank >>> 5] = (this.words[rank >>> 5] ?? 0) ^ (1 << (rank & 31));
  }

  key(): string {
    const { words } = this;
    let [from, to] = [0, words.length];
    while (from < to && words[from] === -1) from += 1;
    while (to > from && words[to - 1] === 0) to -= 1;
    return `${from}:${words.subarray(from, to).join()}`;
  }
}

/**
 * Is there an order of these operations that the model could have seen, in which nothing stands before what ended before it began? The search of Wing and
 * Gong with the memory of Lowe ("Testing for linearizability", 2017): a set of operations and a state that were met before are not met again. Throws
 * after `most` of them: every operation whose end is unknown doubles the ways.
 */
export function check<S, I, O>(model: Model<S, I, O>, history: readonly Operation<I, O>[], most = MOST_STATES): Verdict {
  const head = eventsOf(history);
  const certain = history.filter(({ output }) => output !== undefined).length;
  const done = new Done(history);
  const met = new Set<string>();
  const path: { readonly event: Event; readonly state: S }[] = [];
  let [state, placed, longest] = [model.initial, 0, -1];
  let stuck: readonly number[] = [];
  let event = head.next;
  while (placed < certain) {
    if (event?.isCall) {
      const { operation } = event;
      const { input, output } = history[operation] as Operation<I, O>;
      const after = model.step(state, input, output);
      if (after !== undefined) {
        done.flip(operation);
        const key = `${done.key()} ${model.key(after)}`;
        if (!met.has(key)) {
          met.add(key);
          if (met.size > most) throw new Error(`undecided after ${most} states`);
          path.push({ event, state });
          state = after;
          if (output !== undefined) placed += 1;
          unlink(event);
          if (event.end) unlink(event.end);
          event = head.next;
          continue;
        }
        done.flip(operation);
      }
      event = event.next;
      continue;
    }
    if (path.length > longest) {
      longest = path.length;
      stuck = openCalls(head);
    }
    const last = path.pop();
    if (!last) return { linearizable: false, longest, stuck };
    const { operation, end } = last.event;
    state = last.state;
    done.flip(operation);
    if (history[operation]?.output !== undefined) placed -= 1;
    if (end) relink(end);
    relink(last.event);
    event = last.event.next;
  }
  return { linearizable: true };
}

function openCalls(head: Event): readonly number[] {
  const open: number[] = [];
  for (let event = head.next; event?.isCall; event = event.next) open.push(event.operation);
  return open;
}

/** What was known at a moment: of what was under way then, the end is unknown. No order for the beginning, no order for the whole. */
export const until = <I, O>(history: readonly Operation<I, O>[], moment: number): readonly Operation<I, O>[] =>
  history
    .filter(({ called }) => called < moment)
    .map((one) => (one.returned <= moment ? one : { ...one, output: undefined, returned: Number.POSITIVE_INFINITY }));

/** Histories of things that do not touch each other are checked one by one. The first that fails, with its name. */
export function checkEach<S, I, O>(
  model: Model<S, I, O>,
  histories: ReadonlyMap<string, readonly Operation<I, O>[]>,
): { readonly name: string; readonly verdict: Verdict } | undefined {
  for (const [name, history] of histories) {
    const verdict = check(model, history);
    if (!verdict.linearizable) return { name, verdict };
  }
  return undefined;
}
