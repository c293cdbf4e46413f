import { isUtf8 } from 'node:buffer';
import { invalid, RegistryError } from '../errors/registry-error.js';

export interface JsonLimits {
  /** Most bytes of text; default 64 MiB. */
  readonly maxBytes?: number;
  /** Most nested arrays and objects; default 64. */
  readonly maxDepth?: number;
  /** Most values, members' names not counted; default 1,000,000. */
  readonly maxValues?: number;
  /** Most members of all objects; default: as many as there may be values. */
  readonly maxNames?: number;
  /** What the text is called in messages; default `JSON`. */
  readonly what?: string;
  /** No object may have a name twice. Default false: the last one counts, as in `JSON.parse`. */
  readonly unique?: boolean;
}

const MAX_BYTES = 64 * 1024 ** 2;
export const MAX_DEPTH = 64;
const MAX_VALUES = 1_000_000;

type Parsed = { [key: string]: unknown };

/** What can be said of the bytes before they are read. Throws `too_large` and `invalid`. */
export function checkBytes(bytes: Uint8Array, { what = 'JSON', maxBytes = MAX_BYTES }: JsonLimits): void {
  if (bytes.byteLength > maxBytes) throw new RegistryError('too_large', `${what} is larger than ${maxBytes} bytes`);
  if (!isUtf8(bytes)) throw invalid(`${what} is not valid UTF-8`);
}

/** `JSON.parse` of some text in UTF-8. Throws `invalid`. */
export function parseText(text: string, { what = 'JSON' }: JsonLimits): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`${what} is not valid JSON`, { cause });
  }
}

export const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

const isWellFormed = (text: string): boolean => (text as unknown as { isWellFormed(): boolean }).isWellFormed();

/** What JSON can carry and nothing behind it should: refused in names and values alike. */
function checkText(text: string, what: string): void {
  if (text.includes('\0')) throw invalid(`${what} contains NUL`);
  if (!isWellFormed(text)) throw invalid(`${what} contains a lone surrogate`);
}

/** Checks a parsed value and takes the prototype from its objects, so that `constructor` or `toString` is a key like any other. */
export class Hardener {
  /** Members of all objects. */
  names = 0;
  private values = 0;
  private readonly maxDepth: number;
  private readonly maxValues: number;
  private readonly maxNames: number;
  private readonly what: string;

  constructor(limits: JsonLimits) {
    this.maxDepth = limits.maxDepth ?? MAX_DEPTH;
    this.maxValues = limits.maxValues ?? MAX_VALUES;
    this.maxNames = limits.maxNames ?? this.maxValues;
    this.what = limits.what ?? 'JSON';
  }

  /** Counts a value. Throws `too_large`. */
  count(): void {
    if (++this.values > this.maxValues)
      throw new RegistryError('too_large', `${this.what} has more than ${this.maxValues} values`);
  }

  /** A value, and all that is in it, in `depth` containers. */
  visit(value: unknown, depth: number): void {
    this.count();
    if (typeof value === 'string') checkText(value, this.what);
    else if (typeof value === 'number') this.checkNumber(value);
    else if (typeof value === 'object' && value !== null) this.visitContainer(value, depth + 1);
  }

  private checkNumber(value: number): void {
    if (!Number.isFinite(value)) throw invalid(`${this.what} contains a number out of range`);
  }

  private visitContainer(value: object, depth: number): void {
    if (depth > this.maxDepth) throw invalid(`${this.what} is nested more than ${this.maxDepth} deep`);
    if (Array.isArray(value)) {
      for (const element of value) this.visit(element, depth);
      return;
    }
    const object = value as Parsed;
    for (const key of Object.keys(object)) {
      this.visitName(key);
      this.visit(object[key], depth);
    }
    Object.setPrototypeOf(object, null);
  }

  /** A member's name. */
  visitName(key: string): void {
    if (key === '__proto__') throw invalid(`${this.what} has a key __proto__`);
    checkText(key, this.what);
    if (++this.names > this.maxNames)
      throw new RegistryError('too_large', `${this.what} has more than ${this.maxNames} members in its objects`);
  }
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];

/** Members that valid JSON text writes down: each has one colon outside of texts. What was parsed has fewer where a name stands twice. */
function membersIn(bytes: Uint8Array): number {
  let members = 0;
  let inText = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) inText = !inText;
    else if (inText) at += byte === BACKSLASH ? 1 : 0;
    else if (byte === COLON) members += 1;
  }
  return members;
}

/**
 * JSON text (RFC 8259) in UTF-8, strictly. Objects have no prototype; a repeated name counts as its last value, as in `JSON.parse`, unless it is refused.
 * Throws `invalid` for bad UTF-8, a byte order mark, bad grammar, nesting beyond `maxDepth`, a key `__proto__`, NUL, a lone surrogate or a number that
 * is no finite double; `too_large` beyond `maxBytes` or `maxValues`.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = {}): unknown {
  checkBytes(bytes, limits);
  const value = parseText(textOf(bytes), limits);
  const hardener = new Hardener(limits);
  hardener.visit(value, 0);
  if (limits.unique && membersIn(bytes) !== hardener.names) throw keyTwice(limits);
  return value;
}

export const keyTwice = ({ what = 'JSON' }: JsonLimits): RegistryError => invalid(`${what} has a key twice`);

/** A parsed value that must be an object. Throws `invalid` for any other. */
export function objectIn(value: unknown, { what = 'JSON' }: JsonLimits): { readonly [key: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${what} is not an object`);
  return value as Parsed;
}

/** As `parseJson`, for text whose value must be an object. Throws `invalid` for any other value. */
export const parseJsonObject = (bytes: Uint8Array, limits: JsonLimits = {}): { readonly [key: string]: unknown } =>
  objectIn(parseJson(bytes, limits), limits);
