import type { CompletedPart } from '@aws-sdk/client-s3';
import type { Piece, StoredObject } from '../driver.js';
import { StorageError } from '../storage-error.js';
import { type ComposePlan, composePlan, type Segment, type Slice } from './s3-compose-plan.js';
import { copySource, head } from './s3-copy.js';
import { withMultipart } from './s3-multipart.js';
import { Source } from './s3-source.js';
import { put, sendPart, type UploadTarget } from './s3-upload.js';

/** Copies and looks take no memory here, only patience. */
const AT_ONCE = 8;
/** Server-side copies: some stores answer only at the end. A MiB in a second is slow for them; 64 KiB are what the time limit counts with. */
const COPY_SPEED_UP = 16;

export interface ComposeTarget extends UploadTarget {
  /** The configured prefix. */
  readonly prefix: string;
  readonly maxCopy: number | undefined;
  read(slice: Slice): Promise<StoredObject | undefined>;
}

class PieceGone extends Error {}

/** Joins objects inside the bucket: a multipart upload whose parts are copies, but for what is too small to be one. */
export async function composeObjects(target: ComposeTarget, pieces: readonly Piece[]): Promise<'written' | 'absent'> {
  const { maxCopy, budgets } = target;
  const plan = composePlan(pieces, { ...(maxCopy === undefined ? {} : { maxCopy }), maxJoined: budgets.parts.budget.capacity });
  const size = pieces.reduce((sum, piece) => sum + piece.size, 0);
  try {
    await lookAt(target, pieces);
    await send(target, plan, size);
  } catch (error) {
    if (error instanceof PieceGone) return 'absent';
    throw error;
  }
  return 'written';
}

/** Before anything is copied: a store would take as many bytes of a piece as it has, or as were asked for. */
async function lookAt(target: ComposeTarget, pieces: readonly Piece[]): Promise<void> {
  await eachOf(pieces, async ({ key, size }) => {
    const found = await head(target, target.prefix + key);
    target.onProgress?.();
    if (!found) throw new PieceGone();
    if (found.size !== size) throw new StorageError('corrupt', `s3: ${key}: has not the size that it should have`);
  });
}

async function send(target: ComposeTarget, plan: ComposePlan, size: number): Promise<void> {
  const { segments, buffer } = plan;
  const [first, ...others] = segments;
  if (!first) return put(target, new Uint8Array(0));
  if (others.length === 0 && 'joined' in first) return joined(target, first.joined, buffer, (bytes) => put(target, bytes));
  await withMultipart(target, async ({ id }) => {
    const parts: CompletedPart[] = [];
    await eachOf(segments, async (segment, at) => {
      parts[at] = await sendSegment(target, id, segment, at + 1, buffer);
      target.onProgress?.();
    });
    return { parts, size };
  });
}

function sendSegment(
  target: ComposeTarget,
  id: string,
  segment: Segment,
  number: number,
  buffer: number,
): Promise<CompletedPart> {
  if ('copied' in segment) return copyPart(target, id, number, segment.copied);
  return joined(target, segment.joined, buffer, (bytes) => sendPart(target, id, number, bytes));
}

async function copyPart(target: ComposeTarget, id: string, number: number, slice: Slice): Promise<CompletedPart> {
  const { connection, bucket, key, what, signal, prefix } = target;
  const { start, length } = slice;
  const input = {
    Bucket: bucket,
    Key: key,
    UploadId: id,
    PartNumber: number,
    CopySource: copySource(bucket, prefix + slice.key),
    CopySourceRange: `bytes=${start}-${start + length - 1}`,
  };
  const plan = { what: `${what} part ${number}`, signal, idempotent: true, changes: false, bytes: length / COPY_SPEED_UP };
  const answer = await connection.call(plan, (client, attempt) => client.uploadPartCopy(input, attempt));
  if (answer === 'absent') throw new PieceGone();
  const ETag = answer === 'exists' ? undefined : answer.CopyPartResult?.ETag;
  if (!ETag) throw new StorageError('unavailable', `s3: ${what}: no proof of a copied part`);
  return { PartNumber: number, ETag };
}

/** Memory for one part at a time: nobody waits for it while holding some. */
async function joined<T>(
  target: ComposeTarget,
  slices: readonly Slice[],
  buffer: number,
  use: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  const length = slices.reduce((sum, slice) => sum + slice.length, 0);
  const held = await target.budgets.parts.take(buffer, target);
  let used = false;
  try {
    const bytes = held.buffer.subarray(0, length);
    let at = 0;
    for (const slice of slices) at = await readInto(target, slice, bytes, at);
    const result = await use(bytes);
    used = true;
    return result;
  } finally {
    held.release(used);
  }
}

async function readInto(target: ComposeTarget, slice: Slice, bytes: Buffer, at: number): Promise<number> {
  const stored = await target.read(slice);
  if (!stored) throw new PieceGone();
  const source = new Source(stored.body);
  const end = at + slice.length;
  try {
    if ((await source.fill(bytes.subarray(0, end), at, target.signal)) === end && source.ended) return end;
    throw new StorageError('corrupt', `s3: ${slice.key}: its bytes are not as many as they should be`);
  } finally {
    await source.close(undefined);
  }
}

/** Some at once; after the first failure no more are begun, and it is thrown when those under way are over. */
async function eachOf<T>(items: readonly T[], work: (item: T, at: number) => Promise<void>): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length && !failure; at = next++) {
      try {
        await work(items[at] as T, at);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  if (failure) throw (failure as { readonly error: unknown }).error;
}
