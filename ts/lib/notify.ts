const nobodyListens = (): void => undefined;

/** An answer that nobody waits for: if it is a promise, its rejection must not end the process. */
export function unheard(answer: unknown): void {
  if ((typeof answer === 'object' && answer !== null) || typeof answer === 'function')
    Promise.resolve(answer).catch(nobodyListens);
}

/**
 * Calls a listener that is not ours. Whether it throws, or answers with a promise that rejects, is its own business: a log that fails must not end the work
 * that it hears of, nor the process.
 */
export function notify(call: () => unknown): void {
  try {
    unheard(call());
  } catch {
    // see above
  }
}
