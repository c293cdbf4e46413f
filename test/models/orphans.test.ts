import { Space } from '../../ts/log/space.js';
import { publishChange } from '../../ts/packages/changes.js';
import { collectGarbage, keyedLogs } from '../../ts/packages/collect-garbage.js';
import { releaseInventory } from '../../ts/packages/inventory.js';
import { requireFree } from '../../ts/packages/publish.js';
import type { Repository } from '../../ts/packages/repository.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { timeOf } from '../../ts/storage/key.js';
import { callerOf, type PlainState, PUBLISHER, plainSchema, repositoryOf } from '../packages/plain-protocol.js';
import { checkScenario, type Mutants } from './check.js';
import type { Scenario } from './schedules.js';
import { KEY, logOf, P, runtimeOf } from './spaces.js';
import type { Stage } from './stage.js';

const DAY = 24 * 60 * 60 * 1000;
const onFault = ({ error }: { readonly error: unknown }): never => {
  throw error;
};

interface Instance {
  readonly space: Space<PlainState>;
  readonly repository: Repository<PlainState>;
}

async function instance(stage: Stage, name: string, driver: StorageDriver, mutants: Mutants, skew = 0): Promise<Instance> {
  const runtime = runtimeOf(stage, name, { skew });
  const objects = new DriverObjectStore(driver, runtime);
  const copyAbove = (key: string, floor: number, signal: AbortSignal) => objects.copyAbove(key, floor, signal);
  const space = new Space<PlainState>({ id: 'r', driver, runtime, schema: plainSchema, maxStaleness: 0, copyAbove, mutants });
  const repository = repositoryOf({ space, objects, runtime, onFault, id: 'r' });
  await space.open();
  return { space, repository };
}

/** The key under which the version's bytes lie once it is acknowledged; undefined: it was refused. */
async function publish({ repository }: Instance, version: string): Promise<string | undefined> {
  const handle = await repository.open(P, callerOf({ user: 'ann', grants: PUBLISHER }), 'change');
  const object = await handle.upload('create', new TextEncoder().encode(`bytes of ${version}`), { max: 100 });
  try {
    await handle.commit(
      'create',
      ({ state }) => {
        requireFree(state, version);
        const file = { name: 'f', size: object.size, digests: object.digests, key: object.key };
        return { changes: [publishChange('ann', { version, files: [file] })], result: version };
      },
      { objects: [object] },
    );
    return object.key;
  } catch {
    return undefined;
  }
}

/**
 * Two writers of one package, the clock of one a day behind, so that its objects look old at birth; two collectors that spare nothing for its age. A
 * publish that was acknowledged is served, and floors stand just above what was condemned.
 */
const orphans = (mutants: Mutants): Scenario => ({
  name: 'orphans',
  processes: ['writer 1', 'writer 2', 'collector 1', 'collector 2'],
  async play(stage) {
    const open = (name: string, skew = 0) => instance(stage, name, stage.driver(name), mutants, skew);
    const writers = [await open('writer 1', 1000), await open('writer 2', -DAY)] as const;
    const collectors = [await open('collector 1'), await open('collector 2', DAY)] as const;
    const acknowledged = new Map<string, string>();
    const condemned = new Set<string>();
    const write = async (writer: Instance, version: string) => {
      const key = await publish(writer, version);
      if (key !== undefined) acknowledged.set(version, key);
    };
    const collect = async ({ space }: Instance, name: string) => {
      await collectGarbage<PlainState>({
        driver: stage.driver(name),
        logs: keyedLogs(space),
        inventory: releaseInventory,
        grace: 0,
        onCondemned: (key) => condemned.add(key),
        onFault,
        mutants,
      });
    };
    return {
      scripts: {
        'writer 1': () => write(writers[0], '1'),
        'writer 2': () => write(writers[1], '2'),
        'collector 1': () => collect(collectors[0], 'collector 1'),
        'collector 2': () => collect(collectors[1], 'collector 2'),
      },
      violated(finished) {
        for (const [version, key] of acknowledged) {
          if (!stage.store.objects.has(key)) return `version ${version} was acknowledged and its bytes are gone`;
        }
        if (!finished) return undefined;
        const above = new Set([...condemned].map((key) => timeOf(key) + 1));
        const stray = logOf(stage).flatMap(({ changes }) => changes.flatMap(({ objectsFloor }) => objectsFloor ?? []));
        return stray.every((floor) => above.has(floor)) ? undefined : `a floor at ${stray.join()} stands above nothing condemned`;
      },
      async afterwards() {
        const { repository } = await instance(stage, 'later', stage.store, new Set());
        const handle = await repository.open(P, callerOf({ user: 'eve', grants: ['read'] }), 'read');
        const { releases } = handle.snapshot.state;
        for (const [version, key] of acknowledged) {
          if (releases.get(version)?.files[0]?.key !== key) return `version ${version} was acknowledged and is not served`;
        }
        for (const [version, { files }] of releases) {
          if (!files.every((file) => stage.store.objects.has(file.key))) return `version ${version} is served without its bytes`;
        }
        const left = [...stage.store.objects.keys()].filter((key) => key.startsWith(`log/r/${KEY}/`)).length;
        return (await handle.readStrong()).position === left ? undefined : 'the log has a hole';
      },
    };
  },
});

checkScenario(orphans, ['collect-without-floor', 'floor-from-clock', 'skip-rescue']);
