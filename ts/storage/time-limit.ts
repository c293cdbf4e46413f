import type { Clock } from '../lib/clock.js';
import { deadline } from '../lib/deadlines.js';
import { isPreparing, isSynchronous, type PreparingDriver, type StorageDriver } from './driver.js';
import { StorageError, type StorageErrorKind } from './storage-error.js';

/**
 * The same driver with a limit on each call, for small objects: a store that does not answer becomes a failure instead of a wait without end.
 * A write that is cut off is `unknown`: it may have been applied.
 */
export function withTimeLimit(driver: StorageDriver, clock: Clock, milliseconds: number): StorageDriver {
  const limited: Limited = (kind, outer, call) =>
    new Promise((resolve, reject) => {
      let limit: AbortController | undefined;
      const stop = () => limit?.abort(outer?.reason);
      const signal = () => {
        limit = new AbortController();
        if (outer?.aborted) stop();
        else outer?.addEventListener('abort', stop, { once: true });
        return limit.signal;
      };
      const timer = deadline(clock, milliseconds, () => {
        const late = new StorageError(kind, 'the store did not answer in time');
        limit?.abort(late);
        reject(late);
      });
      const done = () => {
        timer.cancel();
        outer?.removeEventListener('abort', stop);
      };
      call(signal).then(
        (result) => {
          done();
          resolve(result);
        },
        (error: unknown) => {
          done();
          reject(error);
        },
      );
    });
  const wrapped: StorageDriver = {
    name: driver.name,
    stat: (key, options) =>
      limited('unavailable', options?.signal, (signal) => driver.stat(key, { ...options, signal: signal() })),
    read: (key, options) =>
      limited('unavailable', options?.signal, (signal) => driver.read(key, { ...options, signal: signal() })),
    write: (key, body, options) =>
      limited('unknown', options?.signal, (signal) => driver.write(key, body, { ...options, signal: signal() })),
    delete: (keys, options) =>
      limited('unknown', options?.signal, (signal) => driver.delete(keys, { ...options, signal: signal() })),
    list: (prefix, options) =>
      limited('unavailable', options?.signal, (signal) => driver.list(prefix, { ...options, signal: signal() })),
  };
  if (isPreparing(driver)) Object.assign(wrapped, { prepare: preparing(driver, limited) });
  if (isSynchronous(driver)) {
    const namesSync = (folder: string) => driver.namesSync(folder);
    const existsSync = (key: string) => driver.existsSync(key);
    Object.assign(wrapped, { namesSync, existsSync });
  }
  return wrapped;
}

type Limited = <T>(
  kind: StorageErrorKind,
  outer: AbortSignal | undefined,
  /** A signal is made for who asks: it is dear. */
  call: (signal: () => AbortSignal) => Promise<T>,
) => Promise<T>;

/** A limit on the taking over, and another one on the rest: what lies between is the caller's own time. */
const preparing =
  (driver: PreparingDriver, limited: Limited): PreparingDriver['prepare'] =>
  async (key, body, options) => {
    const prepared = await limited('unavailable', options?.signal, async (made) => {
      const signal = made();
      const taken = await driver.prepare(key, body, { ...options, signal });
      // too late: nobody is there any more who would
      if (signal.aborted) await taken.discard();
      return taken;
    });
    return {
      commit: () => limited('unknown', options?.signal, () => prepared.commit()),
      discard: () => prepared.discard(),
    };
  };
