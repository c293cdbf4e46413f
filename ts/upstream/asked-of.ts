import type { Runtime } from '../lib/clock.js';
import type { ConnectionOptions } from './connections.js';
import { type Asked, origin } from './origin.js';
import type { IUpstream, IUpstreamResilience } from './provider.js';
import { withBreaker } from './with-breaker.js';
import { withRetry } from './with-retry.js';

export type { Asked } from './origin.js';

export const RESILIENCE: Required<IUpstreamResilience> = {
  timeoutMs: 15_000,
  retries: 2,
  breakerFailures: 5,
  breakerPauseMs: 30_000,
};

export interface AskedOfOptions extends ConnectionOptions {
  readonly runtime: Runtime;
}

/**
 * An upstream as it is asked: `origin` at the bottom, the breaker around it, so that it counts every attempt and stops those of a retry too, and retries
 * outside. Throws a TypeError when the upstream's URL is none.
 */
export function askedOf(upstream: IUpstream, resilience: IUpstreamResilience = {}, options: AskedOfOptions): Asked {
  const { runtime } = options;
  const timeoutMs = resilience.timeoutMs ?? RESILIENCE.timeoutMs;
  const retries = resilience.retries ?? RESILIENCE.retries;
  const failures = resilience.breakerFailures ?? RESILIENCE.breakerFailures;
  const pauseMs = resilience.breakerPauseMs ?? RESILIENCE.breakerPauseMs;
  const bottom = origin(upstream, { ...options, timeoutMs });
  const guarded = withBreaker(bottom.ask, { runtime, failures, pauseMs });
  return { ask: withRetry(guarded, { runtime, retries }), retire: () => bottom.retire(), close: () => bottom.close() };
}
