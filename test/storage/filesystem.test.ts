import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { readWhole } from '../../ts/storage/abilities.js';
import { checked } from '../../ts/storage/checked-driver.js';
import type { StorageDriver, StoredObject } from '../../ts/storage/driver.js';
import { FilesystemDriver } from '../../ts/storage/drivers/filesystem.js';

const DAY = 24 * 60 * 60 * 1_000;
let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'entrepot-fs-'));
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

const make = () => checked(new FilesystemDriver(root));
const files = (): string[] => (fs.readdirSync(root, { recursive: true }) as string[]).sort();
const openFiles = (): number => fs.readdirSync('/proc/self/fd').filter((fd) => isBelow(fd)).length;

function isBelow(fd: string): boolean {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(root);
  } catch {
    return false;
  }
}

function streamOf(stored: StoredObject | undefined): ReadableStream<Uint8Array> {
  if (!(stored?.body instanceof ReadableStream)) throw new Error('not a stream');
  return stored.body;
}

const readerOf = (stored: StoredObject | undefined) => streamOf(stored).getReader();

/** Closing is not waited for by readers, so it may take a few turns. */
async function untilClosed(): Promise<number> {
  for (let turn = 0; turn < 500 && openFiles() > 0; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return openFiles();
}

describe('filesystem driver', () => {
  it('stores keys as paths, and leaves no temporary file behind', async () => {
    const driver = make();
    await driver.write('log/npm/left-pad/0000000000.jsonl', new Uint8Array([1]), { ifAbsent: true });
    await driver.write('log/npm/left-pad/0000000000.jsonl', new Uint8Array([2]), { ifAbsent: true });
    await driver.write('entrepot.json', new Uint8Array([3]));
    await driver.copy('entrepot.json', 'objects/npm/x');
    await driver.copy('entrepot.json', 'objects/npm/x');
    expect(files()).toEqual([
      'entrepot.json',
      'log',
      'log/npm',
      'log/npm/left-pad',
      'log/npm/left-pad/0000000000.jsonl',
      'objects',
      'objects/npm',
      'objects/npm/x',
    ]);
  });

  it('removes emptied folders, but not those of the top two levels, which are filled again at once', async () => {
    const driver = make();
    await driver.write('pending/npm/1', new Uint8Array(1));
    await driver.write('upload/npm/abc/d/1', new Uint8Array(1));
    await driver.delete(['pending/npm/1', 'upload/npm/abc/d/1']);
    expect(files()).toEqual(['pending', 'pending/npm', 'upload', 'upload/npm']);
  });

  it('lists no temporary and no foreign file, and follows a link to another disk', async () => {
    const driver = make();
    await driver.write('a/b/c', new Uint8Array(1));
    fs.writeFileSync(join(root, 'a/b/#abc'), 'half');
    fs.writeFileSync(join(root, 'a/b/with space'), '');
    const other = fs.mkdtempSync(join(tmpdir(), 'entrepot-disk-'));
    try {
      fs.symlinkSync(other, join(root, 'objects'));
      await driver.write('objects/x/y', new Uint8Array(1));
      const { objects } = await driver.list('');
      expect(objects.map(({ key }) => key)).toEqual(['a/b/c', 'objects/x/y']);
      expect(driver.namesSync('a/b')).toEqual(['c']);
    } finally {
      fs.rmSync(other, { recursive: true });
    }
  });

  it('sweeps temporary files that nobody has touched for a day, and no younger ones', async () => {
    await make().write('a/b/c', new Uint8Array(1));
    fs.writeFileSync(join(root, 'a/b/#left'), 'half');
    const sweeping = (ahead: number, temporaryLife = DAY) =>
      new FilesystemDriver(root, {
        temporaryLife,
        runtime: { ...systemRuntime, clock: { ...systemRuntime.clock, now: () => Date.now() + ahead } },
      });
    await sweeping(0).list('');
    expect(files()).toContain('a/b/#left');
    // A clock that is wrong may not take a file away from a writer: the file system's own times decide.
    await sweeping(2 * DAY).list('');
    expect(files()).toContain('a/b/#left');
    expect(files().filter((name) => name.includes('#'))).toEqual(['a/b/#left']);
    await sweeping(2 * DAY, 0).list('');
    expect(files()).toEqual(['a', 'a/b', 'a/b/c']);
  });

  it('INV12: closes every file, whatever became of the stream', async () => {
    const driver = make();
    await driver.write('big', new Uint8Array(3_000_000));
    const gone = new AbortController();
    const opened = await Promise.all([0, 1, 2, 3].map(() => driver.read('big', { signal: gone.signal })));
    const readers = opened.map(readerOf);
    const [whole, half, unread, aborted] = readers;
    expect(openFiles()).toBe(4);
    for (let step = await whole?.read(); step && !step.done; step = await whole?.read());
    await half?.read();
    await half?.cancel();
    await unread?.cancel();
    const reading = aborted?.read();
    gone.abort();
    await expect(reading).rejects.toMatchObject({ kind: 'aborted' });
    await expect(driver.read('big', { range: { start: 9e9, end: 9e9 } })).rejects.toMatchObject({ kind: 'invalid' });
    await driver.write('big', new Uint8Array(3));
    await expect(driver.write('no', failing())).rejects.toThrow('boom');
    expect(await untilClosed()).toBe(0);
    expect(files()).toEqual(['big']);
  });

  it('fills the reader’s own buffer when it brings one', async () => {
    const driver = make();
    const bytes = new Uint8Array(200_000).map((_, n) => n % 251);
    await driver.write('big', bytes);
    const stored = await driver.read('big');
    const reader = streamOf(stored).getReader({ mode: 'byob' });
    const seen: Uint8Array[] = [];
    let buffer = new ArrayBuffer(65_536);
    for (let step = await reader.read(new Uint8Array(buffer)); !step.done; step = await reader.read(new Uint8Array(buffer))) {
      seen.push(step.value.slice());
      buffer = step.value.buffer as ArrayBuffer;
      expect(buffer.byteLength).toBe(65_536);
    }
    expect(Buffer.concat(seen).equals(bytes)).toBe(true);
    expect(seen.length).toBe(4);
  });

  it('answers readers that have all asked at once, past the end', async () => {
    const driver = make();
    await driver.write('big', new Uint8Array(100_000));
    const stored = await driver.read('big');
    const reader = streamOf(stored).getReader({ mode: 'byob' });
    const steps = await Promise.all([1, 2, 3, 4].map(() => reader.read(new Uint8Array(60_000))));
    expect(steps.map(({ done, value }) => [done, value?.byteLength])).toEqual([
      [false, 60_000],
      [false, 40_000],
      [true, 0],
      [true, 0],
    ]);
  });

  it('hands out at once what would be gathered anyway, and stops when nobody wants it any more', async () => {
    const driver = make();
    const bytes = new Uint8Array(3_000_000).map((_, n) => n % 251);
    await driver.write('big', bytes);
    const { body } = (await driver.read('big', { inOnePiece: 3_000_000 })) ?? {};
    expect(body instanceof Uint8Array && Buffer.from(body).equals(bytes)).toBe(true);
    await streamOf(await driver.read('big', { inOnePiece: 2_999_999 })).cancel();
    const gone = new AbortController();
    const reading = driver.read('big', { inOnePiece: 3_000_000, signal: gone.signal });
    gone.abort();
    await expect(reading).rejects.toMatchObject({ kind: 'aborted' });
    expect(await untilClosed()).toBe(0);
  });

  it('a file that is cut while it is read is an error, not a short end', async () => {
    const driver = make();
    await driver.write('big', new Uint8Array(3_000_000));
    const reader = readerOf(await driver.read('big'));
    await reader.read();
    fs.truncateSync(join(root, 'big'), 1_048_576);
    await expect(reader.read()).rejects.toMatchObject({ kind: 'corrupt' });
    expect(await untilClosed()).toBe(0);
  });

  it('what a file system cannot hold is `invalid`; paths stay out of messages', async () => {
    const driver = make();
    await driver.write('a/b', new Uint8Array(1));
    const calls = [
      () => driver.write('a', new Uint8Array(1)),
      () => driver.write('a', new Uint8Array(1), { ifAbsent: true }),
      () => driver.write('a/b/c', new Uint8Array(1)),
      () => driver.copy('a/b', 'a'),
    ];
    for (const call of calls) {
      const error: unknown = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ name: 'StorageError', kind: 'invalid' });
      expect((error as Error).message).not.toContain(root);
    }
    expect(files()).toEqual(['a', 'a/b']);
  });

  it('any number of drivers share one folder: 8 of them, 40 creates each at the same 40 keys', async () => {
    const drivers = Array.from({ length: 8 }, make);
    const keys = Array.from({ length: 40 }, (_, n) => `log/p/${n % 5}/${n}`);
    const answers = await Promise.all(
      drivers.flatMap((driver, d) =>
        keys.map((key) => driver.write(key, new Uint8Array([d]), { ifAbsent: true, durable: false })),
      ),
    );
    for (const [k, key] of keys.entries()) {
      const winners = drivers.flatMap((_, d) => (answers[d * keys.length + k] === 'written' ? [d] : []));
      expect(winners).toHaveLength(1);
      expect((await readWhole(make(), key, 1))?.bytes[0]).toBe(winners[0]);
    }
  });
});

