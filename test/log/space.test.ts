import { describe, expect, it } from 'vitest';
import { floorChange } from '../../ts/log/fold.js';
import { logSlot, markerId, markerKey, objectKey, packageKey, pendingFolder } from '../../ts/storage/key.js';
import { faults, keys, opened } from './opened-space.js';
import { add, TestClock } from './set-log.js';
import { SimpleStore } from './simple-store.js';

describe('commit', () => {
  it('a change is one entry, seen by another instance', async () => {
    const driver = new SimpleStore();
    const [a, b] = [await opened(driver), await opened(driver)];
    const { result, changed } = await a.commit('p', add('1'));
    expect([result, changed]).toEqual(['1', true]);
    expect((await b.read('p')).state.added).toEqual(['1']);
    expect((await b.read('P')).position).toBe(0);
    expect(keys(driver, 'log/')).toEqual([logSlot('r', packageKey('p'), 0)]);
  });

  it('of two instances that add the same, one is refused after looking at the log itself', async () => {
    const driver = new SimpleStore();
    const [a, b] = [await opened(driver), await opened(driver)];
    const answers = await Promise.allSettled([a.commit('p', add('1')), b.commit('p', add('1'))]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await a.read('p')).state.added).toEqual(['1']);
  });

  it('changes of one moment share an entry, a bad one is refused alone', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    const answers = await Promise.allSettled(['1', '2', '1', '3'].map((value) => a.commit('p', add(value))));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(keys(driver, 'log/')).toHaveLength(1);
    expect((await a.read('p')).state.added).toEqual(['1', '2', '3']);
  });

  it('changes one after the other, in the turn in which the one before is answered', async () => {
    const a = await opened(new SimpleStore());
    for (let i = 0; i < 50; i += 1) await a.commit('p', add(String(i)));
    let chain: Promise<unknown> = Promise.resolve();
    for (let i = 50; i < 60; i += 1) chain = chain.then(() => a.commit('p', add(String(i))));
    await chain;
    expect((await a.read('p')).state.added).toHaveLength(60);
  });

  it('storage calls: two before the answer when warm, four when cold, five and seven in all, whatever the number of packages', async () => {
    for (const packages of [1, 300]) {
      const driver = new SimpleStore();
      const a = await opened(driver);
      for (let i = 0; i < packages; i += 1) await a.commit(`p${i}`, add('1'));
      await a.close();
      const clock = new TestClock();
      const cold = await opened(driver, clock);
      for (const [limit, value] of [
        [4, '2'],
        [2, '3'],
      ] as const) {
        driver.calls.length = 0;
        await cold.commit('p0', add(value));
        const before = driver.calls.filter((call) => !call.includes(' derived/checkpoint/') || call.startsWith('read')).length;
        expect(before, driver.calls.join('\n')).toBeLessThanOrEqual(limit);
        clock.advance(100);
        await cold.finish();
        expect(driver.calls.length, driver.calls.join('\n')).toBeLessThanOrEqual(limit + 3);
        expect(keys(driver, pendingFolder('r'))).toEqual([]);
      }
      // one shared probe: the markers, and the feed's next slot
      driver.calls.length = 0;
      await Promise.all(Array.from({ length: 50 }, () => cold.read('p0')));
      expect(driver.calls.length, driver.calls.join('\n')).toBe(2);
      driver.calls.length = 0;
      await cold.read('p0');
      await cold.read('absent');
      expect(driver.calls.length).toBe(4);
    }
  });

  it('while a marker is seen whose entry does not come, a reader waits for the looks that were asked for before it, and for no later ones', async () => {
    const driver = new SimpleStore();
    const [a, b] = [await opened(driver), await opened(driver)];
    await a.commit('p', add('1'));
    await a.finish();
    await b.read('p');
    const orphan = markerKey('r', markerId(driver.time, 'a'.repeat(26)), packageKey('p'));
    driver.objects.set(orphan, { bytes: new Uint8Array(0), modified: driver.time });
    const others: Promise<unknown>[] = [];
    const read = driver.read.bind(driver);
    driver.read = async (key) => {
      // before each re-read of the log is over, somebody else has looked at the markers again
      if (key.startsWith('log/') && others.length < 40) {
        others.push(b.read('p'));
        for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
      }
      return read(key);
    };
    expect((await b.read('p')).state.added).toEqual(['1']);
    expect(others.length).toBeLessThan(10);
    driver.read = read;
    await Promise.all(others);
  });

  it('keeps what it may of logs that are begun with and never written to, and no more', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver, new TestClock(), { cacheBytes: 64 * 1_024 });
    const looked = () => driver.calls.filter((call) => call.startsWith('read log/')).length;
    await a.commit('first', add('1'));
    await a.sweep();
    await a.readForWrite('first');
    const before = looked();
    await a.readForWrite('first');
    expect(looked()).toBe(before);
    for (let n = 0; n < 200; n += 1) await a.readForWrite(`never-${n}`);
    await a.readForWrite('first');
    expect(looked()).toBeGreaterThan(before);
  });

  it('with bounded staleness a cached read costs nothing until the bound has passed, and an acknowledgement waits it out', async () => {
    const driver = new SimpleStore();
    const clock = new TestClock();
    const a = await opened(driver, clock, { maxStaleness: 1000 });
    await a.commit('p', add('1'));
    expect(clock.slept).toBe(1000);
    await a.read('p');
    driver.calls.length = 0;
    await a.read('p');
    await a.read('q');
    expect(driver.calls).toEqual([]);
    clock.wall += 1001;
    await a.read('p');
    expect(driver.calls.length).toBeGreaterThan(0);
  });

  it('a change asked for by exact name does not wait', async () => {
    const clock = new TestClock();
    const a = await opened(new SimpleStore(), clock, { maxStaleness: 1000 });
    await a.commit('p', add('1'), { visible: 'named' });
    expect(clock.slept).toBe(0);
  });
});

