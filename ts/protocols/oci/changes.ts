import type { Json } from '../../lib/json.js';
import { type Change, type NewChange, UnknownChange } from '../../log/schema.js';

/** Bytes under a digest. */
export interface NewBlob {
  readonly digest: string;
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
}

export interface NewManifest extends NewBlob {
  readonly mediaType: string;
  readonly blobs: readonly string[];
  readonly children: readonly string[];
  readonly subject?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | null | undefined;
}

export const blobChange = (by: string, { digest, key, size, sha256 }: NewBlob): NewChange => ({
  type: 'blob',
  by,
  digest,
  key,
  size,
  sha256,
  objects: [key],
});

export const manifestChange = (by: string, manifest: NewManifest): NewChange => {
  const { digest, key, size, sha256, mediaType, blobs, children, subject, artifactType, annotations } = manifest;
  return {
    type: 'manifest',
    by,
    digest,
    key,
    size,
    sha256,
    mediaType,
    blobs,
    children,
    ...(subject === undefined ? {} : { subject }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations: annotations as Json }),
    objects: [key],
  };
};

export const tagChange = (by: string, tag: string, digest: string): NewChange => ({ type: 'tag', by, tag, digest });
export const untagChange = (by: string, tag: string): NewChange => ({ type: 'untag', by, tag });
/** The manifest, all tags that point to it, and its place among the referrers of its subject. */
export const unmanifestChange = (by: string, digest: string): NewChange => ({ type: 'unmanifest', by, digest });
/** The blob, or the manifest without tag, is about to be used: its time begins anew. */
export const touchChange = (by: string, digest: string): NewChange => ({ type: 'touch', by, digest });
/** The right to serve these bytes ends. Counts only while the digest stands for this very key. */
export const dropChange = (by: string, digest: string, key: string): NewChange => ({ type: 'drop', by, digest, key });

const unreadable = (change: Change, field: string): UnknownChange =>
  new UnknownChange(`change "${change.type}" has an unknown form of "${field}"`);

export function text(change: Change, field: string): string {
  const value = change[field];
  if (typeof value !== 'string') throw unreadable(change, field);
  return value;
}

export function optionalText(change: Change, field: string): string | undefined {
  return change[field] === undefined ? undefined : text(change, field);
}

export function count(change: Change, field: string): number {
  const value = change[field];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw unreadable(change, field);
  return value;
}

export function texts(change: Change, field: string): readonly string[] {
  const value = change[field];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw unreadable(change, field);
  return value;
}
