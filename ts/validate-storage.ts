import type { StorageDriver } from './storage/driver.js';
import { type Checks, type Fields, isFields } from './validate-checks.js';

const DRIVER_METHODS = ['stat', 'read', 'write', 'delete', 'list'] as const;
const S3_KEYS = ['driver', 'accessKey', 'accessSecret', 'endpoint', 'port', 'useSsl', 'region', 'bucketName', 'prefix'];

/** True for an object that brings the driver's methods along, however it was made. */
export const isDriver = (storage: object): storage is StorageDriver =>
  DRIVER_METHODS.some((method) => typeof (storage as Fields)[method] === 'function');

export function validateStorage(checks: Checks, value: unknown): undefined {
  if (value === undefined) return checks.problem('storage', 'is missing');
  if (!isFields(value)) return checks.problem('storage', 'must be an object');
  if (isDriver(value)) {
    checks.methods('storage', value, DRIVER_METHODS);
    if (typeof value.name !== 'string') checks.problem('storage.name', 'must be a text: what the driver is called');
    return;
  }
  const storage: Fields = value;
  if (storage['driver'] === undefined && storage['bucketName'] === undefined)
    return checks.problem('storage', 'needs a driver (filesystem, memory) or a bucketName (S3)');
  const driver = checks.oneOf('storage.driver', storage['driver'] ?? 's3', ['filesystem', 'memory', 's3']);
  if (driver === 'memory') checks.known('storage', storage, ['driver']);
  if (driver === 'filesystem') {
    checks.known('storage', storage, ['driver', 'root']);
    checks.text('storage.root', storage['root'] ?? '');
  }
  if (driver === 's3') validateS3(checks, storage);
}

function validateS3(checks: Checks, storage: Fields): void {
  checks.known('storage', storage, S3_KEYS);
  const bucket = checks.text('storage.bucketName', storage['bucketName'] ?? '');
  if (bucket !== undefined && !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    checks.problem('storage.bucketName', 'must be 3 to 63 of the characters a-z, 0-9, . and -');
  for (const key of ['accessKey', 'accessSecret', 'endpoint', 'region']) checks.text(`storage.${key}`, storage[key]);
  if ((storage['accessKey'] === undefined) !== (storage['accessSecret'] === undefined))
    checks.problem('storage.accessSecret', 'accessKey and accessSecret go together');
  validateEndpoint(checks, storage['endpoint']);
  checks.integer('storage.port', storage['port'], 1, 65_535);
  checks.flag('storage.useSsl', storage['useSsl']);
  const prefix = storage['prefix'];
  if (
    prefix !== undefined &&
    (typeof prefix !== 'string' || !/^([A-Za-z0-9._~-]{1,255}(\/[A-Za-z0-9._~-]{1,255})*\/?)?$/.test(prefix))
  )
    checks.problem('storage.prefix', 'must be segments of letters, digits and . _ ~ -, joined with /');
}

/** It stands in messages and logs, so it may not hold credentials. */
function validateEndpoint(checks: Checks, value: unknown): undefined {
  if (typeof value !== 'string' || value === '') return;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `https://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    return checks.problem('storage.endpoint', 'must be a host, host:port, or an http or https URL');
  if (url.username || url.password)
    return checks.problem('storage.endpoint', 'must not hold credentials: those are accessKey and accessSecret');
  if (url.search || url.hash) return checks.problem('storage.endpoint', 'must not have a query or a fragment');
}