describe('floor', () => {
  it('objects below the floor are copied above it before the commit', async () => {
    const driver = new SimpleStore();
    const moved: string[] = [];
    const copyAbove = async (key: string, floor: number) => {
      moved.push(key);
      return objectKey('r', packageKey('p'), floor + 1, 'b'.repeat(26));
    };
    const a = await opened(driver, new TestClock(), { copyAbove });
    const object = { key: objectKey('r', packageKey('p'), 10, 'a'.repeat(26)), size: 1 };
    await a.commitUnseen('p', () => ({ changes: [floorChange('~', { objects: 50 })], result: undefined }));
    await a.commit('p', add('1', [object]), { objects: [object] });
    expect(moved).toHaveLength(1);
    expect(object.key).toContain('0000000000051-');
    expect((await a.read('p')).state.added).toEqual(['1']);
  });
});

describe('checkpoints', () => {
  it('deleting every view changes no answer', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (let i = 0; i < 100; i += 1) await a.commit('p', add(String(i).repeat(2000)));
    await a.close();
    const before = await (await opened(driver)).read('p');
    for (const key of keys(driver, 'derived/')) driver.objects.delete(key);
    const after = await (await opened(driver)).read('p');
    expect(after).toEqual(before);
    expect(after.position).toBe(100);
  });

  it('a cold read takes the checkpoint, its entry and the next slot', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (let i = 0; i < 20; i += 1) await a.commit('p', add(String(i)));
    await a.close();
    const b = await opened(driver);
    driver.calls.length = 0;
    await b.readStrong('p');
    expect(driver.calls).toHaveLength(3);
  });

  it('a checkpoint of another history is not believed', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    await a.commit('p', add('1'));
    await a.close();
    const [view] = keys(driver, 'derived/checkpoint/');
    const stale = driver.objects.get(view as string);
    const other = new SimpleStore();
    const b = await opened(other);
    await b.commit('p', add('2'));
    await b.close();
    if (stale) other.objects.set(view as string, stale);
    expect((await (await opened(other)).read('p')).state.added).toEqual(['2']);
  });

  it('large states have a base and a delta', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (let i = 0; i < 20; i += 1) await a.commit('p', add(`${i}-${'x'.repeat(100_000)}`));
    for (let i = 20; i < 100; i += 1) await a.commit('p', add(String(i)));
    await a.finish();
    for (let i = 100; i < 200; i += 1) await a.commit('p', add(String(i)));
    await a.close();
    expect(keys(driver, 'derived/checkpoint/').map((key) => key.split('.').pop())).toContain('delta');
    expect((await (await opened(driver)).read('p')).state.added).toHaveLength(200);
  });

  it('more than a thousand entries without a checkpoint: 503 first, an answer once they are folded', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (let i = 0; i < 1100; i += 1) await a.commit('p', add(String(i)));
    await a.close();
    for (const key of keys(driver, 'derived/checkpoint/')) driver.objects.delete(key);
    const b = await opened(driver);
    await expect(b.read('p')).rejects.toMatchObject({ kind: 'unavailable' });
    await b.close();
    expect((await b.read('p')).state.added).toHaveLength(1100);
  });
});

