import { describe, expect, it } from 'vitest';
import { Space } from '../../ts/log/space.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { add, namesSchema, TestClock, testRuntime } from './set-log.js';
import { SimpleStore } from './simple-store.js';

/** A reader who counts how often its signal is asked for: the first time makes one, which costs more than the rest of a short request. */
class Reader {
  asked = 0;

  get signal(): AbortSignal {
    this.asked += 1;
    return new AbortController().signal;
  }
}

const stores: readonly (readonly [string, () => StorageDriver])[] = [
  ['a folder', () => new SynchronousMemoryDriver({ runtime: testRuntime(1, new TestClock()) })],
  ['a bucket within its staleness', () => new SimpleStore()],
];

describe('a reader who finds the state in memory', () => {
  it.each(stores)('is not asked for a signal: %s', async (_what, make) => {
    const runtime = testRuntime(7, new TestClock());
    const space = new Space({ id: 'r', driver: make(), runtime, schema: namesSchema, maxStaleness: 1_000 });
    await space.open();
    const committing = space.commit('p', add('1'));
    await runtime.clock.sleep(2_000);
    await committing;
    await space.finish();
    await space.read('p');
    const reader = new Reader();
    expect((await space.read('p', reader)).state.added).toEqual(['1']);
    expect(reader.asked).toBe(0);
    await space.close();
  });
});
