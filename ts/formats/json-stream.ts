import { invalid, RegistryError } from '../errors/registry-error.js';
import { decodeBase64 } from './base64.js';
import { MAX_DEPTH, parseJson } from './json.js';
import { isSpace, ValueScanner } from './json-scan.js';
import { StringScanner } from './json-string.js';
import { quote } from './quote.js';
import { Utf8Check } from './utf8-check.js';

export interface JsonReaderLimits {
  /** Most bytes outside of strings that are streamed; default 64 MiB. */
  readonly maxBytes?: number;
  /** Most members of one object that is walked; default 100,000. */
  readonly maxMembers?: number;
  /** What the text is called in messages; default `JSON`. */
  readonly what?: string;
}

const MAX_BYTES = 64 * 1024 ** 2;
const MAX_MEMBERS = 100_000;
const MAX_NAME = 4096;
const QUOTE = 0x22;
const END = -1;
const EMPTY = Buffer.alloc(0);

/**
 * Walks a JSON text (RFC 8259) while it arrives, in constant memory beside what the caller asks for. An object is walked with `members`; a member's
 * value is taken with `value`, `json`, `text`, `base64` or `members`, or else skipped, its grammar checked all the same. `end` must be called at last.
 *
 * Everything throws `invalid` for text that is not UTF-8 or not JSON, nesting beyond 64, and a name that stands twice in a walked object or is
 * `__proto__`; `too_large` beyond a limit. `constructor` and `prototype` are names like any other. Errors of the source pass as they are.
 */
export class JsonReader {
  private readonly source: AsyncIterator<Uint8Array>;
  private readonly maxBytes: number;
  private readonly maxMembers: number;
  private readonly what: string;
  private readonly utf8 = new Utf8Check();
  private chunk: Buffer = EMPTY;
  private at = 0;
  /** Bytes of earlier pieces. */
  private before = 0;
  private streamed = 0;
  private depth = 0;
  private due = true;
  private string: StringScanner | undefined;

  constructor(source: AsyncIterable<Uint8Array>, limits: JsonReaderLimits = {}) {
    this.source = source[Symbol.asyncIterator]();
    this.maxBytes = limits.maxBytes ?? MAX_BYTES;
    this.maxMembers = limits.maxMembers ?? MAX_MEMBERS;
    this.what = limits.what ?? 'JSON';
  }

  /** Names of the object that stands here, one at a time. A value that is not taken before the next name is asked for is skipped. */
  async *members(): AsyncGenerator<string> {
    this.take();
    await this.expect(0x7b, 'something other than an object');
    const depth = ++this.depth;
    if (depth > MAX_DEPTH) throw invalid(`${this.what} is nested too deep`);
    const seen = new Set<string>();
    if ((await this.peek()) === 0x7d) this.at++;
    else {
      do {
        const name = await this.name(seen);
        await this.expect(0x3a, 'a name without a colon');
        this.due = true;
        yield name;
        await this.finishValue(depth);
      } while (await this.comma());
    }
    this.depth--;
  }

  /** A copy of the value's own bytes, of which there may be `maxBytes`. */
  async value(maxBytes: number, what: string = this.what): Promise<Uint8Array> {
    this.take();
    return this.scan(maxBytes, what);
  }

  /** The value as `parseJson` gives it. */
  async json(maxBytes: number, what: string = this.what): Promise<unknown> {
    return parseJson(await this.value(maxBytes, what), { what });
  }

  /** True when the value that stands here is a string. */
  async isString(): Promise<boolean> {
    return (await this.peek()) === QUOTE;
  }

  /** The bytes that a string's base 64 text stands for. Throws `invalid` for a value of another kind or other text. */
  base64(): AsyncGenerator<Uint8Array> {
    return decodeBase64(this.text());
  }

  /** Nothing but white space may follow. */
  async end(): Promise<void> {
    if (this.due || this.depth > 0) throw new TypeError('the JSON text was not walked to its end');
    if ((await this.peek()) !== END) throw this.wrong('something behind its end');
  }

  /** Closes the source. Does not wait for a read that is still under way. */
  close(): void {
    this.source.return?.()?.catch(() => undefined);
  }

