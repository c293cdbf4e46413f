import { StorageError } from '../storage-error.js';
import type { MultipartTarget } from './s3-multipart.js';

const MIB = 1_024 * 1_024;

/** The largest object that CopyObject takes (S3: 5 GiB). */
export const MAX_SINGLE_COPY = 5 * 1_024 * MIB;
/** Server-side copies of large objects take their time; some stores answer only at the end. */
const COPY_ALLOWANCE = 16 * MIB;

/**
 * Copies inside the bucket. `source` is its key with the configured prefix; one of more than `maxSingle` bytes is left to `inParts`.
 */
export async function copyObject(
  target: MultipartTarget,
  source: string,
  inParts: (size: number) => Promise<'written' | 'absent'>,
  maxSingle: number = MAX_SINGLE_COPY,
): Promise<'written' | 'absent'> {
  const from = await head(target, source);
  if (!from) return 'absent';
  if (from.size > maxSingle) return inParts(from.size);
  if ((await copyWhole(target, source)) === 'written') return 'written';
  // versitygw may finish the copy of a source that is just being deleted, and answer 404 all the same.
  const to = await head(target, target.key);
  return to !== undefined && to.etag !== undefined && to.etag === from.etag && to.size === from.size ? 'written' : 'absent';
}

/** Undefined: it is not there. `key` with the configured prefix. */
export async function head(
  target: MultipartTarget,
  key: string,
): Promise<{ size: number; etag: string | undefined } | undefined> {
  const { connection, bucket, what, signal } = target;
  const plan = { what: `${what} (look)`, signal, idempotent: true, changes: false, bodyless: true };
  const answer = await connection.call(plan, (client, attempt) => client.headObject({ Bucket: bucket, Key: key }, attempt));
  return typeof answer === 'string' ? undefined : { size: answer.ContentLength ?? 0, etag: answer.ETag };
}

export const copySource = (bucket: string, key: string): string =>
  `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;

async function copyWhole(target: MultipartTarget, source: string): Promise<'written' | 'absent'> {
  const { connection, bucket, key, what, signal } = target;
  const plan = { what, signal, idempotent: true, changes: true, bytes: COPY_ALLOWANCE };
  const input = { Bucket: bucket, Key: key, CopySource: copySource(bucket, source) };
  const answer = await connection.call(plan, (client, attempt) => client.copyObject(input, attempt));
  if (answer === 'absent') return 'absent';
  // A 200 whose body says nothing about a copy: the store gave up after it had sent the status.
  if (answer === 'exists' || !answer.CopyObjectResult?.ETag) throw new StorageError('unknown', `s3: ${what}: no proof of a copy`);
  return 'written';
}
