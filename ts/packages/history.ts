import type { Json } from '../lib/json.js';
import { nextTurn, Pace } from '../lib/turns.js';
import type { Change, HistoryOptions, LogSpace } from '../log/schema.js';

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

export interface RecordOptions extends HistoryOptions {
  /** Number of the entry before which it ends; default: with the last one. */
  readonly to?: number;
}

/**
 * What was committed to a package, oldest first; without `from` and `to` everything that ever was. Throws nothing of its own; an absent package has no
 * records.
 */
export async function* historyOf<S>(
  space: Pick<LogSpace<S>, 'history'>,
  name: string,
  { to, ...options }: RecordOptions = {},
): AsyncGenerator<HistoryRecord> {
  const pace = new Pace(RECORDS_A_TURN);
  for await (const { n, at, changes } of space.history(name, options)) {
    if (to !== undefined && n >= to) return;
    for (const change of changes) {
      yield { entry: n, at: new Date(at).toISOString(), by: change.by, type: change.type, details: detailsOf(change) };
      if (pace.due()) await nextTurn();
    }
  }
}

export interface HistoryPage {
  /** Oldest first. */
  readonly records: readonly HistoryRecord[];
  /** Number of the entry before which the next older page ends; absent: there is none. */
  readonly before?: number;
}

export interface PageOptions {
  /** The page ends before the entry with this number. */
  readonly before: number;
  /** Entries are not parted: the oldest one on the page may bring more. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
  /** Called for each record that was read. */
  readonly onRecord?: () => void;
}

/** The newest records, as many as are wanted, read backwards from there: what is older is not looked at. */
export async function historyPage<S>(
  space: Pick<LogSpace<S>, 'history'>,
  name: string,
  { before, limit, signal, onRecord }: PageOptions,
): Promise<HistoryPage> {
  let records: HistoryRecord[] = [];
  for (let to = before; to > 0 && records.length < limit; ) {
    const from = Math.max(0, to - limit);
    const older: HistoryRecord[] = [];
    for await (const record of historyOf(space, name, { from, to, signal })) {
      older.push(record);
      onRecord?.();
    }
    records = [...older, ...records];
    to = from;
  }
  const first = records.at(-limit)?.entry ?? 0;
  return { records: records.filter(({ entry }) => entry >= first), ...(first > 0 ? { before: first } : {}) };
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
