import type { IRegistryConfig, IS3StorageConfig } from './config.js';
import { ConfigError } from './errors/config-error.js';
import { text, utf8 } from './lib/bytes.js';
import type { Runtime } from './lib/clock.js';
import { readWhole } from './storage/abilities.js';
import { checked } from './storage/checked-driver.js';
import type { StorageDriver } from './storage/driver.js';
import { FORMAT_KEY } from './storage/key.js';
import { ensureCapable } from './storage/probe.js';
import { isDriver } from './validate-storage.js';

/** Layout of the bytes on disk that this program reads and writes. */
const FORMAT = 1;
const FORMAT_MAX_BYTES = 4_096;

export interface OpenStorage {
  readonly driver: StorageDriver;
  /** The folder behind it; undefined for other stores. */
  readonly folder: string | undefined;
  /** Sentences for the operator. */
  readonly warnings: readonly string[];
  /** Nothing more can be written: there is no space left. */
  readonly full: boolean;
}

/** A store that dies with the process. */
export async function memoryDriver(runtime: Runtime): Promise<StorageDriver> {
  const { SynchronousMemoryDriver } = await import('./storage/drivers/memory.js');
  return checked(new SynchronousMemoryDriver({ runtime }));
}

/** Makes the driver, without a call to the store. Each is loaded only where it is needed: some hosts lack a file system. */
export async function makeDriver(storage: IRegistryConfig['storage'], runtime: Runtime): Promise<StorageDriver> {
  if (isDriver(storage)) return checked(storage);
  if (storage.driver === 'memory') return memoryDriver(runtime);
  if (storage.driver === 'filesystem') {
    const { openFolder } = await import('./compose-folder.js');
    return checked(openFolder(storage.root, runtime));
  }
  const { S3Driver } = await import('./storage/drivers/s3.js');
  return checked(new S3Driver({ ...s3Options(storage), runtime }));
}

/**
 * Opens the store for use: probes what it can promise, and marks or checks its format. Throws a `ConfigError` for a store that is unfit or was written by
 * a newer program, `StorageError`s when it cannot be reached.
 */
export async function openStorage(config: IRegistryConfig, runtime: Runtime): Promise<OpenStorage> {
  const { storage, singleWriter } = config;
  const made = await makeDriver(storage, runtime);
  try {
    const { driver, warnings, full } = await ensureCapable(made, { runtime, singleWriter, instanceHint: hintOf(storage) });
    await ensureFormat(driver);
    return { driver, warnings, full, folder: 'root' in storage ? storage.root : undefined };
  } catch (error) {
    // What could not be opened has nobody who would close it.
    await made.close?.().catch(() => undefined);
    throw error;
  }
}

function s3Options({ bucketName, prefix, region, accessKey, accessSecret, ...where }: IS3StorageConfig) {
  const endpoint = endpointOf(where);
  return {
    bucket: bucketName,
    ...(prefix === undefined ? {} : { prefix }),
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(accessKey === undefined || accessSecret === undefined
      ? {}
      : { credentials: { accessKeyId: accessKey, secretAccessKey: accessSecret } }),
  };
}

/** A host, `host:port` or URL, with what `port` and `useSsl` add to it. */
export function endpointOf({
  endpoint,
  port,
  useSsl,
}: Pick<IS3StorageConfig, 'endpoint' | 'port' | 'useSsl'>): string | undefined {
  if (endpoint === undefined) return undefined;
  const url = new URL(/^https?:\/\//.test(endpoint) ? endpoint : `${(useSsl ?? true) ? 'https' : 'http'}://${endpoint}`);
  if (useSsl !== undefined) url.protocol = useSsl ? 'https:' : 'http:';
  if (port !== undefined) url.port = String(port);
  return url.href.replace(/\/+$/, '');
}

function hintOf(storage: IRegistryConfig['storage']): string | undefined {
  if (isDriver(storage)) return undefined;
  if ('root' in storage) return storage.root;
  if (!('bucketName' in storage)) return undefined;
  return `${endpointOf(storage) ?? 'AWS'}, bucket ${storage.bucketName}`;
}

async function ensureFormat(driver: StorageDriver): Promise<void> {
  const fresh = utf8(`${JSON.stringify({ format: FORMAT })}\n`);
  const known = await readWhole(driver, FORMAT_KEY, FORMAT_MAX_BYTES);
  if (!known && (await driver.write(FORMAT_KEY, fresh, { ifAbsent: true })) === 'written') return;
  const stored = known ?? (await readWhole(driver, FORMAT_KEY, FORMAT_MAX_BYTES));
  const format = stored && formatOf(stored.bytes);
  if (format === FORMAT) return;
  const found =
    format === undefined
      ? `its ${FORMAT_KEY} is damaged`
      : `it has format ${format} and this program knows formats up to ${FORMAT}`;
  throw new ConfigError([{ path: 'storage', message: `this store cannot be used: ${found}` }]);
}

function formatOf(bytes: Uint8Array): number | undefined {
  try {
    const { format } = JSON.parse(text(bytes)) as { readonly format?: unknown };
    return typeof format === 'number' && Number.isInteger(format) && format > 0 ? format : undefined;
  } catch {
    return undefined;
  }
}
