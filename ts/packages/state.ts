import type { DigestAlgorithm, Digests } from '../lib/digest.js';
import type { Ruled } from './package-handle.js';

export type ReleaseStatus = 'published' | 'yanked' | 'quarantined' | 'deleted';

export interface FileRecord<F> {
  readonly name: string;
  readonly size: number;
  /** Of an upstream's file that is not here yet sha256 may be empty: not known. */
  readonly digests: Digests;
  /** Object key, or where an upstream has the file. */
  readonly key: string;
  readonly uploadedAt: number;
  readonly data: F;
}

export interface Release<M, F> {
  readonly version: string;
  /** Milliseconds, monotonic within the package. */
  readonly publishedAt: number;
  readonly publishedBy: string;
  readonly status: ReleaseStatus;
  /** Of a yank, deprecation or quarantine. */
  readonly reason: string | undefined;
  readonly files: readonly FileRecord<F>[];
  /** The protocol's manifest, typed by its codec but kept as UTF-8 bytes that renderers splice. A deleted release has none. */
  readonly manifest: ManifestBytes<M> | undefined;
  /** Files that were here and are gone; absent: none. */
  readonly retired?: readonly RetiredFile[];
}

/** A file that was deleted: name and digest stay taken, the bytes wait for the end of the retention time. */
export interface RetiredFile {
  /** Empty for a manifest that was an object of its own. */
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
  readonly key: string;
  /** Number of the log entry that retired it: its slot's own timestamp says since when. */
  readonly entry: number;
  /** True: the bytes may go at once. */
  readonly purge: boolean;
}

/** Marks bytes that the protocol's codec has written: `M` is what they decode to. Above 16 KiB they are an object of their own. */
export type ManifestBytes<M> =
  | { readonly bytes: Uint8Array; readonly type?: M }
  | { readonly key: string; readonly size: number; readonly sha256: string; readonly type?: M };

/** What an upstream has shown of a file, the first time. */
export interface ShownFile {
  /** Hex, as far as the upstream says them; sha256 where it is known. */
  readonly digests: { readonly [A in DigestAlgorithm]?: string };
  /** Milliseconds since the epoch, by the registry's own log. */
  readonly at: number;
}

/** Files of one upstream's package, by name: the first digests of a file stay its digests. */
export type ShownFiles = ReadonlyMap<string, ShownFile>;

/** What was seen of a package that is not published here, by the id of the upstream: each has its own, and who asks may decide which of them is asked. */
export type Shown = ReadonlyMap<string, ShownFiles>;

/** A package of any protocol whose unit is a release with files. Immutable: changes make a new one (`fold.ts`). */
export interface PackageState<P, M, F> extends Ruled {
  readonly name: string;
  /** The protocol's own facts about the package as a whole. */
  readonly data: P;
  /** By canonical version, tombstones (`deleted`) included: they keep the version reserved. */
  readonly releases: ReadonlyMap<string, Release<M, F>>;
  readonly tags: ReadonlyMap<string, string>;
  /** Absent: no upstream was ever asked for it with success. */
  readonly shown?: Shown;
  readonly createdAt: number;
  readonly modifiedAt: number;
  /** Rough bytes in memory. */
  readonly weight: number;
}
