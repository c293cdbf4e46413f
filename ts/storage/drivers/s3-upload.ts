import type { CompletedPart } from '@aws-sdk/client-s3';
import { ByteBudget, type ByteLease } from '../../lib/byte-budget.js';
import type { WriteBody } from '../driver.js';
import { StorageError } from '../storage-error.js';
import { type MultipartTarget, withMultipart } from './s3-multipart.js';
import { Source } from './s3-source.js';

const MIB = 1_024 * 1_024;

/** Up to this, one PutObject; beyond it, parts of at least this size. */
export const PART_BYTES = 8 * MIB;
const FIRST_BYTES = 256 * 1_024;
const IN_FLIGHT = 2;
export const MAX_PARTS = 10_000;

/**
 * Memory for bodies under way, 128 MiB for the whole process. Two budgets, because a stream that has more than a first piece waits for its part
 * while it holds that piece: from one budget, many such streams would wait for each other for ever.
 */
export interface PartBudgets {
  readonly first: ByteBudget;
  readonly parts: ByteBudget;
  /** Buffers between two parts; empty when no part is under way. New ones for every part would grow the process faster than they are collected. */
  readonly spares: Buffer[];
}
export const partBudgets = (bytes: number): PartBudgets => ({
  first: new ByteBudget(Math.max(FIRST_BYTES, Math.floor(bytes / 4))),
  parts: new ByteBudget(Math.max(PART_BYTES, bytes - Math.floor(bytes / 4))),
  spares: [],
});
export const processPartBudgets: PartBudgets = partBudgets(128 * MIB);

/** Parts grow late, so that 10,000 of them reach 240 GiB; one size for the first 40 GiB, because some stores want all parts equal. */
export function partBytes(number: number): number {
  if (number <= 5_000) return PART_BYTES;
  return number <= 7_500 ? 2 * PART_BYTES : 8 * PART_BYTES;
}

export interface UploadTarget extends MultipartTarget {
  readonly budgets: PartBudgets;
  /** See `ProgressOptions.onProgress`. */
  readonly onProgress?: (() => void) | undefined;
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
  const first = await lease(target.budgets.first, FIRST_BYTES, target);
  let part: FilledPart;
  try {
    const start = Buffer.allocUnsafeSlow(FIRST_BYTES);
    const filled = await source.fill(start, 0, target.signal, patience(target, target.budgets.first));
    if (source.ended) return await put(target, start.subarray(0, filled));
    part = await takePart(target, source, 1, start.subarray(0, filled));
  } finally {
    first.release();
  }
  if (!source.ended) return uploadParts(target, source, part);
  try {
    await put(target, part.bytes);
  } finally {
    part.lease.release();
  }
}

export async function lease(budget: ByteBudget, bytes: number, target: UploadTarget): Promise<ByteLease> {
  try {
    return await budget.acquire(Math.min(bytes, budget.capacity), target.signal, target.onProgress);
  } catch (error) {
    throw target.signal?.aborted ? new StorageError('aborted', `s3: ${target.what}: aborted`, error) : error;
  }
}

const patience = (target: UploadTarget, budget: ByteBudget) => ({
  runtime: target.connection.runtime,
  wanted: () => budget.waiting > 0,
});

export interface FilledPart {
  readonly number: number;
  /** Large enough for a whole part; `bytes` is what is filled of it. */
  readonly buffer: Buffer;
  readonly bytes: Buffer;
  readonly lease: ByteLease;
}

/** Waits for memory, then fills one part, behind `start` if there is one. */
async function takePart(target: UploadTarget, source: Source, number: number, start?: Uint8Array): Promise<FilledPart> {
  const budget = target.budgets.parts;
  const held = await lease(budget, partBytes(number), target);
  try {
    const spare = held.bytes === PART_BYTES ? target.budgets.spares.pop() : undefined;
    const buffer = spare ?? Buffer.allocUnsafeSlow(held.bytes);
    if (start) buffer.set(start, 0);
    const filled = await source.fill(buffer, start?.byteLength ?? 0, target.signal, patience(target, budget));
    return { number, buffer, bytes: buffer.subarray(0, filled), lease: held };
  } catch (error) {
    held.release();
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
    waiting?.lease.release();
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
        this.failure ??= { error };
      })
      .finally(() => {
        part.lease.release();
        const { parts, spares } = this.target.budgets;
        if (parts.available === parts.capacity) spares.length = 0;
        this.underWay.delete(sending);
      });
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
    // Only a part that has arrived: a cut request may still hold its bytes.
    if (part.buffer.byteLength === PART_BYTES) this.target.budgets.spares.push(part.buffer);
  }
}
