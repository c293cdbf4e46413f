import { describe, expect, it } from 'vitest';
import { utf8 } from '../../ts/lib/bytes.js';
import { deleteChange, publishChange } from '../../ts/packages/changes.js';
import { collectGarbage, type GarbageOptions, keyedLogs } from '../../ts/packages/collect-garbage.js';
import { releaseInventory } from '../../ts/packages/inventory.js';
import { packageKey, timeOf } from '../../ts/storage/key.js';
import type { PlainState } from './plain-protocol.js';
import { DAY, HOUR, storedSpace } from './stored-package.js';

type Kit = Awaited<ReturnType<typeof storedSpace>>;

const collect = (kit: Kit, more: Partial<GarbageOptions<PlainState>> = {}) =>
  collectGarbage<PlainState>({
    driver: kit.driver,
    logs: keyedLogs(kit.space),
    inventory: releaseInventory,
    onFault: ({ where, error }) => void kit.faults.push(`${where}: ${String(error)}`),
    ...more,
  });

describe('orphans', () => {
  it('go after a day by the store’s clock; what a log names stays, however old', async () => {
    const kit = await storedSpace();
    const named = await kit.publish('p', '1');
    const orphan = await kit.store('p', 'orphan');
    kit.runtime.advance(DAY - 1);
    const young = await kit.store('p', 'young');
    expect(await collect(kit)).toMatchObject({ objects: 3, condemned: 0 });
    kit.runtime.advance(1);
    expect(await collect(kit)).toMatchObject({ objects: 3, condemned: 1, bytes: 6, foreign: 0, spared: 0 });
    expect(await kit.keys('objects/')).toEqual([named.key, young.key].sort());
    expect(await kit.driver.stat(orphan.key)).toBeUndefined();
  });

  it('ages are the store’s, whatever the writer’s clock said', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    const behind = await kit.store('p', 'clock behind', kit.runtime.time - 1000 * DAY);
    expect((await collect(kit)).condemned).toBe(0);
    expect(await kit.driver.stat(behind.key)).toBeDefined();
  });

  it('the floor stands just above the newest key that goes, never at now', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    const first = await kit.store('p', 'a');
    kit.runtime.advance(HOUR);
    const second = await kit.store('p', 'b');
    kit.runtime.advance(2 * DAY);
    const fresh = await kit.store('p', 'fresh');
    expect((await collect(kit)).condemned).toBe(2);
    const { floor } = await kit.space.readStrong('p');
    expect(floor.objects).toBe(timeOf(second.key) + 1);
    expect(floor.objects).toBeLessThan(timeOf(fresh.key));
    expect(timeOf(first.key)).toBeLessThan(floor.objects);
  });

  it('the floor stands before the first delete', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    await kit.store('p', 'a');
    kit.runtime.advance(2 * DAY);
    const seen: number[] = [];
    const remove = kit.driver.delete.bind(kit.driver);
    kit.driver.delete = async (keys, options) => {
      if (keys.some((key) => key.startsWith('objects/'))) seen.push((await (await kit.newSpace()).readStrong('p')).floor.objects);
      return remove(keys, options);
    };
    await collect(kit);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toBeGreaterThan(0);
  });

  it('C5: a writer that slept through a collection is void: without its bytes it is told, never acknowledged', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    const late = await kit.store('p', 'late');
    kit.runtime.advance(2 * DAY);
    expect((await collect(kit)).condemned).toBe(1);
    const change = () =>
      publishChange('ann', { version: '2', manifest: '{}', files: [{ ...late, name: '2.tgz', key: late.key }] });
    const commit = kit.space.commit('p', () => ({ changes: [change()], result: 0 }), { objects: [late] });
    await expect(commit).rejects.toMatchObject({ kind: 'unavailable' });
    expect((await kit.space.readStrong('p')).state.releases.has('2')).toBe(false);
  });

  it('G1: a writer with younger bytes goes on while a collection runs, and keeps them', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    await kit.store('p', 'orphan');
    kit.runtime.advance(2 * DAY);
    const fresh = await kit.store('p', 'fresh');
    const change = () =>
      publishChange('ann', { version: '2', manifest: '{}', files: [{ ...fresh, name: '2.tgz', key: fresh.key }] });
    const [report] = await Promise.all([
      collect(kit),
      kit.space.commit('p', () => ({ changes: [change()], result: 0 }), { objects: [fresh] }),
    ]);
    expect(report.condemned).toBe(1);
    const [file] = (await kit.space.readStrong('p')).state.releases.get('2')?.files ?? [];
    expect(await kit.driver.stat(file?.key ?? '')).toMatchObject({ size: 5 });
  });

  it('G1: an old upload that is named between looking and committing is spared', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    const slow = await kit.store('p', 'slow');
    const other = await kit.store('p', 'other');
    kit.runtime.advance(2 * DAY);
    const logs = keyedLogs(kit.space);
    const racing: typeof logs = {
      ...logs,
      commit: async (key, decide) => {
        const change = publishChange('ann', { version: '2', manifest: '{}', files: [{ ...slow, name: '2.tgz' }] });
        await kit.space.commit('p', () => ({ changes: [change], result: 0 }), { objects: [slow] });
        return logs.commit(key, decide);
      },
    };
    expect((await collect(kit, { logs: racing })).condemned).toBe(1);
    expect(await kit.driver.stat(slow.key)).toBeDefined();
    expect(await kit.driver.stat(other.key)).toBeUndefined();
  });
});

