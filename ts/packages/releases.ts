import { utf8 } from '../lib/bytes.js';
import { LayeredMap } from '../lib/layered-map.js';
import { type Change, type EntryInfo, UnknownChange } from '../log/schema.js';
import { fileField, filesField, manifestField, type NewFile, oneOf, tagsField, textField, textsField } from './changes.js';
import type { FileRecord, ManifestBytes, PackageState, Release, RetiredFile } from './state.js';

/** Rough bytes in memory beside the manifest's own and the texts'. */
const RELEASE_WEIGHT = 320;
const FILE_WEIGHT = 480;

const weightOf = (release: Release<unknown, unknown>): number =>
  RELEASE_WEIGHT +
  2 * (release.version.length + (release.reason?.length ?? 0)) +
  (release.manifest && 'bytes' in release.manifest ? release.manifest.bytes.byteLength : 0) +
  release.files.reduce((sum, file) => sum + FILE_WEIGHT + 2 * (file.name.length + (JSON.stringify(file.data)?.length ?? 0)), 0) +
  (release.retired?.length ?? 0) * FILE_WEIGHT;

/** The maps in a state are layered ones; a codec's `onChange` or a test may have put plain ones there. */
export const layered = <K, V>(map: ReadonlyMap<K, V>): LayeredMap<K, V> => (map instanceof LayeredMap ? map : LayeredMap.of(map));

/** Puts releases in the place of those with the same version, and keeps the weight true. */
function put<P, M, F>(state: PackageState<P, M, F>, changed: readonly Release<M, F>[]): PackageState<P, M, F> {
  let weight = state.weight;
  for (const release of changed) {
    const old = state.releases.get(release.version);
    weight += weightOf(release) - (old ? weightOf(old) : 0);
  }
  const releases = layered(state.releases).withAll(changed.map((release) => [release.version, release] as const));
  return { ...state, releases, weight };
}

const record = <F>(file: NewFile, at: number): FileRecord<F> => ({
  name: file.name,
  size: file.size,
  digests: file.digests,
  key: file.key,
  uploadedAt: at,
  data: (file.data ?? null) as F,
});

const retiredFile = (
  { name, size, digests, key }: Pick<FileRecord<unknown>, 'name' | 'size' | 'digests' | 'key'>,
  entry: EntryInfo,
  purge: boolean,
): RetiredFile => ({ name, size, sha256: digests.sha256, key, entry: entry.n, purge });

function manifestBytes<M>(change: Change): ManifestBytes<M> | undefined {
  const manifest = manifestField(change);
  return typeof manifest === 'string' ? { bytes: utf8(manifest) } : manifest;
}

/** What of a release outlives it. */
function retiredOf(release: Release<unknown, unknown>, entry: EntryInfo, purge: boolean): readonly RetiredFile[] {
  const { manifest, files, retired = [] } = release;
  const own =
    manifest && 'key' in manifest
      ? [retiredFile({ name: '', size: manifest.size, digests: { sha256: manifest.sha256 }, key: manifest.key }, entry, purge)]
      : [];
  const before = purge ? retired.map((file) => ({ ...file, purge })) : retired;
  return [...before, ...files.map((file) => retiredFile(file, entry, purge)), ...own];
}

const tombstone = <M, F>(release: Release<M, F>, entry: EntryInfo, purge: boolean): Release<M, F> => ({
  version: release.version,
  publishedAt: release.publishedAt,
  publishedBy: release.publishedBy,
  status: 'deleted',
  reason: undefined,
  files: [],
  manifest: undefined,
  retired: retiredOf(release, entry, purge),
});

/**
 * A release at the end of the map: its order is the order of publishing, also for a version that comes back. The publisher owns a package that had no
 * release before and has no owner yet.
 */
