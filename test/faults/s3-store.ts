import { readWhole } from '../../ts/storage/abilities.js';
import type {
  ListOptions,
  ListPage,
  ObjectInfo,
  ReadOptions,
  StorageDriver,
  StoredObject,
  WriteBody,
  WriteOptions,
} from '../../ts/storage/driver.js';
import type { S3Driver } from '../../ts/storage/drivers/s3.js';

const MAX = 1024 * 1024;

/** A real server whose clock is the trial's, and of which it is known when nothing is under way. */
export class DatedStore implements StorageDriver {
  readonly name = 's3';
  private readonly inner: S3Driver;
  private readonly now: () => number;
  private readonly written = new Map<string, number>();
  private underWay = 0;

  constructor(inner: S3Driver, now: () => number) {
    this.inner = inner;
    this.now = now;
  }

  get busy(): boolean {
    return this.underWay > 0;
  }

  stat(key: string): Promise<ObjectInfo | undefined> {
    return this.call(async () => this.dated(key, await this.inner.stat(key)));
  }

  read(key: string, { range }: ReadOptions = {}): Promise<StoredObject | undefined> {
    return this.call(async () => {
      if (range) return this.dated(key, await this.inner.read(key, { range }));
      const whole = await readWhole(this.inner, key, MAX);
      return whole && this.dated(key, { size: whole.bytes.byteLength, modified: whole.modified, body: whole.bytes });
    });
  }

  write(key: string, body: WriteBody, { ifAbsent = false }: WriteOptions = {}): Promise<'written' | 'exists'> {
    return this.call(async () => {
      const answer = await this.inner.write(key, body, { ifAbsent });
      if (answer === 'written') this.written.set(key, this.now());
      return answer;
    });
  }

  copy(from: string, to: string): Promise<'written' | 'absent'> {
    return this.call(async () => {
      const answer = await this.inner.copy(from, to);
      if (answer === 'written') this.written.set(to, this.now());
      return answer;
    });
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.call(() => this.inner.delete(keys));
  }

  list(prefix: string, { after, limit }: ListOptions = {}): Promise<ListPage> {
    return this.call(async () => {
      const page = await this.inner.list(prefix, { after, limit });
      return { ...page, objects: page.objects.map((object) => this.dated(object.key, object)) };
    });
  }

  private dated<T extends ObjectInfo | undefined>(key: string, found: T): T {
    return found && { ...found, modified: this.written.get(key) ?? found.modified };
  }

  private async call<T>(work: () => Promise<T>): Promise<T> {
    this.underWay += 1;
    try {
      return await work();
    } finally {
      this.underWay -= 1;
    }
  }
}