describe('deleted versions', () => {
  it('one that was named and deleted between looking and committing keeps its retention time', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    const slow = await kit.store('p', 'slow');
    kit.runtime.advance(2 * DAY);
    const logs = keyedLogs(kit.space);
    const racing: typeof logs = {
      ...logs,
      commit: async (key, decide) => {
        const change = publishChange('ann', { version: '2', manifest: '{}', files: [{ ...slow, name: '2.tgz' }] });
        await kit.space.commit('p', () => ({ changes: [change], result: 0 }), { objects: [slow] });
        await kit.space.commit('p', () => ({ changes: [deleteChange('ann', '2')], result: 0 }));
        return logs.commit(key, decide);
      },
    };
    expect((await collect(kit, { logs: racing })).condemned).toBe(0);
    expect(await kit.driver.stat(slow.key)).toBeDefined();
  });

  const deleted = async (purge: boolean) => {
    const kit = await storedSpace();
    const object = await kit.publish('p', '1');
    await kit.publish('p', '2');
    kit.runtime.advance(100 * DAY);
    await kit.space.commit('p', () => ({ changes: [deleteChange('ann', '1', purge)], result: 0 }));
    return { kit, object };
  };

  it('keep their bytes for the retention time, counted from the deletion', async () => {
    const { kit, object } = await deleted(false);
    kit.runtime.advance(30 * DAY - 1);
    expect((await collect(kit)).condemned).toBe(0);
    kit.runtime.advance(1);
    expect((await collect(kit)).condemned).toBe(1);
    expect(await kit.driver.stat(object.key)).toBeUndefined();
    expect((await kit.space.readStrong('p')).state.releases.get('1')?.status).toBe('deleted');
  });

  it('lose them at once where they are purged', async () => {
    const { kit, object } = await deleted(true);
    expect((await collect(kit)).condemned).toBe(1);
    expect(await kit.driver.stat(object.key)).toBeUndefined();
  });
});

describe('what is never touched', () => {
  it('G2: keys that are none of ours', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    const folder = `objects/plain/${packageKey('p')}`;
    const foreign = [
      `${folder}/notes.txt`,
      `${folder}/0000000000001-short`,
      'objects/plain/readme',
      `${folder}/sub/0000000000001-${'a'.repeat(26)}`,
      `objects/plain/UPPER/0000000000001-${'a'.repeat(26)}`,
    ];
    for (const key of foreign) await kit.driver.write(key, utf8('x'));
    kit.runtime.advance(1000 * DAY);
    expect(await collect(kit)).toMatchObject({ condemned: 0, foreign: foreign.length });
    for (const key of foreign) expect(await kit.driver.stat(key)).toBeDefined();
  });

  it('objects of another repository', async () => {
    const kit = await storedSpace();
    const key = `objects/plain-2/${packageKey('p')}/0000000000001-${'a'.repeat(26)}`;
    await kit.driver.write(key, utf8('x'));
    kit.runtime.advance(1000 * DAY);
    expect((await collect(kit)).objects).toBe(0);
  });

  it('G2: packages whose log is damaged or has lost its beginning', async () => {
    for (const damage of ['not an entry', undefined]) {
      const kit = await storedSpace();
      await kit.publish('p', '1');
      await kit.store('p', 'orphan');
      // what the feed has seen must be there
      await kit.space.sweep();
      if (damage) await kit.driver.write(`log/plain/${packageKey('p')}/0000000001.jsonl`, utf8(damage));
      else await kit.driver.delete([`log/plain/${packageKey('p')}/0000000000.jsonl`]);
      await kit.driver.delete(await kit.keys('derived/checkpoint/'));
      kit.runtime.advance(1000 * DAY);
      const space = await kit.newSpace();
      const report = await collect(kit, { logs: keyedLogs(space) });
      expect(report).toMatchObject({ condemned: 0, spared: 2 });
      expect(await kit.keys('objects/')).toHaveLength(2);
    }
  });
});

