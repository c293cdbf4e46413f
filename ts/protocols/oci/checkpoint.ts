import { concat, text, utf8 } from '../../lib/bytes.js';
import { LayeredMap } from '../../lib/layered-map.js';
import type { Blob, Manifest, OciState } from './state.js';

/** Of keys the part behind `prefix`, where they begin with it. */
type BlobRow = [digest: string, key: string, size: number, sha256: string | 0, uses: number, idle: number, idleAt: number];
type ManifestRow = [
  digest: string,
  key: string,
  size: number,
  /** 0: that of the digest. */
  sha256: string | 0,
  /** Index into `types`. */
  mediaType: number,
  at: number,
  /** Index into `actors`. */
  by: number,
  /** Places in `blobs`; a digest of what is not there stands as itself. */
  blobs: (number | string)[],
  children: readonly string[],
  idle: number,
  more?: { readonly subject?: string; readonly artifactType?: string; readonly annotations?: Manifest['annotations'] },
];

/** By the manifest's place in the manifests; what is not there stands as its digest. */
type TagRow = readonly [string, number | string];

/** The first line; the rows stand behind it: blobs, manifests, tags, so many of each, up to `ROWS` in a line. */
interface Head {
  readonly name: string;
  readonly owners: readonly string[];
  readonly visibility: OciState['visibility'];
  readonly createdAt: number;
  readonly modifiedAt: number;
  readonly weight: number;
  /** What nearly all keys begin with: said once, it is a third less to read. */
  readonly prefix: string;
  readonly types: readonly string[];
  readonly actors: readonly string[];
  readonly blobs: number;
  readonly manifests: number;
  readonly tags: number;
}

/** What is read of one line is small enough to be forgotten before the next: a large state is never in memory twice. */
const ROWS = 256;

const placesOf = (map: LayeredMap<string, unknown>): ReadonlyMap<string, number> =>
  new Map([...map.keys()].map((digest, at) => [digest, at]));

/** Texts that many rows share, by their place in a list. */
class Table {
  private readonly places = new Map<string, number>();

  place(value: string): number {
    const known = this.places.get(value);
    if (known !== undefined) return known;
    this.places.set(value, this.places.size);
    return this.places.size - 1;
  }

  get values(): readonly string[] {
    return [...this.places.keys()];
  }
}

/** Up to the last name of the first key. */
function prefixOf({ blobs, manifests }: OciState): string {
  const first = blobs.values().next().value ?? manifests.values().next().value;
  return first === undefined ? '' : first.key.slice(0, first.key.lastIndexOf('/') + 1);
}
const shortSha = (digest: string, sha256: string): string | 0 => (digest === `sha256:${sha256}` ? 0 : sha256);
const longSha = (digest: string, sha256: string | 0): string => (sha256 === 0 ? digest.slice('sha256:'.length) : sha256);

function lineOf(value: unknown): Uint8Array {
  return utf8(`${JSON.stringify(value)}\n`);
}

function linesOf<T>(entries: Iterable<T>, row: (entry: T) => unknown): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let rows: unknown[] = [];
  for (const entry of entries) {
    if (rows.push(row(entry)) < ROWS) continue;
    lines.push(lineOf(rows));
    rows = [];
  }
  return rows.length === 0 ? lines : [...lines, lineOf(rows)];
}

