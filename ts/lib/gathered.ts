import { concat } from './bytes.js';

const DONE = { done: true, value: undefined } as const;

/** One piece as a source. */
export async function* only(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece;
}

/** Pieces that have been read already, and then the rest of their source. */
class Rejoined implements AsyncIterableIterator<Uint8Array> {
  private readonly ahead: Uint8Array[];
  private readonly source: AsyncIterator<Uint8Array>;

  constructor(ahead: Uint8Array[], source: AsyncIterator<Uint8Array>) {
    this.ahead = ahead;
    this.source = source;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.ahead.shift();
    return value ? Promise.resolve({ done: false, value }) : this.source.next();
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.ahead.length = 0;
    return this.source.return?.() ?? Promise.resolve(DONE);
  }
}

/**
 * All bytes of a source of at most `most` bytes, which is read to its end; of a larger one a source that begins where it began. Its pieces must stay as they
 * are after the next one is asked for. What the source throws passes.
 */
export async function gathered(bytes: AsyncIterable<Uint8Array>, most: number): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const source = bytes[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  for (let size = 0; size <= most; ) {
    const { done, value } = await source.next();
    if (done) return pieces.length === 1 ? (pieces[0] as Uint8Array) : concat(pieces);
    pieces.push(value);
    size += value.byteLength;
  }
  return new Rejoined(pieces, source);
}
