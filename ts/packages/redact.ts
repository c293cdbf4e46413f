import type { Json } from '../lib/json.js';
import type { Change } from '../log/schema.js';
import { fileField, filesField, manifestField, type NewFile } from './changes.js';

const skeleton = ({ name, size, digests, key }: NewFile): Json => ({ name, size, digests: { sha256: digests.sha256 }, key });

/**
 * A change without its content, for erasure: versions, file names and digests stay taken, keys stay known to the collector; manifests, data and
 * reasons go. Redacting twice changes nothing.
 */
export function redactChange(change: Change): Change {
  const { type, by, at, objects } = change;
  const kept = { type, by, at, ...(objects === undefined ? {} : { objects }) };
  switch (type) {
    case 'publish': {
      const manifest = manifestField(change);
      return {
        ...kept,
        version: change['version'],
        files: filesField(change).map(skeleton),
        ...(typeof manifest === 'object' ? { manifest: manifest as unknown as Json } : {}),
        erased: true,
      };
    }
    case 'file':
      return { ...kept, version: change['version'], file: skeleton(fileField(change, 'file', change['file'])), erased: true };
    case 'data':
      return { ...kept, erased: true };
    case 'status':
      return { ...kept, versions: change['versions'], status: change['status'] };
    default:
      return change;
  }
}
