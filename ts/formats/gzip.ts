import zlib from 'node:zlib';
import { invalid, RegistryError } from '../errors/registry-error.js';
import { PieceSize } from '../lib/piece-size.js';
import { crc32 } from './crc32.js';

export interface GunzipLimits {
  /** Most decoded bytes; default 8 GiB. */
  readonly maxBytes?: number;
  /** Most decoded bytes per encoded byte, beyond `ratioFrom` decoded bytes; default 200 beyond 64 MiB. */
  readonly maxRatio?: number;
  readonly ratioFrom?: number;
  /** What the data is called in messages; default `gzip data`. */
  readonly what?: string;
}

const MIB = 1024 ** 2;
/** Of an archive there is one piece being filled, one that waits and one in use. */
const pieces = new PieceSize({ total: 4 * MIB, least: 32 * 1024, most: 256 * 1024 });
/** Archives of at most so many bytes, and of so many when decoded, are decoded at once. */
const SMALL = 32 * 1024;
const SMALL_DECODED = 256 * 1024;
/** File name, comment and extra field together. */
const MAX_HEADER = 65_536 + 4096;
const MAGIC = [0x1f, 0x8b, 0x08];
const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 };

const NOTHING = new Uint8Array(0);

/** Pieces of a source, some of which may be put back. */
class Input {
  private readonly source: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = NOTHING;
  /** Read ahead, behind `rest`. */
  private ahead: Uint8Array = NOTHING;
  private ended = false;
  private readonly what: string;

  constructor(source: AsyncIterable<Uint8Array>, what: string) {
    this.source = source[Symbol.asyncIterator]();
    this.what = what;
  }

  async piece(): Promise<Uint8Array | undefined> {
    if (this.rest.byteLength === 0) {
      this.rest = this.ahead;
      this.ahead = NOTHING;
    }
    let piece = this.rest;
    this.rest = NOTHING;
    while (piece.byteLength === 0) {
      if (this.ended) return undefined;
      const { done, value } = await this.source.next();
      if (done) return undefined;
      piece = value;
    }
    return piece;
  }

  /** Whether the source's first piece has at most `max` bytes and is all there is. */
  async isWhole(max: number): Promise<boolean> {
    const first = await this.piece();
    if (!first || first.byteLength > max) {
      this.rest = first ?? NOTHING;
      return false;
    }
    // a copy: the next piece may come in the same memory
    this.rest = first.slice();
    for (;;) {
      const { done, value } = await this.source.next();
      this.ended = done ?? false;
      if (done) return true;
      if (value.byteLength === 0) continue;
      this.ahead = value;
      return false;
    }
  }

  /** What is left of a source that is whole. */
  whole(): Uint8Array {
    const { rest } = this;
    this.rest = NOTHING;
    return rest;
  }

  putBack(piece: Uint8Array): void {
    this.rest = piece;
  }

  /** Hands over byte by byte to whoever parses, until that has what it wants. */
  async parsed(parser: Parser): Promise<void> {
    parser.next(0);
    for (;;) {
      const piece = await this.piece();
      if (!piece) throw invalid(`${this.what} is cut off`);
      for (let at = 0; at < piece.byteLength; ) {
        if (!parser.next(piece[at++] as number).done) continue;
        this.putBack(piece.subarray(at));
        return;
      }
    }
  }

  /** Not awaited: a source that is still waiting for its next piece answers only after that piece. */
  close(): void {
    this.source.return?.()?.catch(() => undefined);
  }
}

/** Is given the next byte each time it yields. */
type Parser = Generator<undefined, void, number>;

/** RFC 1952 §2.3. */
function* headerParser(what: string): Parser {
  const seen: number[] = [];
  function* byte(): Generator<undefined, number, number> {
    if (seen.length === MAX_HEADER) throw invalid(`${what} has a header of more than ${MAX_HEADER} bytes`);
    const value = yield;
    seen.push(value);
    return value;
  }
  function* skip(count: number): Parser {
    for (let left = count; left > 0; left--) yield* byte();
  }
  for (const expected of MAGIC) if ((yield* byte()) !== expected) throw invalid(`${what} is not gzip`);
  const flags = yield* byte();
  if (flags & FLAG.reserved) throw invalid(`${what} has an unknown gzip flag`);
  yield* skip(6);
  if (flags & FLAG.extra) yield* skip((yield* byte()) + 256 * (yield* byte()));
  for (const flag of [FLAG.name, FLAG.comment]) if (flags & flag) while ((yield* byte()) !== 0);
  if (!(flags & FLAG.headerCrc)) return;
  const expected = crc32(Uint8Array.from(seen)) & 0xffff;
  if ((yield* byte()) + 256 * (yield* byte()) !== expected) throw invalid(`${what} has a damaged gzip header`);
}

/** A deflate stream at the front of `input`; what follows it stays there. */
class Inflater {
  private readonly leave = pieces.enter();
  private readonly engine = zlib.createInflateRaw({ chunkSize: pieces.bytes });
  private readonly input: Input;
  private readonly what: string;
  private failure: { readonly cause: unknown } | undefined;
  private release: (() => void) | undefined;
  private over = false;

