import { userIdOf } from '../../ts/auth/token-format.js';
import { utf8 } from '../../ts/lib/bytes.js';
import { sha256Hex } from '../../ts/lib/digest.js';
import { floorChange } from '../../ts/log/fold.js';
import { deleteChange, publishChange } from '../../ts/packages/changes.js';
import { releaseInventory } from '../../ts/packages/inventory.js';
import type { PackageHandle, UploadedObject } from '../../ts/packages/package-handle.js';
import { moveTag, requireFree, requireRelease } from '../../ts/packages/publish.js';
import { logSlot, objectPrefix, packageKey, timeOf } from '../../ts/storage/key.js';
import type { PlainState } from '../packages/plain-protocol.js';
import type { Machine } from './machine.js';
import type { Fact } from './reference.js';

export interface Operation {
  readonly name: string;
  /** A run reaches at least so many storage calls. */
  readonly points: number;
  /** What stands before, made by a machine without faults. */
  readonly before: readonly Fact[];
  /** Besides these. */
  prepare?(machine: Machine): Promise<void>;
  /** The store is damaged before: an operator repairs it again before anybody looks. */
  readonly mends?: true;
  /** So many calls that by hand only some of them are tried. */
  readonly long?: true;
  /** Kinds that say nothing here. */
  readonly without?: readonly string[];
  /** What is attempted, if it changes anything that a client sees. */
  readonly fact?: Fact;
  act(machine: Machine): Promise<void>;
}

export async function upload(machine: Machine, pkg: string, content: string) {
  const handle = await machine.repository.open(pkg, machine.caller(), 'change');
  return { handle, object: await handle.upload('create', utf8(content), { max: 1000 }) };
}

type Publish = Extract<Fact, { type: 'publish' }>;

async function publish(machine: Machine, fact: Publish): Promise<void> {
  const { handle, object } = await upload(machine, fact.pkg, fact.content);
  await commitPublish(handle, object, fact);
}

async function commitPublish(
  handle: PackageHandle<PlainState>,
  object: UploadedObject,
  { version, tag }: Publish,
): Promise<void> {
  await handle.commit(
    'create',
    ({ state }) => {
      requireFree(state, version);
      const file = { name: 'f', size: object.size, digests: object.digests, key: object.key };
      return { changes: [publishChange('ann', { version, files: [file], tags: { [tag]: version } })], result: undefined };
    },
    { objects: [object] },
  );
}

/** Does what a fact says. */
export async function perform(machine: Machine, fact: Fact): Promise<void> {
  switch (fact.type) {
    case 'publish':
      return publish(machine, fact);
    case 'tag': {
      const handle = await machine.repository.open(fact.pkg, machine.caller(), 'change');
      await handle.commit('overwrite', ({ state }) => ({
        changes: moveTag(state, 'ann', fact.tag, fact.version),
        result: undefined,
      }));
      return;
    }
    case 'delete': {
      const handle = await machine.repository.open(fact.pkg, machine.caller(), 'change');
      await handle.commit('delete', ({ state }) => {
        requireRelease(state, fact.version);
        return { changes: [deleteChange('ann', fact.version)], result: undefined };
      });
      return;
    }
    case 'user':
      await machine.directory.addUser({ name: fact.name });
      return;
    case 'token':
      await machine.directory.createToken(userIdOf(fact.user), { name: fact.name });
  }
}

const published = (version: string, content = `bytes of ${version}`, tag = 'latest'): Publish => ({
  type: 'publish',
  pkg: 'p',
  version,
  content,
  tag,
});
const does = (fact: Fact) => ({ fact, act: (machine: Machine) => perform(machine, fact) });
const quiet = async (machine: Machine) => machine.world.drive(machine.sweep());
const HOUR = 60 * 60 * 1000;

/** A fault is told, or what verification says is true all the same. */
async function verified(machine: Machine): Promise<void> {
  const left = await machine.findings(true);
  if (left.length > 0) throw new Error(`verification finds ${left.join('; ')}`);
}

/** As after restoring an old copy: no feed, no views; and half an entry in a log. */
async function restoredBadly(machine: Machine): Promise<void> {
  await quiet(machine);
  const { store, drive } = { store: machine.world.store, drive: <T>(work: Promise<T>) => machine.world.drive(work) };
  for (const prefix of ['feed/', 'derived/']) {
    const { objects } = await drive(store.list(prefix));
    await drive(store.delete(objects.map(({ key }) => key)));
  }
  const entry = (await drive(store.read(logSlot('plain', packageKey('q'), 0))))?.body as Uint8Array;
  await drive(store.write(logSlot('plain', packageKey('q'), 1), entry.subarray(0, entry.byteLength >> 1)));
}

