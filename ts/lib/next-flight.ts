/**
 * Shares work between callers who need it to begin after they asked: whoever arrives while a run is under way shares the next one, never the one that
 * began before. A failed run fails for those who waited for it, and for nobody else.
 */
export class NextFlight<T> {
  private readonly work: () => Promise<T>;
  private running: Promise<unknown> | undefined;
  private next: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.work = work;
  }

  run(): Promise<T> {
    this.next ??= this.begin();
    return this.next;
  }

  private async begin(): Promise<T> {
    // always at least one turn, so that callers of the same moment share
    await this.running;
    this.next = undefined;
    const run = this.work();
    const running = run.then(settled, settled);
    this.running = running;
    await running;
    if (this.running === running) this.running = undefined;
    return run;
  }
}

const settled = (): void => undefined;

/** The promise, unless the signal is aborted first; the work behind it goes on for others. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  if (signal.aborted) {
    // Nobody else may be listening to how it ends.
    promise.catch(() => undefined);
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
