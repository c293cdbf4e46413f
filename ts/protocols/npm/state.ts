import type { Snapshot } from '../../log/schema.js';
import type { HookFile } from '../../packages/package-handle.js';
import type { FileRecord, PackageState, Release } from '../../packages/state.js';
import type { NpmManifest } from './manifest.js';

/** What npm knows of a package as a whole, beside its releases. */
export interface NpmPackage {
  /** User ids, in the order in which they came. */
  readonly stars: readonly string[];
  /** Of the version that became `latest` last; absent when that one's lies in a file of its release (`README`). */
  readonly readme?: string;
  readonly readmeFilename?: string;
  /** That version: what was read in it goes with it. */
  readonly readmeOf?: string;
  /** Of a package of an upstream: who maintains it there. They are nobody here. */
  readonly maintainers?: readonly Person[];
}

export interface Person {
  readonly name: string;
  /** Empty when it is not known. */
  readonly email: string;
}

export interface Signature {
  readonly keyid: string;
  readonly sig: string;
}

/** What search shows of a version whose manifest is too large to lie in the state. */
export type Card = {
  readonly description?: string;
  readonly keywords?: readonly string[];
  readonly author?: string;
  readonly license?: string;
  readonly homepage?: string;
  readonly repository?: string;
  readonly bugs?: string;
};

/** What npm records of a file of a release, at the time it is published. */
export interface NpmFile {
  /** Entries in the tarball, and their bytes; absent where an upstream does not say. */
  readonly fileCount?: number;
  readonly unpackedSize?: number;
  /** Of a version of an upstream: who published it there. */
  readonly by?: Person;
  readonly signatures?: readonly Signature[];
  /** A provenance bundle came with it, and lies beside it (`ATTESTATIONS`). */
  readonly provenance?: { readonly predicateType: string };
  readonly card?: Card;
}

/** Name under which a readme too large for the entry is kept beside the tarball. */
export const README = 'README';
/** Name under which the document of a version's attestations is kept beside its tarball. */
export const ATTESTATIONS = 'attestations.json';

export type NpmState = PackageState<NpmPackage, NpmManifest, NpmFile>;
export type NpmRelease = Release<NpmManifest, NpmFile>;
export type NpmSnapshot = Snapshot<NpmState>;

export const isLive = (release: NpmRelease | undefined): release is NpmRelease =>
  release !== undefined && release.status !== 'deleted' && release.status !== 'quarantined' && release.manifest !== undefined;

/** Releases that are there, in the order in which they were published. */
export function* liveReleases(state: NpmState): Generator<NpmRelease> {
  for (const release of state.releases.values()) if (isLive(release)) yield release;
}

/** The release that stands for the package: `latest`, or else the last one published. */
export function representative(state: NpmState): NpmRelease | undefined {
  const latest = state.tags.get('latest');
  let last: NpmRelease | undefined;
  for (const release of liveReleases(state)) {
    if (release.version === latest) return release;
    last = release;
  }
  return last;
}

/** The tarball of a release. */
export const tarballOf = (release: NpmRelease): FileRecord<NpmFile> | undefined =>
  release.files.find(({ name }) => name !== README && name !== ATTESTATIONS);

/** A release's tarball, as storage hooks hear of it. */
export const hookFile = (release: NpmRelease): HookFile[] => {
  const tarball = tarballOf(release);
  if (!tarball) return [];
  const { name: fileName, size, digests } = tarball;
  return [{ fileName, version: release.version, size, digests, contentType: 'application/octet-stream' }];
};

export function exists(state: NpmState): boolean {
  // Asked with every request.
  if (isLive(state.releases.get(state.tags.get('latest') ?? ''))) return true;
  for (const _ of liveReleases(state)) return true;
  return false;
}

/** `_rev`: changes with every write, says nothing, and needs no escaping in a URL. */
export const revisionOf = ({ position, head }: NpmSnapshot): string => `${position}-${head?.slice(0, 16) ?? '0'}`;
