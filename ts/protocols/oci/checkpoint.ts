import { text, utf8 } from '../../lib/bytes.js';
import { LayeredMap } from '../../lib/layered-map.js';
import { atOnce, joined, type Sliced } from '../../lib/slices.js';
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

/** What is read of one line is small enough to be forgotten before the next: a large state is never in memory twice. A line is a slice. */
const ROWS = 256;

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

/** `row` is given the place of each entry among them. */
function* linesOf<T>(entries: Iterable<T>, row: (entry: T, place: number) => unknown): Sliced<readonly Uint8Array[]> {
  const lines: Uint8Array[] = [];
  let rows: unknown[] = [];
  let place = 0;
  for (const entry of entries) {
    if (rows.push(row(entry, place++)) < ROWS) continue;
    lines.push(lineOf(rows));
    rows = [];
    yield;
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

const blobRow = (digest: string, blob: Blob, short: (key: string) => string): BlobRow => {
  const { key, size, sha256, uses, idle, idleAt } = blob;
  return [digest, short(key), size, shortSha(digest, sha256), uses, idle, idleAt];
};

/** The bytes of a state. It is immutable, so what is done between two slices does not show. */
export function* encodeInSlices(state: OciState): Sliced<Uint8Array> {
  const { name, owners, visibility, createdAt, modifiedAt, weight } = state;
  const types = new Table();
  const actors = new Table();
  const places = new Map<string, number>();
  const images = new Map<string, number>();
  const prefix = prefixOf(state);
  const short = (key: string): string => (key.startsWith(prefix) ? key.slice(prefix.length) : key);
  const blobs = yield* linesOf(state.blobs, ([digest, blob], place) => {
    places.set(digest, place);
    return blobRow(digest, blob, short);
  });
  const manifests = yield* linesOf(state.manifests, (entry, place) => {
    images.set(entry[0], place);
    return manifestRow(entry, { types, actors, places, short });
  });
  const tags = yield* linesOf(state.tags, ([tag, digest]): TagRow => [tag, images.get(digest) ?? digest]);
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
  return yield* joined([lineOf(head), ...blobs, ...manifests, ...tags]);
}

export const encodeState = (state: OciState): Uint8Array => atOnce(encodeInSlices(state));

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
  *rows<R>(count: number, take: (row: R) => void): Sliced<void> {
    if (!Number.isSafeInteger(count)) throw new SyntaxError('the checkpoint does not say how much it holds');
    for (let left = count; left > 0; ) {
      const rows = this.next() as readonly R[];
      if (!Array.isArray(rows) || rows.length === 0 || rows.length > left) throw new SyntaxError('not a line of rows');
      for (const row of rows) take(row);
      left -= rows.length;
      yield;
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

/** Who names whom as its subject. */
class Referrers {
  private readonly lists = new Map<string, [string, true][]>();

  add(subject: string, digest: string): void {
    const others = this.lists.get(subject);
    if (others) others.push([digest, true]);
    else this.lists.set(subject, [[digest, true]]);
  }

  *layered(): Sliced<OciState['referrers']> {
    const maps = new Map<string, LayeredMap<string, true>>();
    for (const [subject, list] of this.lists) {
      maps.set(subject, LayeredMap.of(list));
      if (maps.size % ROWS === 0) yield;
    }
    return LayeredMap.over(maps);
  }
}

/** The state that was encoded; throws on bytes that `encodeState` did not write. */
export function* decodeInSlices(bytes: Uint8Array): Sliced<OciState> {
  const lines = new Lines(bytes);
  const head = lines.next() as Head;
  const { name, owners, visibility, createdAt, modifiedAt, weight, prefix, types, actors } = head;
  // a short key is one name, a whole one is many
  const long = (key: string): string => (key.includes('/') ? key : prefix + key);
  const digests: string[] = [];
  const blobs = new Map<string, Blob>();
  yield* lines.rows<BlobRow>(head.blobs, ([digest, key, size, sha256, uses, idle, idleAt]) => {
    digests.push(digest);
    blobs.set(digest, { key: long(key), size, sha256: longSha(digest, sha256), uses, idle, idleAt });
  });
  const referrers = new Referrers();
  const images: string[] = [];
  const manifests = new Map<string, Manifest>();
  yield* lines.rows<ManifestRow>(head.manifests, (row) => {
    const [digest] = row;
    const manifest = manifestOf(row, digest, { types, actors, digests, long });
    images.push(digest);
    manifests.set(digest, manifest);
    if (manifest.subject !== undefined) referrers.add(manifest.subject, digest);
  });
  const tags = new Map<string, string>();
  yield* lines.rows<TagRow>(head.tags, ([tag, image]) => {
    tags.set(tag, typeof image === 'string' ? image : (images[image] ?? ''));
  });
  return {
    name,
    owners,
    visibility,
    blobs: LayeredMap.over(blobs),
    manifests: LayeredMap.over(manifests),
    tags: LayeredMap.over(tags),
    referrers: yield* referrers.layered(),
    createdAt,
    modifiedAt,
    weight,
  };
}

export const decodeState = (bytes: Uint8Array): OciState => atOnce(decodeInSlices(bytes));
