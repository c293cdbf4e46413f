import { strict as assert } from 'node:assert';
import { assertContent, endingIn, keysOf, pattern, rejectsWith } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

const INVALID = [
  '',
  '.',
  '..',
  '/',
  'a/',
  '/a',
  'a//b',
  'a/./b',
  'a/../b',
  '../a',
  'a/..',
  './a',
  'a\\b',
  'a\0b',
  'a b',
  'a%2fb',
  'a:b',
  'a#b',
  '#a',
  'a?b',
  'a*b',
  'a+b',
  'a@b',
  'a\nb',
  'é',
  'a/ü/b',
  '\u{1f4e6}',
  'C:\\a',
  'x'.repeat(256),
  `a/${'x'.repeat(256)}/b`,
  `${'x/'.repeat(512)}x`,
];

export const keyCases: readonly StorageDriverCase[] = [
  {
    name: 'keys: every character of the grammar, dots in front and at the end',
    async run(make) {
      const driver = await make();
      const keys = [
        'ABCDEFGHIJKLMNOPQRSTUVWXYZ/k',
        'abcdefghijklmnopqrstuvwxyz',
        '0123456789',
        '~users/-/_/.x',
        'a.b-c_d~e',
        '...',
        'x/..y/z..',
      ];
      for (const [n, key] of keys.entries()) await driver.write(key, pattern(10, n + 1));
      for (const [n, key] of keys.entries()) await assertContent(driver, key, pattern(10, n + 1));
      assert.deepEqual(await keysOf(driver), [...keys].sort());
    },
  },
  {
    name: 'keys: segments of 255 bytes, and 1,000 bytes in all',
    async run(make) {
      const driver = await make();
      const long = 'k'.repeat(255);
      const keys = [long, `a/${long}`, `${long.replace(/k/g, 'm')}/${long}/${long}/${'z'.repeat(232)}`];
      for (const [n, key] of keys.entries()) {
        assert.equal(await driver.write(key, pattern(10, n + 1), { ifAbsent: true }), 'written');
        assert.equal(await driver.write(key, pattern(11), { ifAbsent: true }), 'exists');
        await assertContent(driver, key, pattern(10, n + 1));
      }
      assert.deepEqual(await keysOf(driver), [...keys].sort());
      await driver.delete(keys);
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: 'keys: what is no key is refused by every call, and bodies are let go of',
    needs: 'checks',
    async run(make) {
      const driver = await make();
      for (const key of INVALID) {
        const { body, cancelled } = endingIn(pattern(100), (controller) => controller.close());
        await rejectsWith(driver.stat(key), 'invalid');
        await rejectsWith(driver.read(key), 'invalid');
        await rejectsWith(driver.write(key, pattern(1)), 'invalid');
        await rejectsWith(driver.write(key, pattern(1), { ifAbsent: true }), 'invalid');
        await rejectsWith(driver.write(key, body), 'invalid');
        await rejectsWith(driver.delete(['fine', key]), 'invalid');
        assert.ok(cancelled(), 'the body of a refused write stays open');
      }
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: 'keys: what no key begins with is refused as a prefix and as `after`',
    needs: 'checks',
    async run(make) {
      const driver = await make();
      for (const prefix of ['/', '/a', 'a//', 'a/../', './', 'a b', 'é', 'a\\', 'a\0', `${'x'.repeat(256)}`]) {
        await rejectsWith(driver.list(prefix), 'invalid');
        await rejectsWith(driver.list('', { after: prefix }), 'invalid');
      }
      assert.deepEqual(await driver.list('a/.', { after: 'a/' }), { objects: [] });
    },
  },
  {
    name: 'create: streams, and more than 1 MiB, are refused and let go of',
    needs: 'checks',
    async run(make) {
      const driver = await make();
      const { body, cancelled } = endingIn(pattern(100), (controller) => controller.close());
      await rejectsWith(driver.write('k', body, { ifAbsent: true }), 'invalid');
      assert.ok(cancelled(), 'the body of a refused create stays open');
      await rejectsWith(driver.write('k', pattern(1_024 * 1_024 + 1), { ifAbsent: true }), 'invalid');
      assert.equal(await driver.stat('k'), undefined);
    },
  },
  {
    name: 'write: what is no body is refused',
    async run(make) {
      const driver = await make();
      const locked = endingIn(pattern(1), (controller) => controller.close()).body;
      locked.getReader();
      for (const body of ['text', 7, null, {}, [1, 2], locked]) {
        await rejectsWith(driver.write('k', body as unknown as Uint8Array), 'invalid');
      }
      assert.deepEqual(await keysOf(driver), []);
    },
  },
];
