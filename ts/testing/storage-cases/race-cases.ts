import { strict as assert } from 'node:assert';
import { assertContent, assertSame, contentOf, KIB, keysOf, pattern, range, streamed } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

const RACERS = 32;

const createRaces: readonly StorageDriverCase[] = [40, 70 * KIB].map((size) => ({
  name: `race: ${RACERS} creates of ${size} bytes at one key: one winner, and its bytes are there`,
  async run(make) {
    const driver = await make();
    for (const round of range(4)) {
      const key = `log/p/${round}`;
      const bodies = range(RACERS).map((n) => pattern(size, 1 + n + round * RACERS));
      const answers = await Promise.all(bodies.map((body) => create(body)));
      const winners = range(RACERS).filter((n) => answers[n] === 'written');
      assert.equal(winners.length, 1, `${winners.length} winners in round ${round}`);
      await assertContent(driver, key, bodies[winners[0] ?? -1] ?? new Uint8Array(0));
      async function create(body: Uint8Array): Promise<string> {
        for (let attempt = 0; attempt < 50; attempt += 1) {
          try {
            return await driver.write(key, body, { ifAbsent: true });
          } catch (error) {
            // A store may say that another create is under way: nothing is known then, and it is tried again.
            if ((error as { kind?: unknown }).kind !== 'conflict') throw error;
          }
        }
        return assert.fail('50 conflicts in a row');
      }
    }
  },
}));

const otherRaces: readonly StorageDriverCase[] = [
  {
    name: 'race: a reader beside a writer who replaces sees one version whole, never a mixture, never nothing',
    async run(make) {
      const driver = await make();
      const versions = [pattern(3_000, 1), pattern(90_000, 2), pattern(10, 3), pattern(200_000, 4)];
      await driver.write('view', versions[0] ?? new Uint8Array(0));
      let writing = true;
      const write = async () => {
        for (const n of range(24)) await driver.write('view', versions[n % 4] ?? new Uint8Array(0), { durable: false });
        writing = false;
      };
      const read = async () => {
        for (let n = 0; n < 500 && (writing || n === 0); n += 1) {
          const seen = await contentOf(driver, 'view');
          const match = versions.find((version) => version.byteLength === seen?.byteLength);
          assert.ok(match, `a version of ${seen?.byteLength} bytes was never written`);
          assertSame(seen, match, 'view');
        }
      };
      await Promise.all([write(), read(), read(), read()]);
    },
  },
  {
    name: 'race: writers of one key leave one of their versions, whole',
    async run(make) {
      const driver = await make();
      for (const _ of range(3)) {
        const bodies = range(12).map((n) => pattern(20_000 + n, n + 1));
        await Promise.all(bodies.map((body, n) => driver.write('view', n % 2 ? body : streamed(body, 7_000))));
        const last = await contentOf(driver, 'view');
        assertSame(last, bodies[(last?.byteLength ?? 0) - 20_000] ?? new Uint8Array(0), 'view');
      }
      assert.deepEqual(await keysOf(driver), ['view']);
    },
  },
  {
    name: 'race: many keys at once in one new folder',
    async run(make) {
      const driver = await make();
      const keys = range(40).map((n) => `new/folder/of/many/${String(n).padStart(2, '0')}`);
      await Promise.all(keys.map((key, n) => driver.write(key, pattern(100, n + 1), n % 2 ? { ifAbsent: true } : {})));
      assert.deepEqual(await keysOf(driver), keys);
      for (const [n, key] of keys.entries()) await assertContent(driver, key, pattern(100, n + 1));
    },
  },
  {
    name: 'race: many keys at once in many new folders',
    async run(make) {
      const driver = await make();
      const keys = range(40).map((n) => `f/${n % 4}/${n % 10}/g/k${n}`);
      await Promise.all(keys.map((key) => driver.write(key, streamed(pattern(100), 30))));
      assert.deepEqual(await keysOf(driver), [...keys].sort());
    },
  },
  {
    name: 'race: deleting the last key of a folder while another is created there',
    async run(make) {
      const driver = await make();
      for (const n of range(40)) {
        const [old, fresh] = [`a/b/c/d/old${n}`, `a/b/c/d/new${n}`];
        await driver.write(old, pattern(1), { durable: false });
        await Promise.all([
          driver.delete([old]),
          driver.write(fresh, pattern(20), { ifAbsent: true, durable: false }),
          driver.delete([old]),
        ]);
        await assertContent(driver, fresh, pattern(20));
        await driver.delete([fresh]);
      }
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: 'race: create and delete of one key leave the object or nothing',
    async run(make) {
      const driver = await make();
      for (const n of range(20)) {
        const [answer] = await Promise.all([
          driver.write('a/b/k', pattern(50, n + 1), { ifAbsent: true }),
          driver.delete(['a/b/k']),
        ]);
        assert.equal(answer, 'written');
        const left = await contentOf(driver, 'a/b/k');
        if (left) assertSame(left, pattern(50, n + 1), 'a/b/k');
        await driver.delete(['a/b/k']);
      }
    },
  },
  {
    name: 'race: a listing beside writers is in order and holds all that was there before it began',
    async run(make) {
      const driver = await make();
      const old = range(30).map((n) => `l/old${String(n).padStart(2, '0')}`);
      await Promise.all(old.map((key) => driver.write(key, pattern(1), { durable: false })));
      const write = async () => {
        for (const n of range(30)) await driver.write(`l/new${n}`, pattern(1), { durable: false });
      };
      const list = async () => {
        for (const _ of range(8)) {
          const seen = await keysOf(driver, 'l/', { limit: 9 });
          assert.deepEqual(seen, [...seen].sort());
          assert.equal(new Set(seen).size, seen.length, 'a key is listed twice');
          for (const key of old) assert.ok(seen.includes(key), `${key} is missing`);
        }
      };
      await Promise.all([write(), list(), list()]);
    },
  },
];

export const raceCases: readonly StorageDriverCase[] = [...createRaces, ...otherRaces];