export function publish<P, M, F>(state: PackageState<P, M, F>, change: Change, entry: EntryInfo): PackageState<P, M, F> {
  const version = textField(change, 'version');
  const at = state.modifiedAt;
  const fresh: Release<M, F> = {
    version,
    publishedAt: at,
    publishedBy: change.by,
    status: 'published',
    reason: undefined,
    files: filesField(change).map((file) => record<F>(file, at)),
    manifest: manifestBytes<M>(change),
  };
  const owners = state.releases.size === 0 && state.owners.length === 0 ? [change.by] : state.owners;
  if (change['erased'] === true) return dropTags(put({ ...state, owners }, [tombstone(fresh, entry, true)]), new Set([version]));
  const old = state.releases.get(version);
  const base = old
    ? { ...state, releases: layered(state.releases).without(version), weight: state.weight - weightOf(old) }
    : state;
  return moveTags(put({ ...base, owners }, [fresh]), tagsField(change));
}

/** A file of the same name is replaced. One that is added to a deleted release, or was erased, is retired at once. */
export function addFile<P, M, F>(state: PackageState<P, M, F>, change: Change, entry: EntryInfo): PackageState<P, M, F> {
  const release = state.releases.get(textField(change, 'version'));
  const file = fileField(change, 'file', change['file']);
  if (release === undefined) throw new UnknownChange('a file was added to a version that is not there');
  const erased = change['erased'] === true;
  const files = release.files.filter(({ name }) => name !== file.name);
  if (erased || release.status === 'deleted') {
    return put(state, [{ ...release, files, retired: [...(release.retired ?? []), retiredFile(file, entry, erased)] }]);
  }
  return put(state, [{ ...release, files: [...files, record<F>(file, state.modifiedAt)] }]);
}

/** Tags never point to a version that is not there: such a move counts for nothing. */
export function moveTags<P, M, F>(
  state: PackageState<P, M, F>,
  moves: readonly (readonly [string, string])[],
): PackageState<P, M, F> {
  const valid = moves.filter(([, version]) => {
    const release = state.releases.get(version);
    return release !== undefined && release.status !== 'deleted';
  });
  if (valid.length === 0) return state;
  const tags = layered(state.tags).withAll(valid);
  const weight = state.weight + (tags.size - state.tags.size) * 128;
  return { ...state, tags, weight };
}

export function untag<P, M, F>(state: PackageState<P, M, F>, tag: string): PackageState<P, M, F> {
  if (!state.tags.has(tag)) return state;
  return { ...state, tags: layered(state.tags).without(tag), weight: state.weight - 128 };
}

function dropTags<P, M, F>(state: PackageState<P, M, F>, versions: ReadonlySet<string>): PackageState<P, M, F> {
  let gone = 0;
  for (const version of state.tags.values()) if (versions.has(version)) gone += 1;
  if (gone === 0) return state;
  const left = [...state.tags].filter(([, version]) => !versions.has(version));
  return { ...state, tags: LayeredMap.of(left), weight: state.weight - gone * 128 };
}

/** Versions that are not there, or deleted, stay as they are. */
export function setStatus<P, M, F>(state: PackageState<P, M, F>, change: Change): PackageState<P, M, F> {
  const status = oneOf(change, 'status', ['published', 'yanked', 'quarantined']);
  const reason = change['reason'] === undefined || status === 'published' ? undefined : textField(change, 'reason');
  const changed: Release<M, F>[] = [];
  let weight = state.weight;
  for (const version of new Set(textsField(change, 'versions'))) {
    const release = state.releases.get(version);
    if (release === undefined || release.status === 'deleted') continue;
    weight += 2 * ((reason?.length ?? 0) - (release.reason?.length ?? 0));
    changed.push({ ...release, status, reason });
  }
  if (changed.length === 0) return state;
  return { ...state, releases: layered(state.releases).withAll(changed.map((one) => [one.version, one] as const)), weight };
}

export function deleteReleases<P, M, F>(
  state: PackageState<P, M, F>,
  versions: readonly string[],
  change: Change,
  entry: EntryInfo,
): PackageState<P, M, F> {
  const purge = change['purge'] === true;
  const gone = versions.flatMap((version) => {
    const release = state.releases.get(version);
    if (release === undefined || (release.status === 'deleted' && !purge)) return [];
    return [tombstone(release, entry, purge)];
  });
  return gone.length === 0 ? state : dropTags(put(state, gone), new Set(gone.map(({ version }) => version)));
}
