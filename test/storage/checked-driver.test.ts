import { describe, expect, it } from 'vitest';
import { readWhole } from '../../ts/storage/abilities.js';
import { checked, isChecked } from '../../ts/storage/checked-driver.js';
import { isCopying, isSynchronous, type StorageDriver } from '../../ts/storage/driver.js';
import { MemoryDriver, SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { isProbed } from '../../ts/storage/probe-driver.js';

/** A store that notes whatever reaches it. */
class Noting extends SynchronousMemoryDriver {
  readonly reached: string[] = [];
  override async stat(key: string) {
    this.reached.push(`stat ${key}`);
    return super.stat(key);
  }
  override async delete(keys: readonly string[]) {
    this.reached.push(`delete ${keys.length}`);
    return super.delete(keys);
  }
}

describe('checks in front of a driver', () => {
  it('keep the abilities of the driver inside, and add none', () => {
    class Probed extends MemoryDriver {
      readonly probeIdentity = 'memory x';
      async probe() {
        return [];
      }
    }
    const five: StorageDriver = {
      name: 'five',
      stat: async () => undefined,
      read: async () => undefined,
      write: async () => 'written',
      delete: async () => undefined,
      list: async () => ({ objects: [] }),
    };
    const abilities = (driver: StorageDriver) => [isCopying(driver), isSynchronous(driver), isProbed(driver)];
    expect(abilities(checked(five))).toEqual([false, false, false]);
    expect(abilities(checked(new MemoryDriver()))).toEqual([true, false, false]);
    expect(abilities(checked(new SynchronousMemoryDriver()))).toEqual([true, true, false]);
    expect(abilities(checked(new Probed()))).toEqual([true, false, true]);
    expect(checked(new Probed()).probeIdentity).toBe('memory x');
    expect(checked(five).name).toBe('five');
  });

  it('twice is once', () => {
    const once = checked(new MemoryDriver());
    expect(checked(once)).toBe(once);
    expect(isChecked(once)).toBe(true);
    expect(isChecked(new MemoryDriver())).toBe(false);
  });

  it('let nothing wrong through to the driver, nor a delete of nothing', async () => {
    const inner = new Noting();
    const driver = checked(inner);
    await expect(driver.stat('../x')).rejects.toMatchObject({ name: 'StorageError', kind: 'invalid' });
    await expect(driver.delete(['fine', 'a//b'])).rejects.toMatchObject({ kind: 'invalid' });
    await expect(driver.stat('a', { signal: AbortSignal.abort() })).rejects.toMatchObject({ kind: 'aborted' });
    await driver.delete([]);
    expect(inner.reached).toEqual([]);
    expect(() => driver.existsSync('a b')).toThrow(expect.objectContaining({ kind: 'invalid' }));
    expect(() => driver.namesSync('a/')).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });

  it('take a key of exactly 1,024 bytes and refuse one of 1,025', async () => {
    const driver = checked(new MemoryDriver());
    const longest = `${'a/'.repeat(500)}${'b'.repeat(24)}`;
    expect(longest).toHaveLength(1_024);
    await expect(driver.write(longest, new Uint8Array(1))).resolves.toBe('written');
    await expect(driver.write(`${longest}b`, new Uint8Array(1))).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('do not repeat a wrong key at full length', async () => {
    const error = await checked(new MemoryDriver())
      .stat(`é${'x'.repeat(100_000)}`)
      .catch((reason: Error) => reason);
    expect((error as Error).message.length).toBeLessThan(300);
  });
});

describe('reading a whole object', () => {
  it('is undefined for what is absent, and refuses what is larger without reading it', async () => {
    let cancelled = false;
    class Large extends MemoryDriver {
      override async read() {
        const cancel = () => {
          cancelled = true;
        };
        const body = new ReadableStream<Uint8Array>({ cancel }, { highWaterMark: 0 });
        return { size: 101, modified: 0, body };
      }
    }
    expect(await readWhole(new MemoryDriver(), 'a', 100)).toBeUndefined();
    await expect(readWhole(new Large(), 'a', 100)).rejects.toMatchObject({ kind: 'invalid' });
    expect(cancelled).toBe(true);
  });

  it('does not believe a body that is shorter or longer than its size', async () => {
    const lying = (size: number, ...chunks: number[]) =>
      new (class extends MemoryDriver {
        override async read() {
          const body = new ReadableStream<Uint8Array>({
            start(controller) {
              for (const chunk of chunks) controller.enqueue(new Uint8Array(chunk));
              controller.close();
            },
          });
          return { size, modified: 0, body };
        }
      })();
    await expect(readWhole(lying(10, 4, 5), 'a', 100)).rejects.toMatchObject({ kind: 'corrupt' });
    await expect(readWhole(lying(10, 4, 7), 'a', 100)).rejects.toMatchObject({ kind: 'corrupt' });
    expect((await readWhole(lying(10, 4, 6), 'a', 100))?.bytes).toHaveLength(10);
  });
});
