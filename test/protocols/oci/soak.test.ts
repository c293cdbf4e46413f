import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { collectGarbage, keyedLogs } from '../../../ts/packages/collect-garbage.js';
import { collectImages } from '../../../ts/protocols/oci/collect-garbage.js';
import { ociInventory } from '../../../ts/protocols/oci/fold.js';
import { checked } from '../../../ts/storage/checked-driver.js';
import type { StorageDriver } from '../../../ts/storage/driver.js';
import { FilesystemDriver } from '../../../ts/storage/drivers/filesystem.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';
import { driverFor } from '../../servers/s3-driver.js';
import { startVersitygw } from '../../servers/versitygw.js';
import { digestOf, IMAGE, type Oci, registry } from './rig.js';

const NAME = 'team/app';
const PUSHERS = 16;

interface Store {
  /** One for each instance. */
  readonly drivers: readonly [StorageDriver, StorageDriver];
  remove(): Promise<void>;
}

const onMemory = async (): Promise<Store> => {
  const driver = new SynchronousMemoryDriver();
  return { drivers: [driver, driver], remove: async () => undefined };
};

const onFolder = async (): Promise<Store> => {
  const root = mkdtempSync(join(tmpdir(), 'entrepot-soak-'));
  const open = () => checked<StorageDriver>(new FilesystemDriver(root));
  return { drivers: [open(), open()], remove: async () => rmSync(root, { recursive: true, force: true }) };
};

const onBucket = async (): Promise<Store> => {
  const server = await startVersitygw({ version: '1.8.0' });
  const drivers = [checked<StorageDriver>(driverFor(server)), checked<StorageDriver>(driverFor(server))] as const;
  return {
    drivers,
    remove: async () => {
      for (const driver of drivers) await driver.close?.();
      await server.stop();
    },
  };
};

async function collect({ driver, space }: Oci, faults: unknown[], condemned: Set<string>): Promise<void> {
  const onFault = (fault: unknown): void => void faults.push(fault);
  await collectImages({ driver, space, features: {}, grace: 0, onFault, onCondemned: (key) => condemned.add(key) });
  await collectGarbage({ driver, logs: keyedLogs(space), inventory: ociInventory, grace: 0, onFault });
}

/** As clients do: what is missing is pushed again, and what is told to come again comes again. */
async function push(
  oci: Oci,
  {
    token,
    tag,
    who,
    layer,
    pieces,
    pause,
  }: { token: string; tag: string; who: string; layer: string; pieces: boolean; pause?: () => Promise<void> },
): Promise<void> {
  const bytes = Buffer.from(`${layer} layer`);
  for (let tries = 0; tries < 300; tries++) {
    const digest = digestOf(bytes);
    if ((await oci.head(`/v2/${NAME}/blobs/${digest}`, { token })).status !== 200) {
      if (pieces) await inPieces(oci, token, bytes, digest);
      else await oci.request('POST', `/v2/${NAME}/blobs/uploads/?digest=${digest}`, { token, body: bytes });
    }
    // a slow client, between its layer and its manifest
    if (tries === 0) await pause?.();
    const described = { mediaType: 'application/octet-stream', digest, size: bytes.length };
    const manifest = { schemaVersion: 2, mediaType: IMAGE, config: described, layers: [], annotations: { who } };
    const answer = await oci.put(NAME, tag, manifest, { token });
    if (answer.status === 201) {
      // its tag is nobody else's: from here on it pulls whole
      const got = await oci.get(`/v2/${NAME}/blobs/${digest}`, { token });
      expect([got.status, got.text]).toEqual([200, `${layer} layer`]);
      return;
    }
    expect([404, 503]).toContain(answer.status);
    if (answer.status === 404) expect(answer.code).toBe('MANIFEST_BLOB_UNKNOWN');
  }
  throw new Error(`${who}: never in`);
}

async function inPieces(oci: Oci, token: string, bytes: Buffer, digest: string): Promise<void> {
  const opened = await oci.request('POST', `/v2/${NAME}/blobs/uploads/`, { token, body: new Uint8Array(0) });
  const location = opened.headers['location'] ?? '';
  for (const piece of [bytes.subarray(0, 3), bytes.subarray(3)]) await oci.request('PATCH', location, { token, body: piece });
  const done = await oci.request('PUT', `${location}?digest=${digest}`, { token, body: new Uint8Array(0) });
  // bytes that nothing names are no collector's to spare when it spares nothing: the upload begins anew
  expect([201, 404, 503]).toContain(done.status);
}

async function soak(make: () => Promise<Store>, rounds: number): Promise<void> {
  const store = await make();
  const instances = [await registry({ driver: store.drivers[0] }), await registry({ driver: store.drivers[1] })] as const;
  const [first] = instances;
  const third = await registry({ driver: store.drivers[1] });
  const { token } = first;
  const faults: unknown[] = [];
  const condemned = new Set<string>();
  let busy = true;
  let runs = 0;
  /** Until one collection more has begun and ended. */
  const wholeRun = async (): Promise<void> => {
    const enough = runs + 2;
    for (let looks = 0; runs < enough && looks < 2_000; looks++) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const collector = (async () => {
    for (; busy && runs < 100_000; runs++) {
      await collect(third, faults, condemned);
      // one that spares nothing must leave a push the time to name what it has brought, or none is ever done
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  const pusher = async (who: number): Promise<void> => {
    const oci = instances[who % 2] ?? first;
    for (let round = 0; round < rounds; round++) {
      if (round % 3 === 2) await oci.remove(`/v2/${NAME}/manifests/t${who}`, { token });
      await push(oci, {
        token,
        tag: `t${who}`,
        who: `${who}.${round}`,
        layer: `${round}, shared by ${who % 4}`,
        pieces: who % 3 === 0,
        ...(who % 4 === round % 4 ? { pause: wholeRun } : {}),
      });
    }
  };
  await Promise.all(Array.from({ length: PUSHERS }, (_, who) => pusher(who))).finally(() => {
    busy = false;
  });
  await collector;
  console.log(`${runs} collections, ${condemned.size} blobs dropped`);
  // one that never finds anything proves nothing
  expect(condemned.size).toBeGreaterThan(0);
  await collect(third, faults, condemned);
  for (const oci of instances) {
    const { tags } = (await oci.get(`/v2/${NAME}/tags/list`, { token })).json as { tags: string[] };
    expect(tags).toEqual(Array.from({ length: PUSHERS }, (_, who) => `t${who}`).sort());
    for (const tag of tags) {
      const { config } = (await oci.get(`/v2/${NAME}/manifests/${tag}`, { token })).json;
      const got = await oci.get(`/v2/${NAME}/blobs/${config.digest}`, { token });
      expect([got.status, got.bytes.length, digestOf(got.bytes)]).toEqual([200, config.size, config.digest]);
    }
  }
  expect(faults).toEqual([]);
  for (const oci of [...instances, third]) {
    expect(oci.faults).toEqual([]);
    await oci.close();
  }
  await store.remove();
}

const heavy = process.env['REQUIRE_CLIENTS'] === '1';
if (!heavy) console.log('skipped: the collector that never rests on a folder and on a bucket; REQUIRE_CLIENTS=1 runs it');

const STORES = { 'in memory': onMemory, ...(heavy ? { 'on a folder': onFolder, 'on a bucket': onBucket } : {}) };

it.each(Object.entries(STORES))(
  `G1, oci 46: ${PUSHERS} pushers at two instances share layers, a collector never rests: every tagged image is whole, %s`,
  { timeout: 300_000 },
  (_, make) => soak(make, heavy ? 6 : 3),
);
