/** Turns of the event loop that others had while `act` was under way. */
export async function turnsDuring(act: () => Promise<unknown>): Promise<number> {
  let [turns, over] = [0, false];
  const look = (): void => {
    turns += 1;
    if (!over) setImmediate(look);
  };
  setImmediate(look);
  await act().finally(() => {
    over = true;
  });
  return turns;
}

/** The longest run of calls of `step` between two turns of the event loop while `act` was under way. */
export async function longestRun(act: (step: () => void) => Promise<unknown>): Promise<{ longest: number; calls: number }> {
  let [longest, run, calls, over] = [0, 0, 0, false];
  const look = (): void => {
    run = 0;
    if (!over) setImmediate(look);
  };
  setImmediate(look);
  const step = (): void => {
    calls += 1;
    run += 1;
    longest = Math.max(longest, run);
  };
  await act(step).finally(() => {
    over = true;
  });
  return { longest, calls };
}