describe('damage', () => {
  it('a missing, forked or torn entry closes the log for changes, loudly, and what stands before stays readable', async () => {
    for (const damage of ['missing', 'forked', 'torn'] as const) {
      const driver = new SimpleStore();
      const a = await opened(driver);
      for (const value of ['1', '2', '3']) await a.commit('p', add(value));
      await a.close();
      for (const key of keys(driver, 'derived/')) driver.objects.delete(key);
      const slot = logSlot('r', packageKey('p'), 1);
      const bytes = driver.objects.get(slot)?.bytes ?? new Uint8Array(0);
      if (damage === 'missing') driver.objects.delete(slot);
      if (damage === 'torn') driver.objects.set(slot, { bytes: bytes.subarray(0, bytes.byteLength / 2), modified: 0 });
      if (damage === 'forked') {
        const forked = new TextDecoder().decode(bytes).replace(/"prev":"./, '"prev":"z');
        driver.objects.set(slot, { bytes: new TextEncoder().encode(forked), modified: 0 });
      }
      faults.length = 0;
      const b = await opened(driver);
      const snapshot = await b.read('p');
      expect(snapshot.state.added, damage).toEqual(['1']);
      expect(snapshot.broken, damage).toBeDefined();
      expect(faults.length, damage).toBeGreaterThan(0);
      await expect(b.commit('p', add('4')), damage).rejects.toMatchObject({ kind: 'unavailable' });
    }
  });

  it('a change that a newer program wrote makes the package unreadable, never absent', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    await a.commit('p', add('1'));
    await a.close();
    const slot = logSlot('r', packageKey('p'), 0);
    const text = new TextDecoder().decode(driver.objects.get(slot)?.bytes).replace('"v":1', '"v":2');
    driver.objects.set(slot, { bytes: new TextEncoder().encode(text), modified: 0 });
    for (const key of keys(driver, 'derived/checkpoint')) driver.objects.delete(key);
    await expect((await opened(driver)).read('p')).rejects.toMatchObject({ name: 'UnknownChange' });
  });
});

describe('erase', () => {
  it('takes the content out of every later answer and keeps the chain', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (const value of ['1', 'secret', '3']) await a.commit('p', add(value));
    await a.erase('p', 1, 'admin');
    expect((await a.read('p')).state.added).toEqual(['1', '(redacted)', '3']);
    await a.close();
    const b = await opened(driver);
    expect((await b.read('p')).state.added).toEqual(['1', '(redacted)', '3']);
    for (const key of keys(driver, 'derived/')) driver.objects.delete(key);
    const c = await opened(driver);
    const snapshot = await c.read('p');
    expect([snapshot.state.added, snapshot.broken]).toEqual([['1', '(redacted)', '3'], undefined]);
    await c.commit('p', add('4'));
    await c.close();
    expect([...driver.objects.values()].some(({ bytes }) => new TextDecoder().decode(bytes).includes('secret'))).toBe(false);
  });

  it('a stub that no entry ordered is damage', async () => {
    const driver = new SimpleStore();
    const a = await opened(driver);
    for (const value of ['1', '2']) await a.commit('p', add(value));
    await a.close();
    const slot = logSlot('r', packageKey('p'), 0);
    const [head] = new TextDecoder().decode(driver.objects.get(slot)?.bytes).split('\n');
    driver.objects.set(slot, {
      bytes: new TextEncoder().encode(`${head}\n{"erased":true,"markers":[],"changes":[]}\n`),
      modified: 0,
    });
    for (const key of keys(driver, 'derived/')) driver.objects.delete(key);
    expect((await (await opened(driver)).read('p')).broken).toBeDefined();
  });
});
