import { strict as assert } from 'node:assert';
import type { StorageDriver } from '../../storage/driver.js';
import { assertContent, assertSame, collect, KIB, MIB, pattern, range, rejectsWith } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

async function assertRange(driver: StorageDriver, key: string, whole: Uint8Array, start: number, end: number): Promise<void> {
  const stored = await driver.read(key, { range: { start, end } });
  assert.ok(stored, `${key}: absent`);
  assert.equal(stored.size, whole.byteLength, '`size` is that of the whole object');
  assertSame(await collect(stored.body), whole.subarray(start, end + 1), `${key} ${start}-${end}`);
}

const rangeCases: readonly StorageDriverCase[] = [100, 64 * KIB + 1, 3 * MIB].map((size) => ({
  name: `range: first, last, middle, one byte, whole and beyond the end of ${size} bytes`,
  async run(make) {
    const driver = await make();
    const whole = pattern(size);
    await driver.write('r', whole);
    const last = size - 1;
    const middle = Math.floor(size / 2);
    for (const [start, end] of [
      [0, 0],
      [last, last],
      [0, last],
      [0, last - 1],
      [1, last],
      [middle, middle],
      [10, middle],
      [middle, last],
      [middle, last + 1],
      [last, size + 1_000_000],
      [0, Number.MAX_SAFE_INTEGER - 1],
    ] as const) {
      await assertRange(driver, 'r', whole, start, end);
    }
  },
}));

const boundaryCases: readonly StorageDriverCase[] = [
  {
    name: 'range: pieces across 64 KiB and 1 MiB boundaries',
    async run(make) {
      const driver = await make();
      const whole = pattern(2 * MIB + 3);
      await driver.write('r', whole);
      for (const boundary of [64 * KIB, MIB, 2 * MIB]) {
        await assertRange(driver, 'r', whole, boundary - 1, boundary);
        await assertRange(driver, 'r', whole, boundary, boundary);
        await assertRange(driver, 'r', whole, boundary - 60_000, boundary - 1);
        await assertRange(driver, 'r', whole, boundary - MIB / 16, boundary + 1);
      }
    },
  },
  {
    name: 'range: one that begins at or behind the end is invalid, any range of an empty object too',
    async run(make) {
      const driver = await make();
      await driver.write('r', pattern(10));
      await driver.write('empty', new Uint8Array(0));
      await rejectsWith(driver.read('r', { range: { start: 10, end: 10 } }), 'invalid');
      await rejectsWith(driver.read('r', { range: { start: 11, end: 2_000 } }), 'invalid');
      await rejectsWith(driver.read('empty', { range: { start: 0, end: 0 } }), 'invalid');
      await assertRange(driver, 'r', pattern(10), 9, 9);
    },
  },
  {
    name: 'range: a range of an absent key is absent',
    async run(make) {
      const driver = await make();
      assert.equal(await driver.read('nothing', { range: { start: 0, end: 10 } }), undefined);
    },
  },
  {
    name: 'range: reversed, negative, fractional ones are refused',
    needs: 'checks',
    async run(make) {
      const driver = await make();
      await driver.write('r', pattern(10));
      for (const [start, end] of [
        [5, 4],
        [-1, 4],
        [0, -1],
        [0.5, 4],
        [0, 4.5],
        [Number.NaN, 4],
        [0, Number.POSITIVE_INFINITY],
      ] as const) {
        await rejectsWith(driver.read('r', { range: { start, end } }), 'invalid');
      }
    },
  },
];

