import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { SmartRegistry } from '../../ts/smart-registry.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { lacksVersitygw } from '../servers/binaries.js';
import { driverFor } from '../servers/s3-driver.js';
import { startVersitygw } from '../servers/versitygw.js';
import { type Count, countOperations, LIMITS } from './counts.mjs';

const lib = { SmartRegistry, systemRuntime };

/** What went over its limit, with the calls that it made. */
const excess = (counts: Readonly<Record<string, Count>>): readonly object[] =>
  Object.entries(LIMITS).flatMap(([what, { before, all }]) => {
    const found = counts[what];
    return found && found.before <= before && found.all <= all ? [] : [{ what, before, all, found }];
  });

const figures = (counts: Readonly<Record<string, Count>>): Record<string, string> =>
  Object.fromEntries(Object.entries(counts).map(([what, { before, all }]) => [what, `${before}, ${all}`]));

describe('storage calls per operation', () => {
  it('stay within their limits', async () => {
    expect(excess(await countOperations(lib, new MemoryDriver()))).toEqual([]);
  });

  it('do not depend on the number of packages', async () => {
    const few = await countOperations(lib, new MemoryDriver(), { others: 1 });
    const many = await countOperations(lib, new MemoryDriver(), { others: 60 });
    expect(figures(many)).toEqual(figures(few));
  });

  it.skipIf(lacksVersitygw('1.8.0'))('stay within their limits on a real S3 server', { timeout: 120_000 }, async () => {
    const server = await startVersitygw({ version: '1.8.0' });
    try {
      expect(excess(await countOperations(lib, driverFor(server)))).toEqual([]);
    } finally {
      await server.stop();
    }
  });
});
