import type { Runtime } from '../lib/clock.js';
import type { ByteRange } from '../lib/content.js';
import { Hasher } from '../lib/digest.js';
import { randomId } from '../lib/ids.js';
import { composeObjects, copyObject } from './abilities.js';
import { BodySource } from './body-source.js';
import {
  isPreparing,
  type Piece,
  type ProgressOptions,
  type StorageDriver,
  type StoredObject,
  type WriteBody,
} from './driver.js';
import { objectKey } from './key.js';
import { type ObjectStore, ObjectTooLarge, type PutOptions, type PutResult } from './object-store.js';
import { StorageError } from './storage-error.js';

const LATER_MAX_BYTES = 1_024 * 1_024;
const OBJECT_KEY = /^objects\/([^/]+)\/([^/]+)\/[^/]+$/;

/** Objects on any driver. */
export class DriverObjectStore implements ObjectStore {
  private readonly driver: StorageDriver;
  private readonly runtime: Runtime;
  private readonly keyOf: typeof objectKey;

  /** `keyOf`: where what is `put` comes to lie. */
  constructor(driver: StorageDriver, runtime: Runtime, keyOf = objectKey) {
    this.driver = driver;
    this.runtime = runtime;
    this.keyOf = keyOf;
  }

  async put(repository: string, pkg: string, body: WriteBody, options: PutOptions): Promise<PutResult> {
    const { max, digests, signal } = options;
    const key = this.keyOf(repository, pkg, this.runtime.clock.now(), randomId(this.runtime.random));
    const hasher = options.hasher ?? new Hasher(digests);
    if (body instanceof Uint8Array) {
      if (body.byteLength > max) throw tooLarge(max);
      hasher.update(body);
      const stored = await this.write(key, body, options);
      return { key, size: body.byteLength, digests: hasher.digests(), ...(await whenLittle(stored, body.byteLength)) };
    }
    const passing = new HashedBody(body, hasher, max, signal);
    let stored: Stored;
    try {
      stored = await this.write(key, passing, options);
    } catch (error) {
      throw passing.failure ? passing.failure.error : error;
    } finally {
      passing.close();
    }
    // A driver that stops reading early and calls that written has not stored what was hashed.
    if (!passing.complete) throw new StorageError('corrupt', `${key}: the driver did not take the whole body`);
    return { key, size: passing.size, digests: hasher.digests(), ...(await whenLittle(stored, passing.size)) };
  }

  private async write(key: string, body: WriteBody, { signal, onProgress, later }: PutOptions): Promise<Stored> {
    const { driver } = this;
    if (!later || !isPreparing(driver)) {
      await driver.write(key, body, { signal, onProgress });
      return {};
    }
    const prepared = await driver.prepare(key, body, { signal, onProgress });
    const durable = prepared.commit().then(() => undefined);
    durable.catch(() => undefined);
    return { durable };
  }

  read(
    key: string,
    options: { readonly range?: ByteRange | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<StoredObject | undefined> {
    return this.driver.read(key, options);
  }

  async copyAbove(key: string, floor: number, signal?: AbortSignal): Promise<string | undefined> {
    const [, repository, pkg] = OBJECT_KEY.exec(key) ?? [];
    if (repository === undefined || pkg === undefined) throw new StorageError('invalid', `${key}: not an object's key`);
    const time = Math.max(this.runtime.clock.now(), floor + 1);
    const copy = objectKey(repository, pkg, time, randomId(this.runtime.random));
    return (await copyObject(this.driver, key, copy, { signal })) === 'written' ? copy : undefined;
  }

  async copyTo(key: string, repository: string, pkg: string, signal?: AbortSignal): Promise<string | undefined> {
    const copy = objectKey(repository, pkg, this.runtime.clock.now(), randomId(this.runtime.random));
    return (await copyObject(this.driver, key, copy, { signal })) === 'written' ? copy : undefined;
  }

  async compose(
    pieces: readonly Piece[],
    repository: string,
    pkg: string,
    options: ProgressOptions = {},
  ): Promise<string | undefined> {
    const whole = objectKey(repository, pkg, this.runtime.clock.now(), randomId(this.runtime.random));
    const [first, ...others] = pieces;
    const done =
      first && others.length === 0
        ? await copyObject(this.driver, first.key, whole, { signal: options.signal })
        : await composeObjects(this.driver, pieces, whole, options);
    return done === 'written' ? whole : undefined;
  }

  async delete(keys: readonly string[]): Promise<void> {
    await this.driver.delete(keys);
  }
}

type Stored = Pick<PutResult, 'durable'>;

/** What takes the disk long is waited for here: nothing that announces it may have to stand for so long. */
async function whenLittle(stored: Stored, size: number): Promise<Stored> {
  if (size <= LATER_MAX_BYTES) return stored;
  await stored.durable;
  return {};
}

const tooLarge = (max: number): ObjectTooLarge => new ObjectTooLarge(`more than ${max} bytes`);

/**
 * A body that is hashed and counted on its way into the driver. Its own iterator and not a generator: a generator that waits for a chunk cannot be
 * returned, and the source behind it would stay open.
 */
class HashedBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array, undefined> {
  size = 0;
  complete = false;
  failure: { readonly error: unknown } | undefined;
  private readonly source: BodySource;
  private readonly hasher: Hasher;
  private readonly max: number;

  constructor(body: WriteBody, hasher: Hasher, max: number, signal: AbortSignal | undefined) {
    this.source = new BodySource(body, signal);
    this.hasher = hasher;
    this.max = max;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      const chunk = await this.source.next();
      if (chunk === undefined) return this.end();
      this.size += chunk.byteLength;
      if (this.size > this.max) throw tooLarge(this.max);
      this.hasher.update(chunk);
      return { done: false, value: chunk };
    } catch (error) {
      this.failure ??= { error };
      this.close(error);
      throw error;
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  close(reason?: unknown): void {
    this.source.close(reason);
  }

  private end(): IteratorResult<Uint8Array, undefined> {
    this.complete = this.failure === undefined;
    return { done: true, value: undefined };
  }
}
