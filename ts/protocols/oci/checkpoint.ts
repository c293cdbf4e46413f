import { text, utf8 } from '../../lib/bytes.js';
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

interface Document {
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
  readonly blobs: readonly BlobRow[];
  readonly manifests: readonly ManifestRow[];
  /** By the manifest's place in `manifests`; what is not there stands as its digest. */
  readonly tags: readonly (readonly [string, number | string])[];
}

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

export function encodeState(state: OciState): Uint8Array {
  const { name, owners, visibility, createdAt, modifiedAt, weight } = state;
  const types = new Table();
  const actors = new Table();
  const places = placesOf(state.blobs);
  const images = placesOf(state.manifests);
  const prefix = prefixOf(state);
  const short = (key: string): string => (key.startsWith(prefix) ? key.slice(prefix.length) : key);
  const blobs = [...state.blobs].map(
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
  const manifests = [...state.manifests].map(([digest, one]): ManifestRow => {
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
    const { subject, artifactType, annotations } = one;
    if (subject === undefined && artifactType === undefined && annotations === undefined) return row;
    row.push({
      ...(subject === undefined ? {} : { subject }),
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    });
    return row;
  });
  const document: Document = {
    name,
    owners,
    visibility,
    createdAt,
    modifiedAt,
    weight,
    prefix,
    types: types.values,
    actors: actors.values,
    blobs,
    manifests,
    tags: [...state.tags].map(([tag, digest]) => [tag, images.get(digest) ?? digest] as const),
  };
  return utf8(JSON.stringify(document));
}

/** The state that was encoded; throws on bytes that `encodeState` did not write. */
export function decodeState(bytes: Uint8Array): OciState {
  const document = JSON.parse(text(bytes)) as Document;
  const { name, owners, visibility, createdAt, modifiedAt, weight, prefix, types, actors } = document;
  // a short key is one name, a whole one is many
  const long = (key: string): string => (key.includes('/') ? key : prefix + key);
  const digests = document.blobs.map(([digest]) => digest);
  const blobs = document.blobs.map(([digest, key, size, sha256, uses, idle, idleAt]): [string, Blob] => [
    digest,
    { key: long(key), size, sha256: longSha(digest, sha256), uses, idle, idleAt },
  ]);
  const referrers = new Map<string, [string, true][]>();
  const manifests = document.manifests.map((row): [string, Manifest] => {
    const [digest, key, size, sha256, type, at, by, named, children, idle, more = {}] = row;
    const { subject } = more;
    if (subject !== undefined) {
      const others = referrers.get(subject);
      if (others) others.push([digest, true]);
      else referrers.set(subject, [[digest, true]]);
    }
    const manifest: Manifest = {
      key: long(key),
      size,
      sha256: longSha(digest, sha256),
      mediaType: types[type] ?? '',
      at,
      by: actors[by] ?? '',
      blobs: named.map((one) => (typeof one === 'string' ? one : (digests[one] ?? ''))),
      children,
      subject,
      artifactType: more.artifactType,
      annotations: more.annotations,
      idle,
    };
    return [digest, manifest];
  });
  const tags = document.tags.map(([tag, image]): [string, string] => [
    tag,
    typeof image === 'string' ? image : (manifests[image]?.[0] ?? ''),
  ]);
  return {
    name,
    owners,
    visibility,
    blobs: LayeredMap.of(blobs),
    manifests: LayeredMap.of(manifests),
    tags: LayeredMap.of(tags),
    referrers: LayeredMap.of([...referrers].map(([subject, list]) => [subject, LayeredMap.of(list)] as const)),
    createdAt,
    modifiedAt,
    weight,
  };
}
