import type { Clock } from './clock.js';

interface Waiting {
  readonly list: Deadlines;
  readonly at: number;
  run: (() => void) | undefined;
  before: Waiting | undefined;
  behind: Waiting | undefined;
}

export interface Deadline {
  cancel(): void;
}

/**
 * Waits of one length, which therefore end in the order in which they began: one timer serves them all, and one that is cancelled, as nearly all are,
 * costs a few assignments. A timer of its own for each would be the dearest thing in a short request.
 */
class Deadlines {
  private readonly clock: Clock;
  private readonly milliseconds: number;
  private first: Waiting | undefined;
  private last: Waiting | undefined;
  private timer: { cancel(): void } | undefined;

  constructor(clock: Clock, milliseconds: number) {
    this.clock = clock;
    this.milliseconds = milliseconds;
  }

  add(run: () => void): Deadline {
    const waiting = new Wait(this, this.clock.monotonic() + this.milliseconds, run);
    waiting.before = this.last;
    if (this.last) this.last.behind = waiting;
    else this.first = waiting;
    this.last = waiting;
    this.timer ??= this.clock.after(this.milliseconds, () => this.fire());
    return waiting;
  }

  remove(waiting: Waiting): void {
    if (waiting.run === undefined) return;
    waiting.run = undefined;
    if (waiting.before) waiting.before.behind = waiting.behind;
    else this.first = waiting.behind;
    if (waiting.behind) waiting.behind.before = waiting.before;
    else this.last = waiting.before;
    if (this.first) return;
    this.timer?.cancel();
    this.timer = undefined;
  }

  private fire(): void {
    this.timer = undefined;
    for (let { first } = this; first && first.at <= this.clock.monotonic(); first = this.first) {
      const { run } = first;
      this.remove(first);
      run?.();
    }
    if (this.first) this.timer ??= this.clock.after(Math.ceil(this.first.at - this.clock.monotonic()), () => this.fire());
  }
}

class Wait implements Waiting, Deadline {
  readonly list: Deadlines;
  readonly at: number;
  run: (() => void) | undefined;
  before: Waiting | undefined = undefined;
  behind: Waiting | undefined = undefined;

  constructor(list: Deadlines, at: number, run: () => void) {
    this.list = list;
    this.at = at;
    this.run = run;
  }

  cancel(): void {
    this.list.remove(this);
  }
}

const known = new WeakMap<Clock, Map<number, Deadlines>>();

/** Calls `run` once after `milliseconds`, unless cancelled. For lengths that come from the program or its configuration: each has a list that stays. */
export function deadline(clock: Clock, milliseconds: number, run: () => void): Deadline {
  let lists = known.get(clock);
  if (!lists) {
    lists = new Map();
    known.set(clock, lists);
  }
  let list = lists.get(milliseconds);
  if (!list) {
    list = new Deadlines(clock, milliseconds);
    lists.set(milliseconds, list);
  }
  return list.add(run);
}