async function* failing(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(2_000_000);
  throw new Error('boom');
}

/** A file system of 4 MiB, where this process may mount one. */
function mountSmall(at: string): string | undefined {
  try {
    fs.mkdirSync(at);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,nr_inodes=64', 'tmpfs', at], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `no tmpfs can be mounted here: ${String(error).split('\n').at(-2) ?? ''}`;
  }
}

describe('a full disk', () => {
  it('is `full`, leaves no half object, and is usable again when there is room', async (context) => {
    const disk = join(root, 'disk');
    const reason = mountSmall(disk);
    if (reason) {
      console.log(`skipped: ${reason}`);
      context.skip(reason);
    }
    try {
      await fillAndRecover(checked(new FilesystemDriver(disk)));
      expect((fs.readdirSync(disk, { recursive: true }) as string[]).filter((name) => name.includes('#'))).toEqual([]);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

async function fillAndRecover(driver: StorageDriver): Promise<void> {
  await driver.write('keep/old', new Uint8Array(1_000_000).fill(1));
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < 100; n += 1) yield new Uint8Array(100_000);
  }
  await expect(driver.write('keep/big', endless())).rejects.toMatchObject({ kind: 'full' });
  await expect(driver.write('keep/old', new Uint8Array(5_000_000))).rejects.toMatchObject({ kind: 'full' });
  await driver.write('keep/other', new Uint8Array(2_500_000));
  await expect(driver.write('keep/log', new Uint8Array(900_000), { ifAbsent: true })).rejects.toMatchObject({ kind: 'full' });
  expect((await driver.list('')).objects.map(({ key }) => key)).toEqual(['keep/old', 'keep/other']);
  expect((await readWhole(driver, 'keep/old', 2e6))?.bytes.every((byte) => byte === 1)).toBe(true);
  await driver.delete(['keep/other']);
  await expect(driver.write('keep/log', new Uint8Array(900_000), { ifAbsent: true })).resolves.toBe('written');
  const names = Array.from({ length: 80 }, (_, n) => `many/${n}`);
  const outcomes = await Promise.allSettled(names.map((name) => driver.write(name, new Uint8Array(1), { durable: false })));
  const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.kind] : []));
  expect(failed.length).toBeGreaterThan(10);
  expect(new Set(failed)).toEqual(new Set(['full']));
  expect((await driver.list('many/')).objects).toHaveLength(80 - failed.length);
}
