import { concat } from '../../lib/bytes.js';
import { type Runtime, systemRuntime } from '../../lib/clock.js';
import { aborted, BodySource } from '../body-source.js';
import type {
  CallOptions,
  ComposingDriver,
  CopyingDriver,
  ListedObject,
  ListOptions,
  ListPage,
  ObjectInfo,
  Piece,
  PreparedWrite,
  PreparingDriver,
  ReadOptions,
  StoredObject,
  SynchronousDriver,
  WriteBody,
  WriteOptions,
} from '../driver.js';
import { StorageError } from '../storage-error.js';
import { resolveRange } from '../stored-range.js';

interface Kept {
  readonly bytes: Uint8Array;
  readonly modified: number;
}

export interface MemoryDriverOptions {
  readonly runtime?: Runtime | undefined;
}

const IN_ONE_PIECE = 64 * 1_024;
const CHUNK = 256 * 1_024;

/**
 * Everything in this process, gone with it. Each call takes effect in one step between two turns of the event loop: a write when its body has been
 * read to the end, a stream shows the bytes that were there when it was opened.
 */
export class MemoryDriver implements CopyingDriver, ComposingDriver, PreparingDriver {
  readonly name = 'memory';
  private readonly runtime: Runtime;
  private readonly kept = new Map<string, Kept>();
  /** The keys of `kept` in byte order. */
  private readonly keys: string[] = [];

  constructor(options: MemoryDriverOptions = {}) {
    this.runtime = options.runtime ?? systemRuntime;
  }

  async stat(key: string, _options?: CallOptions): Promise<ObjectInfo | undefined> {
    const found = this.kept.get(key);
    return found && { size: found.bytes.byteLength, modified: found.modified };
  }

  async read(key: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    const found = this.kept.get(key);
    if (!found) return undefined;
    const size = found.bytes.byteLength;
    const { start, length } = resolveRange(key, size, options.range);
    const wanted = found.bytes.subarray(start, start + length);
    const body = length <= IN_ONE_PIECE ? wanted.slice() : streamOf(wanted, options.signal);
    return { size, modified: found.modified, body };
  }

  async write(key: string, body: WriteBody, options: WriteOptions = {}): Promise<'written' | 'exists'> {
    return (await this.prepare(key, body, options)).commit();
  }

  async prepare(key: string, body: WriteBody, { ifAbsent, signal }: WriteOptions = {}): Promise<PreparedWrite> {
    // Not `slice`: that of a Buffer is no copy.
    const bytes = body instanceof Uint8Array ? new Uint8Array(body) : await gather(body, signal);
    return {
      commit: async () => {
        if (ifAbsent && this.kept.has(key)) return 'exists';
        this.put(key, bytes);
        return 'written';
      },
      discard: () => Promise.resolve(),
    };
  }

  async delete(keys: readonly string[], _options?: CallOptions): Promise<void> {
    for (const key of keys) {
      if (this.kept.delete(key)) this.keys.splice(this.firstAtOrAfter(key), 1);
    }
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const { after, limit = 1_000 } = options;
    let at = this.firstAtOrAfter(after !== undefined && after > prefix ? after : prefix);
    if (this.keys[at] === after) at += 1;
    const objects: ListedObject[] = [];
    for (; objects.length < limit; at += 1) {
      const key = this.keys[at];
      const found = key === undefined || !key.startsWith(prefix) ? undefined : this.kept.get(key);
      if (key === undefined || !found) return { objects };
      objects.push({ key, size: found.bytes.byteLength, modified: found.modified });
    }
    const last = objects.at(-1)?.key;
    return last !== undefined && this.keys[at]?.startsWith(prefix) ? { objects, next: last } : { objects };
  }

  async copy(from: string, to: string, _options?: CallOptions): Promise<'written' | 'absent'> {
    const found = this.kept.get(from);
    if (!found) return 'absent';
    this.put(to, found.bytes);
    return 'written';
  }

  async compose(pieces: readonly Piece[], to: string, _options?: CallOptions): Promise<'written' | 'absent'> {
    const chunks: Uint8Array[] = [];
    for (const { key, size } of pieces) {
      const found = this.kept.get(key);
      if (!found) return 'absent';
      if (found.bytes.byteLength !== size) throw new StorageError('corrupt', `${key}: has not the size that it should have`);
      chunks.push(found.bytes);
    }
    this.put(to, concat(chunks));
    return 'written';
  }

  /** Last segments of the keys directly below a folder. */
  protected namesBelow(folder: string): readonly string[] {
    const prefix = `${folder}/`;
    const names: string[] = [];
    for (let at = this.firstAtOrAfter(prefix); this.keys[at]?.startsWith(prefix); at += 1) {
      const name = this.keys[at]?.slice(prefix.length) ?? '';
      if (!name.includes('/')) names.push(name);
    }
    return names;
  }

  protected has(key: string): boolean {
    return this.kept.has(key);
  }

  private put(key: string, bytes: Uint8Array): void {
    this.refuseFolderClash(key);
    if (!this.kept.has(key)) this.keys.splice(this.firstAtOrAfter(key), 0, key);
    this.kept.set(key, { bytes, modified: this.runtime.clock.now() });
  }

  /** A folder could not hold such a pair of keys either; tests on memory should notice. */
  private refuseFolderClash(key: string): void {
    const below = this.keys[this.firstAtOrAfter(`${key}/`)]?.startsWith(`${key}/`);
    if (below) throw new StorageError('invalid', `${key}: is the folder of other keys`);
    for (let slash = key.indexOf('/'); slash !== -1; slash = key.indexOf('/', slash + 1)) {
      if (this.kept.has(key.slice(0, slash))) throw new StorageError('invalid', `${key}: a part of it is a key itself`);
    }
  }

  private firstAtOrAfter(key: string): number {
    let low = 0;
    let high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.keys[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A memory driver that also answers at once, as a local folder does. */
export class SynchronousMemoryDriver extends MemoryDriver implements SynchronousDriver {
  namesSync(folder: string): readonly string[] {
    return this.namesBelow(folder);
  }

  existsSync(key: string): boolean {
    return this.has(key);
  }
}

async function gather(body: WriteBody, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const source = new BodySource(body, signal);
  const chunks: Uint8Array[] = [];
  try {
    for (let chunk = await source.next(); chunk; chunk = await source.next()) chunks.push(chunk);
    return concat(chunks);
  } catch (error) {
    source.close(error);
    throw error;
  }
}

function streamOf(bytes: Uint8Array, signal: AbortSignal | undefined): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (signal?.aborted) return controller.error(aborted(signal));
        controller.enqueue(bytes.slice(at, at + CHUNK));
        at += CHUNK;
        if (at >= bytes.byteLength) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
