import type { StorageDriver } from '../storage/driver.js';
import { logPrefix } from '../storage/key.js';

/** The folders of all logs of a space (`slug-hash`), in byte order. A long log is skipped, not listed. */
export async function* packageFolders(
  driver: StorageDriver,
  space: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  const prefix = `log/${space}/`;
  let last: string | undefined;
  for (let after: string | undefined, more = true; more; ) {
    const page = await driver.list(prefix, { after, signal });
    for (const { key } of page.objects) {
      const [pkg = ''] = key.slice(prefix.length).split('/');
      if (pkg === last) continue;
      last = pkg;
      yield pkg;
    }
    after = page.next === undefined || last === undefined ? page.next : `${logPrefix(space, last)}~`;
    more = page.next !== undefined;
  }
}
