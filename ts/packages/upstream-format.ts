import type { UpstreamRequest } from '../upstream/ask.js';
import type { PackageState } from './state.js';

export type AnyPackage = PackageState<unknown, unknown, unknown>;

/** What a protocol knows of the registries of its kind: how to ask them for a package, and how to read what they answer. Pure. */
export interface UpstreamFormat<S> {
  /** The request for a package's document. `name` is the identity string. */
  document(name: string): Pick<UpstreamRequest, 'target' | 'max'> & { readonly accept: string };
  /**
   * The document as a package. Files have the URL that the document gives them for a key, at least one digest, no size, and an empty sha256 where the document
   * does not say it; a release whose time is not known has 0. Releases that cannot be served safely are left out. Throws an `UpstreamFailure` for
   * bytes that are no document of this package.
   */
  read(name: string, bytes: Uint8Array): Promise<S>;
  /** Most bytes of a file. */
  readonly maxFile: number;
}

/** What upstreams have that is about no package. */
export interface UpstreamDocuments {
  /** What stands at this path of each upstream: of those that have it and answer. Small documents only. */
  documents(target: string, signal: AbortSignal): Promise<readonly Uint8Array[]>;
}
