import { StorageError } from '../storage-error.js';
import type { S3Connection } from './s3-client.js';
import { classify, toStorageError } from './s3-errors.js';

/** As many as one DeleteObjects takes. */
const BATCH = 1_000;

/** Deletes keys (with the configured prefix). One key alone goes as a plain DELETE, which is cheaper and which every store knows. */
export async function deleteObjects(
  connection: S3Connection,
  bucket: string,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const distinct = [...new Set(keys)];
  for (let at = 0; at < distinct.length; at += BATCH) {
    const batch = distinct.slice(at, at + BATCH);
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) await deleteOne(connection, bucket, only, signal);
    else await deleteBatch(connection, bucket, batch, signal);
  }
}

async function deleteOne(connection: S3Connection, bucket: string, key: string, signal: AbortSignal | undefined): Promise<void> {
  const plan = { what: `delete ${key}`, signal, idempotent: true, changes: true };
  // Some stores answer 404 for what is absent; that is what was wanted.
  await connection.call(plan, (client, attempt) => client.deleteObject({ Bucket: bucket, Key: key }, attempt));
}

async function deleteBatch(
  connection: S3Connection,
  bucket: string,
  batch: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const plan = { what: `delete ${batch.length} keys`, signal, idempotent: true, changes: true };
  const input = { Bucket: bucket, Delete: { Objects: batch.map((Key) => ({ Key })), Quiet: true } };
  const answer = await connection.call(plan, (client, attempt) => client.deleteObjects(input, attempt));
  if (typeof answer === 'string') throw new StorageError('unavailable', `s3: ${plan.what}: not answered`);
  for (const { Key, Code } of answer.Errors ?? []) {
    if (Code === 'NoSuchKey' || Code === 'NotFound') continue;
    const failure = classify({ name: Code, $metadata: { httpStatusCode: Code === 'AccessDenied' ? 403 : 500 } });
    throw toStorageError(failure, `delete ${Key ?? 'a key'}`, true, undefined);
  }
}
