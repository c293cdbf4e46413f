import { invalid } from '../../errors/registry-error.js';
import { LayeredMap } from '../../lib/layered-map.js';
import { type Change, type EntryInfo, type LogSchema, UnknownChange } from '../../log/schema.js';
import type { Inventory } from '../../packages/inventory.js';
import { count, optionalText, text, texts } from './changes.js';
import { decodeInSlices, decodeState, encodeInSlices, encodeState } from './checkpoint.js';
import { type Blob, isInhabited, type Manifest, type OciState, tagsOf } from './state.js';

const EMPTY_WEIGHT = 512;
const BLOB_WEIGHT = 480;
const TAG_WEIGHT = 320;
const MANIFEST_WEIGHT = 640;

const weightOf = ({ blobs, children, annotations }: Manifest): number =>
  MANIFEST_WEIGHT + 100 * (blobs.length + children.length) + (annotations ? 2 * JSON.stringify(annotations).length : 0);

export const emptyState = (name: string): OciState => ({
  name,
  owners: [],
  visibility: 'public',
  blobs: LayeredMap.of(),
  manifests: LayeredMap.of(),
  tags: LayeredMap.of(),
  referrers: LayeredMap.of(),
  createdAt: 0,
  modifiedAt: 0,
  weight: EMPTY_WEIGHT,
});

function addBlob(state: OciState, change: Change, { n }: EntryInfo): OciState {
  const digest = text(change, 'digest');
  const before = state.blobs.get(digest);
  const blob: Blob = {
    key: text(change, 'key'),
    size: count(change, 'size'),
    sha256: text(change, 'sha256'),
    uses: before?.uses ?? 0,
    idle: n,
    idleAt: change.at,
  };
  const weight = before ? state.weight : state.weight + BLOB_WEIGHT;
  return { ...state, blobs: state.blobs.with(digest, blob), weight };
}

/** Of blobs that are not there, which a sparse or foreign reference may name, nothing is counted. */
function used(blobs: OciState['blobs'], digests: readonly string[], by: 1 | -1, n: number, at: number): OciState['blobs'] {
  const changed: [string, Blob][] = [];
  for (const digest of digests) {
    const blob = blobs.get(digest);
    if (!blob) continue;
    const uses = Math.max(0, blob.uses + by);
    changed.push([digest, by < 0 && uses === 0 ? { ...blob, uses, idle: n, idleAt: at } : { ...blob, uses }]);
  }
  return changed.length === 0 ? blobs : blobs.withAll(changed);
}

const annotationsOf = (change: Change): Manifest['annotations'] => change['annotations'] as Manifest['annotations'];

function addManifest(state: OciState, change: Change, { n }: EntryInfo): OciState {
  const digest = text(change, 'digest');
  const before = state.manifests.get(digest);
  if (before) return state;
  const manifest: Manifest = {
    key: text(change, 'key'),
    size: count(change, 'size'),
    sha256: text(change, 'sha256'),
    mediaType: text(change, 'mediaType'),
    at: change.at,
    by: change.by,
    blobs: texts(change, 'blobs'),
    children: texts(change, 'children'),
    subject: optionalText(change, 'subject'),
    artifactType: optionalText(change, 'artifactType'),
    annotations: annotationsOf(change),
    idle: n,
  };
  return {
    ...state,
    manifests: state.manifests.with(digest, manifest),
    blobs: used(state.blobs, manifest.blobs, 1, n, change.at),
    referrers: withReferrer(state.referrers, manifest.subject, digest),
    weight: state.weight + weightOf(manifest),
  };
}

export function withReferrer(
  referrers: OciState['referrers'],
  subject: string | undefined,
  digest: string,
): OciState['referrers'] {
  if (subject === undefined) return referrers;
  return referrers.with(subject, (referrers.get(subject) ?? LayeredMap.of<string, true>()).with(digest, true));
}

function withoutReferrer(referrers: OciState['referrers'], subject: string | undefined, digest: string): OciState['referrers'] {
  const left = subject === undefined ? undefined : referrers.get(subject)?.without(digest);
  if (subject === undefined || left === undefined) return referrers;
  return left.size === 0 ? referrers.without(subject) : referrers.with(subject, left);
}

/** These lose somebody who named them: from here on they may have been forgotten. */
function idled(manifests: OciState['manifests'], digests: Iterable<string>, n: number): OciState['manifests'] {
  const changed: [string, Manifest][] = [];
  for (const digest of digests) {
    const manifest = manifests.get(digest);
    if (manifest) changed.push([digest, { ...manifest, idle: n }]);
  }
  return changed.length === 0 ? manifests : manifests.withAll(changed);
}

