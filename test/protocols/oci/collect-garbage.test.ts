import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock, Runtime } from '../../../ts/lib/clock.js';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { collectGarbage, type GarbageReport, keyedLogs } from '../../../ts/packages/collect-garbage.js';
import { collectImages } from '../../../ts/protocols/oci/collect-garbage.js';
import { ociInventory } from '../../../ts/protocols/oci/fold.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';
import { digestOf, type Oci, registry } from './rig.js';

const HOUR = 60 * 60 * 1000;
const NAME = 'team/app';

/** A day can pass at once. */
class Ahead implements Clock {
  private by = 0;
  pass(milliseconds: number): void {
    this.by += milliseconds;
  }
  now(): number {
    return systemRuntime.clock.now() + this.by;
  }
  monotonic(): number {
    return systemRuntime.clock.monotonic() + this.by;
  }
  sleep = systemRuntime.clock.sleep;
  after = systemRuntime.clock.after;
}

let clock: Ahead;
let oci: Oci;
const faults: unknown[] = [];

beforeEach(async () => {
  clock = new Ahead();
  const runtime: Runtime = { clock, random: systemRuntime.random };
  oci = await registry({ runtime, driver: new SynchronousMemoryDriver({ runtime }) });
});
afterEach(async () => {
  expect([...oci.faults, ...faults.splice(0)]).toEqual([]);
  await oci.close();
});

interface Run {
  readonly dryRun?: boolean;
  readonly grace?: number;
  readonly features?: Readonly<Record<string, boolean>>;
  readonly of?: Oci;
}

async function collect({ dryRun = false, grace = 24 * HOUR, features = {}, of = oci }: Run = {}): Promise<GarbageReport> {
  const { driver, space } = of;
  const onFault = (fault: unknown): void => void faults.push(fault);
  await collectImages({ driver, space, features, grace, dryRun, onFault });
  return collectGarbage({ driver, logs: keyedLogs(space), inventory: ociInventory, grace, dryRun, onFault });
}

const objects = async (): Promise<number> => (await oci.driver.list('objects/')).objects.length;
const blobStatus = async (bytes: string): Promise<number> => (await oci.head(`/v2/${NAME}/blobs/${digestOf(bytes)}`)).status;

describe('blobs', () => {
  it('G4: what no manifest names goes after the grace time, what one names stays', async () => {
    await oci.image(NAME, 'v1', 'kept');
    await oci.blob(NAME, 'left over');
    clock.pass(23 * HOUR);
    expect((await collect()).condemned).toBe(0);
    clock.pass(2 * HOUR);
    expect((await collect({ dryRun: true })).condemned).toBe(0);
    expect(await blobStatus('left over')).toBe(200);
    clock.pass(25 * HOUR);
    expect((await collect()).condemned).toBe(1);
    expect(await blobStatus('left over')).toBe(404);
    expect([await blobStatus('kept'), await blobStatus('{}')]).toEqual([200, 200]);
    expect(await objects()).toBe(3);
  });

  it('is spared anew when its last manifest goes, and then collected', async () => {
    const { digest } = await oci.image(NAME, 'v1', 'layer');
    clock.pass(48 * HOUR);
    await oci.remove(`/v2/${NAME}/manifests/${digest}`);
    expect(await collect()).toMatchObject({ condemned: 1 });
    expect((await oci.space.read(NAME)).state.blobs.size).toBe(2);
    clock.pass(25 * HOUR);
    expect(await collect()).toMatchObject({ condemned: 2 });
    expect(await objects()).toBe(0);
  });

  it('oci 46: a HEAD by somebody who may push keeps it, one by a reader does not', async () => {
    await oci.blob(NAME, 'wanted');
    await oci.blob(NAME, 'looked at');
    const reader = await oci.user('ann', { readonly: true });
    clock.pass(20 * HOUR);
    await oci.head(`/v2/${NAME}/blobs/${digestOf('wanted')}`);
    await oci.head(`/v2/${NAME}/blobs/${digestOf('looked at')}`, { token: reader });
    const before = (await oci.space.read(NAME)).position;
    await oci.head(`/v2/${NAME}/blobs/${digestOf('wanted')}`);
    expect((await oci.space.read(NAME)).position).toBe(before);
    clock.pass(5 * HOUR);
    await collect();
    const { blobs } = (await oci.space.read(NAME)).state;
    expect([blobs.has(digestOf('wanted')), blobs.has(digestOf('looked at'))]).toEqual([true, false]);
  });

  it('oci 46: a mount of what is here already keeps it', async () => {
    await oci.blob(NAME, 'mounted');
    clock.pass(20 * HOUR);
    const mount = `/v2/${NAME}/blobs/uploads/?mount=${digestOf('mounted')}&from=${NAME}`;
    expect((await oci.request('POST', mount)).status).toBe(201);
    clock.pass(5 * HOUR);
    await collect();
    expect(await blobStatus('mounted')).toBe(200);
  });

  it('G3: after collection and a new push every instance has it', async () => {
    const second = await registry({ driver: oci.driver, runtime: { clock, random: systemRuntime.random } });
    await oci.blob(NAME, 'layer');
    expect((await second.head(`/v2/${NAME}/blobs/${digestOf('layer')}`, { token: oci.token })).status).toBe(200);
    clock.pass(25 * HOUR);
    await collect();
    for (const one of [oci, second])
      expect((await one.get(`/v2/${NAME}/blobs/${digestOf('layer')}`, { token: oci.token })).status).toBe(404);
    await oci.image(NAME, 'v1', 'layer');
    expect((await second.get(`/v2/${NAME}/blobs/${digestOf('layer')}`, { token: oci.token })).text).toBe('layer');
    await second.close();
  });

  it('a manifest that comes after the drop is told so, and never a hole', async () => {
    const text = JSON.stringify(await oci.describe(NAME, 'layer'));
    clock.pass(25 * HOUR);
    await collect();
    const late = await oci.put(NAME, 'v1', text);
    expect([late.status, late.code]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
  });
});

describe('manifests without tags', () => {
  const untagged = { features: { collectUntagged: true } };

  it('stay, unless the repository says otherwise', async () => {
    const first = await oci.image(NAME, 'latest', 'one');
    await oci.image(NAME, 'latest', 'two');
    clock.pass(25 * HOUR);
    await collect();
    expect((await oci.get(`/v2/${NAME}/manifests/${first.digest}`)).status).toBe(200);
    await collect(untagged);
    expect((await oci.get(`/v2/${NAME}/manifests/${first.digest}`)).status).toBe(404);
    expect((await oci.get(`/v2/${NAME}/manifests/latest`)).status).toBe(200);
    // its layer was named until just now
    expect(await blobStatus('one')).toBe(200);
    clock.pass(25 * HOUR);
    await collect(untagged);
    expect(await blobStatus('one')).toBe(404);
    expect(await blobStatus('two')).toBe(200);
  });

  it('G1: stay as children of an index and as referrers of what is here', async () => {
    const child = await oci.image(NAME, 'child', 'one');
    const INDEX = 'application/vnd.oci.image.index.v1+json';
    const { digest, size } = child;
    const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size };
    await oci.put(NAME, 'multi', { schemaVersion: 2, mediaType: INDEX, manifests: [descriptor] }, { type: INDEX });
    const signature = await oci.image(NAME, 'sig', 'signature', { subject: descriptor });
    for (const tag of ['child', 'sig']) await oci.remove(`/v2/${NAME}/manifests/${tag}`);
    clock.pass(25 * HOUR);
    await collect(untagged);
    for (const one of [child, signature]) expect((await oci.get(`/v2/${NAME}/manifests/${one.digest}`)).status).toBe(200);
    await oci.remove(`/v2/${NAME}/manifests/multi`);
    // the index first, then the child that it named, then what referred to the child
    for (let runs = 0; runs < 3; runs++) {
      clock.pass(25 * HOUR);
      await collect(untagged);
    }
    for (const one of [child, signature]) expect((await oci.get(`/v2/${NAME}/manifests/${one.digest}`)).status).toBe(404);
  });
});

