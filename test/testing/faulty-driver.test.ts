import { describe, expect, it } from 'vitest';
import { copyObject, readWhole } from '../../ts/storage/abilities.js';
import { checked } from '../../ts/storage/checked-driver.js';
import { isCopying, isSynchronous, type StorageDriver } from '../../ts/storage/driver.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { type Fault, FaultyDriver, type FaultyOptions, ProcessDied } from '../../ts/testing/faulty-driver.js';

const bytes = (...values: number[]) => new Uint8Array(values);

function make(plan: Fault | readonly Fault[] = [], options?: FaultyOptions) {
  const inner = new SynchronousMemoryDriver();
  return { inner, driver: new FaultyDriver(inner, plan, options) };
}

async function keys(driver: StorageDriver): Promise<string[]> {
  return (await driver.list('')).objects.map(({ key }) => key);
}

/** True when the promise has not settled after many turns of the event loop. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return !settled;
}

describe('faulty driver', () => {
  it('without a plan passes everything through, and numbers every call', async () => {
    const { driver } = make();
    await driver.write('a/b', bytes(1, 2));
    await driver.stat('a/b');
    await readWhole(driver, 'a/b', 10);
    await driver.list('a/');
    await driver.delete(['a/b', 'a/c']);
    expect(driver.calls).toEqual([
      { n: 1, method: 'write', key: 'a/b' },
      { n: 2, method: 'stat', key: 'a/b' },
      { n: 3, method: 'read', key: 'a/b' },
      { n: 4, method: 'list', key: 'a/' },
      { n: 5, method: 'delete', key: 'a/b a/c' },
    ]);
    expect(driver.fired).toBe(false);
  });

  it('shows five methods alone unless told, also through the checks', async () => {
    const bare = checked(make().driver as StorageDriver);
    expect([isCopying(bare), isSynchronous(bare)]).toEqual([false, false]);
    const { driver, inner } = make([], { expose: ['copy', 'sync'] });
    const full = checked(driver as StorageDriver);
    expect([isCopying(full), isSynchronous(full)]).toEqual([true, true]);
    await inner.write('a/b', bytes(1));
    await copyObject(full, 'a/b', 'a/c');
    if (isSynchronous(full)) expect([full.existsSync('a/c'), full.namesSync('a')]).toEqual([true, ['b', 'c']]);
    expect(driver.calls.map(({ method, key }) => `${method} ${key}`)).toEqual(['copy a/b a/c', 'existsSync a/c', 'namesSync a']);
  });

  it('before: fails at call k alone, nothing is applied, the body is let go of', async () => {
    const { driver, inner } = make({ at: 2, kind: 'before' });
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      cancel: () => {
        cancelled = true;
      },
    });
    await driver.write('a', bytes(1));
    await expect(driver.write('b', body)).rejects.toMatchObject({ kind: 'unavailable' });
    await driver.write('c', bytes(1));
    expect(await keys(inner)).toEqual(['a', 'c']);
    expect([cancelled, driver.fired]).toEqual([true, true]);
  });

  it('after: is applied, and the error leaves a writer in doubt but not a reader', async () => {
    const { driver, inner } = make([1, 2, 3].map((at) => ({ at, kind: 'after' as const })));
    await expect(driver.write('a', bytes(1), { ifAbsent: true })).rejects.toMatchObject({ kind: 'unknown' });
    expect(await keys(inner)).toEqual(['a']);
    await expect(driver.read('a')).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(driver.delete(['a'])).rejects.toMatchObject({ kind: 'unknown' });
    expect(await keys(inner)).toEqual([]);
  });

  it('torn: the first half is stored, of bytes and of streams', async () => {
    const { driver, inner } = make([
      { at: 1, kind: 'torn' },
      { at: 2, kind: 'torn' },
      { at: 3, kind: 'torn' },
    ]);
    async function* parts() {
      yield bytes(1, 2, 3);
      yield bytes(4, 5);
    }
    await expect(driver.write('a', bytes(1, 2, 3, 4), { ifAbsent: true })).rejects.toMatchObject({ kind: 'unknown' });
    await expect(driver.write('b', parts())).rejects.toMatchObject({ kind: 'unknown' });
    await expect(driver.list('')).rejects.toMatchObject({ kind: 'unavailable' });
    expect((await readWhole(inner, 'a', 9))?.bytes).toEqual(bytes(1, 2));
    expect(Array.from((await readWhole(inner, 'b', 9))?.bytes ?? [])).toEqual([1, 2]);
  });

  it('hang: until the signal is aborted, or until it is released', async () => {
    const { driver, inner } = make([
      { at: 1, kind: 'hang' },
      { at: 2, kind: 'hang' },
    ]);
    const gone = new AbortController();
    const first = driver.write('a', bytes(1), { signal: gone.signal });
    const second = driver.write('b', bytes(1));
    await driver.write('c', bytes(1));
    expect([await isPending(first), await isPending(second)]).toEqual([true, true]);
    gone.abort();
    await expect(first).rejects.toMatchObject({ kind: 'aborted' });
    expect(await isPending(second)).toBe(true);
    driver.release();
    expect(await second).toBe('written');
    expect(await keys(inner)).toEqual(['b', 'c']);
  });

  it('slow-down: count calls are refused, the next is answered', async () => {
    const { driver } = make({ at: 2, kind: 'slow-down', count: 3 });
    const outcomes: string[] = [];
    for (let n = 0; n < 6; n += 1) {
      await driver.write('a', bytes(n)).then(
        () => outcomes.push('ok'),
        (error) => outcomes.push(error.kind),
      );
    }
    expect(outcomes).toEqual(['ok', 'unavailable', 'unavailable', 'unavailable', 'ok', 'ok']);
  });

  it('conflict: a 409, nothing is applied', async () => {
    const { driver, inner } = make({ at: 1, kind: 'conflict' });
    await expect(driver.write('a', bytes(1), { ifAbsent: true })).rejects.toMatchObject({ kind: 'conflict' });
    expect(await keys(inner)).toEqual([]);
  });

  it('exists-though-ours: the create is applied and denied; a plain write is not touched', async () => {
    const { driver, inner } = make([
      { at: 1, kind: 'exists-though-ours' },
      { at: 2, kind: 'exists-though-ours' },
    ]);
    expect(await driver.write('a', bytes(9), { ifAbsent: true })).toBe('exists');
    expect(await driver.write('b', bytes(9))).toBe('written');
    expect((await readWhole(inner, 'a', 9))?.bytes).toEqual(bytes(9));
  });

  it('death: this call and every later one, of this instance; a new one over the same store lives', async () => {
    const { driver, inner } = make({ at: 2, kind: 'death' }, { expose: ['sync'] });
    await driver.write('a', bytes(1));
    await expect(driver.write('b', bytes(1))).rejects.toBeInstanceOf(ProcessDied);
    await expect(driver.list('')).rejects.toBeInstanceOf(ProcessDied);
    expect(() => isSynchronous(driver) && driver.existsSync('a')).toThrow(ProcessDied);
    expect(driver.isDead).toBe(true);
    expect(await keys(new FaultyDriver(inner))).toEqual(['a']);
  });

  it('death: calls that wait at a pause die with the process', async () => {
    const { driver } = make([
      { at: 1, kind: 'death' },
      { at: 2, kind: 'pause' },
    ]);
    const dying = driver.stat('a');
    const waiting = driver.stat('b');
    await expect(dying).rejects.toBeInstanceOf(ProcessDied);
    driver.resume();
    await expect(waiting).rejects.toBeInstanceOf(ProcessDied);
  });

  it('pause: this call and every later one of this instance wait; others go on; then all go on', async () => {
    const { driver, inner } = make({ at: 2, kind: 'pause' });
    const other = new FaultyDriver(inner);
    await driver.write('a', bytes(1));
    const paused = driver.write('b', bytes(1), { ifAbsent: true });
    const later = driver.list('');
    expect([await isPending(paused), await isPending(later), driver.isPaused]).toEqual([true, true, true]);
    expect(await other.write('b', bytes(2), { ifAbsent: true })).toBe('written');
    driver.resume();
    expect(await paused).toBe('exists');
    expect((await later).objects.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(driver.isPaused).toBe(false);
    await driver.stat('a');
  });

  it('a synchronous call fails where planned, and says when it is asked to wait', () => {
    const { driver } = make(
      [1, 2].map((at) => ({ at, kind: at === 1 ? ('before' as const) : ('pause' as const) })),
      { expose: ['sync'] },
    );
    if (!isSynchronous(driver)) throw new Error('not exposed');
    expect(() => driver.namesSync('a')).toThrow(expect.objectContaining({ kind: 'unavailable' }));
    expect(() => driver.namesSync('a')).toThrow('cannot wait');
    expect(driver.namesSync('a')).toEqual([]);
  });
});
