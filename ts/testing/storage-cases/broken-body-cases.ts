import { strict as assert } from 'node:assert';
import { assertContent, endingIn, KIB, keysOf, MIB, pattern, rejectsWith } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

const failingCases: readonly StorageDriverCase[] = [0, 1, 64 * KIB, 3 * MIB, 9 * MIB].map((size) => ({
  name: `write: a body that fails after ${size} bytes leaves nothing, and its error is passed on`,
  async run(make) {
    const driver = await make();
    const boom = new Error('the client went away');
    const { body } = endingIn(pattern(size), (controller) => controller.error(boom));
    await assert.rejects(driver.write('new/key', body), (error) => error === boom);
    assert.equal(await driver.stat('new/key'), undefined);
    assert.deepEqual(await keysOf(driver), []);
  },
}));

const keepingCases: readonly StorageDriverCase[] = [
  {
    name: 'write: a failing body leaves the old content as it was',
    async run(make) {
      const driver = await make();
      await driver.write('view', pattern(1_000));
      const boom = new Error('the client went away');
      const { body } = endingIn(pattern(2 * MIB), (controller) => controller.error(boom));
      await assert.rejects(driver.write('view', body), (error) => error === boom);
      await assertContent(driver, 'view', pattern(1_000));
      assert.deepEqual(await keysOf(driver), ['view']);
    },
  },
  {
    name: 'write: an iterable that throws leaves nothing',
    async run(make) {
      const driver = await make();
      const boom = new Error('the disk of the client is on fire');
      async function* body(): AsyncGenerator<Uint8Array> {
        yield pattern(100_000);
        throw boom;
      }
      await assert.rejects(driver.write('new', body()), (error) => error === boom);
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: 'write: a body that brings something else than bytes is refused and leaves nothing',
    async run(make) {
      const driver = await make();
      async function* body(): AsyncGenerator<Uint8Array> {
        yield pattern(10);
        yield 'text' as unknown as Uint8Array;
      }
      await rejectsWith(driver.write('new', body()), 'invalid');
      assert.deepEqual(await keysOf(driver), []);
    },
  },
];

export const brokenBodyCases: readonly StorageDriverCase[] = [...failingCases, ...keepingCases];
