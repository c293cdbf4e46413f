import type { Clock } from '../ts/lib/clock.js';

/** `Clock.sleep` of a clock that only has timers; ends with the signal's reason when that is aborted first. */
export const sleepOn = (clock: Pick<Clock, 'after'>, milliseconds: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = clock.after(milliseconds, resolve);
    signal?.addEventListener('abort', () => {
      timer.cancel();
      reject(signal.reason);
    });
  });
