import { readFileSync } from 'node:fs';

/** Milliseconds that this thread has been running; what others on the machine do is not in it. To some four milliseconds, on Linux. */
export const busyTime = (): number => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;

export interface Turns {
  /** Milliseconds that this thread ran in the longest turn of the event loop. */
  readonly longest: number;
  readonly count: number;
}

/** Runs `act`, and looks at the thread's clock in each turn of the event loop meanwhile. */
export async function turnsOf(act: () => Promise<unknown>): Promise<Turns> {
  let [longest, count, over] = [0, 0, false];
  let before = busyTime();
  const look = (): void => {
    const now = busyTime();
    longest = Math.max(longest, now - before);
    before = now;
    count += 1;
    if (!over) setImmediate(look);
  };
  setImmediate(look);
  try {
    await act();
  } finally {
    // The last turn is not over yet.
    await new Promise((resolve) => setImmediate(resolve));
    over = true;
  }
  return { longest, count };
}
