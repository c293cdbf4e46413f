import type { CompletedPart } from '@aws-sdk/client-s3';
import { StorageError } from '../storage-error.js';
import { type MultipartTarget, withMultipart } from './s3-multipart.js';

const MIB = 1_024 * 1_024;

/** The largest object that CopyObject takes (S3: 5 GiB). */
export const MAX_SINGLE_COPY = 5 * 1_024 * MIB;
const COPY_PART = 512 * MIB;
const MAX_PARTS = 10_000;
/** Server-side copies of large objects take their time; some stores answer only at the end. */
const COPY_ALLOWANCE = 16 * MIB;

/** Copies inside the bucket. `source` is its key with the configured prefix. */
export async function copyObject(
  target: MultipartTarget,
  source: string,
  maxSingle: number = MAX_SINGLE_COPY,
): Promise<'written' | 'absent'> {
  const from = await head(target, source);
  if (!from) return 'absent';
  if (from.size > maxSingle) return copyParts(target, source, from.size, Math.min(COPY_PART, maxSingle));
  if ((await copyWhole(target, source)) === 'written') return 'written';
  // versitygw may finish the copy of a source that is just being deleted, and answer 404 all the same.
  const to = await head(target, target.key);
  return to !== undefined && to.etag !== undefined && to.etag === from.etag && to.size === from.size ? 'written' : 'absent';
}

async function head(target: MultipartTarget, key: string): Promise<{ size: number; etag: string | undefined } | undefined> {
  const { connection, bucket, what, signal } = target;
  const plan = { what: `${what} (look)`, signal, idempotent: true, changes: false, bodyless: true };
  const answer = await connection.call(plan, (client, attempt) => client.headObject({ Bucket: bucket, Key: key }, attempt));
  return typeof answer === 'string' ? undefined : { size: answer.ContentLength ?? 0, etag: answer.ETag };
}

const copySource = (bucket: string, key: string): string => `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;

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

async function copyParts(target: MultipartTarget, source: string, size: number, part: number): Promise<'written' | 'absent'> {
  const { connection, bucket, key, what, signal } = target;
  const step = Math.max(part, Math.ceil(size / MAX_PARTS / MIB) * MIB);
  const CopySource = copySource(bucket, source);
  const gone = new StorageError('unavailable', `s3: ${what}: the source went away`);
  try {
    await withMultipart(target, async ({ id }) => {
      const parts: CompletedPart[] = [];
      for (let start = 0; start < size; start += step) {
        const number = parts.length + 1;
        const CopySourceRange = `bytes=${start}-${Math.min(size, start + step) - 1}`;
        const input = { Bucket: bucket, Key: key, UploadId: id, PartNumber: number, CopySource, CopySourceRange };
        const plan = { what: `${what} part ${number}`, signal, idempotent: true, changes: false, bytes: COPY_ALLOWANCE };
        const answer = await connection.call(plan, (client, attempt) => client.uploadPartCopy(input, attempt));
        if (answer === 'absent') throw gone;
        const ETag = answer === 'exists' ? undefined : answer.CopyPartResult?.ETag;
        if (!ETag) throw new StorageError('unavailable', `s3: ${what}: no proof of a copied part`);
        parts.push({ PartNumber: number, ETag });
      }
      return { parts, size };
    });
  } catch (error) {
    if (error === gone) return 'absent';
    throw error;
  }
  return 'written';
}
