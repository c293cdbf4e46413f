import type { LayeredMap } from '../../lib/layered-map.js';
import type { Ruled } from '../../packages/package-handle.js';

/** Bytes that this repository has, and may serve. */
export interface Blob {
  /** Object key. */
  readonly key: string;
  readonly size: number;
  /** Hex, of the bytes, whatever algorithm the digest names. */
  readonly sha256: string;
  /** Manifests that name it. */
  readonly uses: number;
  /** Number and time of the entry since which nothing names it: it was stored, its last manifest went, or somebody said that it is about to be used. */
  readonly idle: number;
  readonly idleAt: number;
}

export interface Manifest {
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
  /** As it was sent; GET answers it for ever. */
  readonly mediaType: string;
  readonly at: number;
  readonly by: string;
  /** Digests of the blobs that it names, each once. */
  readonly blobs: readonly string[];
  /** Digests of the manifests that an index names. */
  readonly children: readonly string[];
  readonly subject: string | undefined;
  /** For referrers: `artifactType`, or the config's media type. */
  readonly artifactType: string | undefined;
  /** Of referrers, where they are small; `null`: to be read from the manifest. */
  readonly annotations: Readonly<Record<string, string>> | null | undefined;
  /** Number of the entry since which no tag and no index names it, and its subject, if it has one, is gone. */
  readonly idle: number;
}

/** One image repository. Immutable: changes make a new one (`fold.ts`). Keys are digests as clients write them. */
export interface OciState extends Ruled {
  readonly name: string;
  readonly blobs: LayeredMap<string, Blob>;
  readonly manifests: LayeredMap<string, Manifest>;
  readonly tags: LayeredMap<string, string>;
  /** From a subject to the manifests that refer to it, also where the subject itself is not here. */
  readonly referrers: LayeredMap<string, LayeredMap<string, true>>;
  readonly createdAt: number;
  readonly modifiedAt: number;
  /** Rough bytes in memory. */
  readonly weight: number;
}

/** Something was pushed and is still there. */
export const isInhabited = ({ blobs, manifests }: OciState): boolean => blobs.size > 0 || manifests.size > 0;

const targetOf = (digest: string): readonly string[] => [digest];
const childrenOf = ({ children }: Manifest): readonly string[] => children;

/** Tags that point to a digest. */
export const tagsOf = ({ tags }: Pick<OciState, 'tags'>, digest: string): Iterable<string> => tags.keysNaming(targetOf, digest);

/** Indexes that name a digest. */
export const indexesOf = ({ manifests }: Pick<OciState, 'manifests'>, digest: string): Iterable<string> =>
  manifests.keysNaming(childrenOf, digest);

/** A tag, an index or a subject that is here keeps this manifest. */
export const isKept = ({ tags, manifests }: OciState, digest: string, { subject }: Manifest): boolean =>
  tags.names(targetOf, digest) || manifests.names(childrenOf, digest) || (subject !== undefined && manifests.has(subject));
