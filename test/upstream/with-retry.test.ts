import { describe, expect, it } from 'vitest';
import { type Ask, UpstreamFailure } from '../../ts/upstream/ask.js';
import { withRetry } from '../../ts/upstream/with-retry.js';
import { ManualClock, manualRuntime } from '../http/manual-clock.js';
import { hurriedRuntime } from '../servers/fake-runtime.js';
import { wanted } from './upstream-rig.js';

const passing = (retryAfter?: number) =>
  new UpstreamFailure('upstream_failed', 'the upstream answered 503', { passing: true, retryAfter });
const absent = { kind: 'absent' } as const;

/** Throws these one after the other, then answers. */
function failing(...errors: unknown[]): Ask & { asked: number } {
  const ask = async () => {
    ask.asked++;
    const error = errors.shift();
    if (error !== undefined) throw error;
    return absent;
  };
  ask.asked = 0;
  return ask;
}

describe('asking again', () => {
  it.each([
    [0, [100, 400]],
    [0.5, [200, 800]],
    [0.999, [299.8, 1199.2]],
  ])('comes after pauses that grow, with jitter (%d)', async (fraction, pauses) => {
    const runtime = hurriedRuntime(fraction);
    const ask = failing(passing(), passing());
    expect(await withRetry(ask, { runtime, retries: 2 })(wanted('x'))).toBe(absent);
    expect(ask.asked).toBe(3);
    expect(runtime.pauses).toEqual(pauses);
  });

  it('ends after the last attempt with its failure', async () => {
    const runtime = hurriedRuntime();
    const last = passing();
    const ask = failing(passing(), passing(), last, passing());
    await expect(withRetry(ask, { runtime, retries: 2 })(wanted('x'))).rejects.toBe(last);
    expect(ask.asked).toBe(3);
  });

  it('never waits longer than 5 s', async () => {
    const runtime = hurriedRuntime(0.999);
    await withRetry(failing(passing(), passing(), passing(), passing(), passing()), { runtime, retries: 10 })(wanted('x'));
    expect(Math.max(...runtime.pauses)).toBe(5_000);
  });

  it('is not done for what does not pass, nor for faults of our own', async () => {
    for (const error of [new UpstreamFailure('upstream_failed', 'no'), new Error('fault'), new TypeError('fault')]) {
      const ask = failing(error);
      await expect(withRetry(ask, { runtime: hurriedRuntime(), retries: 2 })(wanted('x'))).rejects.toBe(error);
      expect(ask.asked).toBe(1);
    }
  });

  it('waits as long as the upstream says, and not at all where that is long', async () => {
    const runtime = hurriedRuntime();
    await withRetry(failing(passing(5_000), passing(0), passing(10)), { runtime, retries: 3 })(wanted('x'));
    expect(runtime.pauses).toEqual([5_000, 800, 3_200]);
    const ask = failing(passing(5_001));
    await expect(withRetry(ask, { runtime, retries: 2 })(wanted('x'))).rejects.toMatchObject({ retryAfter: 5_001 });
    expect(ask.asked).toBe(1);
  });

  it('stops when the asker gives up, in the pause as well', async () => {
    const reason = new Error('gone');
    const controller = new AbortController();
    const clock = new ManualClock();
    const ask = failing(passing(), passing());
    const request = wanted('x', { signal: controller.signal });
    const asking = withRetry(ask, { runtime: manualRuntime(clock), retries: 2 })(request);
    await new Promise((resolve) => setImmediate(resolve));
    expect(clock.pending).toBe(1);
    controller.abort(reason);
    await expect(asking).rejects.toBe(reason);
    expect([ask.asked, clock.pending]).toEqual([1, 0]);
    await expect(withRetry(ask, { runtime: manualRuntime(clock), retries: 2 })(request)).rejects.toBeInstanceOf(UpstreamFailure);
    expect([ask.asked, clock.pending]).toEqual([2, 0]);
  });
});
