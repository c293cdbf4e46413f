import { strict as assert } from 'node:assert';
import { assertContent, fill, keysOf, pattern, range } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

export const deleteCases: readonly StorageDriverCase[] = [
  {
    name: 'delete: what is absent is no error, nor is nothing at all',
    async run(make) {
      const driver = await make();
      await driver.delete([]);
      await driver.delete(['nothing', 'no/thing/here']);
      await driver.write('a/b', pattern(1));
      await driver.delete(['a/c', 'a/b', 'x/y/z']);
      assert.deepEqual(await keysOf(driver), []);
      await driver.delete(['a/b']);
    },
  },
  {
    name: 'delete: takes exactly the keys named, neither look-alikes nor what lies below',
    async run(make) {
      const driver = await make();
      const keys = ['a-b', 'a.b', 'a/b', 'a/bb', 'a0', 'ab', 'c/d/e'];
      await fill(driver, keys);
      await driver.delete(['a', 'a/b', 'c', 'c/d', 'ab-']);
      assert.deepEqual(
        await keysOf(driver),
        keys.filter((key) => key !== 'a/b'),
      );
    },
  },
  {
    name: 'delete: more than 1,000 keys in one call, some of them twice',
    async run(make) {
      const driver = await make();
      const keys = range(1_050).map((n) => `d/${n % 5}/${n}`);
      await fill(driver, [...keys, 'd/0/kept', 'e']);
      await driver.delete([...keys, ...keys.slice(0, 20), 'd/absent']);
      assert.deepEqual(await keysOf(driver), ['d/0/kept', 'e']);
    },
  },
  {
    name: 'delete: is seen by stat, read, list and create at once',
    async run(make) {
      const driver = await make();
      for (const n of range(10)) {
        await driver.write('a/b/c/k', pattern(10, n + 1), { ifAbsent: true });
        await driver.delete(['a/b/c/k']);
        assert.equal(await driver.stat('a/b/c/k'), undefined);
        assert.equal(await driver.read('a/b/c/k'), undefined);
        assert.deepEqual(await keysOf(driver), []);
      }
    },
  },
  {
    name: 'delete: what a folder was becomes free for a key, and the other way round',
    async run(make) {
      const driver = await make();
      await driver.write('p/q/r/s/t', pattern(1));
      await driver.delete(['p/q/r/s/t']);
      await driver.write('p/q/r/s', pattern(2));
      await assertContent(driver, 'p/q/r/s', pattern(2));
      await driver.delete(['p/q/r/s']);
      await driver.write('p/q/r/s/t', pattern(3));
      await assertContent(driver, 'p/q/r/s/t', pattern(3));
    },
  },
];
