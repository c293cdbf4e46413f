import type { Piece } from '../driver.js';
import { StorageError } from '../storage-error.js';

const MIB = 1_024 * 1_024;

/** The smallest part that S3 takes, but for the last one. */
export const MIN_PART = 5 * MIB;
/** The largest that is copied in one call; S3's own limit is 5 GiB, and its answer comes only at the end. */
const MAX_COPY = 512 * MIB;
export const MAX_PARTS = 10_000;
/** What is joined in memory is never larger. */
const MAX_JOINED = 64 * MIB;

/** Bytes of one object: from `start`, `length` of them. */
export interface Slice {
  readonly key: string;
  readonly start: number;
  readonly length: number;
}

/** One part: copied by the store, or joined here from what is too small for that. */
export type Segment = { readonly copied: Slice } | { readonly joined: readonly Slice[] };

export interface ComposePlan {
  readonly segments: readonly Segment[];
  /** Bytes of the largest part that is joined here. */
  readonly buffer: number;
}

/**
 * How pieces become parts that are legal: none but the last below 5 MiB, 10,000 at most. Only small pieces, and what is missing to 5 MiB beside them, pass
 * through this process. Throws a StorageError `invalid` for what no plan can join. `maxCopy`: bytes above which a piece is copied in ranges.
 */
export function composePlan(pieces: readonly Piece[], { maxCopy = MAX_COPY, maxJoined = MAX_JOINED } = {}): ComposePlan {
  const filled = pieces.filter(({ size }) => size > 0);
  for (let smallest = MIN_PART; smallest <= maxJoined; smallest *= 2) {
    const planner = new Planner(smallest, maxCopy);
    for (const piece of filled) planner.add(piece);
    const segments = planner.end();
    if (segments.length <= MAX_PARTS) return { segments, buffer: smallest };
  }
  throw new StorageError('invalid', 's3: too many pieces, or too large');
}

class Planner {
  private readonly smallest: number;
  private readonly maxCopy: number;
  private readonly segments: Segment[] = [];
  private small: Slice[] = [];
  private bytes = 0;

  constructor(smallest: number, maxCopy: number) {
    this.smallest = smallest;
    this.maxCopy = maxCopy;
  }

  add({ key, size }: Piece): void {
    const missing = this.bytes > 0 ? Math.max(0, this.smallest - this.bytes) : 0;
    const rest = size - missing;
    // what is left of it must be a part of its own
    if (rest < this.smallest) {
      this.join({ key, start: 0, length: size });
      return;
    }
    if (missing > 0) this.join({ key, start: 0, length: missing });
    this.flush();
    this.copy({ key, start: missing, length: rest });
  }

  end(): readonly Segment[] {
    this.flush();
    return this.segments;
  }

  private join({ key, start, length }: Slice): void {
    for (let at = 0; at < length; ) {
      const taken = Math.min(length - at, this.smallest - this.bytes);
      this.small.push({ key, start: start + at, length: taken });
      this.bytes += taken;
      at += taken;
      if (this.bytes === this.smallest) this.flush();
    }
  }

  private flush(): void {
    if (this.bytes > 0) this.segments.push({ joined: this.small });
    this.small = [];
    this.bytes = 0;
  }

  /** In ranges that differ by little: the last one may not be small either. */
  private copy({ key, start, length }: Slice): void {
    const ranges = Math.max(1, Math.min(Math.ceil(length / this.maxCopy), Math.floor(length / this.smallest)));
    const step = Math.ceil(length / ranges);
    for (let at = 0; at < length; at += step)
      this.segments.push({ copied: { key, start: start + at, length: Math.min(step, length - at) } });
  }
}
