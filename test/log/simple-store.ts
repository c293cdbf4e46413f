import type { ListPage, ObjectInfo, StorageDriver, StoredObject, WriteBody, WriteOptions } from '../../ts/storage/driver.js';

/** The least that a driver can be: a map. Each call is one step, applied at once when `before` lets it through. */
export class SimpleStore implements StorageDriver {
  readonly name = 'simple';
  readonly objects = new Map<string, { readonly bytes: Uint8Array; readonly modified: number }>();
  readonly calls: string[] = [];
  time = 1_700_000_000_000;

  async stat(key: string): Promise<ObjectInfo | undefined> {
    this.calls.push(`stat ${key}`);
    const found = this.objects.get(key);
    return found && { size: found.bytes.byteLength, modified: found.modified };
  }

  async read(key: string): Promise<StoredObject | undefined> {
    this.calls.push(`read ${key}`);
    const found = this.objects.get(key);
    return found && { size: found.bytes.byteLength, modified: found.modified, body: found.bytes };
  }

  async write(key: string, body: WriteBody, options?: WriteOptions): Promise<'written' | 'exists'> {
    this.calls.push(`${options?.ifAbsent ? 'create' : 'write'} ${key}`);
    if (options?.ifAbsent && this.objects.has(key)) return 'exists';
    const bytes = body instanceof Uint8Array ? body.slice() : await gathered(body);
    this.objects.set(key, { bytes, modified: this.time });
    return 'written';
  }

  async delete(keys: readonly string[]): Promise<void> {
    this.calls.push(`delete ${keys.join(' ')}`);
    for (const key of keys) this.objects.delete(key);
  }

  async list(
    prefix: string,
    options?: { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): Promise<ListPage> {
    this.calls.push(`list ${prefix}`);
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > (options?.after ?? '')).sort();
    const limit = options?.limit ?? 1000;
    const objects = keys.slice(0, limit).map((key) => {
      const found = this.objects.get(key) as { bytes: Uint8Array; modified: number };
      return { key, size: found.bytes.byteLength, modified: found.modified };
    });
    const last = objects.at(-1);
    return keys.length > limit && last ? { objects, next: last.key } : { objects };
  }
}

async function gathered(body: Exclude<WriteBody, Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}
