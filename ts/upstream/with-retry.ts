import { holdProcess, type Runtime } from '../lib/clock.js';
import { type Ask, UpstreamFailure } from './ask.js';

export interface RetryOptions {
  readonly runtime: Runtime;
  /** How often more, at most. */
  readonly retries: number;
}

const FIRST_PAUSE_MS = 200;
const GROWTH = 4;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Asks again when a failure may pass and no content has begun: after about 200 ms, then 800 ms, then 3.2 s, or when the upstream says. One that wants to be
 * left alone for more than 5 s is. A body that breaks off later is its reader's to ask for again.
 */
export function withRetry(ask: Ask, { runtime, retries }: RetryOptions): Ask {
  const { clock, random } = runtime;
  return async (request) => {
    for (let failures = 0; ; failures++) {
      try {
        return await ask(request);
      } catch (error) {
        const pause =
          failures < retries && error instanceof UpstreamFailure ? pauseAfter(error, failures, random.fraction()) : undefined;
        if (pause === undefined || request.signal?.aborted) throw error;
        const hold = holdProcess();
        await clock.sleep(pause, request.signal).finally(() => hold.release());
      }
    }
  };
}

/** Milliseconds, with jitter: those who failed together must not come back together. Undefined: there is no sense in it. */
function pauseAfter({ passing, retryAfter = 0 }: UpstreamFailure, failures: number, fraction: number): number | undefined {
  if (!passing || retryAfter > LONGEST_PAUSE_MS) return undefined;
  const pause = Math.min(FIRST_PAUSE_MS * GROWTH ** failures, LONGEST_PAUSE_MS) * (0.5 + fraction);
  return Math.max(Math.min(pause, LONGEST_PAUSE_MS), retryAfter);
}
