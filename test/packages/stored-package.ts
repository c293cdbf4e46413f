import { utf8 } from '../../ts/lib/bytes.js';
import { sha256Hex } from '../../ts/lib/digest.js';
import { randomId } from '../../ts/lib/ids.js';
import type { NewChange } from '../../ts/log/schema.js';
import { Space } from '../../ts/log/space.js';
import { publishChange } from '../../ts/packages/changes.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { objectKey, packageKey } from '../../ts/storage/key.js';
import { TestRuntime } from './fake-space.js';
import { type PlainState, plainSchema } from './plain-protocol.js';

export const HOUR = 60 * 60 * 1000;
export const DAY = 24 * HOUR;

/** A real space over a memory driver: what is stored is what a folder would hold. */
export async function storedSpace() {
  const runtime = new TestRuntime();
  const driver = new SynchronousMemoryDriver({ runtime });
  const faults: string[] = [];
  const newSpace = async () => {
    const space = new Space<PlainState>({
      id: 'plain',
      driver,
      runtime,
      schema: plainSchema,
      maxStaleness: 0,
      copyAbove: async (key, floor) => {
        const stored = await driver.stat(key);
        if (!stored) return undefined;
        const above = objectKey(
          'plain',
          key.split('/')[2] ?? '',
          Math.max(runtime.clock.now(), floor + 1),
          randomId(runtime.random),
        );
        await driver.copy(key, above);
        return above;
      },
      onFault: (error, where) => void faults.push(`${where}: ${String(error)}`),
    });
    await space.open();
    return space;
  };
  const space = await newSpace();
  /** Bytes on storage that no log names; `time` is the writer's clock. */
  const store = async (name: string, content: string, time = runtime.time) => {
    const key = objectKey('plain', packageKey(name), time, randomId(runtime.random));
    await driver.write(key, utf8(content));
    return { key, size: content.length, digests: { sha256: sha256Hex(content) } };
  };
  const publish = async (name: string, version: string, more: readonly NewChange[] = []) => {
    const object = await store(name, `${name} ${version}`);
    const change = () =>
      publishChange('ann', { version, manifest: '{}', files: [{ ...object, name: `${version}.tgz`, key: object.key }] });
    await space.commit(name, () => ({ changes: [change(), ...more], result: 0 }), { objects: [object] });
    return object;
  };
  const keys = async (prefix: string) => {
    const found: string[] = [];
    for (let after: string | undefined, more = true; more; ) {
      const page = await driver.list(prefix, { after });
      found.push(...page.objects.map(({ key }) => key));
      after = page.next;
      more = after !== undefined;
    }
    return found;
  };
  return { runtime, driver, space, newSpace, faults, store, publish, keys };
}
