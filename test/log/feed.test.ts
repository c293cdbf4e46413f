import { describe, expect, it } from 'vitest';
import { feedSlot, markerId, markerKey, packageKey, pendingFolder } from '../../ts/storage/key.js';
import { keys, opened } from './opened-space.js';
import { add, TestClock } from './set-log.js';
import { SimpleStore } from './simple-store.js';

describe('feed', () => {
  it('what was committed is in the feed after a sweep, and the markers are gone', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    await a.commit('p', add('1'));
    await a.commit('q', add('1'));
    expect(keys(driver, pendingFolder('r'))).toHaveLength(2);
    await a.sweep();
    expect(keys(driver, pendingFolder('r'))).toEqual([]);
    expect(keys(driver, 'feed/r/')).toEqual([feedSlot('r', 0)]);
    const b = await opened(driver);
    expect([...(await b.names()).items.values()].map(({ identity, to, summary }) => [identity, to, summary]).sort()).toEqual([
      ['p', 1, { count: 1 }],
      ['q', 1, { count: 1 }],
    ]);
  });

  it('a marker whose entry never comes has everything looked at now and then, not behind every read', async () => {
    const driver = new SimpleStore();
    const clock = new TestClock();
    const a = await opened(driver, clock, { maxStaleness: 50 });
    await a.commit('p', add('1'));
    await a.finish();
    const orphan = markerKey('r', markerId(clock.now() - 60_000, 'a'.repeat(26)), packageKey('p'));
    driver.objects.set(orphan, { bytes: new Uint8Array(0), modified: clock.now() - 60_000 });
    let sweeps = 0;
    const list = driver.list.bind(driver);
    driver.list = (...args) => {
      sweeps += 1;
      return list(...args);
    };
    let probes = 0;
    for (let tenth = 0; tenth < 150; tenth += 1) {
      const before = sweeps;
      await a.read('p');
      probes += sweeps - before;
      clock.advance(100);
      await a.finish();
    }
    expect(probes).toBe(150);
    expect(sweeps - probes).toBeGreaterThan(0);
    expect(sweeps - probes).toBeLessThanOrEqual(4);
    expect((await a.read('p')).state.added).toEqual(['1']);
  });

  it('names sees what is only marked yet', async () => {
    const driver = new SimpleStore();
    const [a, b] = [await opened(driver), await opened(driver)];
    await a.commit('p', add('1'));
    expect([...(await b.names()).items.values()].map(({ identity }) => identity)).toEqual(['p']);
  });

  it('names reads a bounded number of marked packages at once, and asks for a sweep first where there are very many', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (let i = 0; i < 1001; i += 1) await a.commit(`p${i}`, add('1'));
    const clock = new TestClock();
    const b = await opened(driver, clock);
    await expect(b.names()).rejects.toMatchObject({ kind: 'unavailable' });
    clock.advance(100);
    await b.finish();
    expect((await b.names()).items.size).toBe(1001);
    expect(keys(driver, pendingFolder('r'))).toEqual([]);
  });

  it('another instance sweeps what a dead one left behind', async () => {
    const driver = new SimpleStore();
    await (await opened(driver)).commit('p', add('1'));
    const b = await opened(driver);
    await b.sweep();
    expect(keys(driver, pendingFolder('r'))).toEqual([]);
    expect((await b.names()).items.size).toBe(1);
  });

  it('an old marker without its entry is voided by raising the floor; a writer that wakes up marks again', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    await a.commit('p', add('1'));
    await a.sweep();
    const old = `${String(driver.time - 5).padStart(13, '0')}-${'a'.repeat(26)}`;
    await driver.write(markerKey('r', old, packageKey('p')), new TextEncoder().encode('{}'));
    driver.time += 2 * 60 * 60 * 1000;
    const clock = new TestClock();
    clock.wall = driver.time;
    const b = await opened(driver, clock);
    await b.sweep();
    expect(keys(driver, pendingFolder('r'))).toEqual([]);
    const { floor, state } = await b.read('p');
    expect(floor.markers).toBe(driver.time - 2 * 60 * 60 * 1000 - 4);
    expect(state.added).toEqual(['1']);
    await a.commit('p', add('2'));
    expect((await b.read('p')).state.added).toEqual(['1', '2']);
  });
});

describe("the feed's checkpoint", () => {
  const named = async (a: Awaited<ReturnType<typeof opened>>) =>
    [...(await a.names()).items.values()].map(({ identity, to, summary }) => [identity, to, summary]).sort();

  it('is written by the look at all markers once 16 entries lie behind it; whoever opens reads no more than those', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    const publish = async (from: number, to: number) => {
      for (let i = from; i < to; i += 1) {
        await a.commit(`p${i % 10}`, add(String(i)));
        await a.feedOwn();
      }
    };
    await publish(0, 15);
    await a.sweep();
    expect(keys(driver, 'derived/feed/')).toEqual([]);
    await publish(15, 20);
    await a.sweep();
    expect(keys(driver, 'derived/feed/')).toHaveLength(1);
    await publish(20, 25);
    driver.calls.length = 0;
    const b = await opened(driver);
    expect(driver.calls.filter((call) => call.startsWith('read feed/')).length).toBeLessThanOrEqual(2 + 16);
    expect(await named(b)).toEqual(await named(a));
    expect((await b.names()).items.size).toBe(10);
    await publish(25, 90);
    await b.sweep();
    expect(await named(await opened(driver))).toEqual(await named(a));
  });

  it('is not left to the look for more than 64 entries', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (let i = 0; i < 64; i += 1) {
      expect(keys(driver, 'derived/feed/')).toEqual([]);
      await a.commit('p', add(String(i)));
      await a.feedOwn();
    }
    expect(keys(driver, 'derived/feed/')).toHaveLength(1);
  });

  it('keeps what exists apart from what does not, and is ignored when it is cut', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (let i = 0; i < 16; i += 1) {
      await a.commit(
        i % 2 ? `é"\n${i}` : `gone${i}`,
        i % 2 ? add(String(i)) : () => ({ changes: [{ type: 'note', by: 'u' }], result: '' }),
      );
      await a.feedOwn();
    }
    await a.sweep();
    const key = keys(driver, 'derived/feed/')[0] as string;
    const b = await opened(driver);
    expect([...(await b.names()).items.values()].every(({ identity }) => identity.startsWith('é'))).toBe(true);
    expect(await named(b)).toHaveLength(8);
    const bytes = driver.objects.get(key)?.bytes as Uint8Array;
    driver.objects.set(key, { bytes: bytes.subarray(0, bytes.byteLength - 3), modified: 0 });
    expect(await named(await opened(driver))).toEqual(await named(a));
  });
});
