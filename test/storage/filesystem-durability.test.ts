import type * as Fs from 'node:fs';
import fs from 'node:fs';
import type * as FsPromises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checked } from '../../ts/storage/checked-driver.js';
import { FilesystemDriver } from '../../ts/storage/drivers/filesystem.js';

/** What the driver asked of the system, in order: `sync F`, `link F`, `rename F` for files, `sync F/` for folders. */
const seen = vi.hoisted(() => ({
  events: [] as string[],
  names: new Map<number, string>(),
  failSync: undefined as string | undefined,
  /** A count of steps; when each name was linked; when each folder sync began that has ended. */
  step: 0,
  linked: new Map<string, number>(),
  synced: [] as number[],
}));

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof FsPromises>();
  return {
    ...real,
    open: async (path: string, flags: string) => {
      const file = await real.open(path, flags);
      const sync = file.sync.bind(file);
      file.sync = async () => {
        await sync();
        seen.events.push('sync file');
      };
      return file;
    },
    link: async (from: string, to: string) => {
      await real.link(from, to);
      seen.step += 1;
      seen.linked.set(basename(to), seen.step);
      seen.events.push('link');
    },
    rename: async (from: string, to: string) => {
      await real.rename(from, to);
      seen.events.push('rename');
    },
  };
});

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof Fs>();
  return {
    ...real,
    openSync: (path: string, flags: string) => {
      const fd = real.openSync(path, flags);
      seen.names.set(fd, path);
      return fd;
    },
    linkSync: (from: string, to: string) => {
      real.linkSync(from, to);
      seen.step += 1;
      seen.linked.set(basename(to), seen.step);
      seen.events.push('link');
    },
    renameSync: (from: string, to: string) => {
      real.renameSync(from, to);
      seen.events.push('rename');
    },
    fsync: (fd: number, done: (error: Error | null) => void) => {
      const isFolder = real.fstatSync(fd).isDirectory();
      const path = isFolder ? `${relative(root, seen.names.get(fd) ?? '?')}/` : 'file';
      if (path === seen.failSync) return setImmediate(() => done(Object.assign(new Error('EIO'), { code: 'EIO' })));
      seen.step += 1;
      const began = seen.step;
      real.fsync(fd, (error) => {
        seen.synced.push(began);
        seen.events.push(`sync ${path}`);
        done(error);
      });
    },
  };
});

let root = '';

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'entrepot-durable-'));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
  seen.failSync = undefined;
});

async function during(work: () => Promise<unknown>): Promise<string[]> {
  seen.events.length = 0;
  await work();
  return [...seen.events];
}

const bytes = new Uint8Array(100);
const make = () => checked(new FilesystemDriver(root));

