import { type Runtime, systemRuntime } from '../../ts/lib/clock.js';

/** The system's runtime, but pauses take no time and are written down; jitter is always `fraction`. */
export function hurriedRuntime(fraction = 0.5): Runtime & { readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    pauses,
    random: { ...systemRuntime.random, fraction: () => fraction },
    clock: {
      ...systemRuntime.clock,
      sleep: async (milliseconds, signal) => {
        if (signal?.aborted) throw signal.reason;
        pauses.push(milliseconds);
      },
    },
  };
}
