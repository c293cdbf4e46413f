import type { Runtime } from '../../lib/clock.js';

const RATIO = 0.1;
const BURST = 10;
const BASE_DELAY = 100;
const MAX_DELAY = 5_000;
const MAX_RETRY_AFTER = 10_000;

/** How often one call is sent at most. */
export const MAX_ATTEMPTS = 3;

/**
 * Keeps retries from multiplying the load on a store that is down: every first attempt earns a tenth of a retry, up to a small burst.
 * (reliability: retry ratio at most 10 %.)
 */
export class RetryBudget {
  private tokens = BURST;

  earn(): void {
    this.tokens = Math.min(BURST, this.tokens + RATIO);
  }

  /** True when one more attempt may be made. */
  spend(): boolean {
    // Ten times 0.1 is a hair below 1 in binary.
    if (this.tokens < 1 - 1e-9) return false;
    this.tokens -= 1;
    return true;
  }
}

/** One per process, so that many drivers on one store do not add up. */
export const processRetryBudget = new RetryBudget();

/** Exponential with full jitter; what the store asked for is a floor, up to a cap. `attempt` counts from 1. */
export function retryDelay(runtime: Runtime, attempt: number, retryAfter: number | undefined): number {
  const ceiling = Math.min(MAX_DELAY, BASE_DELAY * 2 ** (attempt - 1));
  const jittered = runtime.random.fraction() * ceiling;
  return Math.round(Math.min(MAX_RETRY_AFTER, retryAfter ?? 0) + jittered);
}
