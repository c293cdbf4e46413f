import type { CallOptions, StorageDriver } from './driver.js';
import { probeResultKey } from './key.js';
import { StorageError } from './storage-error.js';

/** Milliseconds by the store's own clock: what it says of something that was written just now. `id`: who asks; each has a key of its own. */
export async function storeTime(driver: StorageDriver, id: string, { signal }: CallOptions = {}): Promise<number> {
  const key = probeResultKey(`clock-${id}`);
  await driver.write(key, new Uint8Array(0), { durable: false, signal });
  const written = await driver.stat(key, { signal });
  if (!written) throw new StorageError('unavailable', 'the store does not show what was written just now');
  return written.modified;
}
