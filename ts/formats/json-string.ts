import { invalid, type RegistryError } from '../errors/registry-error.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SIMPLE: ReadonlyMap<string, number> = new Map([
  ['\\"', 0x22],
  ['\\\\', 0x5c],
  ['\\/', 0x2f],
  ['\\b', 0x08],
  ['\\f', 0x0c],
  ['\\n', 0x0a],
  ['\\r', 0x0d],
  ['\\t', 0x09],
]);

/** A piece of a string's content. */
export interface Segment {
  /** Valid until the next piece is asked for. */
  readonly bytes: Uint8Array;
  /** Index of the first byte that was not read. */
  readonly next: number;
  /** True when the closing quote was read. */
  readonly closed: boolean;
}

/**
 * The content of one JSON string (RFC 8259 §7) whose bytes come in pieces, with its escapes undone. Pieces without escapes are passed on as they lie.
 * Bytes that are not escaped are not looked at: control characters are for whoever knows what the string must hold.
 */
export class StringScanner {
  private readonly what: string;
  private escape = '';
  private high = 0;

  constructor(what: string) {
    this.what = what;
  }

  /** Throws `invalid` for a broken escape, an escaped NUL and a lone surrogate. */
  feed(bytes: Buffer, at: number): Segment {
    if (this.escape !== '' || this.high !== 0) return this.unescape(bytes, at);
    const quote = bytes.indexOf(QUOTE, at);
    const end = quote < 0 ? bytes.length : quote;
    const slash = bytes.subarray(at, end).indexOf(BACKSLASH);
    if (slash >= 0) return this.unescape(bytes, at);
    return { bytes: bytes.subarray(at, end), next: quote < 0 ? end : end + 1, closed: quote >= 0 };
  }

  private unescape(bytes: Buffer, from: number): Segment {
    // An escape is never shorter than its UTF-8; one begun in an earlier piece may leave four bytes here.
    const out = Buffer.allocUnsafe(bytes.length - from + 4);
    let size = 0;
    let at = from;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (this.escape !== '') size = this.inEscape(byte, out, size);
      else if (byte === BACKSLASH) this.escape = '\\';
      else {
        if (this.high !== 0) throw this.lone();
        if (byte === QUOTE) return { bytes: out.subarray(0, size), next: at + 1, closed: true };
        out[size++] = byte;
      }
    }
    return { bytes: out.subarray(0, size), next: at, closed: false };
  }

  private inEscape(byte: number, out: Buffer, size: number): number {
    this.escape += String.fromCharCode(byte);
    const taken = this.escape;
    if (taken.length === 2 && byte !== 0x75) {
      const plain = SIMPLE.get(taken);
      if (plain === undefined) throw invalid(`${this.what} is not valid JSON: an unknown escape`);
      if (this.high !== 0) throw this.lone();
      this.escape = '';
      out[size] = plain;
      return size + 1;
    }
    if (taken.length < 6) return size;
    if (!/^\\u[0-9a-fA-F]{4}$/.test(taken)) throw invalid(`${this.what} is not valid JSON: a broken \\u escape`);
    this.escape = '';
    return this.unit(Number.parseInt(taken.slice(2), 16), out, size);
  }

  /** Writes a UTF-16 unit, or keeps it until its other half is there. */
  private unit(unit: number, out: Buffer, size: number): number {
    const isHigh = unit >= 0xd800 && unit <= 0xdbff;
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (isLow !== (this.high !== 0)) throw this.lone();
    if (unit === 0) throw invalid(`${this.what} contains NUL`);
    if (isHigh) {
      this.high = unit;
      return size;
    }
    const point = isLow ? 0x10000 + ((this.high - 0xd800) << 10) + (unit - 0xdc00) : unit;
    this.high = 0;
    return size + out.write(String.fromCodePoint(point), size, 'utf8');
  }

  private lone(): RegistryError {
    return invalid(`${this.what} contains a lone surrogate`);
  }
}
