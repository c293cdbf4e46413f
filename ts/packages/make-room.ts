import type { StorageDriver } from '../storage/driver.js';
import { probeResultKey } from '../storage/key.js';
import { StorageError } from '../storage/storage-error.js';

/** What a collection has to write before it may delete: entries of a few hundred bytes, each a file of its own. */
const ROOM_BYTES = 64 * 1024;
/** Folded states and name sets: the logs have all of it (design §5). */
const VIEWS = ['derived/checkpoint/', 'derived/feed/'] as const;

const isFull = (error: unknown): boolean => error instanceof StorageError && error.kind === 'full';

async function hasRoom(driver: StorageDriver, signal: AbortSignal | undefined): Promise<boolean> {
  const key = probeResultKey('room');
  try {
    await driver.write(key, new Uint8Array(ROOM_BYTES), { durable: false, signal });
  } catch (error) {
    if (isFull(error)) return false;
    throw error;
  }
  await driver.delete([key], { signal });
  return true;
}

/**
 * On a store that is full to the last byte nothing can be deleted, because what is to go must be written down first. So views go before, as many as are
 * needed: whoever wants one folds the log again. Answers how many went; there may be no room even then.
 */
export async function makeRoom(driver: StorageDriver, signal?: AbortSignal): Promise<number> {
  let gone = 0;
  for (const prefix of VIEWS) {
    while (!(await hasRoom(driver, signal))) {
      const { objects } = await driver.list(prefix, { signal });
      if (objects.length === 0) break;
      await driver.delete(
        objects.map(({ key }) => key),
        { signal },
      );
      gone += objects.length;
    }
  }
  return gone;
}
