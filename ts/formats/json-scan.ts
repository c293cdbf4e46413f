import { invalid, type RegistryError } from '../errors/registry-error.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

export const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isHex = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
const ESCAPED: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrt'));

/** What may come next. */
type Expect =
  | 'value'
  | 'element or ]'
  | 'name'
  | 'name or }'
  | ':'
  | ', or close'
  | 'string'
  | 'escape'
  | 'hex'
  | 'word'
  | 'number';

/** Where in a number: after what. */
type NumberPart = '-' | '0' | 'digits' | '.' | 'fraction' | 'e' | 'e sign' | 'exponent';

const nextInNumber = (part: NumberPart, byte: number): NumberPart | undefined => {
  const digit = isDigit(byte);
  switch (part) {
    case '-':
      return byte === 0x30 ? '0' : digit ? 'digits' : undefined;
    case '.':
    case 'fraction':
      if (digit) return 'fraction';
      return part === 'fraction' && (byte | 0x20) === 0x65 ? 'e' : undefined;
    case 'e':
      if (byte === 0x2b || byte === 0x2d) return 'e sign';
      return digit ? 'exponent' : undefined;
    case 'e sign':
    case 'exponent':
      return digit ? 'exponent' : undefined;
    default:
      if (part === 'digits' && digit) return 'digits';
      if (byte === 0x2e) return '.';
      return (byte | 0x20) === 0x65 ? 'e' : undefined;
  }
};

const isWholeNumber = (part: NumberPart): boolean =>
  part === '0' || part === 'digits' || part === 'fraction' || part === 'exponent';

/**
 * Finds the end of one JSON value (RFC 8259) whose bytes come in pieces, checking the grammar as they pass, in constant memory. Whether the bytes are
 * UTF-8 is for whoever reads them to check.
 */
export class ValueScanner {
  private readonly maxDepth: number;
  private readonly what: string;
  /** True where the container is an object. */
  private readonly stack: boolean[] = [];
  private expect: Expect = 'value';
  private isName = false;
  private word = '';
  private wordAt = 0;
  private number: NumberPart = '-';
  private hexDigits = 0;
  private finished = false;

  constructor(maxDepth: number, what: string) {
    this.maxDepth = maxDepth;
    this.what = what;
  }

  get done(): boolean {
    return this.finished;
  }

  /** Reads `bytes` from `at`; returns the index behind the value's last byte, or the length when the value goes on. Throws `invalid`. */
  feed(bytes: Uint8Array, at: number): number {
    let index = at;
    while (index < bytes.length && !this.finished) index = this.step(bytes, index);
    return index;
  }

  /** The text ends here: throws `invalid` unless the value is whole. */
  end(): void {
    if (this.expect === 'number' && this.stack.length === 0 && isWholeNumber(this.number)) this.finished = true;
    if (!this.finished) throw invalid(`${this.what} is cut off`);
  }

  private step(bytes: Uint8Array, at: number): number {
    if (this.expect === 'string') return this.inString(bytes, at);
    if (this.expect === 'number') return this.inNumber(bytes, at);
    const byte = bytes[at] as number;
    if (this.expect === 'word') this.inWord(byte);
    else if (this.expect === 'escape') this.inEscape(byte);
    else if (this.expect === 'hex') this.inHex(byte);
    else if (!isSpace(byte)) this.token(byte);
    return at + 1;
  }

  private inString(bytes: Uint8Array, from: number): number {
    const { length } = bytes;
    let at = from;
    for (; at < length; at++) {
      const byte = bytes[at] as number;
      if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) continue;
      if (byte < 0x20) throw this.wrong('a control character in a string');
      if (byte === BACKSLASH) this.expect = 'escape';
      else if (this.isName) this.expect = ':';
      else this.valueEnds();
      return at + 1;
    }
    return at;
  }

  private inEscape(byte: number): void {
    if (byte === 0x75) {
      this.expect = 'hex';
      this.hexDigits = 0;
      return;
    }
    if (!ESCAPED.has(byte)) throw this.wrong('an unknown escape');
    this.expect = 'string';
  }

  private inHex(byte: number): void {
    if (!isHex(byte)) throw this.wrong('a broken \\u escape');
    if (++this.hexDigits === 4) this.expect = 'string';
  }

  private inWord(byte: number): void {
    if (byte !== this.word.charCodeAt(this.wordAt)) throw this.wrong('an unknown word');
    if (++this.wordAt === this.word.length) this.valueEnds();
  }

  /** The byte that ends a number is not part of it. */
  private inNumber(bytes: Uint8Array, at: number): number {
    const next = nextInNumber(this.number, bytes[at] as number);
    if (next !== undefined) {
      this.number = next;
      return at + 1;
    }
    if (!isWholeNumber(this.number)) throw this.wrong('a malformed number');
    this.valueEnds();
    return at;
  }

  private token(byte: number): void {
    const { expect } = this;
    if (expect === ', or close') this.behindValue(byte);
    else if (expect === ':') {
      if (byte !== COLON) throw this.wrong('a name without a colon');
      this.expect = 'value';
    } else if (expect === 'name or }' && byte === CLOSE_OBJECT) this.close();
    else if (expect === 'element or ]' && byte === CLOSE_ARRAY) this.close();
    else if (expect === 'name' || expect === 'name or }') this.nameBegins(byte);
    else this.valueBegins(byte);
  }

  private nameBegins(byte: number): void {
    if (byte !== QUOTE) throw this.wrong('an object whose member has no name');
    this.isName = true;
    this.expect = 'string';
  }

  private behindValue(byte: number): void {
    const inObject = this.stack.at(-1) === true;
    if (byte === (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) this.close();
    else if (byte === COMMA) this.expect = inObject ? 'name' : 'value';
    else throw this.wrong('something other than a comma behind a value');
  }

  private valueBegins(byte: number): void {
    if (byte === QUOTE) {
      this.isName = false;
      this.expect = 'string';
    } else if (byte === OPEN_OBJECT) this.open(true);
    else if (byte === OPEN_ARRAY) this.open(false);
    else if (byte === 0x2d || isDigit(byte)) {
      this.number = byte === 0x2d ? '-' : byte === 0x30 ? '0' : 'digits';
      this.expect = 'number';
    } else this.wordBegins(byte);
  }

  private wordBegins(byte: number): void {
    const word = byte === 0x74 ? 'true' : byte === 0x66 ? 'false' : byte === 0x6e ? 'null' : undefined;
    if (word === undefined) throw this.wrong('something that is no value');
    this.word = word;
    this.wordAt = 1;
    this.expect = 'word';
  }

  private open(isObject: boolean): void {
    if (this.stack.length >= this.maxDepth) throw invalid(`${this.what} is nested too deep`);
    this.stack.push(isObject);
    this.expect = isObject ? 'name or }' : 'element or ]';
  }

  private close(): void {
    this.stack.pop();
    this.valueEnds();
  }

  private valueEnds(): void {
    if (this.stack.length === 0) this.finished = true;
    this.expect = ', or close';
  }

  private wrong(problem: string): RegistryError {
    return invalid(`${this.what} is not valid JSON: ${problem}`);
  }
}
