import { LayeredMap } from '../lib/layered-map.js';
import type { Change } from '../log/schema.js';
import { shownField, textField } from './changes.js';
import { layered } from './releases.js';
import type { PackageState, Release, Shown, ShownFile } from './state.js';

/** Rough bytes in memory of what is known of one file. */
const SHOWN_WEIGHT = 480;

/** Facts that an upstream has shown: of a file that was shown before nothing changes. A name that another upstream has now begins anew. */
export function show<P, M, F>(state: PackageState<P, M, F>, change: Change): PackageState<P, M, F> {
  const upstream = textField(change, 'upstream');
  const same = state.shown?.upstream === upstream ? state.shown : undefined;
  const files: LayeredMap<string, ShownFile> = same ? layered(same.files) : LayeredMap.of();
  const fresh = shownField(change)
    .filter(([name]) => !files.has(name))
    .map(([name, digests]): readonly [string, ShownFile] => [name, { digests, at: state.modifiedAt }]);
  const before = state.shown?.files.size ?? 0;
  const all = files.withAll(fresh);
  const weight = state.weight + (all.size - before) * SHOWN_WEIGHT;
  return { ...state, shown: { upstream, files: all }, weight };
}

/** Published here, ever: the name is this registry's own, whatever an upstream has under it. */
export const isHosted = ({ releases, owners }: PackageState<unknown, unknown, unknown>): boolean =>
  releases.size > 0 || owners.length > 0;

type Digests = ShownFile['digests'];

const KEPT = ['sha512', 'sha1', 'sha256', 'md5'] as const;

/** Those that are known. */
const known = (digests: Digests): Digests =>
  Object.fromEntries(KEPT.flatMap((one) => (digests[one] ? [[one, digests[one]]] : [])));

/** Files of an upstream's package that were never written down. */
export function unseen(
  { shown }: PackageState<unknown, unknown, unknown>,
  upstream: string,
  { releases }: PackageState<unknown, unknown, unknown>,
): readonly (readonly [string, Digests])[] {
  const files = shown?.upstream === upstream ? shown.files : undefined;
  const rows: (readonly [string, Digests])[] = [];
  for (const release of releases.values())
    for (const { name, digests } of release.files) if (!files?.has(name)) rows.push([name, known(digests)]);
  return rows;
}

/** The package with the digests that were shown first, and with the time of that for releases which have none of their own. */
export function pinned<P, M, F>(state: PackageState<P, M, F>, { files }: Shown): PackageState<P, M, F> {
  const releases = new Map<string, Release<M, F>>();
  for (const [version, release] of state.releases) {
    const first = Math.min(...release.files.map(({ name }) => files.get(name)?.at ?? Number.POSITIVE_INFINITY));
    releases.set(version, {
      ...release,
      publishedAt: release.publishedAt || (Number.isFinite(first) ? first : state.modifiedAt),
      files: release.files.map((file) => ({ ...file, digests: { ...file.digests, ...files.get(file.name)?.digests } })),
    });
  }
  return { ...state, releases };
}

/** Two sets of digests that cannot be of the same bytes. */
export const differs = (file: { readonly digests: Digests }, first: Digests | undefined): boolean =>
  KEPT.some((one) => {
    const [a, b] = [file.digests[one], first?.[one]];
    return Boolean(a) && Boolean(b) && a !== b;
  });
