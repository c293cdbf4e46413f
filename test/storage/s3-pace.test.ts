import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../ts/lib/byte-budget.js';
import { type Clock, systemRuntime } from '../../ts/lib/clock.js';
import { Pace } from '../../ts/storage/drivers/s3-pace.js';

const KIB = 1_024;

/** A clock that stands still until it is told otherwise, and a budget that others may wait for. */
function stage() {
  let time = 0;
  const timers: { at: number; run: () => void }[] = [];
  const clock: Clock = {
    ...systemRuntime.clock,
    monotonic: () => time,
    after: (milliseconds, run) => {
      const timer = { at: time + milliseconds, run };
      timers.push(timer);
      return { cancel: () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0) };
    },
  };
  const pass = (milliseconds: number): void => {
    time += milliseconds;
    for (const timer of timers.filter(({ at }) => at <= time)) {
      timers.splice(timers.indexOf(timer), 1);
      timer.run();
    }
  };
  const budget = new ByteBudget(1);
  let moves = 0;
  const crowd = async (): Promise<void> => {
    await budget.acquire(1);
    void budget.acquire(1, undefined, () => {
      moves += 1;
    });
  };
  return { clock, pass, crowd, budget, pace: new Pace(budget), moves: () => moves };
}

describe('S12: who fills memory that others wait for', () => {
  it('may be slow when all are, as long as it comes to something', async () => {
    const { clock, pass, crowd, pace } = stage();
    await crowd();
    const fills = Array.from({ length: 12 }, () => pace.begin(clock));
    for (let second = 0; second < 60; second += 1) {
      pass(1_000);
      for (const fill of fills) fill.gain(20 * KIB);
    }
    for (const fill of fills) fill.end(true);
  });

  it('is given up when another one takes half of its time', async () => {
    const { clock, pass, crowd, pace } = stage();
    await crowd();
    const slow = pace.begin(clock);
    const quick = pace.begin(clock);
    pass(8_000);
    slow.gain(160 * KIB);
    quick.gain(5_120 * KIB);
    quick.end(true);
    pass(8_000);
    slow.gain(160 * KIB);
    pass(1_000);
    expect(() => slow.gain(20 * KIB)).toThrow('too slowly');
  });

  it('is not compared with those who began before it, nor with short bodies', async () => {
    const { clock, pass, crowd, pace } = stage();
    await crowd();
    const before = pace.begin(clock);
    pass(1);
    const slow = pace.begin(clock);
    const short = pace.begin(clock);
    pass(1_000);
    before.end(true);
    short.end(false);
    pass(19_000);
    slow.gain(400 * KIB);
  });

  it('is given up below 16 bytes a millisecond, whatever others do, and never while nobody waits', async () => {
    const { clock, pass, crowd, pace } = stage();
    const fill = pace.begin(clock);
    pass(60_000);
    fill.gain(1);
    await crowd();
    expect(() => fill.gain(1)).toThrow('too slowly');
  });

  it('may be silent for ten seconds and not longer; one late look says nothing', async () => {
    const { clock, pass, crowd, pace } = stage();
    await crowd();
    const given: unknown[] = [];
    const unwatch = pace.begin(clock).watch((error) => given.push(error));
    // as when the process has been standing still
    pass(60_000);
    expect(given).toEqual([]);
    pass(5_000);
    expect(given).toHaveLength(1);
    unwatch();
    const quiet = pace.begin(clock).watch((error) => given.push(error));
    quiet();
    pass(60_000);
    expect(given).toHaveLength(1);
  });

  it('lets those who wait know that something moves', async () => {
    const { clock, crowd, pace, moves } = stage();
    await crowd();
    const fill = pace.begin(clock);
    for (let n = 0; n < 64; n += 1) fill.gain(16 * KIB);
    expect(moves()).toBe(4);
  });
});