function removeManifest(state: OciState, digest: string, { n }: EntryInfo, at: number): OciState {
  const manifest = state.manifests.get(digest);
  if (!manifest) return state;
  let { tags, weight } = state;
  for (const tag of tagsOf(state, digest)) {
    tags = tags.without(tag);
    weight -= TAG_WEIGHT;
  }
  return {
    ...state,
    tags,
    // what it named, and what was kept because of it
    manifests: idled(state.manifests.without(digest), [...manifest.children, ...(state.referrers.get(digest)?.keys() ?? [])], n),
    blobs: used(state.blobs, manifest.blobs, -1, n, at),
    referrers: withoutReferrer(state.referrers, manifest.subject, digest),
    weight: weight - weightOf(manifest),
  };
}

function moveTag(state: OciState, tag: string, digest: string | undefined, { n }: EntryInfo): OciState {
  const before = state.tags.get(tag);
  if (before === digest) return state;
  const manifests = before === undefined ? state.manifests : idled(state.manifests, [before], n);
  if (digest === undefined) return { ...state, manifests, tags: state.tags.without(tag), weight: state.weight - TAG_WEIGHT };
  const weight = before === undefined ? state.weight + TAG_WEIGHT : state.weight;
  return { ...state, manifests, tags: state.tags.with(tag, digest), weight };
}

function touch(state: OciState, digest: string, { n }: EntryInfo, at: number): OciState {
  const blob = state.blobs.get(digest);
  const blobs = blob ? state.blobs.with(digest, { ...blob, idle: n, idleAt: at }) : state.blobs;
  return { ...state, blobs, manifests: idled(state.manifests, [digest], n) };
}

function drop(state: OciState, digest: string, key: string): OciState {
  if (state.blobs.get(digest)?.key !== key) return state;
  return { ...state, blobs: state.blobs.without(digest), weight: state.weight - BLOB_WEIGHT };
}

function visibilityOf(change: Change): OciState['visibility'] {
  const value = text(change, 'visibility');
  if (value === 'public' || value === 'restricted') return value;
  throw new UnknownChange('a visibility that is not known here');
}

function applyOne(state: OciState, change: Change, entry: EntryInfo): OciState {
  switch (change.type) {
    case 'blob':
      return addBlob(state, change, entry);
    case 'manifest':
      return addManifest(state, change, entry);
    case 'tag':
      return moveTag(state, text(change, 'tag'), text(change, 'digest'), entry);
    case 'untag':
      return moveTag(state, text(change, 'tag'), undefined, entry);
    case 'unmanifest':
      return removeManifest(state, text(change, 'digest'), entry, change.at);
    case 'touch':
      return touch(state, text(change, 'digest'), entry, change.at);
    case 'drop':
      return drop(state, text(change, 'digest'), text(change, 'key'));
    case 'delete-all':
      return {
        ...emptyState(state.name),
        owners: state.owners,
        visibility: state.visibility,
        createdAt: state.createdAt,
        modifiedAt: state.modifiedAt,
      };
    case 'status':
      throw invalid('images are not yanked: move the tag, or delete it');
    case 'owners':
      return { ...state, owners: texts(change, 'owners') };
    case 'visibility':
      return { ...state, visibility: visibilityOf(change) };
    default:
      throw new UnknownChange(`change "${change.type}" is not known here`);
  }
}

const brings = ({ type }: Change): boolean => type === 'blob' || type === 'manifest';

/** Whoever pushes first owns the name. */
const ownersAfter = (state: OciState, change: Change): readonly string[] =>
  state.createdAt === 0 && brings(change) && state.owners.length === 0 ? [change.by] : state.owners;

/** What an image repository's log holds (design §1.5). */
export const ociSchema: LogSchema<OciState> = {
  revision: 'oci.4',
  initial: emptyState,
  apply(before, change, entry) {
    const at = Math.max(before.modifiedAt, change.at);
    const owners = ownersAfter(before, change);
    const createdAt = before.createdAt || (brings(change) ? at : 0);
    return applyOne({ ...before, owners, createdAt, modifiedAt: at }, change, entry);
  },
  encode: encodeState,
  inSlices: { encode: encodeInSlices, decode: decodeInSlices },
  decode: decodeState,
  weigh: ({ weight }) => weight,
  summarise: (state) =>
    isInhabited(state)
      ? { visibility: state.visibility, manifests: state.manifests.size, tags: state.tags.size, at: state.modifiedAt }
      : undefined,
  redact({ annotations: _annotations, artifactType: _artifactType, ...kept }) {
    return kept;
  },
};

/** Whatever the state does not name is an orphan: `drop` and `unmanifest` were committed before. */
export const ociInventory: Inventory<OciState> = {
  *named({ blobs, manifests }) {
    for (const { key, size, sha256 } of blobs.values()) yield { key, size, sha256 };
    for (const { key, size, sha256 } of manifests.values()) yield { key, size, sha256 };
  },
  retired: () => [],
};
