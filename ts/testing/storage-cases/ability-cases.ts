import { strict as assert } from 'node:assert';
import { checked } from '../../storage/checked-driver.js';
import {
  type CopyingDriver,
  isCopying,
  isSynchronous,
  type StorageDriver,
  type SynchronousDriver,
} from '../../storage/driver.js';
import { assertContent, contentOf, fill, keysOf, MIB, pattern, range, rejectsWith } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

function copying(driver: StorageDriver): CopyingDriver {
  assert.ok(isCopying(driver), 'the driver does not copy');
  return driver;
}

function synchronous(driver: StorageDriver): SynchronousDriver {
  assert.ok(isSynchronous(driver), 'the driver does not answer at once');
  return driver;
}

const copyCases: readonly StorageDriverCase[] = [
  {
    name: 'copy: empty, small and large objects, into a new folder',
    needs: 'copy',
    async run(make) {
      const driver = copying(await make());
      for (const size of [0, 1, 70_000, 3 * MIB]) {
        await driver.write(`from/${size}`, pattern(size));
        assert.equal(await driver.copy(`from/${size}`, `to/a/b/${size}`), 'written');
        await assertContent(driver, `to/a/b/${size}`, pattern(size));
        await assertContent(driver, `from/${size}`, pattern(size));
      }
    },
  },
  {
    name: 'copy: from what is absent is `absent`, and leaves everything as it was',
    needs: 'copy',
    async run(make) {
      const driver = copying(await make());
      await driver.write('to', pattern(5));
      assert.equal(await driver.copy('nothing', 'to'), 'absent');
      assert.equal(await driver.copy('no/thing', 'new/to'), 'absent');
      await driver.write('x/y', pattern(1));
      assert.equal(await driver.copy('x', 'to'), 'absent');
      await assertContent(driver, 'to', pattern(5));
      assert.deepEqual(await keysOf(driver), ['to', 'x/y']);
    },
  },
  {
    name: 'copy: replaces, and is a copy: changing or deleting one leaves the other',
    needs: 'copy',
    async run(make) {
      const driver = copying(await make());
      await driver.write('a', pattern(100, 1));
      await driver.write('b', pattern(2_000, 2));
      assert.equal(await driver.copy('a', 'b'), 'written');
      await assertContent(driver, 'b', pattern(100, 1));
      assert.equal(await driver.copy('a', 'b'), 'written');
      await driver.write('a', pattern(300, 3));
      await assertContent(driver, 'b', pattern(100, 1));
      await driver.copy('b', 'c');
      await driver.delete(['b']);
      await assertContent(driver, 'c', pattern(100, 1));
      assert.deepEqual(await keysOf(driver), ['a', 'c']);
    },
  },
  {
    name: 'copy: of a copy, many times, is still no older than the act of copying',
    needs: 'copy',
    async run(make) {
      const driver = copying(await make());
      await driver.write('k0', pattern(100));
      for (const n of range(10)) {
        assert.equal(await driver.copy(`k${n}`, `k${n + 1}`), 'written');
        await driver.write('now', pattern(1));
        const before = (await driver.stat(`k${n}`))?.modified ?? Number.NaN;
        const copy = (await driver.stat(`k${n + 1}`))?.modified ?? Number.NaN;
        const now = (await driver.stat('now'))?.modified ?? Number.NaN;
        assert.ok(copy >= before && copy <= now, `${before} ${copy} ${now}`);
      }
      await assertContent(driver, 'k10', pattern(100));
    },
  },
  {
    name: 'copy: onto itself keeps the object',
    needs: 'copy',
    async run(make) {
      const driver = copying(await make());
      await driver.write('k', pattern(100));
      await driver.copy('k', 'k').catch((error: { kind?: unknown }) => assert.equal(error.kind, 'invalid'));
      await assertContent(driver, 'k', pattern(100));
      assert.deepEqual(await keysOf(driver), ['k']);
    },
  },
  {
    name: 'copy: beside deletion of the source gives the whole object or `absent`',
    needs: 'copy',
    async run(make) {
      const driver = copying(await make());
      for (const n of range(20)) {
        await driver.write('a/from', pattern(200, n + 1));
        const [answer] = await Promise.all([driver.copy('a/from', 'b/to'), driver.delete(['a/from'])]);
        const copy = await contentOf(driver, 'b/to');
        if (answer === 'written') await assertContent(driver, 'b/to', pattern(200, n + 1));
        else assert.equal(copy, undefined);
        await driver.delete(['b/to']);
      }
    },
  },
];

const syncCases: readonly StorageDriverCase[] = [
  {
    name: 'sync: names directly below a folder, sorted; no deeper keys, no look-alikes',
    needs: 'sync',
    async run(make) {
      const driver = synchronous(await make());
      await fill(driver, ['p/s/b', 'p/s/a-1', 'p/s/a', 'p/s/c/d', 'p/s/a.1', 'p/s-x/k', 'p/t/k', 'p/k']);
      assert.deepEqual(driver.namesSync('p/s'), ['a', 'a-1', 'a.1', 'b']);
      assert.deepEqual(driver.namesSync('p'), ['k']);
      assert.deepEqual(driver.namesSync('p/s/c'), ['d']);
    },
  },
  {
    name: 'sync: a folder or key that is not there is empty and false; a key is no folder, a folder no key',
    needs: 'sync',
    async run(make) {
      const driver = synchronous(await make());
      assert.deepEqual(driver.namesSync('no/thing'), []);
      assert.equal(driver.existsSync('no/thing'), false);
      await driver.write('a/b', pattern(1));
      assert.deepEqual(driver.namesSync('a/b'), []);
      assert.equal(driver.existsSync('a'), false);
      assert.equal(driver.existsSync('a/b/c'), false);
      assert.equal(driver.existsSync('a/b'), true);
    },
  },
  {
    name: 'sync: sees every write and delete at once, and no write that is not done',
    needs: 'sync',
    async run(make) {
      const driver = synchronous(await make());
      for (const n of range(20)) {
        const writing = driver.write(`m/s/${n}`, pattern(10), { ifAbsent: true });
        const before = driver.namesSync('m/s');
        assert.ok(before.length === 0 || before[0] === String(n));
        await writing;
        assert.deepEqual(driver.namesSync('m/s'), [String(n)]);
        assert.equal(driver.existsSync(`m/s/${n}`), true);
        await driver.delete([`m/s/${n}`]);
        assert.deepEqual(driver.namesSync('m/s'), []);
        assert.equal(driver.existsSync(`m/s/${n}`), false);
      }
    },
  },
];

const checkedCopy: StorageDriverCase = {
  name: 'copy: what is no key is refused',
  needs: 'copy',
  async run(make) {
    const driver = checked(copying(await make()));
    await driver.write('k', pattern(1));
    await rejectsWith(driver.copy('k', `${'x'.repeat(300)}`), 'invalid');
    assert.deepEqual(await keysOf(driver), ['k']);
  },
};

export const abilityCases: readonly StorageDriverCase[] = [...copyCases, checkedCopy, ...syncCases];
