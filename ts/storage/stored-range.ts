import type { ByteRange } from '../lib/content.js';
import { StorageError } from './storage-error.js';

/** First byte and number of bytes that a range (or its absence) means in an object of this size. Throws `invalid` when it begins behind the end. */
export function resolveRange(key: string, size: number, range: ByteRange | undefined): { start: number; length: number } {
  if (!range) return { start: 0, length: size };
  if (range.start >= size)
    throw new StorageError('invalid', `${key}: the range begins at ${range.start}, the object has ${size} bytes`);
  return { start: range.start, length: Math.min(range.end, size - 1) - range.start + 1 };
}
