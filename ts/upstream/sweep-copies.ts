import { readWhole } from '../storage/abilities.js';
import type { ListedObject, StorageDriver } from '../storage/driver.js';
import { copiesPrefix } from '../storage/key.js';
import { copyFrom } from './copies.js';

export interface CopySweep {
  readonly driver: StorageDriver;
  /** The repository's id. */
  readonly repository: string;
  /** The store's own time. */
  readonly now: number;
  /** Milliseconds that bytes may wait for the head that names them. */
  readonly grace: number;
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onCondemned?: ((key: string) => void) | undefined;
}

export interface SweptCopies {
  condemned: number;
  bytes: number;
}

const BODY = /^\d{13}-[a-z2-7]{26}$/;
const HEAD = /^[a-z2-7]{32}\.json$/;
const HEAD_MAX = 64 * 1024;

const nameOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1);
const folderOf = (key: string): string => key.slice(0, key.lastIndexOf('/'));

/**
 * Deletes bytes of copies that no head names: of a document that has been replaced, of a fetch that was cut by the end of its process. What is named stays, and so
 * do keys that are none of ours. Memory: one folder of a listing.
 */
export async function sweepCopies(options: CopySweep): Promise<SweptCopies> {
  const { driver, repository, signal } = options;
  const swept: SweptCopies = { condemned: 0, bytes: 0 };
  const prefix = copiesPrefix(repository);
  let folder: ListedObject[] = [];
  for (let after: string | undefined, more = true; more; ) {
    signal?.throwIfAborted();
    const page = await driver.list(prefix, { after, signal });
    for (const object of page.objects) {
      if (folder[0] && folderOf(folder[0].key) !== folderOf(object.key)) {
        await sweepFolder(options, folder, swept);
        folder = [];
      }
      folder.push(object);
    }
    after = page.next;
    more = after !== undefined;
  }
  await sweepFolder(options, folder, swept);
  return swept;
}

async function sweepFolder(options: CopySweep, objects: readonly ListedObject[], swept: SweptCopies): Promise<void> {
  const { driver, now, grace, dryRun, signal, onCondemned } = options;
  const heads = objects.filter(({ key }) => HEAD.test(nameOf(key)));
  const bodies = objects.filter(({ key }) => BODY.test(nameOf(key)));
  const old = bodies.filter(({ modified }) => now - modified >= grace);
  // each head names one body: where there are no more of these, none is left over
  if (old.length === 0 || bodies.length <= heads.length) return;
  const named = new Set<string>();
  for (const { key } of heads) {
    const head = await readWhole(driver, key, HEAD_MAX, { signal });
    const copy = head && copyFrom(head.bytes);
    if (copy) named.add(copy.key);
  }
  const condemned = old.filter(({ key }) => !named.has(key));
  for (const { key, size } of condemned) {
    onCondemned?.(key);
    swept.condemned++;
    swept.bytes += size;
  }
  if (dryRun || condemned.length === 0) return;
  await driver.delete(
    condemned.map(({ key }) => key),
    { signal },
  );
}