describe('manifests without tags, which somebody is about to need', () => {
  const untagged = { features: { collectUntagged: true } };

  it('G1: referrers are spared anew when their subject goes: it may come back', async () => {
    const image = await oci.image(NAME, 'v1', 'one');
    const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: image.digest, size: image.size };
    const signature = await oci.image(NAME, 'sig', 'signature', { subject });
    await oci.remove(`/v2/${NAME}/manifests/sig`);
    clock.pass(48 * HOUR);
    await oci.remove(`/v2/${NAME}/manifests/${image.digest}`);
    await collect(untagged);
    expect((await oci.get(`/v2/${NAME}/manifests/${signature.digest}`)).status).toBe(200);
    await oci.put(NAME, 'v1', image.text);
    clock.pass(25 * HOUR);
    await collect(untagged);
    expect((await oci.get(`/v2/${NAME}/referrers/${image.digest}`)).json.manifests).toHaveLength(1);
    await oci.remove(`/v2/${NAME}/manifests/${image.digest}`);
    clock.pass(25 * HOUR);
    await collect(untagged);
    expect((await oci.get(`/v2/${NAME}/manifests/${signature.digest}`)).status).toBe(404);
  });
});

it('INV1: a manifest without tag that is pushed again is spared anew', async () => {
  const untagged = { features: { collectUntagged: true } };
  const strict = await registry({ ...untagged, runtime: { clock, random: systemRuntime.random }, driver: oci.driver });
  const { digest, text } = await strict.image(NAME, 'v1', 'one');
  await strict.remove(`/v2/${NAME}/manifests/v1`);
  clock.pass(25 * HOUR);
  expect((await strict.put(NAME, digest, text)).status).toBe(201);
  await collect(untagged);
  expect((await strict.get(`/v2/${NAME}/manifests/${digest}`)).text).toBe(text);
  clock.pass(25 * HOUR);
  await collect(untagged);
  expect((await strict.get(`/v2/${NAME}/manifests/${digest}`)).status).toBe(404);
  expect(strict.faults).toEqual([]);
  await strict.close();
});

describe('uploads', () => {
  it('G4: sessions that nobody ends are over after half the grace time, and swept after it', async () => {
    const opened = await oci.request('POST', `/v2/${NAME}/blobs/uploads/`, { body: new Uint8Array(0) });
    const location = opened.headers['location'] ?? '';
    await oci.request('PATCH', location, { body: 'half' });
    clock.pass(11 * HOUR);
    await collect();
    expect((await oci.get(location)).status).toBe(204);
    clock.pass(2 * HOUR);
    expect((await oci.get(location)).code).toBe('BLOB_UPLOAD_UNKNOWN');
    clock.pass(12 * HOUR);
    await collect();
    expect((await oci.driver.list('upload/')).objects).toEqual([]);
    expect(await objects()).toBe(0);
  });
});
