import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { composeByStream } from '../../ts/storage/abilities.js';
import { checked } from '../../ts/storage/checked-driver.js';
import type { CallOptions, Piece, StorageDriver } from '../../ts/storage/driver.js';
import { FilesystemDriver } from '../../ts/storage/drivers/filesystem.js';
import { MemoryDriver, SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { FaultyDriver } from '../../ts/testing/faulty-driver.js';
import { reasonToSkip, storageDriverCases } from '../../ts/testing/storage-driver.js';

const roots: string[] = [];

async function folder(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'entrepot-contract-'));
  roots.push(root);
  return join(root, 'not', 'made', 'yet');
}

afterAll(async () => {
  for (const root of roots) await rm(root, { recursive: true, force: true });
});

const quick = process.env['REQUIRE_CLIENTS'] !== '1';
if (quick) console.log('skipped: variants of drivers that run the same code; REQUIRE_CLIENTS=1 runs them');

const drivers: Record<string, () => Promise<StorageDriver>> = {
  'memory, checked': async () => checked(new MemoryDriver()),
  'memory, synchronous': async () => checked(new SynchronousMemoryDriver()),
  filesystem: async () => checked(new FilesystemDriver(await folder())),
};

const variants: Record<string, () => Promise<StorageDriver>> = {
  'memory, bare': async () => new MemoryDriver(),
  'faulty driver with all abilities': async () =>
    checked<StorageDriver>(
      new FaultyDriver(new SynchronousMemoryDriver(), [], { expose: ['copy', 'compose', 'prepare', 'sync'] }),
    ),
  'faulty driver without faults': async () => checked<StorageDriver>(new FaultyDriver(new MemoryDriver())),
  'memory, joined by stream': async () => checked<StorageDriver>(joinedByStream(new MemoryDriver())),
  'filesystem, never synced': async () => checked(new FilesystemDriver(await folder(), { durable: false })),
};

/** What `composeObjects` does for a driver that cannot join objects itself. */
const joinedByStream = (driver: MemoryDriver): StorageDriver =>
  Object.assign(driver, {
    compose: (pieces: readonly Piece[], to: string, options?: CallOptions) => composeByStream(driver, pieces, to, options),
  });

describe('the contract of storage drivers', () => {
  it('has at least 60 cases, each with a name of its own', () => {
    const names = storageDriverCases.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(60);
    expect(new Set(names).size).toBe(names.length);
  });

  for (const [name, make] of Object.entries(quick ? drivers : { ...drivers, ...variants })) {
    describe(name, async () => {
      const sample = await make();
      for (const example of storageDriverCases) {
        const reason = reasonToSkip(example, sample);
        if (reason) it.skip(`${example.name} (${reason})`, () => undefined);
        else it(example.name, () => example.run(make));
      }
    });
  }
});
