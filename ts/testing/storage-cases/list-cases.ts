import { strict as assert } from 'node:assert';
import { fill, keysOf, listAll, pattern, range, rejectsWith } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

/** `-` and `.` sort before `/`, and digits behind it: where folders stand in for keys, this is where the order breaks. */
const LOOK_ALIKES = [
  'a-b',
  'a-b-c/x',
  'a.b',
  'a/b',
  'a/b-',
  'a/b.c',
  'a/b~',
  'a0',
  'aB',
  'ab',
  'abc/c',
  'a~',
  'b/a/a',
  'b/a-a/a',
  'b/a.a',
  'b/a0/a',
];
const inByteOrder = (keys: readonly string[]): string[] =>
  [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

// `a/b` is a key, so nothing may lie below it; the rest of the tree nests as it likes.
const NESTED = [
  'x/y-z/1',
  'x/y.z/1',
  'x/y/1',
  'x/y/1-',
  'x/y/2/3',
  'x/y/2-/3',
  'x/y/2.json',
  'x/y0/1',
  'x/Y/1',
  'x-/y',
  'x.y',
  'x0',
];
const MANY = range(1_203).map((n) => `many/${n % 7}/${n.toString(36)}`);

const orderCases: readonly StorageDriverCase[] = [
  {
    name: 'list: look-alike keys, in byte order of the whole key',
    async run(make) {
      const driver = await make();
      await fill(driver, LOOK_ALIKES);
      assert.deepEqual(await keysOf(driver), inByteOrder(LOOK_ALIKES));
    },
  },
  {
    name: 'list: nested keys, in byte order across folders',
    async run(make) {
      const driver = await make();
      await fill(driver, NESTED);
      assert.deepEqual(await keysOf(driver), inByteOrder(NESTED));
    },
  },
  {
    name: 'list: a prefix takes exactly the keys that begin with it, with and without a final slash',
    async run(make) {
      const driver = await make();
      const all = [...LOOK_ALIKES, ...NESTED];
      await fill(driver, all);
      for (const prefix of [
        '',
        'a',
        'a/',
        'a-',
        'a.',
        'ab',
        'a/b',
        'a/b-',
        'aB',
        'b/a',
        'b/a/',
        'x',
        'x/y',
        'x/y/',
        'x/y/2',
        'x/y/2/',
        'nope',
        'x/y/1/',
      ]) {
        const expected = inByteOrder(all.filter((key) => key.startsWith(prefix)));
        assert.deepEqual(await keysOf(driver, prefix), expected, `prefix ${JSON.stringify(prefix)}`);
      }
    },
  },
  ...[1, 2, 7].map(
    (limit) =>
      ({
        name: `list: pages of ${limit} are the whole list`,
        async run(make) {
          const driver = await make();
          const all = [...LOOK_ALIKES, ...NESTED];
          await fill(driver, all);
          assert.deepEqual(await keysOf(driver, '', { limit }), inByteOrder(all));
          const below = all.filter((key) => key.startsWith('x/y'));
          assert.deepEqual(await keysOf(driver, 'x/y', { limit }), inByteOrder(below));
        },
      }) satisfies StorageDriverCase,
  ),
  {
    name: 'list: `after` any key, existing or not, begins behind it',
    async run(make) {
      const driver = await make();
      const all = inByteOrder([...LOOK_ALIKES, ...NESTED]);
      await fill(driver, all);
      for (const after of [...all, 'A', 'a/a', 'a/b0', 'a1', 'b/a/', 'x/y/1-0', 'x/y/2/', 'x/y/2/2', 'zz']) {
        const expected = all.filter((key) => key > after);
        assert.deepEqual(await keysOf(driver, '', { after }), expected, `after ${after}`);
        const below = expected.filter((key) => key.startsWith('x/y'));
        assert.deepEqual(await keysOf(driver, 'x/y', { after }), below, `x/y after ${after}`);
      }
    },
  },
];

const pageCases: readonly StorageDriverCase[] = [
  {
    name: 'list: more than 1,000 keys, in pages of 1,000 (the default) and 7',
    async run(make) {
      const driver = await make();
      await fill(driver, MANY);
      const expected = inByteOrder(MANY);
      const first = await driver.list('many/');
      assert.equal(first.objects.length, 1_000);
      assert.equal(first.next, first.objects.at(-1)?.key);
      assert.deepEqual(await keysOf(driver, 'many/'), expected);
      assert.deepEqual(await keysOf(driver, 'many/', { limit: 1_000 }), expected);
      assert.deepEqual(
        await keysOf(driver, 'many/3/', { limit: 7 }),
        expected.filter((key) => key.startsWith('many/3/')),
      );
    },
  },
  {
    name: 'list: a page that is exactly full is the last one when nothing follows',
    async run(make) {
      const driver = await make();
      await fill(driver, ['p/1', 'p/2', 'p/3', 'q/1']);
      const page = await driver.list('p/', { limit: 3 });
      assert.equal(page.objects.length, 3);
      assert.equal(page.next, undefined);
      assert.equal((await driver.list('p/', { limit: 2 })).next, 'p/2');
    },
  },
  {
    name: 'list: paging goes on where it was while keys come and go',
    async run(make) {
      const driver = await make();
      const keys = range(40).map((n) => `p/${String(n).padStart(3, '0')}`);
      await fill(driver, keys);
      const first = await driver.list('p/', { limit: 10 });
      assert.equal(first.next, 'p/009');
      await driver.delete(['p/009', 'p/012']);
      await fill(driver, ['p/0095', 'p/0005']);
      const rest = await keysOf(driver, 'p/', { after: first.next });
      assert.deepEqual(rest, ['p/0095', ...keys.slice(10).filter((key) => key !== 'p/012')]);
    },
  },
  {
    name: 'list: a fresh key is listed at once, a deleted one no more',
    async run(make) {
      const driver = await make();
      for (const n of range(15)) {
        const key = `pending/space/${n}`;
        await driver.write(key, pattern(1), { ifAbsent: true });
        assert.ok((await keysOf(driver, 'pending/')).includes(key), 'a fresh key is not listed');
        await driver.delete([key]);
        assert.deepEqual(await keysOf(driver, 'pending/'), []);
      }
    },
  },
  {
    name: 'list: says the size of each object',
    async run(make) {
      const driver = await make();
      for (const n of range(5)) await driver.write(`s/${n}`, pattern(n * 1_000));
      assert.deepEqual(
        (await listAll(driver, 's/')).map(({ size }) => size),
        [0, 1_000, 2_000, 3_000, 4_000],
      );
    },
  },
  {
    name: 'list: limits outside 1 to 1,000 are refused',
    needs: 'checks',
    async run(make) {
      const driver = await make();
      for (const limit of [0, -1, 1_001, 1.5, Number.NaN]) await rejectsWith(driver.list('', { limit }), 'invalid');
    },
  },
];

export const listCases: readonly StorageDriverCase[] = [...orderCases, ...pageCases];
