import { LayeredMap } from '../lib/layered-map.js';
import type { Change } from '../log/schema.js';
import { shownField, textField } from './changes.js';
import { layered } from './releases.js';
import type { FileRecord, PackageState, Release, ShownFile, ShownFiles } from './state.js';

/** Rough bytes in memory of what is known of one file. */
const SHOWN_WEIGHT = 480;

/** Facts that an upstream has shown: what it showed of a file before stays, a digest of another kind may join it. */
export function show<P, M, F>(state: PackageState<P, M, F>, change: Change): PackageState<P, M, F> {
  const upstream = textField(change, 'upstream');
  const known = state.shown?.get(upstream);
  const files: LayeredMap<string, ShownFile> = known ? layered(known) : LayeredMap.of();
  const fresh = shownField(change).flatMap(([name, digests]): (readonly [string, ShownFile])[] => {
    const first = files.get(name);
    const more = added(digests, first?.digests);
    return more ? [[name, { digests: { ...first?.digests, ...more }, at: first?.at ?? state.modifiedAt }]] : [];
  });
  const all = files.withAll(fresh);
  const weight = state.weight + (all.size - files.size) * SHOWN_WEIGHT;
  return { ...state, shown: new Map([...(state.shown ?? []), [upstream, all]]), weight };
}

/** Published here, ever: the name is this registry's own, whatever an upstream has under it. */
export const isHosted = ({ releases, owners }: PackageState<unknown, unknown, unknown>): boolean =>
  releases.size > 0 || owners.length > 0;

type Digests = ShownFile['digests'];
type FileDigests = FileRecord<unknown>['digests'];

const KEPT = ['sha512', 'sha1', 'sha256', 'md5'] as const;

/** Those that are known. */
const known = (digests: Digests): Digests =>
  Object.fromEntries(KEPT.flatMap((one) => (digests[one] ? [[one, digests[one]]] : [])));

/** What a document says of a file beyond what was shown of it first; undefined: nothing, or it speaks of other bytes. */
function added(now: Digests, first: Digests | undefined): Digests | undefined {
  if (!first) return known(now);
  const more = KEPT.filter((one) => now[one] && !first[one]);
  if (more.length === 0 || differs({ digests: now }, first)) return undefined;
  return Object.fromEntries(more.map((one) => [one, now[one]]));
}

/** What an upstream's package shows that was never written down: files, and digests of them. */
export function unseen(
  { shown }: PackageState<unknown, unknown, unknown>,
  upstream: string,
  { releases }: PackageState<unknown, unknown, unknown>,
): readonly (readonly [string, Digests])[] {
  const files = shown?.get(upstream);
  const rows: (readonly [string, Digests])[] = [];
  for (const release of releases.values())
    for (const { name, digests } of release.files) {
      const more = added(digests, files?.get(name)?.digests);
      if (more) rows.push([name, more]);
    }
  return rows;
}

/** The package with the digests that were shown first, and with the time of that for releases which have none of their own. */
export function pinned<P, M, F>(state: PackageState<P, M, F>, files: ShownFiles): PackageState<P, M, F> {
  const releases = new Map<string, Release<M, F>>();
  for (const [version, release] of state.releases) {
    const first = Math.min(...release.files.map(({ name }) => files.get(name)?.at ?? Number.POSITIVE_INFINITY));
    releases.set(version, {
      ...release,
      publishedAt: release.publishedAt || (Number.isFinite(first) ? first : state.modifiedAt),
      files: release.files.map((file) => ({ ...file, digests: firstOf(file, files.get(file.name)?.digests) })),
    });
  }
  return { ...state, releases };
}

/** Digests that all belong to the bytes that were shown first. */
const firstOf = (file: { readonly digests: FileDigests }, first: Digests | undefined): FileDigests =>
  differs(file, first) ? { sha256: '', ...first } : { ...file.digests, ...first };

/** Two sets of digests that cannot be of the same bytes. */
export const differs = (file: { readonly digests: Digests }, first: Digests | undefined): boolean =>
  KEPT.some((one) => {
    const [a, b] = [file.digests[one], first?.[one]];
    return Boolean(a) && Boolean(b) && a !== b;
  });