  /** Content of the string that stands here, escapes undone; each piece is valid until the next is asked for. Control characters are let through. */
  private async *text(): AsyncGenerator<Uint8Array> {
    this.take();
    await this.expect(QUOTE, 'something other than a string');
    this.string = new StringScanner(this.what);
    while (this.string) {
      const piece = await this.segment(this.string);
      if (piece.byteLength > 0) yield piece;
    }
  }

  private async segment(string: StringScanner): Promise<Uint8Array> {
    if (this.at === this.chunk.length && !(await this.fill())) throw this.cutOff();
    const { bytes, next, closed } = string.feed(this.chunk, this.at);
    this.streamed += next - this.at;
    this.at = next;
    if (closed) this.string = undefined;
    return bytes;
  }

  private take(): void {
    if (!this.due) throw new TypeError('a JSON value can be taken once');
    this.due = false;
  }

  private async finishValue(depth: number): Promise<void> {
    while (this.string) await this.segment(this.string);
    if (this.depth !== depth) throw new TypeError('an inner object was not walked to its end');
    if (!this.due) return;
    this.due = false;
    await this.scan(undefined, this.what);
  }

  /** The value's bytes; nothing, without a limit, when they are not wanted. */
  private async scan(maxBytes: number | undefined, what: string): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    const scanner = new ValueScanner(MAX_DEPTH - this.depth, this.what);
    let size = 0;
    await this.peek();
    while (!scanner.done) {
      if (this.at === this.chunk.length && !(await this.fill())) {
        scanner.end();
        break;
      }
      const from = this.at;
      this.at = scanner.feed(this.chunk, from);
      if (maxBytes === undefined) continue;
      size += this.at - from;
      if (size > maxBytes) throw new RegistryError('too_large', `${what} is larger than ${maxBytes} bytes`);
      // A source may use its buffer again.
      parts.push(Buffer.from(this.chunk.subarray(from, this.at)));
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  private async name(seen: Set<string>): Promise<string> {
    if ((await this.peek()) !== QUOTE) throw this.wrong('an object whose member has no name');
    const name = parseJson(await this.scan(MAX_NAME, 'a name'), { what: this.what }) as string;
    if (name === '__proto__') throw invalid(`${this.what} has a key __proto__`);
    if (seen.has(name)) throw invalid(`${this.what} has a key twice: ${quote(name)}`);
    if (seen.size === this.maxMembers)
      throw new RegistryError('too_large', `${this.what} has more than ${this.maxMembers} keys in one object`);
    seen.add(name);
    return name;
  }

  private async comma(): Promise<boolean> {
    const byte = await this.peek();
    if (byte === END) throw this.cutOff();
    if (byte !== 0x2c && byte !== 0x7d) throw this.wrong('something other than a comma behind a value');
    this.at++;
    return byte === 0x2c;
  }

  private async expect(byte: number, problem: string): Promise<void> {
    const found = await this.peek();
    if (found === END) throw this.cutOff();
    if (found !== byte) throw this.wrong(problem);
    this.at++;
  }

  /** The next byte that is not white space, or `END`. */
  private async peek(): Promise<number> {
    for (;;) {
      for (; this.at < this.chunk.length; this.at++) {
        const byte = this.chunk[this.at] as number;
        if (!isSpace(byte)) return byte;
      }
      if (!(await this.fill())) return END;
    }
  }

  private async fill(): Promise<boolean> {
    this.before += this.chunk.length;
    this.chunk = EMPTY;
    this.at = 0;
    if (this.before - this.streamed > this.maxBytes) {
      throw new RegistryError('too_large', `${this.what} is larger than ${this.maxBytes} bytes`);
    }
    for (;;) {
      const { done, value } = await this.source.next();
      if (done) {
        if (!this.utf8.whole) throw invalid(`${this.what} is not valid UTF-8`);
        return false;
      }
      if (value.byteLength === 0) continue;
      this.chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      if (!this.utf8.accepts(this.chunk)) throw invalid(`${this.what} is not valid UTF-8`);
      return true;
    }
  }

  private wrong(problem: string): RegistryError {
    return invalid(`${this.what} is not valid JSON: ${problem}`);
  }

  private cutOff(): RegistryError {
    return invalid(`${this.what} is cut off`);
  }
}
