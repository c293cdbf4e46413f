import { beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../ts/lib/bytes.js';
import { sha256Hex } from '../../ts/lib/digest.js';
import { randomId } from '../../ts/lib/ids.js';
import { encodeEntry } from '../../ts/log/entry.js';
import { Space } from '../../ts/log/space.js';
import { publishChange } from '../../ts/packages/changes.js';
import { requireFree } from '../../ts/packages/publish.js';
import type { Repository } from '../../ts/packages/repository.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { feedSlot, logSlot, objectKey, packageKey } from '../../ts/storage/key.js';
import { FaultyDriver } from '../../ts/testing/index.js';
import { TestRuntime } from './fake-space.js';
import { callerOf, type PlainState, PUBLISHER, plainSchema, repositoryOf } from './plain-protocol.js';

const AT = 1_600_000_000_000;
const PER_ENTRY = 500;

/** A store that holds this many packages with one version each, all fed. */
async function filled(packages: number, runtime: TestRuntime): Promise<MemoryDriver> {
  const driver = new MemoryDriver({ runtime });
  const salt = new Uint8Array(16);
  let fed: { readonly type: string; readonly by: string; readonly at: number }[] = [];
  let prev: string | null = null;
  let slots = 0;
  for (let i = 0; i < packages; i += 1) {
    const name = `package-${i}`;
    const key = packageKey(name);
    const object = objectKey('plain', key, AT, randomId(runtime.random));
    await driver.write(object, utf8('bytes'));
    const file = { name: 'f', size: 5, digests: { sha256: sha256Hex(utf8('bytes')) }, key: object };
    const changes = [{ ...publishChange('ann', { version: '1', files: [file] }), at: AT }];
    const entry = { n: 0, prev: null, id: randomId(runtime.random), at: AT, salt, markers: [], name, changes };
    await driver.write(logSlot('plain', key, 0), encodeEntry(entry));
    const summary = { name, description: '', visibility: 'public', updatedAt: AT };
    fed = [...fed, { type: 'fed', by: '~', key, name, from: 0, to: 1, summary, at: AT } as (typeof fed)[number]];
    if (fed.length < PER_ENTRY && i < packages - 1) continue;
    const bytes = encodeEntry({ n: slots, prev, id: randomId(runtime.random), at: AT, salt, markers: [], changes: fed });
    await driver.write(feedSlot('plain', slots), bytes);
    prev = sha256Hex(bytes.subarray(0, bytes.indexOf(10)));
    slots += 1;
    fed = [];
  }
  return driver;
}

async function instance(store: MemoryDriver, runtime: TestRuntime, maxStaleness: number) {
  const driver = new FaultyDriver(store, [], { expose: ['copy'] });
  const objects = new DriverObjectStore(driver, runtime);
  const onFault = ({ error }: { readonly error: unknown }) => {
    throw error;
  };
  const space = new Space<PlainState>({ id: 'plain', driver, runtime, schema: plainSchema, maxStaleness });
  const repository = repositoryOf({ space, objects, runtime, onFault });
  await space.open();
  const calls = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
    const from = driver.calls.length;
    await work();
    return driver.calls.slice(from).map(({ method, key }) => `${method} ${key}`);
  };
  return { repository, space, calls };
}

const caller = () => callerOf({ user: 'ann', grants: PUBLISHER });
const turns = async () => {
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

async function publish(repository: Repository<PlainState>, name: string, version: string): Promise<void> {
  const handle = await repository.open(name, caller(), 'change');
  const object = await handle.upload('create', utf8(`bytes of ${version}`), { max: 100 });
  const file = { name: 'f', size: object.size, digests: object.digests, key: object.key };
  await handle.commit(
    'create',
    ({ state }) => {
      requireFree(state, version);
      return { changes: [publishChange('ann', { version, files: [file], tags: { latest: version } })], result: version };
    },
    { objects: [object] },
  );
}

const besidesArtifact = (calls: readonly string[]) => calls.filter((call) => !call.startsWith('write objects/'));
/** Checkpoint and feed are written behind the answer, which the write of a checkpoint may overtake here. */
const beforeAnswer = (calls: readonly string[]) =>
  besidesArtifact(calls).filter((call) => !call.startsWith('write derived/checkpoint/'));

describe.each([10, 10_000])('storage calls with %i packages', (packages) => {
  const runtime = new TestRuntime();
  let store: MemoryDriver;
  beforeAll(async () => {
    store = await filled(packages, runtime);
  });

  it('a publish: at most four before the answer when cold and seven in all, two and five when warm', {
    timeout: 60_000,
  }, async () => {
    const name = `package-${packages >> 1}`;
    // what is published leaves a checkpoint
    const earlier = await instance(store, runtime, 0);
    await publish(earlier.repository, name, '1.1');
    await earlier.space.close();
    const { repository, space, calls } = await instance(store, runtime, 0);
    const counts: (readonly [number, number])[] = [];
    for (const version of ['2', '3', '4']) {
      const all = await calls(async () => {
        const before = beforeAnswer(await calls(() => publish(repository, name, version)));
        counts.push([before.length, 0]);
        // the sweep that a commit asks for
        runtime.advance(200);
        await turns();
      });
      counts[counts.length - 1] = [counts.at(-1)?.[0] ?? 0, besidesArtifact(all).length];
    }
    const [[cold = 0, coldAll = 0] = [], ...warm] = counts;
    console.log(`${packages} packages: ${JSON.stringify(counts)} calls before the answer and in all`);
    expect(cold).toBeLessThanOrEqual(4);
    expect(coldAll).toBeLessThanOrEqual(7);
    for (const [before, all] of warm) {
      expect(before).toBeLessThanOrEqual(2);
      expect(all).toBeLessThanOrEqual(5);
    }
    expect((await store.list('pending/')).objects).toEqual([]);
    await space.close();
  });

  it('reads: cached ones cost nothing of their own, however many; one probe for all that is older', {
    timeout: 60_000,
  }, async () => {
    const { repository, space, calls } = await instance(store, runtime, 1000);
    const names = ['package-1', 'package-2', 'package-3'];
    const read = (name: string) => repository.open(name, caller(), 'read');
    // cold, with the probe: checkpoint, two slots at once
    expect((await calls(() => read('package-1'))).length).toBeLessThanOrEqual(2 + 3);
    for (const name of names) await read(name);
    expect(await calls(() => Promise.all([...names, ...names, 'absent', 'nowhere'].map(read)))).toEqual([]);
    expect(await calls(() => repository.list(new AbortController().signal))).toEqual([]);
    runtime.advance(1001);
    const again = await calls(() => Promise.all([...names, ...names, 'absent', 'nowhere'].map(read)));
    expect(again.map((call) => call.split(' ')[0])).toEqual(['list', 'read']);
    expect(await calls(() => read('package-2'))).toEqual([]);
    await space.close();
  });

  it('a read behind one change of another instance: the probe, the entry, and a few slots behind it', {
    timeout: 60_000,
  }, async () => {
    const [here, there] = [await instance(store, runtime, 0), await instance(store, runtime, 0)];
    const read = () => here.repository.open('package-6', caller(), 'read');
    await read();
    await publish(there.repository, 'package-6', '1.1');
    const calls = await here.calls(read);
    expect(calls.slice(0, 2).map((call) => call.split(' ')[0])).toEqual(['list', 'read']);
    expect(calls.slice(2).every((call) => call.startsWith('read log/plain/'))).toBe(true);
    expect(calls.length).toBeLessThanOrEqual(2 + 1 + 4);
    await here.space.close();
    await there.space.close();
  });
});
