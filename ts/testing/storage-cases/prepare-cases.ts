import { strict as assert } from 'node:assert';
import { checked } from '../../storage/checked-driver.js';
import { isPreparing, type PreparingDriver, type StorageDriver } from '../../storage/driver.js';
import { assertContent, contentOf, keysOf, MIB, pattern, range, rejectsWith } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

function preparing(driver: StorageDriver): PreparingDriver {
  assert.ok(isPreparing(driver), 'the driver does not prepare');
  return driver;
}

async function* pieces(count: number): AsyncGenerator<Uint8Array> {
  for (const n of range(count)) yield pattern(100_000, n);
}

const cases: readonly Omit<StorageDriverCase, 'needs'>[] = [
  {
    name: 'prepare: nothing is visible before the commit, all of it afterwards; bytes and streams, small and large',
    async run(make) {
      const driver = preparing(await make());
      for (const size of [0, 1, 3_000, 3 * MIB]) {
        const prepared = await driver.prepare(`a/b/${size}`, pattern(size));
        assert.deepEqual(await keysOf(driver, `a/b/${size}`), []);
        assert.equal(await driver.stat(`a/b/${size}`), undefined);
        assert.equal(await prepared.commit(), 'written');
        await assertContent(driver, `a/b/${size}`, pattern(size));
      }
      const streamed = await driver.prepare('a/stream', pieces(30));
      assert.equal(await driver.stat('a/stream'), undefined);
      assert.equal(await streamed.commit(), 'written');
      assert.equal((await driver.stat('a/stream'))?.size, 3_000_000);
    },
  },
  {
    name: 'prepare: what is discarded was never there, and its key is free',
    async run(make) {
      const driver = preparing(await make());
      for (const ifAbsent of [true, false]) {
        const prepared = await driver.prepare('a/b/c/k', pattern(10, 1), { ifAbsent });
        await prepared.discard();
        assert.deepEqual(await keysOf(driver), []);
      }
      await driver.write('a/b/c', pattern(5));
      await assertContent(driver, 'a/b/c', pattern(5));
    },
  },
  {
    name: 'prepare: of several creates of one key the first to commit wins, in whatever order they were prepared',
    async run(make) {
      const driver = preparing(await make());
      const all = await Promise.all(range(8).map((n) => driver.prepare('log/0', pattern(100, n), { ifAbsent: true })));
      const winner = all[5];
      assert.equal(await winner?.commit(), 'written');
      const answers = await Promise.all(all.filter((one) => one !== winner).map((one) => one.commit()));
      assert.deepEqual(new Set(answers), new Set(['exists']));
      await assertContent(driver, 'log/0', pattern(100, 5));
      const late = await driver.prepare('log/0', pattern(100, 9), { ifAbsent: true });
      assert.equal(await late.commit(), 'exists');
      await assertContent(driver, 'log/0', pattern(100, 5));
      assert.deepEqual(await keysOf(driver), ['log/0']);
    },
  },
  {
    name: 'prepare: committed at once, exactly one of racing creates is written',
    async run(make) {
      const driver = preparing(await make());
      for (const round of range(10)) {
        const answers = await Promise.all(
          range(8).map(async (n) => {
            if (n % 2) return driver.write(`race/${round}`, pattern(50, n), { ifAbsent: true });
            return (await driver.prepare(`race/${round}`, pattern(50, n), { ifAbsent: true })).commit();
          }),
        );
        assert.equal(answers.filter((answer) => answer === 'written').length, 1);
        const winner = answers.indexOf('written');
        await assertContent(driver, `race/${round}`, pattern(50, winner));
      }
    },
  },
  {
    name: 'prepare: without a condition the old object stands until the commit, and is replaced by it',
    async run(make) {
      const driver = preparing(await make());
      await driver.write('k', pattern(10, 1));
      const prepared = await driver.prepare('k', pattern(20, 2));
      await assertContent(driver, 'k', pattern(10, 1));
      assert.equal(await prepared.commit(), 'written');
      await assertContent(driver, 'k', pattern(20, 2));
    },
  },
  {
    name: 'prepare: a body that fails is thrown as it came, and nothing of it is kept',
    async run(make) {
      const driver = preparing(await make());
      const failure = new Error('the source broke');
      async function* broken() {
        yield pattern(10);
        throw failure;
      }
      await assert.rejects(driver.prepare('a/k', broken()), (error) => error === failure);
      assert.deepEqual(await keysOf(driver), []);
      assert.equal(await contentOf(driver, 'a/k'), undefined);
    },
  },
  {
    name: 'prepare: the folder may vanish before the commit as soon as nothing else is in it, and the object is there all the same',
    async run(make) {
      const driver = preparing(await make());
      await driver.write('deep/er/folder/other', pattern(1));
      const prepared = await driver.prepare('deep/er/folder/k', pattern(10), { ifAbsent: true });
      await driver.delete(['deep/er/folder/other']);
      assert.equal(await prepared.commit(), 'written');
      await assertContent(driver, 'deep/er/folder/k', pattern(10));
    },
  },
];

const checkedPrepare: StorageDriverCase = {
  name: 'prepare: what is no key, and what may not be created, is refused',
  needs: 'prepare',
  async run(make) {
    const driver = checked(preparing(await make()));
    await rejectsWith(driver.prepare('../x', pattern(1)), 'invalid');
    await rejectsWith(driver.prepare('k', pattern(MIB + 1), { ifAbsent: true }), 'invalid');
    await rejectsWith(driver.prepare('k', pieces(1), { ifAbsent: true }), 'invalid');
    assert.deepEqual(await keysOf(driver), []);
  },
};

export const prepareCases: readonly StorageDriverCase[] = [
  ...cases.map((one): StorageDriverCase => ({ ...one, needs: 'prepare' })),
  checkedPrepare,
];
