import { RegistryError } from '../errors/registry-error.js';
import type { Member } from './committer.js';
import { MAX_ENTRY_BYTES } from './entry.js';
import { applyChange } from './fold.js';
import type { Change, EntryInfo, LogSchema, Snapshot } from './schema.js';

/** Leaves room for the first line, salt and markers. */
const MAX_CHANGES_BYTES = MAX_ENTRY_BYTES - 4096;

/** Changes of one entry: each is applied twice, in one turn of the event loop, and takes some ten microseconds. */
const MAX_CHANGES = 1_000;

export interface Accepted<S> {
  readonly member: Member<S>;
  readonly result: unknown;
}

interface Refused<S> {
  readonly member: Member<S>;
  readonly error: unknown;
}

export interface Evaluated<S> {
  readonly accepted: readonly Accepted<S>[];
  readonly changes: readonly Change[];
  readonly at: number;
  readonly refused: readonly Refused<S>[];
  readonly unchanged: readonly Accepted<S>[];
  /** Refused, or left with nothing to do, by what others of this entry change: true only once the entry stands. */
  readonly refusedBehind: readonly Refused<S>[];
  readonly unchangedBehind: readonly Accepted<S>[];
  /** Did not fit into this entry. */
  readonly rest: readonly Member<S>[];
}

/** What members want of one entry, one after the other, each on the state that the ones before it left; a bad one is refused alone. */
export function evaluate<S>(
  schema: LogSchema<S>,
  snapshot: Snapshot<S>,
  members: readonly Member<S>[],
  entry: EntryInfo,
): Evaluated<S> {
  const out = {
    accepted: [] as Accepted<S>[],
    changes: [] as Change[],
    refused: [] as Refused<S>[],
    unchanged: [] as Accepted<S>[],
    refusedBehind: [] as Refused<S>[],
    unchangedBehind: [] as Accepted<S>[],
  };
  const rest: Member<S>[] = [];
  let state = snapshot;
  let bytes = 0;
  for (const member of members) {
    try {
      const { changes, result } = member.decide(state);
      if (changes.length === 0) {
        (state === snapshot ? out.unchanged : out.unchangedBehind).push({ member, result });
        continue;
      }
      if (changes.length > MAX_CHANGES)
        throw new RegistryError('too_large', `this is more than ${MAX_CHANGES} changes at once: ask for fewer`);
      if (out.changes.length + changes.length > MAX_CHANGES) {
        rest.push(member);
        continue;
      }
      const dated = changes.map((change): Change => ({ ...change, at: entry.at }));
      const size = Buffer.byteLength(JSON.stringify(dated));
      if (size > MAX_CHANGES_BYTES) throw new RegistryError('too_large', 'this change is too large to be recorded');
      if (bytes + size > MAX_CHANGES_BYTES) {
        rest.push(member);
        continue;
      }
      state = dated.reduce((before, change) => applyChange(schema, before, change, entry), state);
      bytes += size;
      out.changes.push(...dated);
      out.accepted.push({ member, result });
    } catch (error) {
      (state === snapshot ? out.refused : out.refusedBehind).push({ member, error });
    }
  }
  return { ...out, at: entry.at, rest };
}
