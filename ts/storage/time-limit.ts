import type { Clock } from '../lib/clock.js';
import { isSynchronous, type StorageDriver, type SynchronousDriver } from './driver.js';
import { StorageError, type StorageErrorKind } from './storage-error.js';

/**
 * The same driver with a limit on each call, for small objects: a store that does not answer becomes a failure instead of a wait without end.
 * A write that is cut off is `unknown`: it may have been applied.
 */
export function withTimeLimit(driver: StorageDriver, clock: Clock, milliseconds: number): StorageDriver {
  const limited = <T>(
    kind: StorageErrorKind,
    outer: AbortSignal | undefined,
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const limit = new AbortController();
    return new Promise<T>((resolve, reject) => {
      const stop = () => limit.abort(outer?.reason);
      const timer = clock.after(milliseconds, () => {
        const late = new StorageError(kind, 'the store did not answer in time');
        limit.abort(late);
        reject(late);
      });
      if (outer?.aborted) stop();
      else outer?.addEventListener('abort', stop, { once: true });
      call(limit.signal)
        .then(resolve, reject)
        .finally(() => {
          timer.cancel();
          outer?.removeEventListener('abort', stop);
        });
    });
  };
  const wrapped: StorageDriver = {
    name: driver.name,
    stat: (key, options) => limited('unavailable', options?.signal, (signal) => driver.stat(key, { ...options, signal })),
    read: (key, options) => limited('unavailable', options?.signal, (signal) => driver.read(key, { ...options, signal })),
    write: (key, body, options) =>
      limited('unknown', options?.signal, (signal) => driver.write(key, body, { ...options, signal })),
    delete: (keys, options) => limited('unknown', options?.signal, (signal) => driver.delete(keys, { ...options, signal })),
    list: (prefix, options) => limited('unavailable', options?.signal, (signal) => driver.list(prefix, { ...options, signal })),
  };
  if (!isSynchronous(driver)) return wrapped;
  const local: SynchronousDriver = {
    ...wrapped,
    namesSync: (folder) => driver.namesSync(folder),
    existsSync: (key) => driver.existsSync(key),
  };
  return local;
}
