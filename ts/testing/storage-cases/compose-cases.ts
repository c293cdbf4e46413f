import { strict as assert } from 'node:assert';
import { checked } from '../../storage/checked-driver.js';
import { type ComposingDriver, isComposing, type StorageDriver } from '../../storage/driver.js';
import { assertContent, contentOf, keysOf, MIB, pattern, range, rejectsWith } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

function composing(driver: StorageDriver): ComposingDriver {
  assert.ok(isComposing(driver), 'the driver does not compose');
  return driver;
}

/** Writes objects of these sizes; answers what they are together. */
async function pieces(driver: StorageDriver, folder: string, ...sizes: readonly number[]) {
  const written: { readonly key: string; readonly size: number; readonly bytes: Uint8Array }[] = [];
  for (const [at, size] of sizes.entries()) {
    const bytes = Buffer.alloc(size, pattern(4_093, at + 1));
    written.push({ key: `${folder}/${at}`, size, bytes });
    await driver.write(`${folder}/${at}`, bytes);
  }
  return { pieces: written.map(({ key, size }) => ({ key, size })), whole: Buffer.concat(written.map(({ bytes }) => bytes)) };
}

const joinCases: readonly StorageDriverCase[] = [
  {
    name: 'compose: small and large pieces in any order, empty ones too, into a new folder; the pieces stay',
    needs: 'compose',
    async run(make) {
      const driver = composing(await make());
      const rows = [
        [0],
        [1],
        [0, 0],
        [3, 0, 70_000, 2],
        [6 * MIB],
        [9 * MIB, 6 * MIB, 1],
        [1, 6 * MIB, 2, 11 * MIB, 5 * MIB - 1, 3],
        [3 * MIB, 3 * MIB, 3 * MIB, 9 * MIB, 3 * MIB],
      ];
      for (const [at, row] of rows.entries()) {
        const from = await pieces(driver, `from/${at}`, ...row);
        assert.equal(await driver.compose(from.pieces, `to/${at}/whole`), 'written');
        await assertContent(driver, `to/${at}/whole`, from.whole);
        for (const { key, size } of from.pieces) assert.equal((await driver.stat(key))?.size, size);
        await driver.delete([...from.pieces.map(({ key }) => key), `to/${at}/whole`]);
      }
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: 'compose: of a piece that is not there is `absent`, and leaves everything as it was',
    needs: 'compose',
    async run(make) {
      const driver = composing(await make());
      const from = await pieces(driver, 'from', 6 * MIB, 5);
      await driver.write('to', pattern(7));
      for (const missing of ['from/2', 'no/thing', 'from']) {
        const gone = { key: missing, size: 3 };
        assert.equal(await driver.compose([gone], 'to'), 'absent');
        assert.equal(await driver.compose([...from.pieces, gone], 'to'), 'absent');
        assert.equal(await driver.compose([gone, ...from.pieces], 'new/to'), 'absent');
      }
      await assertContent(driver, 'to', pattern(7));
      assert.deepEqual(await keysOf(driver), ['from/0', 'from/1', 'to']);
    },
  },
  {
    name: 'compose: of a piece with another size than it should have is `corrupt`, and nothing is done',
    needs: 'compose',
    async run(make) {
      const driver = composing(await make());
      const { pieces: good } = await pieces(driver, 'from', 6 * MIB, 9);
      for (const at of [0, 1])
        for (const by of [-1, 1]) {
          const wrong = good.map((piece, i) => (i === at ? { ...piece, size: piece.size + by } : piece));
          await rejectsWith(driver.compose(wrong, 'to'), 'corrupt');
        }
      assert.deepEqual(await keysOf(driver), ['from/0', 'from/1']);
    },
  },
  {
    name: 'compose: replaces, also one of its own pieces; takes one twice; is no older than the act; outlives its pieces',
    needs: 'compose',
    async run(make) {
      const driver = composing(await make());
      const { pieces: two, whole } = await pieces(driver, 'p', 300, 6 * MIB);
      const [first, second] = two as [(typeof two)[number], (typeof two)[number]];
      await driver.write('to', pattern(9));
      assert.equal(await driver.compose(two, 'to'), 'written');
      await driver.write('now', pattern(1));
      const [made, now] = [await driver.stat('to'), await driver.stat('now')];
      const piece = await driver.stat('p/1');
      assert.ok(
        (made?.modified ?? 0) >= (piece?.modified ?? Number.NaN) && (made?.modified ?? 0) <= (now?.modified ?? Number.NaN),
      );
      assert.equal(await driver.compose([first, first, second], 'p/0'), 'written');
      await driver.delete(['p/1', 'now']);
      await assertContent(driver, 'to', whole);
      await assertContent(driver, 'p/0', Buffer.concat([whole.subarray(0, 300), whole]));
      assert.deepEqual(await keysOf(driver), ['p/0', 'to']);
    },
  },
  {
    name: 'compose: beside deletion of a piece gives the whole object or `absent`',
    needs: 'compose',
    async run(make) {
      const driver = composing(await make());
      for (const n of range(10)) {
        const from = await pieces(driver, `a${n}`, 2_000, 300, 40);
        const [answer] = await Promise.all([driver.compose(from.pieces, 'b/to'), driver.delete([`a${n}/1`])]);
        if (answer === 'written') await assertContent(driver, 'b/to', from.whole);
        else assert.equal(await contentOf(driver, 'b/to'), undefined);
        await driver.delete(['b/to', ...from.pieces.map(({ key }) => key)]);
      }
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: 'compose: when aborted it leaves nothing behind',
    needs: 'compose',
    async run(make) {
      const driver = composing(await make());
      const { pieces: several } = await pieces(driver, 'from', 6 * MIB, 6 * MIB, 6 * MIB, 10);
      for (const turns of [0, 1, 5, 25]) {
        const abort = new AbortController();
        const composed = driver.compose(several, 'to', { signal: abort.signal }).then(
          () => true,
          (error: { kind?: unknown }) => {
            assert.equal(error.kind, 'aborted');
            return false;
          },
        );
        for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        abort.abort();
        // one that was faster is whole
        if (await composed) await driver.delete(['to']);
        assert.deepEqual(await keysOf(driver), ['from/0', 'from/1', 'from/2', 'from/3']);
      }
    },
  },
];

const checkedCompose: StorageDriverCase = {
  name: 'compose: what is no key, no size, or nothing at all is refused',
  needs: 'compose',
  async run(make) {
    const driver = checked(composing(await make()));
    await driver.write('k', pattern(1));
    const piece = { key: 'k', size: 1 };
    for (const [some, to] of [
      [[piece], '../up'],
      [[{ ...piece, key: 'k//k' }], 'to'],
      [[{ ...piece, size: -1 }], 'to'],
      [[{ ...piece, size: 0.5 }], 'to'],
      [[], 'to'],
      [Array.from({ length: 10_001 }, () => piece), 'to'],
    ] as const)
      await rejectsWith(driver.compose(some, to), 'invalid');
    assert.deepEqual(await keysOf(driver), ['k']);
  },
};

export const composeCases: readonly StorageDriverCase[] = [...joinCases, checkedCompose];
