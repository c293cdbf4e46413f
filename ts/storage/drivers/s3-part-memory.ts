import { ByteBudget, type ByteLease } from '../../lib/byte-budget.js';
import type { Clock } from '../../lib/clock.js';
import { StorageError } from '../storage-error.js';
import { type Fill, Pace } from './s3-pace.js';

const MIB = 1_024 * 1_024;

/** The usual part: the smallest that S3 takes, because every stream under way needs one. */
export const PART_BYTES = 5 * MIB;
/** Bodies up to here need no part. */
export const FIRST_BYTES = 256 * 1_024;

/** Who waits for memory, and is told of each step of the queue meanwhile. */
export interface Waiting {
  /** For messages. */
  readonly what: string;
  readonly signal: AbortSignal | undefined;
  /** See `ProgressOptions.onProgress`. */
  readonly onProgress?: (() => void) | undefined;
}

/** Memory that is held; `release` gives it back, once, however often it is called. */
export interface Held {
  readonly buffer: Buffer;
  /** `reusable`: nobody looks at the bytes any more. A request that was cut may still hold them. */
  release(reusable: boolean): void;
}

/** Buffers, mostly of one size, from a budget of bytes that many streams share. */
export class PartMemory {
  readonly budget: ByteBudget;
  private readonly usual: number;
  private readonly pace: Pace;
  /** Buffers between two holders; none when nothing is held. New ones each time would grow the process faster than they are collected. */
  private readonly spares: Buffer[] = [];

  constructor(capacity: number, usual: number) {
    this.budget = new ByteBudget(Math.max(capacity, usual));
    this.usual = usual;
    this.pace = new Pace(this.budget);
  }

  /** Buffers that wait for their next holder. */
  get spare(): number {
    return this.spares.length;
  }

  /** Waits its turn for so many bytes, or for all that there are. Throws a StorageError `aborted`. */
  async take(bytes: number, who: Waiting): Promise<Held> {
    const lease = await this.lease(Math.min(bytes, this.budget.capacity), who);
    const spare = lease.bytes === this.usual ? this.spares.pop() : undefined;
    const buffer = spare ?? Buffer.allocUnsafeSlow(lease.bytes);
    let held = true;
    return {
      buffer,
      release: (reusable) => {
        if (!held) return;
        held = false;
        if (reusable && buffer.byteLength === this.usual) this.spares.push(buffer);
        lease.release();
        if (this.budget.available === this.budget.capacity) this.spares.length = 0;
      },
    };
  }

  /** Memory is being filled from now on. */
  filling(clock: Clock): Fill {
    return this.pace.begin(clock);
  }

  private async lease(bytes: number, { what, signal, onProgress }: Waiting): Promise<ByteLease> {
    try {
      return await this.budget.acquire(bytes, signal, onProgress);
    } catch (error) {
      throw signal?.aborted ? new StorageError('aborted', `s3: ${what}: aborted`, error) : error;
    }
  }
}

/**
 * Memory for bodies under way. Two budgets, because a stream that has more than a first piece waits for its part while it holds that piece: from one
 * budget, many such streams would wait for each other for ever.
 */
export interface PartBudgets {
  readonly first: PartMemory;
  readonly parts: PartMemory;
}
export const partBudgets = (bytes: number): PartBudgets => ({
  first: new PartMemory(Math.floor(bytes / 4), FIRST_BYTES),
  parts: new PartMemory(bytes - Math.floor(bytes / 4), PART_BYTES),
});

/** For the whole process: twelve parts at once, and what eighty streams bring before they have one. */
export const processPartBudgets: PartBudgets = partBudgets(80 * MIB);