export const operations: readonly Operation[] = [
  { name: 'publish of a new package', points: 10, before: [], ...does(published('1')) },
  { name: 'publish of a new version', points: 12, before: [published('1')], prepare: quiet, ...does(published('2')) },
  {
    name: 'tag move',
    points: 10,
    before: [published('1'), published('2')],
    prepare: quiet,
    ...does({ type: 'tag', pkg: 'p', tag: 'latest', version: '1' }),
  },
  {
    name: 'unpublish',
    points: 10,
    before: [published('1'), published('2')],
    prepare: quiet,
    ...does({ type: 'delete', pkg: 'p', version: '2' }),
  },
  { name: 'user creation', points: 8, before: [], ...does({ type: 'user', name: 'ann' }) },
  {
    name: 'token creation',
    points: 10,
    before: [{ type: 'user', name: 'ann' }],
    prepare: quiet,
    ...does({ type: 'token', user: 'ann', name: 'ci' }),
  },
  {
    name: 'publish below a floor',
    points: 12,
    before: [published('1')],
    prepare: async (machine) => {
      const { object } = await machine.world.drive(upload(machine, 'p', 'bytes of 2'));
      machine.world.time += HOUR;
      // a collector that stopped between its commit and its delete
      await machine.world.drive(
        machine.space.commitUnseen('p', () => ({
          changes: [floorChange('~collector', { objects: timeOf(object.key) + 1 })],
          result: undefined,
        })),
      );
      await quiet(machine);
    },
    fact: published('2'),
    act: async (machine) => {
      const { state } = await machine.space.readForWrite('p');
      const named = new Set([...releaseInventory.named(state)].map(({ key }) => key));
      const { objects } = await machine.world.store.list(objectPrefix('plain', packageKey('p')));
      const oldest = objects.find(({ key, size }) => !named.has(key) && size === 'bytes of 2'.length);
      // after a collection there is nothing to go on with
      if (!oldest) return perform(machine, published('2'));
      const digests = { sha256: sha256Hex(utf8('bytes of 2')) };
      const object = { key: oldest.key, size: oldest.size, digests };
      const handle = await machine.repository.open('p', machine.caller(), 'change');
      await commitPublish(handle, object, published('2'));
    },
  },
  {
    name: 'feed sweep',
    points: 8,
    before: [published('1'), published('2'), { ...published('1'), pkg: 'q' }],
    act: (machine) => machine.sweep(),
  },
  {
    name: 'checkpoint',
    points: 8,
    before: [published('1'), published('2')],
    prepare: async (machine) => {
      await quiet(machine);
      await machine.world.drive(machine.driver.delete((await machine.driver.list('derived/')).objects.map(({ key }) => key)));
    },
    act: async (machine) => {
      // nothing that a client sees; what follows is a checkpoint
      await machine.space.commitUnseen('p', ({ floor }) => ({
        changes: [{ type: 'floor', by: '~', markersFloor: floor.markers + 1 }],
        result: undefined,
      }));
    },
  },
  {
    name: 'collection',
    points: 10,
    before: [published('1'), published('2'), { type: 'delete', pkg: 'p', version: '2' }],
    prepare: async (machine) => {
      await machine.world.drive(upload(machine, 'p', 'an orphan'));
      await machine.world.drive(upload(machine, 'never', 'an orphan of nothing'));
      await quiet(machine);
      machine.world.time += 40 * 24 * HOUR;
    },
    act: (machine) => machine.collect(),
  },
  {
    name: 'verification',
    points: 20,
    before: [published('1'), published('2'), { ...published('1'), pkg: 'q' }],
    prepare: quiet,
    long: true,
    act: verified,
  },
  {
    name: 'repair',
    points: 20,
    before: [published('1'), published('2'), { ...published('1'), pkg: 'q' }],
    prepare: restoredBadly,
    mends: true,
    long: true,
    // what goes on meanwhile is a collection too, and that says loudly that a log is damaged
    without: ['pause', 'pause-late'],
    act: verified,
  },
];
