import type { CompletedPart } from '@aws-sdk/client-s3';
import { StorageError } from '../storage-error.js';
import type { S3Connection } from './s3-client.js';

/** Where bytes go. */
export interface MultipartTarget {
  readonly connection: S3Connection;
  readonly bucket: string;
  /** With the configured prefix. */
  readonly key: string;
  /** For messages. */
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

const COMPLETE_ALLOWANCE = 8 * 1_024 * 1_024;

/** Opens a multipart upload, lets `send` bring the parts, completes it; aborts it when anything fails. */
export async function withMultipart(
  target: MultipartTarget,
  send: (open: { readonly id: string }) => Promise<{ parts: readonly CompletedPart[]; size: number }>,
): Promise<void> {
  const id = await create(target);
  try {
    const { parts, size } = await send({ id });
    await complete(target, id, parts, size);
  } catch (error) {
    await abort(target, id);
    throw error;
  }
}

async function create(target: MultipartTarget): Promise<string> {
  const { connection, bucket, key, what, signal } = target;
  const plan = { what: `${what} (open)`, signal, idempotent: true, changes: false };
  let sent = 0;
  try {
    const answer = await connection.call(plan, (client, attempt) => {
      sent += 1;
      return client.createMultipartUpload({ Bucket: bucket, Key: key }, attempt);
    });
    const id = typeof answer === 'string' ? undefined : answer.UploadId;
    if (!id) throw new StorageError('unavailable', `s3: ${what}: the store opened no upload`);
    // An answer that was lost on the way left an upload that nobody will finish.
    if (sent > 1) await abortOthers(target, id);
    return id;
  } catch (error) {
    if (sent > 0) await abortOthers(target, undefined);
    throw error;
  }
}

async function complete(target: MultipartTarget, id: string, parts: readonly CompletedPart[], size: number): Promise<void> {
  const { connection, bucket, key, what, signal } = target;
  const input = { Bucket: bucket, Key: key, UploadId: id, MultipartUpload: { Parts: [...parts] } };
  const plan = { what: `${what} (complete)`, signal, idempotent: true, changes: true, bytes: COMPLETE_ALLOWANCE };
  const answer = await connection.call(plan, (client, attempt) => client.completeMultipartUpload(input, attempt));
  if (typeof answer !== 'string') return;
  // The upload is gone: an earlier attempt whose answer was lost may have finished it.
  const found = await connection.call({ what, signal, idempotent: true, changes: false, bodyless: true }, (client, attempt) =>
    client.headObject({ Bucket: bucket, Key: key }, attempt),
  );
  if (typeof found !== 'string' && found.ContentLength === size) return;
  throw new StorageError('unavailable', `s3: ${what}: the store lost the upload`);
}

const ABORT_ROUNDS = 3;

/** Aborts until the store knows the upload no more: a part that was still on its way may have kept it open. Never throws. */
async function abort(target: MultipartTarget, id: string): Promise<void> {
  const { connection, bucket, key, what } = target;
  const plan = { what: `${what} (abort)`, idempotent: true, changes: false };
  const input = { Bucket: bucket, Key: key, UploadId: id };
  try {
    for (let round = 0; round < ABORT_ROUNDS; round += 1) {
      const gone = await connection.call(plan, (client, attempt) => client.abortMultipartUpload(input, attempt));
      if (gone === 'absent') return;
      const left = await connection.call(plan, (client, attempt) => client.listParts(input, attempt));
      if (left === 'absent') return;
    }
  } catch {
    // The bucket's own rule for incomplete uploads has to collect it.
  }
}

async function abortOthers(target: MultipartTarget, keep: string | undefined): Promise<void> {
  const { connection, bucket, key, what } = target;
  const plan = { what: `${what} (abort)`, idempotent: true, changes: false };
  try {
    const open = await connection.call(plan, (client, attempt) =>
      client.listMultipartUploads({ Bucket: bucket, Prefix: key }, attempt),
    );
    if (typeof open === 'string') return;
    for (const { Key, UploadId } of open.Uploads ?? []) {
      if (Key === key && UploadId && UploadId !== keep) await abort(target, UploadId);
    }
  } catch {
    // As above.
  }
}
