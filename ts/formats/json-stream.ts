import { invalid, RegistryError } from '../errors/registry-error.js';
import { type Steps, waitFor, walk } from '../lib/steps.js';
import { nextTurn, Pace } from '../lib/turns.js';
import { decodeBase64 } from './base64.js';
import { MAX_DEPTH, parseJson } from './json.js';
import { parseJsonInTurns } from './json-in-turns.js';
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
const OPEN_OBJECT = 0x7b;
/** Bytes that are looked through in one turn of the event loop, however fast they come. */
const BYTES_A_TURN = 256 * 1024;
/** A value up to here is parsed without a promise. */
const SMALL = 16 * 1024;
/** What a name costs, in such bytes. */
const NAME_BYTES = 128;
const END = -1;
/** The piece at hand is used up. */
const USED_UP = -2;
const EMPTY = Buffer.alloc(0);

/**
 * Walks a JSON text (RFC 8259) while it arrives, in constant memory beside what the caller asks for. An object is walked with `members`; a member's
 * value is taken with `value`, `json`, `base64` or `members`, or else skipped, its grammar checked all the same. `end` must be called at last.
 * Nothing waits but for the source's next piece (see `Steps`), and for others' turns of the event loop where much is at hand.
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
  private readonly pace = new Pace(BYTES_A_TURN);

  constructor(source: AsyncIterable<Uint8Array>, limits: JsonReaderLimits = {}) {
    this.source = source[Symbol.asyncIterator]();
    this.maxBytes = limits.maxBytes ?? MAX_BYTES;
    this.maxMembers = limits.maxMembers ?? MAX_MEMBERS;
    this.what = limits.what ?? 'JSON';
  }

  /** The object that stands here. */
  members(): Members {
    this.take();
    return new Members(this);
  }

  /** A copy of the value's own bytes, of which there may be `maxBytes`. */
  value(maxBytes: number, what: string = this.what): Steps<Uint8Array> {
    this.take();
    return this.scan(maxBytes, what);
  }

  /** The value as `parseJson` gives it. */
  *json(maxBytes: number, what: string = this.what): Steps<unknown> {
    const bytes = yield* this.value(maxBytes, what);
    return bytes.byteLength <= SMALL ? parseJson(bytes, { what }) : yield* waitFor(parseJsonInTurns(bytes, { what }));
  }

  /** True when the value that stands here is a string. */
  *isString(): Steps<boolean> {
    return (yield* this.peek()) === QUOTE;
  }

  /** True when the value that stands here is an object. */
  *isObject(): Steps<boolean> {
    return (yield* this.peek()) === OPEN_OBJECT;
  }

  /** The bytes that a string's base 64 text stands for. Throws `invalid` for a value of another kind or other text. */
  base64(): AsyncGenerator<Uint8Array> {
    return decodeBase64(this.text());
  }

  /** Nothing but white space may follow. */
  *end(): Steps<void> {
    if (this.due || this.depth > 0) throw new TypeError('the JSON text was not walked to its end');
    if ((yield* this.peek()) !== END) throw this.wrong('something behind its end');
  }

  /** Closes the source. Does not wait for a read that is still under way. */
  close(): void {
    this.source.return?.()?.catch(() => undefined);
  }

  /** For `Members`: the name behind `{` or a comma; undefined: the object ends here. */
  *nextName(object: OpenObject): Steps<string | undefined> {
    if (object.depth === 0) {
      yield* this.expect(OPEN_OBJECT, 'something other than an object');
      object.depth = ++this.depth;
      if (this.depth > MAX_DEPTH) throw invalid(`${this.what} is nested too deep`);
      if ((yield* this.peek()) !== 0x7d) return yield* this.nameOf(object);
      this.at++;
    } else {
      yield* this.finishValue(object.depth);
      if (yield* this.comma()) return yield* this.nameOf(object);
    }
    this.depth--;
    return undefined;
  }

  private *nameOf({ seen }: OpenObject): Steps<string> {
    const name = yield* this.name(seen);
    yield* this.expect(0x3a, 'a name without a colon');
    this.due = true;
    return name;
  }

  /** Content of the string that stands here, escapes undone; each piece is valid until the next is asked for. Control characters are let through. */
  private async *text(): AsyncGenerator<Uint8Array> {
    this.take();
    await walk(this.expect(QUOTE, 'something other than a string'));
    this.string = new StringScanner(this.what);
    while (this.string) {
      const piece = await walk(this.segment(this.string));
      if (piece.byteLength > 0) yield piece;
    }
  }

  private *segment(string: StringScanner): Steps<Uint8Array> {
    if (this.at === this.chunk.length && !(yield* this.fill())) throw this.cutOff();
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

  private *finishValue(depth: number): Steps<void> {
    while (this.string) yield* this.segment(this.string);
    if (this.depth !== depth) throw new TypeError('an inner object was not walked to its end');
    if (!this.due) return;
    this.due = false;
    yield* this.scan(undefined, this.what);
  }

  /** The value's bytes; nothing, without a limit, when they are not wanted. */
  private *scan(maxBytes: number | undefined, what: string): Steps<Uint8Array> {
    const parts: Buffer[] = [];
    const scanner = new ValueScanner(MAX_DEPTH - this.depth, this.what);
    let size = 0;
    yield* this.peek();
    while (!scanner.done) {
      if (this.at === this.chunk.length && !(yield* this.fill())) {
        scanner.end();
        break;
      }
      const from = this.at;
      this.at = scanner.feed(this.chunk, from);
      if (this.pace.due(this.at - from)) yield* waitFor(nextTurn());
      if (maxBytes === undefined) continue;
      size += this.at - from;
      if (size > maxBytes) throw new RegistryError('too_large', `${what} is larger than ${maxBytes} bytes`);
      // A source may use its buffer again.
      parts.push(Buffer.from(this.chunk.subarray(from, this.at)));
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  private *name(seen: Set<string>): Steps<string> {
    if ((yield* this.peek()) !== QUOTE) throw this.wrong('an object whose member has no name');
    const name = parseJson(yield* this.scan(MAX_NAME, 'a name'), { what: this.what }) as string;
    if (name === '__proto__') throw invalid(`${this.what} has a key __proto__`);
    if (seen.has(name)) throw invalid(`${this.what} has a key twice: ${quote(name)}`);
    if (seen.size === this.maxMembers)
      throw new RegistryError('too_large', `${this.what} has more than ${this.maxMembers} keys in one object`);
    seen.add(name);
    if (this.pace.due(NAME_BYTES)) yield* waitFor(nextTurn());
    return name;
  }

  private *comma(): Steps<boolean> {
    const byte = yield* this.peek();
    if (byte === END) throw this.cutOff();
    if (byte !== 0x2c && byte !== 0x7d) throw this.wrong('something other than a comma behind a value');
    this.at++;
    return byte === 0x2c;
  }

  private *expect(byte: number, problem: string): Steps<void> {
    const found = yield* this.peek();
    if (found === END) throw this.cutOff();
    if (found !== byte) throw this.wrong(problem);
    this.at++;
  }

  /** The next byte that is not white space, or `END`. */
  private *peek(): Steps<number> {
    for (let byte = this.near(); ; byte = this.near()) {
      if (byte !== USED_UP) return byte;
      if (!(yield* this.fill())) return END;
    }
  }

  private near(): number {
    for (; this.at < this.chunk.length; this.at++) {
      const byte = this.chunk[this.at] as number;
      if (!isSpace(byte)) return byte;
    }
    return USED_UP;
  }

  private *fill(): Steps<boolean> {
    this.before += this.chunk.length;
    this.chunk = EMPTY;
    this.at = 0;
    if (this.before - this.streamed > this.maxBytes) {
      throw new RegistryError('too_large', `${this.what} is larger than ${this.maxBytes} bytes`);
    }
    for (;;) {
      const { done, value } = yield* waitFor(this.source.next());
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

/** An object that is walked. `depth` is 0 before its brace has been read. */
interface OpenObject {
  depth: number;
  readonly seen: Set<string>;
}

/** Names of one object, one at a time. A value that is not taken before the next name is asked for is skipped. */
export class Members implements OpenObject {
  depth = 0;
  readonly seen: Set<string> = new Set();
  private readonly reader: JsonReader;

  constructor(reader: JsonReader) {
    this.reader = reader;
  }

  /** Undefined behind the last one. */
  next(): Steps<string | undefined> {
    return this.reader.nextName(this);
  }
}
