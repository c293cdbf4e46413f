import { afterEach, beforeEach } from 'vitest';
import type { S3Driver, S3DriverOptions } from '../../ts/storage/drivers/s3.js';
import { RetryBudget } from '../../ts/storage/drivers/s3-retry.js';
import { StorageError } from '../../ts/storage/storage-error.js';
import { hurriedRuntime } from '../servers/fake-runtime.js';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.js';
import type { Quirks } from '../servers/fake-s3-store.js';
import { driverFor } from '../servers/s3-driver.js';

export interface Fixture {
  fake: FakeS3;
  runtime: ReturnType<typeof hurriedRuntime>;
  driver: S3Driver;
  /** Another driver on the same store. */
  another(options?: Partial<S3DriverOptions>): S3Driver;
}

/** A fresh fake store and driver for each test of the file. */
export function s3Fixture(quirks: Quirks = {}): Fixture {
  const fixture = {} as Fixture;
  const drivers: S3Driver[] = [];
  beforeEach(async () => {
    fixture.fake = await startFakeS3(quirks);
    fixture.runtime = hurriedRuntime();
    fixture.another = (options = {}) => {
      const { runtime } = fixture;
      const driver = driverFor(fixture.fake, { runtime, retryBudget: new RetryBudget(), callTimeout: 5_000, ...options });
      drivers.push(driver);
      return driver;
    };
    fixture.driver = fixture.another();
  });
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await driver.close();
    await fixture.fake.stop();
  });
  return fixture;
}

/** What kind of StorageError this ends in; anything else is thrown on. */
export async function kindOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof StorageError) return error.kind;
    throw error;
  }
  return 'no error';
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export async function* chunks(count: number, size: number, fill = 7): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield new Uint8Array(size).fill(fill);
}

export async function readAll(body: Uint8Array | ReadableStream<Uint8Array>): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const parts: Uint8Array[] = [];
  for await (const part of body as unknown as AsyncIterable<Uint8Array>) parts.push(part);
  return Buffer.concat(parts);
}

export const MIB = 1_024 * 1_024;
