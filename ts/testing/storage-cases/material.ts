import { strict as assert } from 'node:assert';
import type { ListedObject, ListOptions, StorageDriver, WriteBody } from '../../storage/driver.js';
import type { StorageErrorKind } from '../../storage/storage-error.js';

export const KIB = 1_024;
export const MIB = 1_024 * KIB;
const PAGES = 5_000;

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let at = 0; at < words.length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}

export const bytesOfText = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A stream that gives `bytes` in pieces of these sizes, the last size again and again. */
export function streamed(bytes: Uint8Array, ...sizes: readonly number[]): ReadableStream<Uint8Array> {
  let at = 0;
  let n = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at >= bytes.byteLength) return controller.close();
        const size = sizes[Math.min(n, sizes.length - 1)] ?? 64 * KIB;
        n += 1;
        controller.enqueue(bytes.slice(at, at + size));
        at += size;
      },
    },
    { highWaterMark: 0 },
  );
}

export async function* iterated(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.slice(at, at + size);
}

export interface WatchedBody {
  readonly body: ReadableStream<Uint8Array>;
  cancelled(): boolean;
}

/** Gives `bytes` in pieces of 64 KiB, then calls `then` instead of ending. */
export function endingIn(
  bytes: Uint8Array,
  then: (controller: ReadableStreamDefaultController<Uint8Array>) => unknown,
): WatchedBody {
  let at = 0;
  let wasCancelled = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at >= bytes.byteLength) {
          await then(controller);
          return;
        }
        controller.enqueue(bytes.slice(at, at + 64 * KIB));
        at += 64 * KIB;
      },
      cancel() {
        wasCancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, cancelled: () => wasCancelled };
}

export async function collect(body: Uint8Array | ReadableStream<Uint8Array>): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  for (let step = await reader.read(); !step.done; step = await reader.read()) chunks.push(step.value);
  return Buffer.concat(chunks);
}

/** All bytes of an object, checked against the size that the driver states. */
export async function contentOf(driver: StorageDriver, key: string): Promise<Uint8Array | undefined> {
  const stored = await driver.read(key);
  if (!stored) return undefined;
  const bytes = await collect(stored.body);
  assert.equal(bytes.byteLength, stored.size, `${key}: the body has not as many bytes as \`size\` says`);
  return bytes;
}

export function assertSame(actual: Uint8Array | undefined, expected: Uint8Array, what: string): void {
  assert.ok(actual, `${what}: absent`);
  assert.equal(actual.byteLength, expected.byteLength, `${what}: wrong length`);
  assert.equal(Buffer.compare(actual, expected), 0, `${what}: wrong bytes`);
}

export async function assertContent(driver: StorageDriver, key: string, expected: Uint8Array): Promise<void> {
  assertSame(await contentOf(driver, key), expected, key);
}

/** Every page of a listing. */
export async function listAll(driver: StorageDriver, prefix: string, options: ListOptions = {}): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  let after = options.after;
  for (let page = 0; page < PAGES; page += 1) {
    const listed = await driver.list(prefix, { ...options, after });
    assert.ok(listed.objects.length <= (options.limit ?? 1_000), 'a page holds more than was asked for');
    objects.push(...listed.objects);
    if (listed.next === undefined) return objects;
    assert.ok(after === undefined || listed.next > after, '`next` does not move on');
    after = listed.next;
  }
  throw new assert.AssertionError({ message: `${PAGES} pages and no end` });
}

export const keysOf = async (driver: StorageDriver, prefix = '', options: ListOptions = {}): Promise<string[]> =>
  (await listAll(driver, prefix, options)).map(({ key }) => key);

/** Writes keys with one byte each, a few at a time. */
export async function fill(driver: StorageDriver, keys: readonly string[], body: WriteBody = new Uint8Array(1)): Promise<void> {
  for (let at = 0; at < keys.length; at += 32) {
    await Promise.all(keys.slice(at, at + 32).map((key) => driver.write(key, body, { durable: false })));
  }
}

/** The call must be refused with a StorageError of one of these kinds. */
export async function rejectsWith(call: Promise<unknown>, ...kinds: readonly StorageErrorKind[]): Promise<void> {
  const error = await call.then(
    () => assert.fail(`resolved, and not a StorageError ${kinds.join(' or ')}`),
    (reason: unknown) => reason,
  );
  if (error instanceof assert.AssertionError) throw error;
  const { name, kind } = error as { name?: unknown; kind?: unknown };
  assert.equal(name, 'StorageError', `not a StorageError but ${String(error)}`);
  assert.ok(kinds.includes(kind as StorageErrorKind), `StorageError ${String(kind)}, not ${kinds.join(' or ')}`);
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
