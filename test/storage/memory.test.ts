import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';

describe('memory driver', () => {
  it('takes `modified` from the clock that it was given', async () => {
    let now = 1_000;
    const driver = new MemoryDriver({ runtime: { ...systemRuntime, clock: { ...systemRuntime.clock, now: () => now } } });
    await driver.write('a', new Uint8Array(1));
    now = 5_000;
    await driver.copy('a', 'b');
    expect((await driver.stat('a'))?.modified).toBe(1_000);
    expect((await driver.stat('b'))?.modified).toBe(5_000);
  });

  it('decides a create when its body is complete, whatever else went on meanwhile', async () => {
    const driver = new MemoryDriver();
    const slow = driver.write('k', new Uint8Array([1]), { ifAbsent: true });
    const fast = driver.write('k', new Uint8Array([2]), { ifAbsent: true });
    expect([await slow, await fast]).toEqual(['written', 'exists']);
  });

  it('refuses what a folder could not hold: a key that is another key’s folder', async () => {
    const driver = new MemoryDriver();
    await driver.write('a/b/c', new Uint8Array(1));
    for (const key of ['a', 'a/b', 'a/b/c/d', 'a/b/c/d/e']) {
      await expect(driver.write(key, new Uint8Array(1))).rejects.toMatchObject({ kind: 'invalid' });
    }
    await expect(driver.write('a/b/c-', new Uint8Array(1))).resolves.toBe('written');
  });
});