  constructor(input: Input, what: string) {
    this.input = input;
    this.what = what;
  }

  /** Encoded bytes that were needed so far. */
  get consumed(): number {
    return this.engine.bytesWritten;
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    const stop = (): void => {
      this.over = true;
      this.release?.();
    };
    this.engine.once('end', stop).once('close', stop);
    const fed = this.feed();
    try {
      for await (const piece of this.engine) yield piece as Uint8Array;
    } catch (cause) {
      if (this.failure) throw this.failure.cause;
      const cutOff = (cause as { code?: unknown }).code === 'Z_BUF_ERROR';
      throw invalid(`${this.what} is ${cutOff ? 'cut off' : 'damaged'}`, { cause });
    } finally {
      this.leave();
      this.engine.destroy();
    }
    await fed;
  }

  /** One piece at a time: so what the engine leaves is always the end of the last one. */
  private async feed(): Promise<void> {
    try {
      let fed = 0;
      while (!this.over) {
        const piece = await this.input.piece();
        if (this.over) {
          if (piece) this.input.putBack(piece);
        } else if (!piece) {
          this.engine.end();
          return;
        } else {
          fed += piece.byteLength;
          await new Promise<void>((resolve) => {
            this.release = resolve;
            this.engine.write(piece, () => resolve());
          });
          const left = fed - this.engine.bytesWritten;
          if (left === 0) continue;
          this.input.putBack(piece.subarray(piece.byteLength - left));
          return;
        }
      }
    } catch (cause) {
      this.failure = { cause };
      this.engine.destroy(cause instanceof Error ? cause : new Error('source failed', { cause }));
    }
  }
}

/**
 * The decoded bytes of a small archive, at once: a decoder that streams costs a thread's attention and a quarter of a mebibyte. Undefined: it is not small
 * when decoded; nothing is read then.
 */
function inflateAtOnce(input: Input, what: string): Uint8Array | undefined {
  const bytes = input.whole();
  try {
    const { buffer, engine } = zlib.inflateRawSync(bytes, { maxOutputLength: SMALL_DECODED, info: true }) as unknown as Whole;
    input.putBack(bytes.subarray(engine.bytesWritten));
    return buffer;
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    if (code !== 'ERR_BUFFER_TOO_LARGE') throw invalid(`${what} is ${code === 'Z_BUF_ERROR' ? 'cut off' : 'damaged'}`, { cause });
    input.putBack(bytes);
    return undefined;
  }
}

/** With `info: true`, which the types do not know. */
interface Whole {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

/** RFC 1952 §2.3.1. */
function* trailerParser(what: string, crc: number, size: number): Parser {
  function* number(): Generator<undefined, number, number> {
    let value = 0;
    for (let at = 0; at < 4; at++) value += (yield) * 256 ** at;
    return value;
  }
  if ((yield* number()) !== crc) throw invalid(`${what} is damaged: its checksum is wrong`);
  if ((yield* number()) !== size % 2 ** 32) throw invalid(`${what} is damaged: its length is wrong`);
}

/** The trailer, and nothing behind it. */
async function readTrailer(input: Input, what: string, crc: number, size: number): Promise<void> {
  await input.parsed(trailerParser(what, crc, size));
  if (await input.piece()) throw invalid(`${what} has bytes behind its end`);
}

/**
 * Decodes gzip (RFC 1952) while it streams: exactly one member and not one byte behind it, zeros included, because readers disagree on what follows.
 * Throws `invalid` for anything else and beyond `maxRatio`, `too_large` beyond `maxBytes`; errors of the source pass as they are. Pieces are read one at a
 * time and only when output is wanted; leaving the loop closes the source.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>, limits: GunzipLimits = {}): AsyncGenerator<Uint8Array> {
  const { maxBytes = 8192 * MIB, maxRatio = 200, ratioFrom = 64 * MIB, what = 'gzip data' } = limits;
  const input = new Input(source, what);
  try {
    const isSmall = Math.min(maxBytes, ratioFrom) >= SMALL_DECODED && (await input.isWhole(SMALL));
    await input.parsed(headerParser(what));
    const small = isSmall ? inflateAtOnce(input, what) : undefined;
    if (small) {
      if (small.byteLength > 0) yield small;
      await readTrailer(input, what, crc32(small), small.byteLength);
      return;
    }
    const inflater = new Inflater(input, what);
    let size = 0;
    let crc = 0;
    for await (const piece of inflater.pieces()) {
      size += piece.byteLength;
      if (size > maxBytes) throw new RegistryError('too_large', `${what} unpacks to more than ${maxBytes} bytes`);
      if (size > ratioFrom && size > maxRatio * inflater.consumed) {
        throw invalid(`${what} unpacks to more than ${maxRatio} times its size`);
      }
      crc = crc32(piece, crc);
      yield piece;
    }
    await readTrailer(input, what, crc, size);
  } finally {
    input.close();
  }
}
