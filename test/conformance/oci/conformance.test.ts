import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { SmartRegistry } from '../../../ts/smart-registry.js';
import type { StorageDriver } from '../../../ts/storage/driver.js';
import { FilesystemDriver } from '../../../ts/storage/drivers/filesystem.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';
import { startRoundRobin } from '../../clients/round-robin.js';
import { ADMIN_TOKEN, onBucket, startCluster } from '../../proof/cluster.js';
import { startVersitygw } from '../../servers/versitygw.js';
import { inProcess, overHttp } from './client.js';
import { conformance, type Place } from './suite.js';

const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
const SECRET = 'k3Xv9-qLw27-bTn8R-zYs6H-d1gUj-pW4cE';

/** Two instances over one storage, asked in turn. */
async function pair(storages: readonly StorageDriver[], close: () => void = () => undefined): Promise<Place> {
  const instances: SmartRegistry[] = [];
  for (const storage of storages) {
    const registry = new SmartRegistry({
      storage,
      secret: SECRET,
      auth: { adminToken: ADMIN_TOKEN },
      oci: { enabled: true },
      maxStaleness: 0,
    });
    await registry.init();
    instances.push(registry);
  }
  return {
    send: inProcess(instances, ADMIN_TOKEN),
    async close() {
      for (const instance of instances) await instance.destroy();
      close();
    },
  };
}

conformance('two instances in memory', () => {
  const driver = new SynchronousMemoryDriver({ runtime: systemRuntime });
  return pair([driver, driver]);
});

conformance(
  'two instances on a folder',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'entrepot-conformance-'));
    const driver = (): FilesystemDriver => new FilesystemDriver(folder, { durable: false });
    return pair([driver(), driver()], () => rmSync(folder, { recursive: true, force: true }));
  },
  { short: !WHOLE },
);

if (WHOLE) {
  conformance(
    'two servers on a bucket, at staleness 0',
    async () => {
      const s3 = await startVersitygw({ version: '1.8.0' });
      const proxy = await startRoundRobin();
      const cluster = await startCluster({ processes: 2, config: { maxStaleness: 0 }, ...onBucket(s3) });
      proxy.targets = cluster.processes.map(({ url }) => url);
      const { send, close } = overHttp(proxy.url, ADMIN_TOKEN);
      return {
        send,
        async close() {
          close();
          await proxy.stop();
          await cluster.stop();
          await s3.stop();
        },
      };
    },
    { patience: 240_000 },
  );
} else console.log('skipped: conformance of two servers on a bucket, and all of it on a folder; REQUIRE_CLIENTS=1 runs them');
