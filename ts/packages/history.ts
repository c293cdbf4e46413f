import type { Json } from '../lib/json.js';
import { nextTurn, Pace } from '../lib/turns.js';
import type { Change, LogSpace } from '../log/schema.js';

/** One change, as people read it: what, by whom, when, and what about it; no keys, no manifests. */
export interface HistoryRecord {
  /** Number of the log entry; changes of one entry were one commit. */
  readonly entry: number;
  /** ISO 8601, milliseconds, UTC. */
  readonly at: string;
  readonly by: string;
  readonly type: string;
  readonly details: { readonly [field: string]: Json };
}

/** Records that are made in one turn of the event loop. */
const RECORDS_A_TURN = 128;
/** Versions that a record names one by one; of more it says how many. */
const VERSIONS_MAX = 20;

/** Everything that was ever committed to a package, oldest first. Throws nothing of its own; an absent package has no records. */
export async function* historyOf<S>(
  space: Pick<LogSpace<S>, 'history'>,
  name: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<HistoryRecord> {
  const pace = new Pace(RECORDS_A_TURN);
  for await (const { n, at, changes } of space.history(name, options)) {
    for (const change of changes) {
      yield { entry: n, at: new Date(at).toISOString(), by: change.by, type: change.type, details: detailsOf(change) };
      if (pace.due()) await nextTurn();
    }
  }
}

const SHOWN = ['version', 'tag', 'tags', 'status', 'reason', 'owners', 'visibility', 'purge', 'erased', 'n'];

function detailsOf(change: Change): { readonly [field: string]: Json } {
  const details: Record<string, Json> = {};
  for (const field of SHOWN) {
    const value = change[field];
    if (value !== undefined) details[field] = value;
  }
  const versions = change['versions'];
  if (Array.isArray(versions)) details['versions'] = versions.length > VERSIONS_MAX ? `${versions.length} versions` : versions;
  const files = [change['file'], ...(Array.isArray(change['files']) ? (change['files'] as Json[]) : [])].filter(isFile);
  if (files.length > 0) details['files'] = files.map(({ name, size, digests }) => ({ name, size, sha256: digests.sha256 }));
  return details;
}

function isFile(
  value: unknown,
): value is { readonly name: string; readonly size: number; readonly digests: { readonly sha256: string } } {
  return typeof value === 'object' && value !== null && 'name' in value && 'size' in value && 'digests' in value;
}
