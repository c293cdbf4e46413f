import { concat, text, utf8 } from '../lib/bytes.js';
import type { Digests } from '../lib/digest.js';
import { LayeredMap } from '../lib/layered-map.js';
import type { Confirmation } from './package-handle.js';
import type {
  FileRecord,
  ManifestBytes,
  PackageState,
  Release,
  ReleaseStatus,
  RetiredFile,
  ShownFile,
  ShownFiles,
} from './state.js';

/*
 * A folded package as bytes: the header's length (4 bytes, big-endian), the header (one JSON document), then all inline manifests, one behind the other.
 * Manifests are never parsed here: encoding copies them, decoding points into the one buffer.
 */

const STATUSES: readonly ReleaseStatus[] = ['published', 'yanked', 'quarantined', 'deleted'];

type FileRow = [name: string, size: number, digests: Digests, key: string, uploadedAt: number, data: unknown];
type RetiredRow = [name: string, size: number, sha256: string, key: string, entry: number, purge: 0 | 1];
/** Length of the manifest in the tail; or where it lies; or none. */
type ManifestRow = number | [key: string, size: number, sha256: string] | null;
type ReleaseRow = [
  version: string,
  publishedAt: number,
  /** Index into `actors`. */
  publishedBy: number,
  /** Index into `STATUSES`. */
  status: number,
  reason: string | null,
  manifest: ManifestRow,
  files: FileRow[],
  retired?: RetiredRow[],
];

type ShownRow = [upstream: string, files: [name: string, digests: ShownFile['digests'], at: number][]];

interface Header {
  readonly name: string;
  readonly data: unknown;
  readonly owners: readonly string[];
  readonly visibility: 'public' | 'restricted';
  readonly confirmation?: Confirmation;
  readonly shown?: readonly ShownRow[];
  readonly createdAt: number;
  readonly modifiedAt: number;
  readonly weight: number;
  readonly tags: readonly (readonly [string, string])[];
  readonly actors: readonly string[];
  readonly releases: readonly ReleaseRow[];
}

/** Everything of the state. */
export function encodeState(state: PackageState<unknown, unknown, unknown>): Uint8Array {
  const actors = new Map<string, number>();
  const manifests: Uint8Array[] = [];
  const releases = [...state.releases.values()].map((release) => releaseRow(release, actors, manifests));
  const { name, data, owners, visibility, confirmation, shown, createdAt, modifiedAt, weight } = state;
  const header: Header = {
    name,
    data,
    owners,
    visibility,
    ...(confirmation && { confirmation }),
    ...(shown && { shown: [...shown].map(shownRow) }),
    createdAt,
    modifiedAt,
    weight,
    tags: [...state.tags],
    actors: [...actors.keys()],
    releases,
  };
  const json = utf8(JSON.stringify(header));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.byteLength);
  return concat([length, json, ...manifests]);
}

function releaseRow(release: Release<unknown, unknown>, actors: Map<string, number>, manifests: Uint8Array[]): ReleaseRow {
  const { version, publishedAt, publishedBy, status, reason, manifest, files, retired } = release;
  const by = actors.get(publishedBy) ?? actors.size;
  actors.set(publishedBy, by);
  if (manifest && 'bytes' in manifest) manifests.push(manifest.bytes);
  const row: ReleaseRow = [
    version,
    publishedAt,
    by,
    STATUSES.indexOf(status),
    reason ?? null,
    manifest === undefined
      ? null
      : 'bytes' in manifest
        ? manifest.bytes.byteLength
        : [manifest.key, manifest.size, manifest.sha256],
    files.map((file) => [file.name, file.size, file.digests, file.key, file.uploadedAt, file.data]),
  ];
  if (retired)
    row.push(retired.map((file): RetiredRow => [file.name, file.size, file.sha256, file.key, file.entry, file.purge ? 1 : 0]));
  return row;
}

/** The state that was encoded; throws on bytes that `encodeState` did not write. The state keeps a hold on `bytes`. */
export function decodeState<P, M, F>(bytes: Uint8Array): PackageState<P, M, F> {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  if (4 + length > bytes.byteLength) throw new RangeError('a package state that is cut off');
  const header = JSON.parse(text(bytes.subarray(4, 4 + length))) as Header;
  let at = 4 + length;
  const take = (size: number): Uint8Array => {
    if (at + size > bytes.byteLength) throw new RangeError('a package state that is cut off');
    at += size;
    return bytes.subarray(at - size, at);
  };
  const releases = header.releases.map((row) => [row[0], releaseFrom<M, F>(row, header.actors, take)] as const);
  if (at !== bytes.byteLength) throw new RangeError('a package state with bytes left over');
  const { name, data, owners, visibility, confirmation, shown, createdAt, modifiedAt, weight, tags } = header;
  return {
    name,
    data: data as P,
    releases: LayeredMap.of(releases),
    tags: LayeredMap.of(tags),
    owners,
    visibility,
    ...(confirmation && { confirmation }),
    ...(shown && { shown: new Map(shown.map(shownFrom)) }),
    createdAt,
    modifiedAt,
    weight,
  };
}

const shownRow = ([upstream, files]: readonly [string, ShownFiles]): ShownRow => [
  upstream,
  [...files].map(([file, { digests, at }]) => [file, digests, at]),
];

const shownFrom = ([upstream, files]: ShownRow): readonly [string, ShownFiles] => [
  upstream,
  LayeredMap.of(files.map(([name, digests, at]) => [name, { digests, at }] as const)),
];

function releaseFrom<M, F>(row: ReleaseRow, actors: readonly string[], take: (size: number) => Uint8Array): Release<M, F> {
  const [version, publishedAt, by, status, reason, manifest, files, retired] = row;
  return {
    version,
    publishedAt,
    publishedBy: actors[by] ?? '',
    status: STATUSES[status] ?? 'quarantined',
    reason: reason ?? undefined,
    files: files.map(fileFrom<F>),
    manifest: manifestFrom<M>(manifest, take),
    ...(retired ? { retired: retired.map(retiredFrom) } : {}),
  };
}

const fileFrom = <F>([name, size, digests, key, uploadedAt, data]: FileRow): FileRecord<F> => ({
  name,
  size,
  digests,
  key,
  uploadedAt,
  data: data as F,
});

const retiredFrom = ([name, size, sha256, key, entry, purge]: RetiredRow): RetiredFile => ({
  name,
  size,
  sha256,
  key,
  entry,
  purge: purge === 1,
});

function manifestFrom<M>(row: ManifestRow, take: (size: number) => Uint8Array): ManifestBytes<M> | undefined {
  if (row === null) return undefined;
  if (typeof row === 'number') return { bytes: take(row) };
  const [key, size, sha256] = row;
  return { key, size, sha256 };
}
