import SemVer from 'semver/classes/semver.js';
import type { NewChange } from '../../log/schema.js';
import { deleteAllChange, deleteChange, tagChange } from '../../packages/changes.js';
import { liveReleases, type NpmState } from './state.js';

const finished = ({ prerelease }: SemVer): number => (prerelease.length === 0 ? 1 : 0);

/** The highest version, finished ones before pre-releases; of equal ones the last. Each is parsed once: to sort them takes ten times as long. */
export function highest(versions: Iterable<string>): string | undefined {
  let best: { readonly version: string; readonly parsed: SemVer } | undefined;
  for (const version of versions) {
    const parsed = new SemVer(version);
    const order = best ? finished(parsed) - finished(best.parsed) || parsed.compare(best.parsed) : 1;
    if (order >= 0) best = { version, parsed };
  }
  return best?.version;
}

export interface RemovalOptions {
  /** Where `latest` should go when it goes with them; default: the highest version left. */
  readonly latest?: string | undefined;
  /** The bytes may go at once. */
  readonly purge?: boolean;
}

/** Deletes versions and gives `latest` to another when it goes with them. The last version takes the package with it. */
export function removal(
  by: string,
  state: NpmState,
  gone: ReadonlySet<string>,
  options: RemovalOptions = {},
): readonly NewChange[] {
  const { latest, purge = false } = options;
  const left = [...liveReleases(state)].map(({ version }) => version).filter((version) => !gone.has(version));
  if (left.length === 0) return [deleteAllChange(by, purge)];
  const changes: NewChange[] = [...gone].map((version) => deleteChange(by, version, purge));
  if (!gone.has(state.tags.get('latest') ?? '')) return changes;
  const next = latest !== undefined && left.includes(latest) ? latest : highest(left);
  return next === undefined ? changes : [...changes, tagChange(by, 'latest', next)];
}
