/**
 * Work that goes on at once for as long as it has what it needs, and hands out a promise where it has to wait. Written like an async function (`yield*` for
 * `await`), but what need not wait costs no promise and no turn: readers of strangers' files ask for a byte a thousand times and wait for a piece once.
 */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/** Waits inside of steps. Throws what the promise rejects with. */
export function* waitFor<T>(promise: Promise<T>): Steps<T> {
  return (yield promise) as T;
}

/** Takes steps to their end. */
export async function walk<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) step = await proceed(steps, step.value);
  return step.value;
}

async function proceed<T>(steps: Steps<T>, waited: Promise<unknown>): Promise<IteratorResult<Promise<unknown>, T>> {
  let value: unknown;
  try {
    value = await waited;
  } catch (error) {
    return steps.throw(error);
  }
  return steps.next(value);
}
