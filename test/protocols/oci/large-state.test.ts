import { beforeAll, expect, it } from 'vitest';
import { utf8 } from '../../../ts/lib/bytes.js';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { LayeredMap } from '../../../ts/lib/layered-map.js';
import type { Snapshot } from '../../../ts/log/schema.js';
import { collectGarbage } from '../../../ts/packages/collect-garbage.js';
import { collectImages } from '../../../ts/protocols/oci/collect-garbage.js';
import { emptyState, ociInventory } from '../../../ts/protocols/oci/fold.js';
import { keptBy, rulesOf } from '../../../ts/protocols/oci/rules.js';
import type { Blob, Manifest, OciState } from '../../../ts/protocols/oci/state.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';
import { logSlot, packageKey } from '../../../ts/storage/key.js';
import { turnsDuring } from '../../formats/turns.js';

const COUNT = 20_000;
const digest = (n: number): string => `sha256:${n.toString(16).padStart(64, '0')}`;
const blob = (n: number): Blob => ({ key: `blob-${n}`, size: 1, sha256: '0', uses: n % 2, idle: 0, idleAt: 0 });
const manifest = (n: number, children: readonly string[] = []): Manifest => ({
  key: `manifest-${n}`,
  size: 1,
  sha256: '0',
  mediaType: 'm',
  at: 0,
  by: 'ann',
  blobs: [],
  children,
  subject: undefined,
  artifactType: undefined,
  annotations: undefined,
  idle: 0,
});
const each = <T>(of: (n: number) => T): T[] => Array.from({ length: COUNT }, (_, n) => of(n));

/** Every manifest but the last is an image; the last is an index of three of them. The tags of the first half and of the index are there. */
let state: OciState;
beforeAll(() => {
  const index = manifest(COUNT, [digest(1), digest(COUNT - 1), digest(COUNT - 2)]);
  state = {
    ...emptyState('team/app'),
    blobs: LayeredMap.of(each((n) => [digest(n), blob(n)] as const)),
    manifests: LayeredMap.of([...each((n) => [digest(n), manifest(n)] as const), [digest(COUNT), index]]),
    tags: LayeredMap.of([...each((n) => [`t${n}`, digest(n)] as const).slice(0, COUNT / 2), ['stays', digest(COUNT)]]),
  };
});

it('R1: a collection looks through a large image repository in slices, and others have their turn', async () => {
  const driver = new SynchronousMemoryDriver({ runtime: systemRuntime });
  const pkg = packageKey('team/app');
  await driver.write(logSlot('r', pkg, 0), utf8('{}'));
  await driver.write(`objects/r/${pkg}/0000000000001-${'a'.repeat(26)}`, utf8('x'));
  const snapshot = { state, position: 1, named: true, identity: 'team/app', broken: undefined } as unknown as Snapshot<OciState>;
  const read = async (): Promise<Snapshot<OciState>> => snapshot;
  const common = { driver, dryRun: true, grace: 0, onFault: ({ error }: { readonly error: unknown }) => expect(error).toBe(0) };
  const condemned: string[] = [];
  const space = { id: 'r', readStrongByKey: read, commit: () => Promise.reject(new Error('a dry run')) };
  const looking = await turnsDuring(() =>
    collectImages({ ...common, space, features: { collectUntagged: true }, onCondemned: (key) => void condemned.push(key) }),
  );
  // neither tagged nor in the index; unused blobs
  expect(condemned.filter((key) => key.startsWith('manifest'))).toHaveLength(COUNT / 2 - 2);
  expect(condemned.filter((key) => key.startsWith('blob'))).toHaveLength(COUNT / 2);
  expect(looking).toBeGreaterThanOrEqual(2 * Math.floor(COUNT / 4_096) + Math.floor((COUNT - 2) / 250));
  const logs = { id: 'r', read, commit: () => Promise.reject(new Error('a dry run')) };
  const sweeping = await turnsDuring(() => collectGarbage({ ...common, logs, inventory: ociInventory }));
  expect(sweeping).toBeGreaterThanOrEqual(Math.floor((2 * COUNT) / 4_096));
});

it('R1: what keeps a manifest is found without a look through all tags and manifests', () => {
  const rules = rulesOf({ 'immutableTags:stays': true, 'immutableTags:t7': true });
  const asked = (): readonly (string | undefined)[] =>
    [digest(COUNT - 1), digest(1), digest(7), digest(8), 't7', 't8', 'absent'].map((version) => keptBy(rules, state, [version]));
  const kept = ['stays', 'stays', 't7', undefined, 't7', undefined, undefined];
  expect(asked()).toEqual(kept);
  let looks = 0;
  const counted = <K, V>(map: LayeredMap<K, V>): LayeredMap<K, V> =>
    new Proxy(map, {
      get(target, name) {
        if (['entries', 'values', 'keys', 'forEach', Symbol.iterator].includes(name as string)) looks += 1;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  state = { ...state, tags: counted(state.tags), manifests: counted(state.manifests) };
  expect(asked()).toEqual(kept);
  expect(looks).toBe(0);
});
