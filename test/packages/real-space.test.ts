import { describe, expect, it } from 'vitest';
import { utf8 } from '../../ts/lib/bytes.js';
import { Space } from '../../ts/log/space.js';
import { deleteChange, publishChange } from '../../ts/packages/changes.js';
import { collectGarbage, keyedLogs } from '../../ts/packages/collect-garbage.js';
import type { IStorageHooks } from '../../ts/packages/hooks.js';
import { releaseInventory } from '../../ts/packages/inventory.js';
import type { PackageHandle } from '../../ts/packages/package-handle.js';
import { requireFree } from '../../ts/packages/publish.js';
import type { Repository } from '../../ts/packages/repository.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { TestRuntime } from './fake-space.js';
import { callerOf, type PlainState, PUBLISHER, plainSchema, repositoryOf } from './plain-protocol.js';
import { DAY } from './stored-package.js';

/** One instance over a store that others may share. */
async function instance(driver: SynchronousMemoryDriver, runtime: TestRuntime, hooks: IStorageHooks = {}) {
  const objects = new DriverObjectStore(driver, runtime);
  const space = new Space<PlainState>({
    id: 'plain',
    driver,
    runtime,
    schema: plainSchema,
    maxStaleness: 0,
    copyAbove: (key, floor) => objects.copyAbove(key, floor),
  });
  await space.open();
  const onFault = () => {};
  const repository = repositoryOf({ space, objects, runtime, onFault, hooks });
  return { space, repository, objects };
}

const world = () => {
  const runtime = new TestRuntime();
  return { runtime, driver: new SynchronousMemoryDriver({ runtime }) };
};

const openAs = (repository: Repository<PlainState>, user: string) =>
  repository.open('p', callerOf({ user, grants: PUBLISHER }), 'change');

const body = (text: string) =>
  (async function* () {
    for (const letter of text) yield utf8(letter);
  })();

async function publish(handle: PackageHandle<PlainState>, version: string, content: string) {
  const object = await handle.upload('create', body(content), { max: 1000 });
  const { size, digests } = object;
  const file = () => ({ name: 'p.tgz', size, digests, key: object.key });
  return handle.commit(
    'create',
    ({ state }) => {
      requireFree(state, version);
      return {
        changes: [publishChange('x', { version, manifest: '{}', files: [file()], tags: { latest: version } })],
        result: version,
      };
    },
    { objects: [object], puts: [{ fileName: 'p.tgz', version, size, contentType: 'x/y', digests }] },
  );
}

/** Time passes while `work` does, so that those who lost a race try again. */
async function whileTimePasses<T>(runtime: TestRuntime, work: Promise<T>): Promise<T> {
  const ticking = setInterval(() => runtime.advance(50), 1);
  try {
    return await work;
  } finally {
    clearInterval(ticking);
  }
}

const bytesOf = async (driver: SynchronousMemoryDriver) => (await driver.list('objects/')).objects.map(({ size }) => size);

