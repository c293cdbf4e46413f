import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { lacksVersitygw } from '../servers/binaries.js';
import { startVersitygw } from '../servers/versitygw.js';
import { checkBounded } from './bounded.js';
import { type Cluster, closeClients, onBucket, startCluster, tell } from './cluster.js';
import { checkEach } from './linearizability.js';
import { packageModel } from './package-model.js';
import { type Instance, type Recorded, type RecordedOperation, record } from './workload.js';

/** `PROOF_OPERATIONS` overrules on a folder: any number by hand. */
const LONG = process.env['REQUIRE_CLIENTS'] === '1';
const ON_FOLDER = Number(process.env['PROOF_OPERATIONS'] ?? (LONG ? 80_000 : 600));
const ON_BUCKET = LONG ? 2_000 : 300;
const BEHIND = LONG ? 1_000 : 300;
if (!LONG)
  console.log(
    `shortened: ${ON_FOLDER} operations on a folder and ${ON_BUCKET} on a bucket; REQUIRE_CLIENTS=1 does 80,000 and 2,000`,
  );

const seed = Number(process.env['PROOF_SEED'] ?? Math.floor(Math.random() * 1e6));
const PATIENCE = 2_400_000;
const PROCESSES = 4;
const OF_EACH_PACKAGE = 200;
/** Fewer packages than clients: most of what they ask is under way together with what others ask of the same package. */
const IN_HAND = 12;

let cluster: Cluster | undefined;
let stopStore: (() => Promise<void>) | undefined;
afterEach(async () => {
  await cluster?.stop();
  await stopStore?.();
  [cluster, stopStore] = [undefined, undefined];
});
afterAll(closeClients);

const instancesOf = ({ processes }: Cluster): readonly Instance[] =>
  processes.map(
    ({ url }): Instance =>
      (method, path, body) =>
        tell(url, method, path, body),
  );

async function onOneBucket(maxStaleness: number): Promise<Cluster> {
  const s3 = await startVersitygw({ version: '1.8.0' });
  stopStore = () => s3.stop();
  cluster = await startCluster({ processes: PROCESSES, config: { maxStaleness }, ...onBucket(s3) });
  return cluster;
}

const sum = ({ counts }: Recorded, pattern: RegExp): number =>
  Object.entries(counts).reduce((total, [key, count]) => (pattern.test(key) ? total + count : total), 0);

/** How many were under way together with another of the same package that another process was asked. */
function meetingsIn({ histories }: Recorded): number {
  let meetings = 0;
  for (const history of histories.values()) {
    let open: RecordedOperation[] = [];
    for (const one of [...history].sort((a, b) => a.called - b.called)) {
      open = open.filter(({ returned }) => returned >= one.called);
      if (open.some(({ instance }) => instance !== one.instance)) meetings += 1;
      open.push(one);
    }
  }
  return meetings;
}

/** A run in which nobody met anybody proves nothing. */
function expectWorth(recorded: Recorded, operations: number): void {
  expect(sum(recorded, /./)).toBeGreaterThanOrEqual(operations);
  expect(sum(recorded, /unknown/)).toBe(0);
  expect(meetingsIn(recorded)).toBeGreaterThan(operations / 10);
  for (const kind of ['publish ok', 'publish no', 'tag ok', 'deprecate ok', 'unpublish ok', 'read seen'])
    expect(recorded.counts[kind] ?? 0, kind).toBeGreaterThan(operations / 400);
}

const tellOf = (where: string, recorded: Recorded): void =>
  console.log(`histories on ${where}, seed ${seed}: ${JSON.stringify(recorded.counts)}, ${meetingsIn(recorded)} met another`);

describe('4(c): histories are linearizable', () => {
  it(
    `${ON_FOLDER} requests to ${PROCESSES} processes on one folder, seed ${seed}`,
    async () => {
      cluster = await startCluster({ processes: PROCESSES, config: { maxStaleness: 0 } });
      const packages = Math.ceil(ON_FOLDER / OF_EACH_PACKAGE);
      const recorded = await record({
        instances: instancesOf(cluster),
        clients: 16,
        operations: ON_FOLDER,
        packages,
        inHand: Math.min(IN_HAND, packages),
        seed,
        prefix: 'p',
      });
      tellOf('a folder', recorded);
      expectWorth(recorded, ON_FOLDER);
      expect(recorded.counts['unpublish stale'] ?? 0).toBeGreaterThan(0);
      expect(checkEach(packageModel, recorded.histories)).toBeUndefined();
      for (const { err } of cluster.processes) expect(err()).toBe('');
    },
    PATIENCE,
  );

  it.skipIf(lacksVersitygw('1.8.0'))(
    `${ON_BUCKET} requests to ${PROCESSES} processes on one bucket, seed ${seed}`,
    async () => {
      const recorded = await record({
        instances: instancesOf(await onOneBucket(0)),
        clients: 8,
        operations: ON_BUCKET,
        packages: Math.ceil(ON_BUCKET / 100),
        seed,
        prefix: 'p',
      });
      tellOf('a bucket', recorded);
      expectWorth(recorded, ON_BUCKET);
      expect(checkEach(packageModel, recorded.histories)).toBeUndefined();
    },
    PATIENCE,
  );
});

describe('INV5: a second behind, reads see everything acknowledged before they began', () => {
  it.skipIf(lacksVersitygw('1.8.0'))(
    `${BEHIND} requests to ${PROCESSES} processes on one bucket, seed ${seed}`,
    async () => {
      const recorded = await record({
        instances: instancesOf(await onOneBucket(1_000)),
        clients: 32,
        operations: BEHIND,
        packages: Math.ceil(BEHIND / 75),
        seed,
        prefix: 'p',
      });
      tellOf('a bucket, a second behind', recorded);
      expectWorth(recorded, BEHIND);
      for (const [name, history] of recorded.histories) expect(checkBounded(history), name).toEqual({ linearizable: true });
    },
    PATIENCE,
  );
});
