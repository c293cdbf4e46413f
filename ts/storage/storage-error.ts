/**
 * - `unavailable`: not now (503, time-out before anything was sent, too many files); try again later.
 * - `conflict`: another conditional write is under way (S3's 409); nothing is known to exist: retry.
 * - `unknown`: a write may or may not have been applied (lost response, time-out): read before retrying.
 * - `full`: no space left. - `denied`: the store refuses these credentials or this key. - `aborted`: the caller's signal.
 * - `invalid`: the call itself is wrong (key grammar, range). - `corrupt`: bytes are not what was written.
 */
export type StorageErrorKind = 'unavailable' | 'conflict' | 'unknown' | 'full' | 'denied' | 'aborted' | 'invalid' | 'corrupt';

export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly kind: StorageErrorKind;

  constructor(kind: StorageErrorKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}
