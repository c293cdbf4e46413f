import { isComposing, isCopying, isSynchronous, type StorageDriver, type WriteBody, type WriteOptions } from './driver.js';
import { StorageError } from './storage-error.js';

/**
 * A driver for exactly one instance on a store that does not keep the promise of `ifAbsent`: creates of one key take turns, look first, and read back
 * what they wrote. Other calls go straight through, optional abilities included.
 */
export function readBack(driver: StorageDriver): StorageDriver {
  const creates = new Creates(driver);
  const wrapped: StorageDriver = {
    name: driver.name,
    stat: (key, options) => driver.stat(key, options),
    read: (key, options) => driver.read(key, options),
    write: (key, body, options) => (options?.ifAbsent ? creates.create(key, body, options) : driver.write(key, body, options)),
    delete: (keys, options) => driver.delete(keys, options),
    list: (prefix, options) => driver.list(prefix, options),
  };
  if (driver.close) Object.assign(wrapped, { close: () => driver.close?.() });
  if (isCopying(driver)) Object.assign(wrapped, { copy: driver.copy.bind(driver) });
  if (isComposing(driver)) Object.assign(wrapped, { compose: driver.compose.bind(driver) });
  if (isSynchronous(driver)) {
    Object.assign(wrapped, { namesSync: driver.namesSync.bind(driver), existsSync: driver.existsSync.bind(driver) });
  }
  return wrapped;
}

class Creates {
  private readonly driver: StorageDriver;
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(driver: StorageDriver) {
    this.driver = driver;
  }

  async create(key: string, body: WriteBody, options: WriteOptions): Promise<'written' | 'exists'> {
    const before = this.turns.get(key) ?? Promise.resolve();
    const mine = before.then(
      () => this.createAlone(key, body, options),
      () => this.createAlone(key, body, options),
    );
    this.turns.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.turns.get(key) === mine) this.turns.delete(key);
    }
  }

  private async createAlone(key: string, body: WriteBody, options: WriteOptions): Promise<'written' | 'exists'> {
    if (await this.driver.stat(key, { signal: options.signal })) return 'exists';
    const bytes = body instanceof Uint8Array ? body : await gather(body);
    if ((await this.write(key, bytes, options)) === 'exists') return 'exists';
    const found = await this.driver.read(key, { signal: options.signal });
    if (!found || !Buffer.from(bytes).equals(await gather(found.body))) {
      throw new StorageError(
        'conflict',
        `${this.driver.name}: ${key} holds other bytes than were written: is there a second instance?`,
      );
    }
    return 'written';
  }

  /** A store may refuse the condition altogether; then the look before has to do. */
  private async write(key: string, bytes: Uint8Array, options: WriteOptions): Promise<'written' | 'exists'> {
    try {
      return await this.driver.write(key, bytes, options);
    } catch (error) {
      if (!(error instanceof StorageError) || error.kind !== 'invalid') throw error;
      return this.driver.write(key, bytes, { ...options, ifAbsent: false });
    }
  }
}

const CREATE_MAX_BYTES = 1_024 * 1_024;

async function gather(body: WriteBody): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > CREATE_MAX_BYTES) throw new StorageError('invalid', 'creates take at most 1 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
