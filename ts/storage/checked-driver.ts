import type { ByteRange } from '../lib/content.js';
import { aborted, discardBody } from './body-source.js';
import {
  type CallOptions,
  type ComposingDriver,
  type CopyingDriver,
  isComposing,
  isCopying,
  isPreparing,
  isSynchronous,
  type ListedObject,
  type ListOptions,
  type ListPage,
  type ObjectInfo,
  type Piece,
  type PreparedWrite,
  type PreparingDriver,
  type ReadOptions,
  type StorageDriver,
  type StoredObject,
  type SynchronousDriver,
  type WriteBody,
  type WriteOptions,
} from './driver.js';
import { isProbed, type ProbedDriver } from './probe-driver.js';
import { StorageError } from './storage-error.js';

/** Largest body that a create-only write takes. */
export const MAX_CREATE_BYTES = 1_024 * 1_024;
export const MAX_LIST = 1_000;
/** Most objects that are joined at once: as many as S3 takes. */
export const MAX_PIECES = 10_000;
const MAX_KEY = 1_024;
const MAX_SEGMENT = 255;
const SEGMENT = /^[A-Za-z0-9._~-]+$/;
const PREFIX_END = /^[A-Za-z0-9._~-]*$/;

/** The five methods and those optional abilities that the driver inside has. */
export type Checked<D extends StorageDriver> = StorageDriver &
  (D extends CopyingDriver ? CopyingDriver : unknown) &
  (D extends ComposingDriver ? ComposingDriver : unknown) &
  (D extends PreparingDriver ? PreparingDriver : unknown) &
  (D extends SynchronousDriver ? SynchronousDriver : unknown) &
  (D extends ProbedDriver ? ProbedDriver : unknown);

/**
 * Puts the rules that are common to all drivers in front of one: key grammar, ranges, limits, create-only bodies, signals that are aborted already.
 * Every driver is used through this. Wrapping twice is wrapping once.
 */
export function checked<D extends StorageDriver>(driver: D): Checked<D> {
  const wrapped: StorageDriver = isChecked(driver) ? driver : withAbilities(driver);
  return wrapped as Checked<D>;
}

export const isChecked = (driver: StorageDriver): boolean => driver instanceof Checks;

/** Throws a StorageError `invalid` for what is not a key. */
export function checkKey(key: string): void {
  if (typeof key !== 'string' || key.length > MAX_KEY || !key.split('/').every(isSegment)) throw badKey('key', key);
}

/** Throws a StorageError `invalid` for what no key begins with. */
export function checkPrefix(prefix: string): void {
  if (typeof prefix !== 'string' || prefix.length > MAX_KEY) throw badKey('prefix', prefix);
  if (!isPrefix(prefix)) throw badKey('prefix', prefix);
}

/** Whether text from a listing is a key: others than we may have put theirs beside ours. */
export const isKey = (key: string): boolean => key.length <= MAX_KEY && key.split('/').every(isSegment);

function isPrefix(prefix: string): boolean {
  const segments = prefix.split('/');
  const last = segments.pop() ?? '';
  return prefix.length <= MAX_KEY && last.length <= MAX_SEGMENT && PREFIX_END.test(last) && segments.every(isSegment);
}

const isSegment = (segment: string): boolean =>
  segment.length <= MAX_SEGMENT && SEGMENT.test(segment) && segment !== '.' && segment !== '..';

const badKey = (what: string, key: unknown): StorageError =>
  new StorageError('invalid', `not a ${what}: ${JSON.stringify(String(key).slice(0, 200))}`);

class Checks implements StorageDriver {
  readonly name: string;
  private readonly inner: StorageDriver;

  constructor(inner: StorageDriver) {
    this.inner = inner;
    this.name = inner.name;
  }

  async stat(key: string, options: CallOptions = {}): Promise<ObjectInfo | undefined> {
    checkKey(key);
    checkSignal(options);
    return this.inner.stat(key, options);
  }

  async read(key: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    checkKey(key);
    if (options.range) checkRange(options.range);
    checkSignal(options);
    return this.inner.read(key, options);
  }

  async write(key: string, body: WriteBody, options: WriteOptions = {}): Promise<'written' | 'exists'> {
    checkWrite(key, body, options);
    return this.inner.write(key, body, options);
  }

