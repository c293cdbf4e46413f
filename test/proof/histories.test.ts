import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { lacksVersitygw } from '../servers/binaries.js';
import { startVersitygw } from '../servers/versitygw.js';
import { type Cluster, closeClients, onBucket, startCluster, tell } from './cluster.js';
import { checkEach } from './linearizability.js';
import { packageModel } from './package-model.js';
import { type Instance, type Recorded, record } from './workload.js';

const LONG = process.env['REQUIRE_CLIENTS'] === '1';
const seed = Number(process.env['PROOF_SEED'] ?? Math.floor(Math.random() * 1e6));
const PATIENCE = 300_000;

let cluster: Cluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});
afterAll(closeClients);

const instancesOf = ({ processes }: Cluster): readonly Instance[] =>
  processes.map(
    ({ url }): Instance =>
      (method, path, body) =>
        tell(url, method, path, body),
  );

const sum = ({ counts }: Recorded, pattern: RegExp): number =>
  Object.entries(counts).reduce((total, [key, count]) => (pattern.test(key) ? total + count : total), 0);

/** A run in which nobody met anybody proves nothing. */
function expectWorth(recorded: Recorded, operations: number): void {
  expect(sum(recorded, /./)).toBeGreaterThanOrEqual(operations);
  expect(sum(recorded, /unknown/)).toBe(0);
  for (const kind of ['publish ok', 'publish no', 'tag ok', 'deprecate ok', 'unpublish ok', 'read seen'])
    expect(recorded.counts[kind] ?? 0, kind).toBeGreaterThan(operations / 400);
}

describe('4(c): histories are linearizable', () => {
  const operations = LONG ? 20_000 : 8_000;
  it(
    `${operations} requests to 4 processes on one folder, seed ${seed}`,
    async () => {
      cluster = await startCluster({ processes: 4, config: { maxStaleness: 0 } });
      const recorded = await record({
        instances: instancesOf(cluster),
        clients: 16,
        operations,
        packages: Math.ceil(operations / 200),
        seed,
        prefix: 'p',
      });
      console.log(`histories on a folder, seed ${seed}: ${JSON.stringify(recorded.counts)}`);
      expectWorth(recorded, operations);
      expect(recorded.counts['unpublish stale'] ?? 0).toBeGreaterThan(0);
      expect(checkEach(packageModel, recorded.histories)).toBeUndefined();
      for (const { err } of cluster.processes) expect(err()).toBe('');
    },
    PATIENCE,
  );

  const few = LONG ? 2_000 : 600;
  it.skipIf(lacksVersitygw('1.8.0'))(
    `${few} requests to 4 processes on one bucket, seed ${seed}`,
    async () => {
      const s3 = await startVersitygw({ version: '1.8.0' });
      try {
        cluster = await startCluster({ processes: 4, config: { maxStaleness: 0 }, ...onBucket(s3) });
        const recorded = await record({
          instances: instancesOf(cluster),
          clients: 8,
          operations: few,
          packages: Math.ceil(few / 100),
          seed,
          prefix: 'p',
        });
        console.log(`histories on a bucket, seed ${seed}: ${JSON.stringify(recorded.counts)}`);
        expectWorth(recorded, few);
        expect(checkEach(packageModel, recorded.histories)).toBeUndefined();
        await cluster.stop();
        cluster = undefined;
      } finally {
        await s3.stop();
      }
    },
    PATIENCE,
  );
});
