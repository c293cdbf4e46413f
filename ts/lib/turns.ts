import { systemRuntime } from './clock.js';

const { afterTurn } = systemRuntime.clock;

/** Resolves in the next turn of the event loop, when everybody who waited for this one has had it. At once where a platform has no turns to wait for. */
export const nextTurn = (): Promise<void> => (afterTurn ? new Promise((resolve) => afterTurn(resolve)) : Promise.resolve());

/**
 * Cuts long work into turns, by its amount and not by the clock: the same work is cut at the same places on every machine.
 *
 *     for (const row of rows) { …; if (pace.due()) await nextTurn(); }
 */
export class Pace {
  private readonly most: number;
  private done = 0;

  /** @param most units of work in one turn: some 10 ms of it */
  constructor(most: number) {
    this.most = most;
  }

  /** Counts what was done just now. True: others must have a turn before more is done. */
  due(units = 1): boolean {
    this.done += units;
    if (this.done < this.most) return false;
    this.done = 0;
    return true;
  }
}
