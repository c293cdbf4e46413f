import type { ByteRange } from '../lib/content.js';
import type { DigestAlgorithm, Digests, Hasher } from '../lib/digest.js';
import type { Piece, ProgressOptions, StoredObject, WriteBody } from './driver.js';

export interface PutOptions {
  readonly digests?: readonly DigestAlgorithm[];
  /** Has seen what comes before these bytes: `digests` of the result are then of everything so far. Spoilt when the write fails. */
  readonly hasher?: Hasher | undefined;
  /** Largest accepted size in bytes; one byte more is `ObjectTooLarge` and nothing is kept. */
  readonly max: number;
  readonly signal?: AbortSignal | undefined;
  /** See `ProgressOptions.onProgress`. */
  readonly onProgress?: (() => void) | undefined;
  /**
   * May resolve when the bytes have been taken over and are still on their way to stable storage (`PutResult.durable`), so that others can be on theirs
   * at the same time. Few bytes only, and where the store can: else it is durable as ever.
   */
  readonly later?: boolean | undefined;
}

export interface PutResult {
  readonly key: string;
  readonly size: number;
  readonly digests: Digests;
  /** With `later`: settles when the bytes are on stable storage, or cannot be. Absent: they are. Nobody has to listen to it. */
  readonly durable?: Promise<void>;
}

/** More bytes than `max`. */
export class ObjectTooLarge extends Error {
  override readonly name = 'ObjectTooLarge';
}

/** Immutable bytes under fresh keys. `ObjectStore` (class `DriverObjectStore`) implements it over any driver. */
export interface ObjectStore {
  /**
   * Streams to `objects/<repository>/<package>/<now>-<nonce>`, hashing while the bytes pass. Durable when it resolves, but for `later`; a failing body
   * leaves nothing.
   */
  put(repository: string, pkg: string, body: WriteBody, options: PutOptions): Promise<PutResult>;
  read(
    key: string,
    options?: { readonly range?: ByteRange | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<StoredObject | undefined>;
  /** Copies to a fresh key of the same package whose time is max(now, floor + 1). Undefined: the source is gone. */
  copyAbove(key: string, floor: number, signal?: AbortSignal): Promise<string | undefined>;
  /** Copies to a fresh key of `pkg`, also from another package. Undefined: the source is gone. */
  copyTo(key: string, repository: string, pkg: string, signal?: AbortSignal): Promise<string | undefined>;
  /** Joins objects to a fresh one of `pkg`. Undefined: one of them is gone. Throws a StorageError `corrupt` when one has not its size. */
  compose(pieces: readonly Piece[], repository: string, pkg: string, options?: ProgressOptions): Promise<string | undefined>;
  delete(keys: readonly string[]): Promise<void>;
}