describe('over real logs', () => {
  it('C1: 64 publishes of one version from four instances: one winner, its bytes, and nothing of the others', async () => {
    const { driver, runtime } = world();
    const instances = await Promise.all([1, 2, 3, 4].map(() => instance(driver, runtime)));
    const racing = Promise.allSettled(
      Array.from({ length: 64 }, async (_, n) => {
        const { repository } = instances[n % 4] as (typeof instances)[number];
        await publish(await openAs(repository, 'ann'), '1', `content ${n}`);
        return `content ${n}`;
      }),
    );
    const outcomes = await whileTimePasses(runtime, racing);
    const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const kinds = new Set(outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.kind] : [])));
    expect([winners.length, [...kinds]]).toEqual([1, ['conflict']]);
    for (const { repository } of instances) {
      const handle = await repository.open('p', callerOf({ user: 'eve', grants: ['read'] }), 'read');
      const file = handle.snapshot.state.releases.get('1')?.files[0];
      if (!file) throw new Error('no file');
      expect(Buffer.from((await handle.content(file, 'x/y').open()) as Uint8Array).toString()).toBe(winners[0]);
    }
    expect(await bytesOf(driver)).toEqual([winners[0]?.length]);
  });

  it('C1: 32 different versions: all are there, and the tag is at the last one', async () => {
    const { driver, runtime } = world();
    const instances = await Promise.all([1, 2].map(() => instance(driver, runtime)));
    const racing = Promise.all(
      Array.from({ length: 32 }, async (_, n) =>
        publish(await openAs((instances[n % 2] as (typeof instances)[number]).repository, 'ann'), `${n}`, 'same'),
      ),
    );
    await whileTimePasses(runtime, racing);
    const { state } = await (await instance(driver, runtime)).space.readStrong('p');
    expect(state.releases.size).toBe(32);
    expect(state.tags.get('latest')).toBe([...state.releases.keys()].at(-1));
  });

  it('a veto leaves neither bytes, nor marker, nor entry', async () => {
    const { driver, runtime } = world();
    const { repository } = await instance(driver, runtime, { beforePut: async () => ({ allowed: false }) });
    await expect(publish(await openAs(repository, 'ann'), '1', 'bytes')).rejects.toMatchObject({ kind: 'forbidden' });
    expect((await driver.list('')).objects.map(({ key }) => key)).toEqual([]);
  });

  it('owners count on every instance at once', async () => {
    const { driver, runtime } = world();
    const [first, second] = await Promise.all([instance(driver, runtime), instance(driver, runtime)]);
    const early = await openAs(second.repository, 'bob');
    await publish(await openAs(first.repository, 'ann'), '1', 'hers');
    await expect(whileTimePasses(runtime, publish(early, '2', 'his'))).rejects.toMatchObject({ kind: 'forbidden' });
    expect(await bytesOf(driver)).toEqual([4]);
  });

  it('C5: a publisher who slept through a collection goes on with a copy of his bytes, or is told', async () => {
    const { driver, runtime } = world();
    const { repository, space } = await instance(driver, runtime);
    const handle = await openAs(repository, 'ann');
    await publish(handle, '1', 'one');
    const slow = await handle.upload('create', body('slow'), { max: 100 });
    runtime.advance(1000);
    const newer = await handle.upload('create', body('orphan'), { max: 100 });
    runtime.advance(2 * DAY);
    const logs = keyedLogs(space);
    // the collector is between its commit and its delete while the publisher wakes up
    const remove = driver.delete.bind(driver);
    let woke: Promise<unknown> = Promise.resolve();
    driver.delete = async (keys) => {
      if (keys.includes(newer.key)) {
        woke = handle.commit(
          'create',
          () => ({
            changes: [
              publishChange('x', { version: '2', files: [{ name: 'p', size: 4, digests: slow.digests, key: slow.key }] }),
            ],
            result: 0,
          }),
          { objects: [slow] },
        );
        await woke;
      }
      await remove(keys);
    };
    const report = await collectGarbage<PlainState>({ driver, logs, inventory: releaseInventory, onFault: () => {} });
    await woke;
    expect(report.condemned).toBe(2);
    const file = (await space.readStrong('p')).state.releases.get('2')?.files[0];
    expect(await driver.stat(file?.key ?? '')).toMatchObject({ size: 4 });
  });

  it('a deleted version cannot come back, and its tag is gone', async () => {
    const { driver, runtime } = world();
    const { repository, space } = await instance(driver, runtime);
    const handle = await openAs(repository, 'ann');
    await publish(handle, '1', 'one');
    await handle.commit('delete', () => ({ changes: [deleteChange('x', '1')], result: 0 }));
    await expect(publish(await openAs(repository, 'ann'), '1', 'two')).rejects.toMatchObject({ kind: 'conflict' });
    const { state } = await space.readStrong('p');
    expect([state.tags.size, state.releases.get('1')?.status]).toEqual([0, 'deleted']);
    expect((await repository.list(new AbortController().signal)).items).toEqual([]);
  });
});