describe('bytes whose publish never came, of a package that never was', () => {
  it('go, behind a floor that begins their log; the name comes with the first publish', async () => {
    const kit = await storedSpace();
    const { key } = await kit.store('never', 'orphan');
    kit.runtime.advance(1000 * DAY);
    expect(await collect(kit, { dryRun: true })).toMatchObject({ condemned: 1, spared: 0 });
    expect(await collect(kit)).toMatchObject({ condemned: 1, spared: 0 });
    expect(await kit.driver.stat(key)).toBeUndefined();
    const { floor, state } = await kit.space.readStrong('never');
    expect([floor.objects, state.releases.size]).toEqual([timeOf(key) + 1, 0]);
    expect((await kit.space.names()).items.size).toBe(0);
    await kit.publish('never', '1');
    const again = await kit.newSpace();
    const { named, identity, state: published } = await again.readStrong('never');
    expect([named, identity, [...published.releases.keys()]]).toEqual([true, 'never', ['1']]);
    expect([...(await again.names()).items.values()].map((item) => item.identity)).toEqual(['never']);
  });
});

describe('runs', () => {
  it('G2: a dry run says what the real one then does, and changes nothing', async () => {
    const kit = await storedSpace();
    for (const name of ['a', 'b', 'c']) {
      await kit.publish(name, '1');
      await kit.store(name, 'orphan');
      await kit.publish(name, '2');
      await kit.space.commit(name, () => ({ changes: [deleteChange('ann', '1', name === 'a')], result: 0 }));
    }
    kit.runtime.advance(2 * DAY);
    const truth = async () => [...(await kit.keys('objects/')), ...(await kit.keys('log/'))];
    const before = await truth();
    const dry: string[] = [];
    const dryReport = await collect(kit, { dryRun: true, onCondemned: (key) => void dry.push(key) });
    expect(await truth()).toEqual(before);
    const real: string[] = [];
    const report = await collect(kit, { onCondemned: (key) => void real.push(key) });
    expect(real).toEqual(dry);
    expect(report).toEqual(dryReport);
    expect(real).toHaveLength(4);
    expect((await collect(kit)).condemned).toBe(0);
  });

  it('S8: more objects than one listing shows, page by page', async () => {
    const kit = await storedSpace();
    await kit.publish('p', '1');
    for (let n = 0; n < 2500; n++) await kit.store('p', 'x');
    kit.runtime.advance(2 * DAY);
    expect(await collect(kit)).toMatchObject({ objects: 2501, condemned: 2500 });
    expect(await kit.keys('objects/')).toHaveLength(1);
    expect((await kit.space.readStrong('p')).position).toBeLessThan(10);
  });

  it('what fails for one package does not keep the others', async () => {
    const kit = await storedSpace();
    for (const name of ['a', 'b']) {
      await kit.publish(name, '1');
      await kit.store(name, 'orphan');
    }
    kit.runtime.advance(2 * DAY);
    const logs = keyedLogs(kit.space);
    const failing: typeof logs = {
      ...logs,
      commit: (key, decide) => (key === packageKey('a') ? Promise.reject(new Error('busy')) : logs.commit(key, decide)),
    };
    expect(await collect(kit, { logs: failing })).toMatchObject({ condemned: 1, spared: 2 });
    expect(kit.faults.join()).toContain('busy');
  });
});
