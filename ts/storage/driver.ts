import type { ByteRange } from '../lib/content.js';

/** Size in bytes, and when the store itself says the object was written (milliseconds since the epoch, the store's clock). */
export interface ObjectInfo {
  readonly size: number;
  readonly modified: number;
}

/** `size` is that of the whole object, also when a range was read. A stream's `cancel` closes the source. */
export interface StoredObject extends ObjectInfo {
  readonly body: Uint8Array | ReadableStream<Uint8Array>;
}

export interface ListedObject extends ObjectInfo {
  readonly key: string;
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** What lies there and is no key, as far as the driver has seen it: somebody else's. For reports only; told again with later pages. */
  readonly foreign?: readonly string[];
  /** Pass as `after` for the next page; absent on the last one. A page may hold fewer objects than asked for, or none, and still have a next one. */
  readonly next?: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ReadOptions extends CallOptions {
  /**
   * Inclusive. An end beyond the object's last byte means that byte; a start at or beyond its size (any range of an empty object) is a StorageError
   * `invalid`, as are negative, fractional and reversed ones.
   */
  readonly range?: ByteRange | undefined;
  /** Up to so many bytes the caller would gather anyway: whoever can hands them out as a `Uint8Array`. A driver need not look at this. */
  readonly inOnePiece?: number | undefined;
}

export interface ProgressOptions extends CallOptions {
  /** Called as often as something more of it is done, or the queue that it waits in has moved: many or large pieces take their time. */
  readonly onProgress?: (() => void) | undefined;
}

export interface WriteOptions extends ProgressOptions {
  /** Create only: when the key exists already nothing is written and the answer is `'exists'`. For bytes of at most 1 MiB. */
  readonly ifAbsent?: boolean;
  /** `false`: may be lost in a power cut (checkpoints, caches). Default `true`: on stable storage before this resolves. */
  readonly durable?: boolean;
}

export interface ListOptions extends CallOptions {
  /** Only keys that sort behind this one. */
  readonly after?: string | undefined;
  /** At most this many, 1 to 1,000 (the default). */
  readonly limit?: number | undefined;
}

export type WriteBody = Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Where bytes live. Keys are `/`-separated segments of `[A-Za-z0-9._~-]`, at most 255 bytes each and 1,024 in all, never `.` or `..`, never a key that
 * is also another key's folder. Failures are `StorageError`s; a missing object is `undefined`, never an error.
 * `testing/` exports the contract as a suite of cases.
 */
export interface StorageDriver {
  /** What it is, for messages: `memory`, `filesystem`, `s3`. */
  readonly name: string;
  stat(key: string, options?: CallOptions): Promise<ObjectInfo | undefined>;
  read(key: string, options?: ReadOptions): Promise<StoredObject | undefined>;
  /**
   * Atomic: the whole object becomes visible at once, or nothing does; a body that fails leaves nothing behind. Without `ifAbsent` an existing object
   * is replaced (views and caches only: object bytes always go under fresh keys). Chunks of a body may not be changed after they were handed over.
   * An error of the body is thrown as it came; the body is cancelled (streams) or returned (iterators) when the write fails.
   */
  write(key: string, body: WriteBody, options?: WriteOptions): Promise<'written' | 'exists'>;
  /** Deletes what is there of these keys; what is absent is no error. May be undone by a power cut in the seconds after it. */
  delete(keys: readonly string[], options?: CallOptions): Promise<void>;
  /** All keys that begin with `prefix`, in byte order of the whole key. A fresh key is listed at once. */
  list(prefix: string, options?: ListOptions): Promise<ListPage>;
  close?(): Promise<void>;
}

/** A driver that copies without moving bytes through this process. Use `copyObject`, which falls back. */
export interface CopyingDriver extends StorageDriver {
  /** Durable and atomic, replaces what `to` was; `modified` of the copy is the time of copying. `absent`: there is no `from`, and nothing was done. */
  copy(from: string, to: string, options?: CallOptions): Promise<'written' | 'absent'>;
}

/** An object that becomes a part of a larger one. */
export interface Piece {
  readonly key: string;
  /** What its writer was told, in bytes. */
  readonly size: number;
}

/** A driver that joins objects without moving (most of) their bytes through this process. Use `composeObjects`, which falls back. */
export interface ComposingDriver extends StorageDriver {
  /**
   * Writes whole objects one behind the other, 1 to 10,000 of them, as one. Durable and atomic, replaces what `to` was; `modified` is the time of composing.
   * `absent`: one of them is not there, and nothing was done. A StorageError `corrupt` when one has not the size that it should have.
   */
  compose(pieces: readonly Piece[], to: string, options?: ProgressOptions): Promise<'written' | 'absent'>;
}

/** A write whose body has been taken over: on its way to stable storage, and visible to nobody. One of its two methods is called, once. */
export interface PreparedWrite {
  /** Makes it visible and durable. Answers and throws what `write` does. */
  commit(): Promise<'written' | 'exists'>;
  /** Leaves nothing behind. Never throws. */
  discard(): Promise<void>;
}

/**
 * A driver that takes a write apart, so that several can wait for the disk beside each other though one may only become visible after the others. For small
 * bodies: use `prepareWrite`, which falls back.
 */
export interface PreparingDriver extends StorageDriver {
  /** Resolves when the body is taken over; rejects as `write` does for a body that fails. */
  prepare(key: string, body: WriteBody, options?: WriteOptions): Promise<PreparedWrite>;
}

/** A driver on which one look is cheaper than one turn of the event loop: a local folder. Answers are strong. */
export interface SynchronousDriver extends StorageDriver {
  /** Last segments of the keys directly below `folder` (no trailing slash); empty when there is none. Sorted. */
  namesSync(folder: string): readonly string[];
  existsSync(key: string): boolean;
}

export const isCopying = (driver: StorageDriver): driver is CopyingDriver => 'copy' in driver;
export const isComposing = (driver: StorageDriver): driver is ComposingDriver => 'compose' in driver;
export const isPreparing = (driver: StorageDriver): driver is PreparingDriver => 'prepare' in driver;
export const isSynchronous = (driver: StorageDriver): driver is SynchronousDriver =>
  'namesSync' in driver && 'existsSync' in driver;
