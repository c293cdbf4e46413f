import { strict as assert } from 'node:assert';
import { assertContent, contentOf, iterated, KIB, keysOf, MIB, pattern, range, streamed } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

/** Sizes around every boundary at which a driver may change its way of storing or reading. */
const SIZES = [0, 1, 2, 4_095, 4_096, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB - 1, MIB, MIB + 1];

const sizeCases: readonly StorageDriverCase[] = SIZES.flatMap((size) => [
  {
    name: `write: ${size} bytes come back as they were`,
    async run(make) {
      const driver = await make();
      const bytes = pattern(size, size + 1);
      assert.equal(await driver.write('a/b/c', bytes), 'written');
      await assertContent(driver, 'a/b/c', bytes);
      assert.equal((await driver.stat('a/b/c'))?.size, size);
    },
  },
  {
    name: `write: a stream of ${size} bytes comes back as it was`,
    async run(make) {
      const driver = await make();
      const bytes = pattern(size, size + 7);
      assert.equal(await driver.write('a/b/c', streamed(bytes, 10_000)), 'written');
      await assertContent(driver, 'a/b/c', bytes);
      assert.equal((await driver.stat('a/b/c'))?.size, size);
    },
  },
]);

const streamCases: readonly StorageDriverCase[] = [
  {
    name: 'write: a stream of 6 MiB',
    async run(make) {
      const driver = await make();
      const bytes = pattern(6 * MIB);
      await driver.write('big', streamed(bytes, 100_001));
      await assertContent(driver, 'big', bytes);
    },
  },
  {
    name: 'write: a stream whose chunks end at 1 MiB, one before, one behind',
    async run(make) {
      const driver = await make();
      const bytes = pattern(3 * MIB + 5);
      await driver.write('exact', streamed(bytes, MIB));
      await driver.write('before', streamed(bytes, MIB - 1));
      await driver.write('behind', streamed(bytes, MIB + 1));
      await driver.write('once', streamed(bytes, bytes.byteLength));
      for (const key of ['exact', 'before', 'behind', 'once']) await assertContent(driver, key, bytes);
    },
  },
  {
    name: 'write: a stream of thousands of tiny chunks, empty ones among them',
    async run(make) {
      const driver = await make();
      const bytes = pattern(9_000);
      async function* body(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.byteLength; at += 3) {
          yield bytes.slice(at, at + 3);
          if (at % 300 === 0) yield new Uint8Array(0);
        }
      }
      await driver.write('tiny', body());
      await assertContent(driver, 'tiny', bytes);
    },
  },
  {
    name: 'write: an async iterable is as good as a stream',
    async run(make) {
      const driver = await make();
      const bytes = pattern(700_000);
      await driver.write('it', iterated(bytes, 65_537));
      await assertContent(driver, 'it', bytes);
    },
  },
  {
    name: 'write: an empty stream makes an empty object',
    async run(make) {
      const driver = await make();
      await driver.write('none', streamed(new Uint8Array(0)));
      assert.equal((await driver.stat('none'))?.size, 0);
      await assertContent(driver, 'none', new Uint8Array(0));
    },
  },
  {
    name: 'write: a part of a larger buffer stores that part alone, and belongs to the caller again afterwards',
    async run(make) {
      const driver = await make();
      const large = Buffer.from(pattern(1_000));
      const expected = new Uint8Array(large.subarray(100, 200));
      await driver.write('part', large.subarray(100, 200));
      large.fill(0);
      await assertContent(driver, 'part', expected);
    },
  },
  {
    name: 'write: `durable: false` is stored and seen all the same',
    async run(make) {
      const driver = await make();
      await driver.write('view/a', pattern(500), { durable: false });
      await driver.write('view/b', streamed(pattern(200_000)), { durable: false });
      await assertContent(driver, 'view/a', pattern(500));
      await assertContent(driver, 'view/b', pattern(200_000));
    },
  },
];

const replaceCases: readonly StorageDriverCase[] = [
  {
    name: 'write: replaces what was there, by something shorter and by something longer',
    async run(make) {
      const driver = await make();
      for (const size of [100_000, 10, 2 * MIB, 0, 300]) {
        assert.equal(await driver.write('view', pattern(size, size + 3)), 'written');
        await assertContent(driver, 'view', pattern(size, size + 3));
      }
      assert.deepEqual(await keysOf(driver), ['view']);
    },
  },
  {
    name: 'write: what is read may be changed by its reader without changing what is stored',
    async run(make) {
      const driver = await make();
      await driver.write('small', pattern(100));
      (await contentOf(driver, 'small'))?.fill(0);
      await assertContent(driver, 'small', pattern(100));
    },
  },
  {
    name: 'create: 1 MiB is written once, and then exists',
    async run(make) {
      const driver = await make();
      assert.equal(await driver.write('log/1', pattern(MIB, 1), { ifAbsent: true }), 'written');
      assert.equal(await driver.write('log/1', pattern(MIB, 2), { ifAbsent: true }), 'exists');
      await assertContent(driver, 'log/1', pattern(MIB, 1));
    },
  },
  {
    name: 'create: the same bytes again exist too',
    async run(make) {
      const driver = await make();
      const bytes = pattern(300);
      assert.equal(await driver.write('log/1', bytes, { ifAbsent: true }), 'written');
      assert.equal(await driver.write('log/1', bytes, { ifAbsent: true }), 'exists');
    },
  },
  {
    name: 'create: an empty object counts as existing',
    async run(make) {
      const driver = await make();
      assert.equal(await driver.write('log/1', new Uint8Array(0), { ifAbsent: true }), 'written');
      assert.equal(await driver.write('log/1', pattern(3), { ifAbsent: true }), 'exists');
      await assertContent(driver, 'log/1', new Uint8Array(0));
    },
  },
  {
    name: 'create: what a plain write put there exists; a deleted key is free again',
    async run(make) {
      const driver = await make();
      await driver.write('log/1', pattern(5));
      assert.equal(await driver.write('log/1', pattern(6), { ifAbsent: true }), 'exists');
      await driver.delete(['log/1']);
      assert.equal(await driver.write('log/1', pattern(6), { ifAbsent: true }), 'written');
      await assertContent(driver, 'log/1', pattern(6));
    },
  },
  {
    name: 'create: is seen by stat, read and list at once',
    async run(make) {
      const driver = await make();
      for (const n of range(20)) {
        const key = `log/p/${String(n).padStart(10, '0')}.jsonl`;
        assert.equal(await driver.stat(key), undefined);
        assert.equal(await driver.read(key), undefined);
        await driver.write(key, pattern(50, n + 1), { ifAbsent: true });
        assert.equal((await driver.stat(key))?.size, 50);
        await assertContent(driver, key, pattern(50, n + 1));
        assert.equal((await keysOf(driver, 'log/p/')).at(-1), key);
      }
    },
  },
];

export const writeCases: readonly StorageDriverCase[] = [...sizeCases, ...streamCases, ...replaceCases];
