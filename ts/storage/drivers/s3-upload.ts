import type { CompletedPart } from '@aws-sdk/client-s3';
import type { WriteBody } from '../driver.js';
import { StorageError } from '../storage-error.js';
import { type MultipartTarget, withMultipart } from './s3-multipart.js';
import { FIRST_BYTES, type Held, PART_BYTES, type PartBudgets, type Waiting } from './s3-part-memory.js';
import { Source } from './s3-source.js';

const MIB = 1_024 * 1_024;
const IN_FLIGHT = 2;
export const MAX_PARTS = 10_000;

/** Parts grow late, so that 10,000 of them reach 200 GiB; one size for the first 24 GiB, because some stores want all parts equal. */
export function partBytes(number: number): number {
  if (number <= 5_000) return PART_BYTES;
  return number <= 7_500 ? 16 * MIB : 60 * MIB;
}

export interface UploadTarget extends MultipartTarget, Waiting {
  readonly budgets: PartBudgets;
}

/** Streams a body to a key, all or nothing. The source is let go of whatever happens, and no multipart upload stays open. */
export async function upload(target: UploadTarget, body: WriteBody): Promise<void> {
  const source = new Source(body);
  try {
    await uploadFrom(target, source);
  } catch (error) {
    await source.close(error);
    throw error;
  }
}

async function uploadFrom(target: UploadTarget, source: Source): Promise<void> {
  const { first } = target.budgets;
  const start = await first.take(FIRST_BYTES, target);
  let part: FilledPart;
  try {
    const filled = await source.fill(start.buffer, 0, target.signal, first.filling(target.connection.runtime.clock));
    if (source.ended) {
      await put(target, start.buffer.subarray(0, filled));
      start.release(true);
      return;
    }
    part = await takePart(target, source, 1, { held: start, filled });
  } finally {
    start.release(false);
  }
  if (!source.ended) return uploadParts(target, source, part);
  let sent = false;
  try {
    await put(target, part.bytes);
    sent = true;
  } finally {
    part.held.release(sent);
  }
}

interface FilledPart {
  readonly number: number;
  readonly bytes: Buffer;
  readonly held: Held;
}

/** Waits for memory, then fills one part, behind `start` if there is one, whose memory is given back as soon as it is copied. */
async function takePart(
  target: UploadTarget,
  source: Source,
  number: number,
  start?: { readonly held: Held; readonly filled: number },
): Promise<FilledPart> {
  const { parts } = target.budgets;
  const held = await parts.take(partBytes(number), target);
  try {
    start?.held.buffer.copy(held.buffer, 0, 0, start.filled);
    start?.held.release(true);
    const fill = parts.filling(target.connection.runtime.clock);
    const filled = await source.fill(held.buffer, start?.filled ?? 0, target.signal, fill);
    return { number, bytes: held.buffer.subarray(0, filled), held };
  } catch (error) {
    held.release(true);
    throw error;
  }
}

/** One unconditional PutObject. */
export async function put(target: MultipartTarget, bytes: Uint8Array): Promise<void> {
  const { connection, bucket, key, what, signal } = target;
  const plan = { what, signal, idempotent: true, changes: true, bytes: bytes.byteLength };
  const input = { Bucket: bucket, Key: key, Body: bytes, ContentLength: bytes.byteLength };
  const answer = await connection.call(plan, (client, attempt) => client.putObject(input, attempt));
  if (typeof answer === 'string') throw new StorageError('invalid', `s3: ${what}: the store answers ${answer} to a plain write`);
}

/** One part of an open multipart upload. */
export async function sendPart(target: MultipartTarget, id: string, number: number, bytes: Uint8Array): Promise<CompletedPart> {
  const { connection, bucket, key, what, signal } = target;
  const size = bytes.byteLength;
  const plan = { what: `${what} part ${number}`, signal, idempotent: true, changes: false, bytes: size };
  const input = { Bucket: bucket, Key: key, UploadId: id, PartNumber: number, Body: bytes, ContentLength: size };
  const answer = await connection.call(plan, (client, attempt) => client.uploadPart(input, attempt));
  if (typeof answer === 'string' || !answer.ETag) throw new StorageError('unavailable', `s3: ${what}: the store lost the upload`);
  return { PartNumber: number, ETag: answer.ETag };
}

async function uploadParts(target: UploadTarget, source: Source, firstPart: FilledPart): Promise<void> {
  let waiting: FilledPart | undefined = firstPart;
  try {
    await withMultipart(target, async (open) => {
      const sender = new PartSender(target, open.id);
      try {
        while (waiting) {
          const part: FilledPart = waiting;
          waiting = undefined;
          await sender.send(part);
          if (part.number === MAX_PARTS && !source.ended) throw new StorageError('invalid', `s3: ${target.what}: too large`);
          if (!source.ended) waiting = await takePart(target, source, part.number + 1);
        }
      } finally {
        await sender.settled();
      }
      return sender.result();
    });
  } finally {
    waiting?.held.release(true);
  }
}

/** Keeps two parts on the way: one fills while the other is sent. */
class PartSender {
  private readonly target: UploadTarget;
  private readonly id: string;
  private readonly underWay = new Set<Promise<void>>();
  private readonly parts: CompletedPart[] = [];
  private size = 0;
  private failure: { readonly error: unknown } | undefined;

  constructor(target: UploadTarget, id: string) {
    this.target = target;
    this.id = id;
  }

  async send(part: FilledPart): Promise<void> {
    const sending = this.transfer(part)
      .catch((error: unknown) => {
        part.held.release(false);
        this.failure ??= { error };
      })
      .finally(() => this.underWay.delete(sending));
    this.underWay.add(sending);
    while (this.underWay.size >= IN_FLIGHT) await Promise.race(this.underWay);
    this.rethrow();
  }

  async settled(): Promise<void> {
    await Promise.all(this.underWay);
  }

  result(): { parts: readonly CompletedPart[]; size: number } {
    this.rethrow();
    return { parts: this.parts.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0)), size: this.size };
  }

  private rethrow(): void {
    if (this.failure) throw this.failure.error;
  }

  private async transfer(part: FilledPart): Promise<void> {
    this.parts.push(await sendPart(this.target, this.id, part.number, part.bytes));
    this.size += part.bytes.byteLength;
    this.target.onProgress?.();
    part.held.release(true);
  }
}