describe('order of fsync', () => {
  it('a create: the file, its name, its folder; the first time all folders above it', async () => {
    const driver = make();
    const first = await during(() => driver.write('log/npm/p/0', bytes, { ifAbsent: true }));
    expect([...first].sort()).toEqual([
      'link',
      'sync ../',
      'sync /',
      'sync file',
      'sync log/',
      'sync log/npm/',
      'sync log/npm/p/',
    ]);
    expect(first.indexOf('sync file')).toBeLessThan(first.indexOf('link'));
    expect(first.at(-1)).toBe('sync log/npm/p/');
    expect(await during(() => driver.write('log/npm/p/1', bytes, { ifAbsent: true }))).toEqual([
      'sync file',
      'link',
      'sync log/npm/p/',
    ]);
  });

  it('a replacement and a stream: the file before its name, the folder behind it', async () => {
    const driver = make();
    await driver.write('a/x', bytes);
    expect(await during(() => driver.write('a/x', bytes))).toEqual(['sync file', 'rename', 'sync a/']);
    async function* body() {
      for (let n = 0; n < 30; n += 1) yield new Uint8Array(100_000);
    }
    expect(await during(() => driver.write('a/y', body()))).toEqual(['sync file', 'rename', 'sync a/']);
  });

  it('a prepared write: the file and the place of its new folder before the commit, then its name and its folder', async () => {
    const driver = make();
    await during(() => driver.write('log/npm/q/0', bytes));
    seen.events.length = 0;
    const [one, two] = [
      await driver.prepare('log/npm/p/0', bytes, { ifAbsent: true }),
      await driver.prepare('log/npm/p/1', bytes),
    ];
    const all = ['sync file', 'sync file', 'sync log/npm/'];
    const placed = () => [...seen.events].sort().join() === all.join();
    for (let turn = 0; turn < 10_000 && !placed(); turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect([...seen.events].sort()).toEqual(all);
    expect(await during(() => one.commit())).toEqual(['link', 'sync log/npm/p/']);
    expect(await during(() => two.discard())).toEqual([]);
    expect(fs.readdirSync(join(root, 'log/npm/p'))).toEqual(['0']);
  });

  it('a prepared write that cannot be synced fails, and nothing of it is left, not even its folder', async () => {
    const driver = make();
    await driver.write('log/npm/q/0', bytes);
    for (const failing of ['file', 'log/npm/']) {
      seen.failSync = failing;
      const prepared = await driver.prepare('log/npm/p/0', bytes, { ifAbsent: true });
      await expect(prepared.commit()).rejects.toMatchObject({ name: 'StorageError', kind: 'unavailable' });
      expect(fs.readdirSync(join(root, 'log/npm'))).toEqual(['q']);
    }
  });

  it('a copy is as durable as a write', async () => {
    const driver = make();
    await driver.write('a/x', bytes, { durable: false });
    await driver.write('b/x', bytes);
    expect(await during(() => driver.copy('a/x', 'b/y'))).toEqual(['link', 'sync file', 'rename', 'sync b/']);
  });

  it('`durable: false` syncs nothing, by the write or by the driver', async () => {
    expect(await during(() => make().write('new/x', bytes, { durable: false }))).toEqual(['rename']);
    const never = checked(new FilesystemDriver(root, { durable: false }));
    expect(await during(() => never.write('newer/x', bytes, { ifAbsent: true }))).toEqual(['link']);
    expect(await during(() => never.copy('newer/x', 'newer/y'))).toEqual(['link', 'rename']);
  });

  it('folders that another process has made count as new, also when one is removed and made again', async () => {
    const [one, two] = [make(), make()];
    await one.write('log/npm/p/0', bytes);
    expect(await during(() => two.write('log/npm/p/1', bytes))).toContain('sync log/npm/');
    expect(await during(() => one.write('log/npm/p/2', bytes))).toEqual(['sync file', 'rename', 'sync log/npm/p/']);
    await two.delete(['log/npm/p/0', 'log/npm/p/1', 'log/npm/p/2']);
    await two.write('log/npm/p/3', bytes, { durable: false });
    expect((await during(() => one.write('log/npm/p/4', bytes))).sort()).toEqual([
      'rename',
      'sync file',
      'sync log/npm/',
      'sync log/npm/p/',
    ]);
  });

  it('writers of one folder share its sync, and none is answered by one that began before its name was there', async () => {
    const driver = make();
    await driver.write('log/0', bytes);
    const keys = Array.from({ length: 64 }, (_, n) => `log/k${n}`);
    const events = await during(() =>
      Promise.all(
        keys.map(async (key) => {
          await driver.write(key, bytes, { ifAbsent: true });
          const linkedAt = seen.linked.get(key.slice('log/'.length)) ?? Number.POSITIVE_INFINITY;
          expect(seen.synced.some((began) => began > linkedAt)).toBe(true);
        }),
      ),
    );
    const syncs = events.filter((event) => event === 'sync log/').length;
    expect(events.filter((event) => event === 'link')).toHaveLength(64);
    expect(syncs).toBeGreaterThan(0);
    expect(syncs).toBeLessThan(64);
    expect(events.at(-1)).toBe('sync log/');
  });

  it('a folder that cannot be synced leaves the writer in doubt: the object is there, but may not last', async () => {
    const driver = make();
    await driver.write('log/0', bytes);
    seen.failSync = 'log/';
    await expect(driver.write('log/1', bytes, { ifAbsent: true })).rejects.toMatchObject({ kind: 'unknown' });
    expect(await driver.stat('log/1')).toMatchObject({ size: 100 });
    seen.failSync = undefined;
    await expect(driver.write('log/2', bytes, { ifAbsent: true })).resolves.toBe('written');
  });
});
