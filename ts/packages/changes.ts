import type { Digests } from '../lib/digest.js';
import type { Json } from '../lib/json.js';
import { type Change, type NewChange, UnknownChange } from '../log/schema.js';
import type { Confirmation } from './package-handle.js';
import type { ReleaseStatus, ShownFile } from './state.js';

type PartialDigests = ShownFile['digests'];

/** A manifest up to this many bytes of UTF-8 stands in the entry itself; a larger one is an object of its own. */
export const MANIFEST_INLINE_MAX = 16 * 1024;

/** A file as a change names it: stored bytes, and the protocol's own facts about them. */
export interface NewFile {
  readonly name: string;
  readonly size: number;
  readonly digests: Digests;
  /** Object key; read it from the `UploadedObject` inside `decide`, because a commit may move it. */
  readonly key: string;
  readonly data?: Json;
}

/** A manifest that lies in an object of its own. */
export interface ManifestObject {
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
}

export interface NewRelease {
  readonly version: string;
  /** JSON text of at most `MANIFEST_INLINE_MAX` bytes, or where it lies. */
  readonly manifest?: string | ManifestObject;
  readonly files?: readonly NewFile[];
  /** Tags that move to this version with the same commit. */
  readonly tags?: Readonly<Record<string, string>>;
  /** For the codec's `applyData`. */
  readonly data?: Json;
}

const fileJson = ({ name, size, digests, key, data }: NewFile): Json => ({
  name,
  size,
  digests: digests as Json,
  key,
  ...(data === undefined ? {} : { data }),
});

/** A version comes into being (or, where the protocol allows it, comes back). The first one of a package makes `by` its owner. */
export function publishChange(by: string, { version, manifest, files = [], tags, data }: NewRelease): NewChange {
  const object = typeof manifest === 'object' ? manifest : undefined;
  return {
    type: 'publish',
    by,
    version,
    ...(manifest === undefined ? {} : { manifest: manifest as Json }),
    files: files.map(fileJson),
    ...(tags === undefined ? {} : { tags }),
    ...(data === undefined ? {} : { data }),
    objects: [...files.map(({ key }) => key), ...(object ? [object.key] : [])],
  };
}

/** One file more for a release that is there. A file of the same name is replaced: whether that is allowed is the protocol's business. */
export const fileChange = (by: string, version: string, file: NewFile): NewChange => ({
  type: 'file',
  by,
  version,
  file: fileJson(file),
  objects: [file.key],
});

export const tagChange = (by: string, tag: string, version: string): NewChange => ({ type: 'tag', by, tag, version });
export const untagChange = (by: string, tag: string): NewChange => ({ type: 'untag', by, tag });

/** One change for any number of versions. */
export const statusChange = (
  by: string,
  versions: readonly string[],
  status: Exclude<ReleaseStatus, 'deleted'>,
  reason?: string,
): NewChange => ({ type: 'status', by, versions, status, ...(reason === undefined ? {} : { reason }) });

/** A tombstone. `purge`: the collector need not wait for the retention time. */
export const deleteChange = (by: string, version: string, purge = false): NewChange => ({
  type: 'delete',
  by,
  version,
  ...(purge ? { purge } : {}),
});
export const deleteAllChange = (by: string, purge = false): NewChange => ({
  type: 'delete-all',
  by,
  ...(purge ? { purge } : {}),
});

/** User ids. Behind a first `publish` in the same commit it overrules that the publisher becomes the owner. */
export const ownersChange = (by: string, owners: readonly string[]): NewChange => ({ type: 'owners', by, owners });
export const visibilityChange = (by: string, visibility: 'public' | 'restricted'): NewChange => ({
  type: 'visibility',
  by,
  visibility,
});
/** Whether changes need a one-time password (`Ruled.confirmation`); `none`: of those only who ask for it themselves. */
export const confirmationChange = (by: string, confirmation: Confirmation | 'none'): NewChange => ({
  type: 'confirmation',
  by,
  confirmation,
});
/** What an upstream shows of these files for the first time: `[name, digests]`. It is the registry that writes it. */
export const shownChange = (upstream: string, files: readonly (readonly [string, PartialDigests])[]): NewChange => ({
  type: 'shown',
  by: '~upstream',
  upstream,
  files: files as Json,
});
/** The package's own data: what `patch` means is the codec's business. */
export const dataChange = (by: string, patch: Json): NewChange => ({ type: 'data', by, patch });

type Fields = Readonly<Record<string, unknown>>;

/** A known change whose fields are not what this program writes was written by another one: the package is not readable here. */
const unreadable = (change: Change, field: string): UnknownChange =>
  new UnknownChange(`change "${change.type}" has an unknown form of "${field}"`);

export function textField(change: Change, field: string): string {
  const value = change[field];
  if (typeof value !== 'string') throw unreadable(change, field);
  return value;
}

export function textsField(change: Change, field: string): readonly string[] {
  const value = change[field];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw unreadable(change, field);
  return value;
}

export function oneOf<const T extends string>(change: Change, field: string, allowed: readonly T[]): T {
  const found = allowed.find((item) => item === change[field]);
  if (found === undefined) throw unreadable(change, field);
  return found;
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

export function fileField(change: Change, field: string, value: unknown): NewFile {
  if (!isFields(value)) throw unreadable(change, field);
  const { name, size, digests, key, data } = value;
  if (typeof name !== 'string' || typeof size !== 'number' || typeof key !== 'string') throw unreadable(change, field);
  if (!isFields(digests) || typeof digests['sha256'] !== 'string') throw unreadable(change, field);
  return { name, size, digests: digests as Digests, key, ...(data === undefined ? {} : { data: data as Json }) };
}

export function filesField(change: Change): readonly NewFile[] {
  const files = change['files'];
  if (!Array.isArray(files)) throw unreadable(change, 'files');
  return files.map((file) => fileField(change, 'files', file));
}

export function manifestField(change: Change): string | ManifestObject | undefined {
  const value = change['manifest'];
  if (value === undefined || typeof value === 'string') return value;
  if (!isFields(value)) throw unreadable(change, 'manifest');
  const { key, size, sha256 } = value;
  if (typeof key !== 'string' || typeof size !== 'number' || typeof sha256 !== 'string') throw unreadable(change, 'manifest');
  return { key, size, sha256 };
}

/** `[name, digests]` of files that an upstream has shown. */
export function shownField(change: Change): readonly (readonly [string, PartialDigests])[] {
  const files = change['files'];
  if (!Array.isArray(files)) throw unreadable(change, 'files');
  return files.map((row: unknown) => {
    if (!Array.isArray(row) || typeof row[0] !== 'string' || !isFields(row[1])) throw unreadable(change, 'files');
    return [row[0], row[1] as PartialDigests] as const;
  });
}

/** `[tag, version]` pairs; none when the change moves no tag. */
export function tagsField(change: Change): readonly (readonly [string, string])[] {
  const value = change['tags'];
  if (value === undefined) return [];
  if (!isFields(value)) throw unreadable(change, 'tags');
  return Object.entries(value).map(([tag, version]) => {
    if (typeof version !== 'string') throw unreadable(change, 'tags');
    return [tag, version] as const;
  });
}
