import type { ListedObject, StorageDriver } from '../storage/driver.js';
import { uploadSlot, uploadsPrefix } from '../storage/key.js';

export interface UploadSweep {
  readonly driver: StorageDriver;
  /** The repository's id. */
  readonly repository: string;
  /** The store's own time. */
  readonly now: number;
  /** Milliseconds after which a session is over, whatever it says of itself; twice what one may live. */
  readonly grace: number;
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

const ID = /^[a-z2-7]{26}$/;
const SLOT = /^\d{10}\.jsonl$/;

/**
 * Deletes the logs of sessions that nobody will go on with: entry 0 first, so that one which is swept half is none. Their bytes are orphans like any
 * others. Keys that are none of ours stay. Answers the number of sessions.
 */
export async function sweepUploads({ driver, repository, now, grace, dryRun, signal }: UploadSweep): Promise<number> {
  const prefix = uploadsPrefix(repository);
  let session: ListedObject[] = [];
  let id = '';
  let swept = 0;
  const sweep = async (): Promise<void> => {
    const old = session.length > 0 && session.every(({ modified }) => now - modified >= grace);
    const keys = session.map(({ key }) => key);
    session = [];
    if (!old || !ID.test(id)) return;
    swept += 1;
    if (dryRun) return;
    const first = uploadSlot(repository, id, 0);
    if (keys.includes(first)) await driver.delete([first], { signal });
    await driver.delete(keys, { signal });
  };
  for (let after: string | undefined, left = true; left; ) {
    signal?.throwIfAborted();
    const page = await driver.list(prefix, { after, signal });
    for (const object of page.objects) {
      const [own = '', name = '', ...more] = object.key.slice(prefix.length).split('/');
      if (own !== id) await sweep();
      id = own;
      // what somebody has put beside a session's slots stays
      if (more.length === 0 && SLOT.test(name)) session.push(object);
    }
    after = page.next;
    left = after !== undefined;
  }
  await sweep();
  return swept;
}