  async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    for (const key of keys) checkKey(key);
    checkSignal(options);
    if (keys.length > 0) await this.inner.delete(keys, options);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const { limit = MAX_LIST, after } = options;
    checkPrefix(prefix);
    if (after !== undefined) checkPrefix(after);
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST) {
      throw new StorageError('invalid', `a list's limit is 1 to ${MAX_LIST}`);
    }
    checkSignal(options);
    const page = await this.inner.list(prefix, options);
    return isOurs(page) ? page : this.listOurs(prefix, { ...options, limit }, page);
  }

  /** What is no key is not listed, and nothing can be asked for behind it: a page that ends with one goes on to the next that is ours. */
  private async listOurs(prefix: string, options: ListOptions & { readonly limit: number }, first: ListPage): Promise<ListPage> {
    const objects: ListedObject[] = [];
    const foreign: string[] = [];
    for (let page = first; ; ) {
      for (const object of page.objects) {
        if (isKey(object.key)) objects.push(object);
        else foreign.push(object.key);
      }
      foreign.push(...(page.foreign ?? []));
      const { next } = page;
      const own = { objects, ...(foreign.length > 0 && { foreign }) };
      if (next === undefined) return own;
      if (isPrefix(next)) return { ...own, next };
      const left = options.limit - objects.length;
      const last = objects.at(-1);
      if (left <= 0 && last) return { ...own, next: last.key };
      checkSignal(options);
      page = await this.inner.list(prefix, { ...options, after: next, limit: left });
    }
  }

  async close(): Promise<void> {
    await this.inner.close?.();
  }
}

const isOurs = ({ objects, next }: ListPage): boolean =>
  (next === undefined || isPrefix(next)) && objects.every(({ key }) => isKey(key));

function withAbilities(inner: StorageDriver): StorageDriver {
  const wrapped = new Checks(inner);
  if (isCopying(inner)) Object.assign(wrapped, copying(inner));
  if (isComposing(inner)) Object.assign(wrapped, composing(inner));
  if (isPreparing(inner)) Object.assign(wrapped, preparing(inner));
  if (isSynchronous(inner)) Object.assign(wrapped, synchronous(inner));
  if (isProbed(inner)) Object.assign(wrapped, { probeIdentity: inner.probeIdentity, probe: () => inner.probe() });
  return wrapped;
}

const copying = (inner: CopyingDriver): Pick<CopyingDriver, 'copy'> => ({
  async copy(from, to, options = {}) {
    checkKey(from);
    checkKey(to);
    checkSignal(options);
    return inner.copy(from, to, options);
  },
});

const composing = (inner: ComposingDriver): Pick<ComposingDriver, 'compose'> => ({
  async compose(pieces, to, options = {}) {
    checkKey(to);
    checkPieces(pieces);
    checkSignal(options);
    return inner.compose(pieces, to, options);
  },
});

const preparing = (inner: PreparingDriver): Pick<PreparingDriver, 'prepare'> => ({
  async prepare(key, body, options = {}): Promise<PreparedWrite> {
    checkWrite(key, body, options);
    return inner.prepare(key, body, options);
  },
});

const synchronous = (inner: SynchronousDriver): Pick<SynchronousDriver, 'namesSync' | 'existsSync'> => ({
  namesSync(folder) {
    checkKey(folder);
    return inner.namesSync(folder);
  },
  existsSync(key) {
    checkKey(key);
    return inner.existsSync(key);
  },
});

function checkSignal({ signal }: CallOptions): void {
  if (signal?.aborted) throw aborted(signal);
}

function checkPieces(pieces: readonly Piece[]): void {
  if (pieces.length < 1 || pieces.length > MAX_PIECES)
    throw new StorageError('invalid', `1 to ${MAX_PIECES} objects are joined, not ${pieces.length}`);
  for (const { key, size } of pieces) {
    checkKey(key);
    if (!Number.isSafeInteger(size) || size < 0) throw new StorageError('invalid', `not a size: ${size}`);
  }
}

function checkRange({ start, end }: ByteRange): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new StorageError('invalid', `not a range: ${start}-${end}`);
  }
}

function checkWrite(key: string, body: WriteBody, options: WriteOptions): void {
  try {
    checkKey(key);
    if (options.ifAbsent) checkCreate(body);
    checkSignal(options);
  } catch (error) {
    discardBody(body, error);
    throw error;
  }
}

function checkCreate(body: WriteBody): void {
  if (!(body instanceof Uint8Array)) throw new StorageError('invalid', 'a create-only write takes bytes, not a stream');
  if (body.byteLength > MAX_CREATE_BYTES)
    throw new StorageError('invalid', `a create-only write takes at most ${MAX_CREATE_BYTES} bytes`);
}
