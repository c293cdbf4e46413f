import { strict as assert } from 'node:assert';
import { assertContent, endingIn, keysOf, MIB, pattern, rejectsWith, streamed } from './material.js';
import type { StorageDriverCase } from './storage-case.js';

const never = () => new Promise<never>(() => undefined);

export const abortCases: readonly StorageDriverCase[] = [
  {
    name: 'abort: a signal that is aborted already stops every call, and nothing is done',
    needs: 'checks',
    async run(make) {
      const driver = await make();
      await driver.write('k', pattern(10));
      const signal = AbortSignal.abort(new Error('gone'));
      const { body, cancelled } = endingIn(pattern(10), (controller) => controller.close());
      await rejectsWith(driver.stat('k', { signal }), 'aborted');
      await rejectsWith(driver.read('k', { signal }), 'aborted');
      await rejectsWith(driver.list('', { signal }), 'aborted');
      await rejectsWith(driver.delete(['k'], { signal }), 'aborted');
      await rejectsWith(driver.write('n', pattern(1), { signal }), 'aborted');
      await rejectsWith(driver.write('n', pattern(1), { signal, ifAbsent: true }), 'aborted');
      await rejectsWith(driver.write('n', body, { signal }), 'aborted');
      assert.ok(cancelled(), 'the body of an aborted write stays open');
      assert.deepEqual(await keysOf(driver), ['k']);
    },
  },
  ...[0, 100_000, 3 * MIB, 9 * MIB].map(
    (size): StorageDriverCase => ({
      name: `abort: a write whose body stops after ${size} bytes ends, lets go of the body and leaves nothing`,
      async run(make) {
        const driver = await make();
        const gone = new AbortController();
        const { body, cancelled } = endingIn(pattern(size), () => {
          setImmediate(() => gone.abort(new Error('gone')));
          return never();
        });
        await rejectsWith(driver.write('a/new', body, { signal: gone.signal }), 'aborted');
        assert.ok(cancelled(), 'the body of an aborted write stays open');
        assert.deepEqual(await keysOf(driver), []);
      },
    }),
  ),
  {
    name: 'abort: an aborted replacement leaves the old content',
    async run(make) {
      const driver = await make();
      await driver.write('view', pattern(5_000));
      const gone = new AbortController();
      const { body } = endingIn(pattern(2 * MIB), () => {
        setImmediate(() => gone.abort());
        return never();
      });
      await rejectsWith(driver.write('view', body, { signal: gone.signal }), 'aborted');
      await assertContent(driver, 'view', pattern(5_000));
    },
  },
  {
    name: 'abort: an iterable that never answers does not hold up an aborted write, and is returned',
    async run(make) {
      const driver = await make();
      const gone = new AbortController();
      let returned = false;
      const body: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => {
            setImmediate(() => gone.abort());
            return never();
          },
          return: () => {
            returned = true;
            return never();
          },
        }),
      };
      await rejectsWith(driver.write('a/new', body, { signal: gone.signal }), 'aborted');
      assert.ok(returned, 'the iterator was not returned');
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: 'abort: a read that is aborted in the middle fails with `aborted`, and the next read is whole',
    async run(make) {
      const driver = await make();
      const whole = pattern(6 * MIB);
      await driver.write('big', whole);
      const gone = new AbortController();
      const stored = await driver.read('big', { signal: gone.signal });
      assert.ok(stored?.body instanceof ReadableStream);
      const reader = stored.body.getReader();
      assert.equal((await reader.read()).done, false);
      gone.abort(new Error('gone'));
      await rejectsWith(
        (async () => {
          for (let step = await reader.read(); !step.done; step = await reader.read());
        })(),
        'aborted',
      );
      await assertContent(driver, 'big', whole);
    },
  },
  {
    name: 'abort: a read that is aborted before its first chunk fails with `aborted`',
    async run(make) {
      const driver = await make();
      await driver.write('big', pattern(3 * MIB));
      const gone = new AbortController();
      const stored = await driver.read('big', { signal: gone.signal });
      assert.ok(stored?.body instanceof ReadableStream);
      gone.abort();
      await rejectsWith(stored.body.getReader().read(), 'aborted');
    },
  },
  {
    name: 'abort: after the end of a call it changes nothing',
    async run(make) {
      const driver = await make();
      const gone = new AbortController();
      const { signal } = gone;
      await driver.write('a', pattern(10), { signal, ifAbsent: true });
      await driver.write('b', streamed(pattern(200_000)), { signal });
      await driver.list('', { signal });
      const stored = await driver.read('a', { signal });
      gone.abort();
      assert.ok(stored);
      await assertContent(driver, 'a', pattern(10));
      await assertContent(driver, 'b', pattern(200_000));
    },
  },
];
