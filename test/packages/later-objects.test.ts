import { describe, expect, it } from 'vitest';
import { utf8 } from '../../ts/lib/bytes.js';
import { Space } from '../../ts/log/space.js';
import { publishChange } from '../../ts/packages/changes.js';
import type { IStorageHooks } from '../../ts/packages/hooks.js';
import type { Repository } from '../../ts/packages/repository.js';
import type { PreparedWrite, WriteBody, WriteOptions } from '../../ts/storage/driver.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { StorageError } from '../../ts/storage/storage-error.js';
import { TestRuntime } from './fake-space.js';
import { callerOf, type PlainState, PUBLISHER, plainSchema, repositoryOf } from './plain-protocol.js';

/** Objects reach the store when the test says so, or not at all; what else is written arrives at once. */
class SlowObjects extends SynchronousMemoryDriver {
  private readonly waiting: ((error?: Error) => void)[] = [];

  get underWay(): number {
    return this.waiting.length;
  }

  /** The oldest that waits arrives, or fails. */
  arrive(error?: Error): void {
    this.waiting.shift()?.(error);
  }

  override async prepare(key: string, body: WriteBody, options?: WriteOptions): Promise<PreparedWrite> {
    const prepared = await super.prepare(key, body, options);
    if (!key.startsWith('objects/')) return prepared;
    const commit = async () => {
      await new Promise<void>((resolve, reject) => this.waiting.push((error) => (error ? reject(error) : resolve())));
      return prepared.commit();
    };
    return { commit, discard: () => prepared.discard() };
  }
}

async function world(hooks: IStorageHooks = {}) {
  const runtime = new TestRuntime();
  const driver = new SlowObjects({ runtime });
  const objects = new DriverObjectStore(driver, runtime);
  const space = new Space<PlainState>({ id: 'plain', driver, runtime, schema: plainSchema, maxStaleness: 0 });
  await space.open();
  const onFault = () => undefined;
  const repository = repositoryOf({ space, objects, runtime, onFault, hooks });
  const keys = async (prefix: string) => (await driver.list(prefix)).objects.map(({ key }) => key);
  return { driver, repository, space, keys };
}

async function publish(repository: Repository<PlainState>, version: string): Promise<void> {
  const handle = await repository.open('p', callerOf({ user: 'ann', grants: PUBLISHER }), 'change');
  const object = await handle.upload('create', utf8(`bytes of ${version}`), { max: 1000, later: true });
  const { size, digests } = object;
  const changes = () => [publishChange('x', { version, files: [{ name: `p-${version}`, size, digests, key: object.key }] })];
  await handle.commit('create', () => ({ changes: changes(), result: undefined }), {
    objects: [object],
    puts: [{ fileName: 'p', version, size, contentType: 'x/y', digests }],
  });
}

const turns = async () => {
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('objects that are on their way to stable storage when their commit begins', () => {
  it('are there before the entry that names them; the marker goes ahead meanwhile', async () => {
    const { driver, repository, keys } = await world();
    const publishing = publish(repository, '1');
    await turns();
    expect([driver.underWay, await keys('objects/'), await keys('log/')]).toEqual([1, [], []]);
    expect(await keys('pending/')).toHaveLength(1);
    driver.arrive();
    await publishing;
    expect((await keys('objects/')).length + (await keys('log/')).length).toBe(2);
  });

  it('and cannot be stored refuse their own publish: nothing of it is left, and its neighbour in the same entry stands', async () => {
    const { driver, repository, space, keys } = await world();
    const outcomes = Promise.allSettled([publish(repository, '1'), publish(repository, '2')]);
    await turns();
    expect(driver.underWay).toBe(2);
    driver.arrive(new StorageError('full', 'no space left'));
    driver.arrive();
    const [one, two] = await outcomes;
    expect(one).toMatchObject({ status: 'rejected', reason: { kind: 'full' } });
    expect(two).toMatchObject({ status: 'fulfilled' });
    const { state } = await space.readStrong('p');
    expect([...state.releases.keys()]).toEqual(['2']);
    await space.finish();
    expect([(await keys('objects/')).length, await keys('pending/')]).toEqual([1, []]);
  });

  it('and cannot be stored leave no marker when they were all there was', async () => {
    const { driver, repository, keys } = await world();
    const publishing = publish(repository, '1');
    await turns();
    driver.arrive(new StorageError('unavailable', 'the disk is gone'));
    await expect(publishing).rejects.toMatchObject({ kind: 'unavailable' });
    expect([await keys('objects/'), await keys('pending/'), await keys('log/')]).toEqual([[], [], []]);
  });

  it('go with a publish that a hook refuses, once they have arrived', async () => {
    const { driver, repository, keys } = await world({ beforePut: async () => ({ allowed: false, reason: 'no' }) });
    const publishing = publish(repository, '1');
    await turns();
    driver.arrive();
    await expect(publishing).rejects.toMatchObject({ kind: 'forbidden' });
    expect([await keys('objects/'), await keys('pending/'), await keys('log/')]).toEqual([[], [], []]);
  });
});