function manifestRow(
  [digest, one]: readonly [string, Manifest],
  {
    types,
    actors,
    places,
    short,
  }: { types: Table; actors: Table; places: ReadonlyMap<string, number>; short(key: string): string },
): ManifestRow {
  const { subject, artifactType, annotations } = one;
  const row: ManifestRow = [
    digest,
    short(one.key),
    one.size,
    shortSha(digest, one.sha256),
    types.place(one.mediaType),
    one.at,
    actors.place(one.by),
    one.blobs.map((blob) => places.get(blob) ?? blob),
    one.children,
    one.idle,
  ];
  if (subject === undefined && artifactType === undefined && annotations === undefined) return row;
  row.push({
    ...(subject === undefined ? {} : { subject }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  });
  return row;
}

export function encodeState(state: OciState): Uint8Array {
  const { name, owners, visibility, createdAt, modifiedAt, weight } = state;
  const types = new Table();
  const actors = new Table();
  const places = placesOf(state.blobs);
  const images = placesOf(state.manifests);
  const prefix = prefixOf(state);
  const short = (key: string): string => (key.startsWith(prefix) ? key.slice(prefix.length) : key);
  const blobs = linesOf(
    state.blobs,
    ([digest, { key, size, sha256, uses, idle, idleAt }]): BlobRow => [
      digest,
      short(key),
      size,
      shortSha(digest, sha256),
      uses,
      idle,
      idleAt,
    ],
  );
  const manifests = linesOf(state.manifests, (entry) => manifestRow(entry, { types, actors, places, short }));
  const tags = linesOf(state.tags, ([tag, digest]): TagRow => [tag, images.get(digest) ?? digest]);
  const head: Head = {
    name,
    owners,
    visibility,
    createdAt,
    modifiedAt,
    weight,
    prefix,
    types: types.values,
    actors: actors.values,
    blobs: state.blobs.size,
    manifests: state.manifests.size,
    tags: state.tags.size,
  };
  return concat([lineOf(head), ...blobs, ...manifests, ...tags]);
}

/** The lines of a checkpoint, parsed one by one. */
class Lines {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  next(): unknown {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw new SyntaxError('the checkpoint ends early');
    const line = text(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return JSON.parse(line);
  }

  /** So many rows, which are all of their lines. */
  *rows<R>(count: number): Generator<R> {
    if (!Number.isSafeInteger(count)) throw new SyntaxError('the checkpoint does not say how much it holds');
    for (let left = count; left > 0; ) {
      const rows = this.next() as readonly R[];
      if (!Array.isArray(rows) || rows.length === 0 || rows.length > left) throw new SyntaxError('not a line of rows');
      yield* rows;
      left -= rows.length;
    }
  }
}

function manifestOf(
  [, key, size, sha256, type, at, by, named, children, idle, more = {}]: ManifestRow,
  digest: string,
  {
    types,
    actors,
    digests,
    long,
  }: { types: Head['types']; actors: Head['actors']; digests: readonly string[]; long(key: string): string },
): Manifest {
  return {
    key: long(key),
    size,
    sha256: longSha(digest, sha256),
    mediaType: types[type] ?? '',
    at,
    by: actors[by] ?? '',
    blobs: named.map((one) => (typeof one === 'string' ? one : (digests[one] ?? ''))),
    children,
    subject: more.subject,
    artifactType: more.artifactType,
    annotations: more.annotations,
    idle,
  };
}

/** The state that was encoded; throws on bytes that `encodeState` did not write. */
export function decodeState(bytes: Uint8Array): OciState {
  const lines = new Lines(bytes);
  const head = lines.next() as Head;
  const { name, owners, visibility, createdAt, modifiedAt, weight, prefix, types, actors } = head;
  // a short key is one name, a whole one is many
  const long = (key: string): string => (key.includes('/') ? key : prefix + key);
  const digests: string[] = [];
  const blobs = new Map<string, Blob>();
  for (const [digest, key, size, sha256, uses, idle, idleAt] of lines.rows<BlobRow>(head.blobs)) {
    digests.push(digest);
    blobs.set(digest, { key: long(key), size, sha256: longSha(digest, sha256), uses, idle, idleAt });
  }
  const referrers = new Map<string, [string, true][]>();
  const images: string[] = [];
  const manifests = new Map<string, Manifest>();
  for (const row of lines.rows<ManifestRow>(head.manifests)) {
    const [digest] = row;
    const manifest = manifestOf(row, digest, { types, actors, digests, long });
    images.push(digest);
    manifests.set(digest, manifest);
    if (manifest.subject === undefined) continue;
    const others = referrers.get(manifest.subject);
    if (others) others.push([digest, true]);
    else referrers.set(manifest.subject, [[digest, true]]);
  }
  const tags = new Map<string, string>();
  for (const [tag, image] of lines.rows<TagRow>(head.tags))
    tags.set(tag, typeof image === 'string' ? image : (images[image] ?? ''));
  return {
    name,
    owners,
    visibility,
    blobs: LayeredMap.over(blobs),
    manifests: LayeredMap.over(manifests),
    tags: LayeredMap.over(tags),
    referrers: LayeredMap.of([...referrers].map(([subject, list]) => [subject, LayeredMap.of(list)] as const)),
    createdAt,
    modifiedAt,
    weight,
  };
}
