import { invalid, RegistryError } from '../../errors/registry-error.js';
import { liveReleases, type NpmRelease, type NpmState } from './state.js';

const MiB = 1024 * 1024;
/** Largest tarball. */
export const MAX_TARBALL = 1024 * MiB;
/** Manifests of all versions of a package: its document holds them all, and is put together in memory. */
export const MAX_MANIFESTS = 256 * MiB;
/** Members of all objects of a manifest: the largest that people write have some thousands. */
export const MAX_NAMES = 50_000;
/** Commands of a package. */
export const MAX_COMMANDS = 4_096;
/** Tags of a package. */
export const MAX_TAGS = 10_000;

export const tooManyTags = (): RegistryError => invalid(`a package has at most ${MAX_TAGS} dist-tags`);

const sizeOf = ({ manifest }: NpmRelease): number =>
  manifest === undefined ? 0 : 'bytes' in manifest ? manifest.bytes.byteLength : manifest.size;

/** Throws `too_large` where a package has no room for one more manifest of that many bytes. */
export function checkManifests(state: NpmState, more: number): void {
  let sum = more;
  for (const release of liveReleases(state)) sum += sizeOf(release);
  if (sum > MAX_MANIFESTS)
    throw new RegistryError('too_large', `the manifests of all versions of a package may have at most ${MAX_MANIFESTS} bytes`);
}

/** Throws `invalid` where these tags would be too many. */
export function checkTags({ tags }: NpmState, wanted: Iterable<string>): void {
  let count = tags.size;
  for (const tag of wanted) if (!tags.has(tag)) count++;
  if (count > MAX_TAGS) throw tooManyTags();
}
