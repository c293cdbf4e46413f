import { utf8 } from '../lib/bytes.js';
import type { Runtime } from '../lib/clock.js';
import { randomId } from '../lib/ids.js';
import type { StorageDriver } from '../storage/driver.js';
import { type MarkerName, markerId, markerKey, parseMarkerName, pendingFolder } from '../storage/key.js';

/** A marker as it was listed. */
export interface ListedMarker extends MarkerName {
  readonly storageKey: string;
  /** The store's own time. */
  readonly modified: number;
}

/** Announces that the package is about to change; durable when it resolves. Answers `<time>-<id>`, the time not below `floor`. */
export async function putMarker(
  driver: StorageDriver,
  runtime: Runtime,
  where: { readonly space: string; readonly key: string; readonly identity: string; readonly floor: number },
): Promise<string> {
  const marker = markerId(Math.max(runtime.clock.now(), where.floor), randomId(runtime.random));
  await driver.write(markerKey(where.space, marker, where.key), utf8(JSON.stringify({ name: where.identity })));
  return marker;
}

/** All markers of a space, oldest time first. */
export async function listMarkers(driver: StorageDriver, space: string): Promise<readonly ListedMarker[]> {
  const prefix = `${pendingFolder(space)}/`;
  const found: ListedMarker[] = [];
  for (let after: string | undefined, more = true; more; ) {
    const page = await driver.list(prefix, { after });
    for (const { key, modified } of page.objects) {
      const name = parseMarkerName(key.slice(prefix.length));
      if (name) found.push({ ...name, storageKey: key, modified });
    }
    after = page.next;
    more = after !== undefined;
  }
  return found;
}