const streamCases: readonly StorageDriverCase[] = [
  {
    name: 'read: a slow consumer of a big object gets all of it',
    async run(make) {
      const driver = await make();
      const whole = pattern(6 * MIB);
      await driver.write('big', whole);
      const stored = await driver.read('big');
      assert.ok(stored?.body instanceof ReadableStream);
      const reader: ReadableStreamDefaultReader<Uint8Array> = stored.body.getReader();
      const chunks: Uint8Array[] = [];
      for (let step = await reader.read(); !step.done; step = await reader.read()) {
        chunks.push(step.value);
        for (const _ of range(20)) await new Promise((resolve) => setImmediate(resolve));
      }
      assertSame(Buffer.concat(chunks), whole, 'big');
    },
  },
  {
    name: 'read: cancelled in the middle, then read again from the start',
    async run(make) {
      const driver = await make();
      const whole = pattern(5 * MIB);
      await driver.write('big', whole);
      for (const _ of range(20)) {
        const stored = await driver.read('big');
        assert.ok(stored?.body instanceof ReadableStream);
        const reader = stored.body.getReader();
        await reader.read();
        await reader.cancel('seen enough');
        assert.equal((await reader.read()).done, true);
      }
      await assertContent(driver, 'big', whole);
    },
  },
  {
    name: 'read: cancelled before the first chunk, many times at once',
    async run(make) {
      const driver = await make();
      await driver.write('big', pattern(MIB));
      const opened = await Promise.all(range(64).map(() => driver.read('big')));
      await Promise.all(opened.map((stored) => stored?.body instanceof ReadableStream && stored.body.cancel()));
      await assertContent(driver, 'big', pattern(MIB));
    },
  },
  {
    name: 'read: a stream goes on with the bytes that it began with when the object is replaced or deleted',
    async run(make) {
      const driver = await make();
      for (const change of ['replace', 'delete'] as const) {
        const before = pattern(3 * MIB, 1);
        await driver.write('view', before);
        const stored = await driver.read('view');
        assert.ok(stored?.body instanceof ReadableStream);
        const reader: ReadableStreamDefaultReader<Uint8Array> = stored.body.getReader();
        const first = await reader.read();
        assert.ok(first.value);
        if (change === 'replace') await driver.write('view', pattern(3 * MIB, 2));
        else await driver.delete(['view']);
        const chunks = [first.value];
        try {
          for (let step = await reader.read(); !step.done; step = await reader.read()) chunks.push(step.value);
        } catch (error) {
          // A store that cannot keep the old bytes may fail, but never mix them.
          assert.equal((error as { name?: unknown }).name, 'StorageError');
          continue;
        }
        assertSame(Buffer.concat(chunks), before, change);
      }
    },
  },
  {
    name: 'read: sixteen readers of one object at once',
    async run(make) {
      const driver = await make();
      const whole = pattern(MIB + 17);
      await driver.write('shared', whole);
      await Promise.all(range(16).map(() => assertContent(driver, 'shared', whole)));
    },
  },
];

const infoCases: readonly StorageDriverCase[] = [
  {
    name: 'stat, read, list: an absent key is undefined, an empty store an empty page',
    async run(make) {
      const driver = await make();
      assert.equal(await driver.stat('a'), undefined);
      assert.equal(await driver.stat('a/b/c'), undefined);
      assert.equal(await driver.read('a/b/c'), undefined);
      assert.deepEqual(await driver.list(''), { objects: [] });
      assert.deepEqual(await driver.list('a/b/'), { objects: [] });
    },
  },
  {
    name: 'stat, read: what is only the beginning of other keys is absent',
    async run(make) {
      const driver = await make();
      await driver.write('a/b/c', pattern(1));
      for (const key of ['a', 'a/b', 'a/b/cc', 'a/b/c2']) {
        assert.equal(await driver.stat(key), undefined, key);
        assert.equal(await driver.read(key), undefined, key);
      }
    },
  },
  {
    name: 'stat, read, list: agree on size and time',
    async run(make) {
      const driver = await make();
      for (const size of [0, 1, 70_000]) {
        await driver.write('k', pattern(size));
        const info = await driver.stat('k');
        const stored = await driver.read('k');
        const [listed] = (await driver.list('k')).objects;
        if (stored?.body instanceof ReadableStream) await stored.body.cancel();
        assert.deepEqual({ size: stored?.size, modified: stored?.modified }, info);
        assert.deepEqual(listed && { size: listed.size, modified: listed.modified }, info);
        assert.equal(info?.size, size);
      }
    },
  },
  {
    name: 'modified: whole milliseconds of this age, never earlier for what is written later',
    async run(make) {
      const driver = await make();
      let last = Date.UTC(2020, 0);
      for (const n of range(10)) {
        await driver.write(`k${n}`, pattern(n));
        const { modified } = (await driver.stat(`k${n}`)) ?? { modified: Number.NaN };
        assert.ok(Number.isInteger(modified), 'not whole milliseconds');
        assert.ok(modified >= last, `${modified} is before ${last}`);
        last = modified;
      }
      await driver.write('k0', pattern(1));
      assert.ok(((await driver.stat('k0'))?.modified ?? 0) >= last, 'a replaced object keeps its old time');
    },
  },
];

export const readCases: readonly StorageDriverCase[] = [...rangeCases, ...boundaryCases, ...streamCases, ...infoCases];
