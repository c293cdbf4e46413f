import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { readWhole } from '../../ts/storage/abilities.js';
import { checked } from '../../ts/storage/checked-driver.js';
import type { StorageDriver, WriteBody } from '../../ts/storage/driver.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { timeOf } from '../../ts/storage/key.js';
import { ObjectTooLarge } from '../../ts/storage/object-store.js';

const KEY = /^objects\/npm\/left-pad-x\/\d{13}-[a-z2-7]{26}$/;

function make(inner: StorageDriver = new MemoryDriver(), now = 1_700_000_000_000) {
  const driver = checked(inner);
  const runtime = { ...systemRuntime, clock: { ...systemRuntime.clock, now: () => now } };
  return { driver, store: new DriverObjectStore(driver, runtime) };
}

async function allKeys(driver: StorageDriver): Promise<string[]> {
  return (await driver.list('')).objects.map(({ key }) => key);
}

/** A stream of `count` chunks that tells what became of it. */
function source(count: number, bytes = 100_000) {
  const seen = { pulled: 0, cancelled: undefined as unknown };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (seen.pulled === count) return controller.close();
        seen.pulled += 1;
        controller.enqueue(new Uint8Array(bytes).fill(seen.pulled));
      },
      cancel(reason) {
        seen.cancelled = reason ?? 'no reason';
      },
    },
    { highWaterMark: 0 },
  );
  return { body, seen };
}

describe('object store', () => {
  it('hashes and counts while the bytes pass, under a fresh key that carries the time', async () => {
    const { driver, store } = make();
    const { body } = source(30);
    const expected = Buffer.concat(Array.from({ length: 30 }, (_, n) => new Uint8Array(100_000).fill(n + 1)));
    const put = await store.put('npm', 'left-pad-x', body, { max: 3_000_000, digests: ['sha512', 'sha1'] });
    expect(put.key).toMatch(KEY);
    expect(timeOf(put.key)).toBe(1_700_000_000_000);
    expect(put.size).toBe(3_000_000);
    for (const name of ['sha256', 'sha512', 'sha1'] as const) {
      expect(put.digests[name]).toBe(createHash(name).update(expected).digest('hex'));
    }
    expect(Object.keys(put.digests)).toHaveLength(3);
    expect((await readWhole(driver, put.key, 3_000_000))?.bytes.every((byte, at) => byte === expected[at])).toBe(true);
  });

  it('takes bytes, iterables and nothing at all', async () => {
    const { store } = make();
    async function* parts() {
      yield new Uint8Array([1]);
      yield new Uint8Array(0);
      yield new Uint8Array([2, 3]);
    }
    const a = await store.put('npm', 'p-x', new Uint8Array([1, 2, 3]), { max: 3 });
    const b = await store.put('npm', 'p-x', parts(), { max: 3 });
    expect(b.digests).toEqual(a.digests);
    expect(b.key).not.toBe(a.key);
    const nothing = await store.put('npm', 'p-x', source(0).body, { max: 0 });
    expect(nothing).toMatchObject({ size: 0, digests: { sha256: createHash('sha256').digest('hex') } });
  });

  it('stops at one byte more than max, cancels the source and keeps nothing', async () => {
    const { driver, store } = make();
    const { body, seen } = source(1_000);
    await expect(store.put('npm', 'p-x', body, { max: 299_999 })).rejects.toBeInstanceOf(ObjectTooLarge);
    expect(seen.cancelled).toBeInstanceOf(ObjectTooLarge);
    expect(seen.pulled).toBe(3);
    await expect(store.put('npm', 'p-x', new Uint8Array(4), { max: 3 })).rejects.toBeInstanceOf(ObjectTooLarge);
    expect(await allKeys(driver)).toEqual([]);
    await expect(store.put('npm', 'p-x', source(3).body, { max: 300_000 })).resolves.toMatchObject({ size: 300_000 });
  });

  it('passes on what the body threw, and keeps nothing', async () => {
    const { driver, store } = make();
    const boom = new Error('boom');
    async function* failing() {
      yield new Uint8Array(10);
      throw boom;
    }
    await expect(store.put('npm', 'p-x', failing(), { max: 100 })).rejects.toBe(boom);
    expect(await allKeys(driver)).toEqual([]);
  });

  it('lets go of a source that has stopped sending when the caller gives up', async () => {
    const { driver, store } = make();
    const gone = new AbortController();
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      pull: () => new Promise(() => setImmediate(() => gone.abort())),
      cancel: () => {
        cancelled = true;
      },
    });
    await expect(store.put('npm', 'p-x', body, { max: 100, signal: gone.signal })).rejects.toMatchObject({ kind: 'aborted' });
    expect(cancelled).toBe(true);
    expect(await allKeys(driver)).toEqual([]);
  });

  it('lets go of the source when the driver fails, and does not believe a driver that stops early', async () => {
    class Failing extends MemoryDriver {
      override async write(_key: string, body: WriteBody): Promise<'written'> {
        for await (const _chunk of body as AsyncIterable<Uint8Array>) throw new Error('disk on fire');
        return 'written';
      }
    }
    class Lazy extends MemoryDriver {
      override async write(key: string, body: WriteBody): Promise<'written' | 'exists'> {
        for await (const chunk of body as AsyncIterable<Uint8Array>) return super.write(key, chunk);
        return 'written';
      }
    }
    const failing = source(5);
    await expect(make(new Failing()).store.put('npm', 'p-x', failing.body, { max: 1e6 })).rejects.toThrow('disk on fire');
    expect(failing.seen.cancelled).toBeDefined();
    await expect(make(new Lazy()).store.put('npm', 'p-x', source(5).body, { max: 1e6 })).rejects.toMatchObject({
      kind: 'corrupt',
    });
  });

  it('copies above a floor: time is max(now, floor + 1), bytes are the same', async () => {
    const { driver, store } = make();
    const { key } = await store.put('npm', 'left-pad-x', new Uint8Array([7]), { max: 1 });
    const later = await store.copyAbove(key, 1_800_000_000_000);
    const now = await store.copyAbove(key, 5);
    expect(later).toMatch(KEY);
    expect(timeOf(later ?? '')).toBe(1_800_000_000_001);
    expect(timeOf(now ?? '')).toBe(1_700_000_000_000);
    expect(now).not.toBe(key);
    expect((await readWhole(driver, later ?? '', 1))?.bytes).toEqual(new Uint8Array([7]));
    await store.delete([key]);
    expect(await store.copyAbove(key, 5)).toBeUndefined();
    await expect(store.copyAbove('log/npm/left-pad-x/0000000000.jsonl', 5)).rejects.toMatchObject({ kind: 'invalid' });
  });
});
