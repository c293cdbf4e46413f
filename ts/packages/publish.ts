import type { ErrorKind } from '../errors/registry-error.js';
import { notFound, RegistryError } from '../errors/registry-error.js';
import type { NewChange } from '../log/schema.js';
import { tagChange, visibilityChange } from './changes.js';
import type { PackageState, Release } from './state.js';

/** How a protocol says that a version is taken. Default: `conflict`, in plain words. */
export interface TakenWords {
  readonly kind?: ErrorKind;
  readonly code?: string;
  /** For a version that is there. */
  readonly exists?: string;
  /** For a version that was deleted and may not come back. */
  readonly deleted?: string;
}

/** The release, unless there is none or it was deleted. */
export function releaseOf<P, M, F>(state: PackageState<P, M, F>, version: string): Release<M, F> | undefined {
  const release = state.releases.get(version);
  return release?.status === 'deleted' ? undefined : release;
}

/** The release; throws `RegistryError('not_found')`. */
export function requireRelease<P, M, F>(state: PackageState<P, M, F>, version: string): Release<M, F> {
  const release = releaseOf(state, version);
  if (release === undefined) throw notFound(`version ${version}`);
  return release;
}

/** All releases that are not deleted, in the order of publishing. */
export const liveReleases = <P, M, F>(state: PackageState<P, M, F>): Release<M, F>[] =>
  [...state.releases.values()].filter(({ status }) => status !== 'deleted');

/** Throws when the version is there, or was: a tombstone keeps it taken for ever. Protocols whose versions may return do not ask about tombstones. */
export function requireFree<P, M, F>(state: PackageState<P, M, F>, version: string, words: TakenWords = {}): void {
  const release = state.releases.get(version);
  if (release === undefined) return;
  const message =
    release.status === 'deleted'
      ? (words.deleted ?? `version ${version} was deleted and cannot be published again`)
      : (words.exists ?? `version ${version} is already published`);
  throw new RegistryError(words.kind ?? 'conflict', message, words.code === undefined ? {} : { code: words.code });
}

/** True until a first version is published; a package whose versions were all deleted is no new one. */
export const isFirstPublish = (state: PackageState<unknown, unknown, unknown>): boolean => state.releases.size === 0;

/** What stands behind the first `publish` in its entry: a package that begins restricted. Nothing for later publishes. */
export const firstPublishChanges = (
  state: PackageState<unknown, unknown, unknown>,
  by: string,
  visibility: 'public' | 'restricted',
): readonly NewChange[] => (isFirstPublish(state) && visibility !== state.visibility ? [visibilityChange(by, visibility)] : []);

/** Moves a tag; nothing when it points there already. Throws `RegistryError('not_found')` when there is no such version. */
export function moveTag(
  state: PackageState<unknown, unknown, unknown>,
  by: string,
  tag: string,
  version: string,
): readonly NewChange[] {
  requireRelease(state, version);
  return state.tags.get(tag) === version ? [] : [tagChange(by, tag, version)];
}

/** Digest under which a file name is taken in this package, by a file that is there or by one that was deleted; undefined: the name is free. */
export function takenFile(state: PackageState<unknown, unknown, unknown>, version: string, name: string): string | undefined {
  const release = state.releases.get(version);
  return (
    release?.files.find((file) => file.name === name)?.digests.sha256 ??
    release?.retired?.find((file) => file.name !== '' && file.name === name)?.sha256
  );
}

/** Older first; releases of the same millisecond keep the order that they are in. */
export const byPublishTime = (a: Release<unknown, unknown>, b: Release<unknown, unknown>): number =>
  a.publishedAt - b.publishedAt;
