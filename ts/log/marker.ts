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

/** `<time>-<id>` of a marker that nobody has yet; the time not below `floor`. */
export const newMarker = ({ clock, random }: Runtime, floor: number): string =>
  markerId(Math.max(clock.now(), floor), randomId(random));

/** Announces that the package is about to change; durable when it resolves. */
export async function putMarker(
  driver: StorageDriver,
  marker: string,
  { space, key, identity }: { readonly space: string; readonly key: string; readonly identity: string },
): Promise<void> {
  await driver.write(markerKey(space, marker, key), utf8(JSON.stringify({ name: identity })));
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
