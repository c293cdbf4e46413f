import { invalid, type RegistryError } from '../errors/registry-error.js';
import { nextTurn } from '../lib/turns.js';
import { checkBytes, Hardener, type JsonLimits, keyTwice, MAX_DEPTH, objectIn, parseJson, parseText, textOf } from './json.js';
import { isSpace } from './json-scan.js';

/** Text that is parsed in one turn of the event loop: at its worst (nothing but short names) it takes some 15 ms. */
const SLICE = 64 * 1024;
/** Text that is only looked through costs a fiftieth. */
const LOOKED_AT = 1024 * 1024;

/** Arrays and objects that begin in one slice: to make an empty one takes as long as to parse thirty bytes of a text. */
const CONTAINERS = 8 * 1024;
/** White space, or digits, in a row: there is nothing to cut them at. */
const MAX_RUN = 256 * 1024;
/** Bytes that are looked at one by one before the end of a text is searched for. */
const NEAR = 64;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

type Parsed = { [key: string]: unknown };

/** A place in the text: from its bracket to behind the one that closes it. */
interface Large {
  readonly end: number;
}

const brokenText = ({ what = 'JSON' }: JsonLimits): RegistryError => invalid(`${what} is not valid JSON`);

/** The index behind the text that begins at `at`; the length where it does not end. */
function behindText(bytes: Uint8Array, at: number): number {
  let index = at + 1;
  for (const near = Math.min(bytes.length, index + NEAR); index < near; index += 1) {
    const byte = bytes[index];
    if (byte === QUOTE) return index + 1;
    if (byte === BACKSLASH) index += 1;
  }
  for (;;) {
    const quote = bytes.indexOf(QUOTE, index);
    if (quote < 0) return bytes.length;
    let escapes = 0;
    while (quote - escapes > index && bytes[quote - escapes - 1] === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return quote + 1;
    index = quote + 1;
  }
}

/** Finds the containers that are too large for one slice. Brackets and texts are all that it reads: everything else is checked when the slices are parsed. */
class Outline {
  readonly large = new Map<number, Large>();
  /** Members that the text writes down: each has one colon outside of texts. */
  members = 0;
  private readonly bytes: Uint8Array;
  private readonly limits: JsonLimits;
  private readonly open: number[] = [];
  /** The last step went over neither a text nor a mark. */
  private plain = false;

  constructor(bytes: Uint8Array, limits: JsonLimits) {
    this.bytes = bytes;
    this.limits = limits;
  }

  async read(): Promise<void> {
    const { bytes } = this;
    let turnAt = LOOKED_AT;
    let run = 0;
    for (let at = 0; at < bytes.length; ) {
      const before = at;
      at = this.step(at);
      run = this.plain ? run + at - before : 0;
      if (run > MAX_RUN)
        throw invalid(`${this.limits.what ?? 'JSON'} has more than ${MAX_RUN} bytes of white space or digits in a row`);
      if (at < turnAt) continue;
      turnAt = at + LOOKED_AT;
      await nextTurn();
    }
    if (this.open.length > 0) throw brokenText(this.limits);
  }

  private step(at: number): number {
    const byte = this.bytes[at];
    this.plain = false;
    if (byte === QUOTE) return behindText(this.bytes, at);
    if (byte === COLON) this.members += 1;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) this.opens(at);
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) this.closes(at, byte);
    else this.plain = byte !== COMMA;
    return at + 1;
  }

  private opens(at: number): void {
    const { what = 'JSON', maxDepth = MAX_DEPTH } = this.limits;
    if (this.open.length === maxDepth) throw invalid(`${what} is nested more than ${maxDepth} deep`);
    this.open.push(at);
  }

  private closes(at: number, byte: number): void {
    const start = this.open.pop();
    // each bracket is two behind the one that opens it
    if (start === undefined || this.bytes[start] !== byte - 2) throw brokenText(this.limits);
    if (at - start > SLICE) this.large.set(start, { end: at + 1 });
  }
}

/** Puts the values of a large text together, a slice in each turn. */
class Assembly {
  private readonly bytes: Uint8Array;
  private readonly limits: JsonLimits;
  private readonly large: ReadonlyMap<number, Large>;
  readonly hardener: Hardener;

  constructor(bytes: Uint8Array, limits: JsonLimits, { large }: Outline) {
    this.bytes = bytes;
    this.limits = limits;
    this.large = large;
    this.hardener = new Hardener(limits);
  }

  /** The container whose bracket stands at `at`. */
  async container(at: number, depth: number): Promise<unknown> {
    this.hardener.count();
    const target: Container = this.bytes[at] === OPEN_ARRAY ? new List() : new Members(this.hardener);
    const last = this.endOf(at) - 1;
    let from = at + 1;
    let mayBeEmpty = true;
    for (;;) {
      const { end, child } = this.slice(from, last);
      if (child) {
        const name = this.before(target, from, end);
        target.put(name, await this.container(end, depth + 1));
        from = this.behind(this.endOf(end), last);
      } else {
        if (this.take(target, from, end, depth) === 0 && !(mayBeEmpty && end === last)) throw brokenText(this.limits);
        from = end + 1;
      }
      if (from > last) return target.value;
      mayBeEmpty = false;
      await nextTurn();
    }
  }

  private endOf(at: number): number {
    return this.large.get(at)?.end ?? at;
  }

  /** Up to the comma before a large child, or behind some `SLICE` bytes or `CONTAINERS`, or to the container's end; a large child that is the first thing here by itself. */
  private slice(from: number, last: number): { readonly end: number; readonly child: boolean } {
    let comma = -1;
    let depth = 0;
    let containers = 0;
    for (let at = from; at < last; ) {
      const byte = this.bytes[at];
      if (byte === QUOTE) {
        at = behindText(this.bytes, at);
        continue;
      }
      if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        if (this.large.has(at)) return comma < 0 ? { end: at, child: true } : { end: comma, child: false };
        depth += 1;
        containers += 1;
      } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth -= 1;
      else if (byte === COMMA && depth === 0) {
        comma = at;
        if (at - from >= SLICE || containers >= CONTAINERS) return { end: comma, child: false };
      }
      at += 1;
    }
    return { end: last, child: false };
  }

  /** What stands before a large child: nothing in an array, its name in an object. */
  private before(target: Container, from: number, end: number): string {
    const text = textOf(this.bytes.subarray(from, end));
    if (target instanceof List) {
      if (parsedList(text, this.limits).length > 0) throw brokenText(this.limits);
      return '';
    }
    const names = Object.keys(parsedMembers(`${text}[]`, this.limits));
    if (names.length !== 1) throw brokenText(this.limits);
    return names[0] as string;
  }

  /** The index behind the comma that follows a large child; one more than `last` where none does. */
  private behind(from: number, last: number): number {
    let at = from;
    while (at < last && isSpace(this.bytes[at] as number)) at += 1;
    if (at < last && this.bytes[at] !== COMMA) throw brokenText(this.limits);
    return at + 1;
  }

  /** Parses a slice; answers how many elements or members it has. */
  private take(target: Container, from: number, end: number, depth: number): number {
    const text = textOf(this.bytes.subarray(from, end));
    if (target instanceof List) {
      const elements = parsedList(text, this.limits);
      for (const element of elements) {
        this.hardener.visit(element, depth);
        target.put('', element);
      }
      return elements.length;
    }
    const members = Object.entries(parsedMembers(text, this.limits));
    for (const [name, value] of members) {
      this.hardener.visit(value, depth);
      target.put(name, value);
    }
    return members.length;
  }
}

const parsedList = (text: string, limits: JsonLimits): readonly unknown[] => parseText(`[${text}]`, limits) as unknown[];
const parsedMembers = (text: string, limits: JsonLimits): Parsed => parseText(`{${text}}`, limits) as Parsed;

interface Container {
  readonly value: unknown;
  put(name: string, value: unknown): void;
}

class List implements Container {
  readonly value: unknown[] = [];
  put(_name: string, value: unknown): void {
    this.value.push(value);
  }
}

class Members implements Container {
  readonly value: Parsed = Object.create(null) as Parsed;
  private readonly hardener: Hardener;

  constructor(hardener: Hardener) {
    this.hardener = hardener;
  }

  /** A name that stands twice is one member, as in `JSON.parse`. */
  put(name: string, value: unknown): void {
    if (!(name in this.value)) this.hardener.visitName(name);
    this.value[name] = value;
  }
}

/** Where the text's value begins, if it is a large container. Throws `invalid` where something other than white space follows it. */
function largeRoot(bytes: Uint8Array, { large }: Outline, limits: JsonLimits): number | undefined {
  let at = 0;
  while (isSpace(bytes[at] as number)) at += 1;
  let end = large.get(at)?.end;
  if (end === undefined) return undefined;
  while (end < bytes.length && isSpace(bytes[end] as number)) end += 1;
  if (end < bytes.length) throw brokenText(limits);
  return at;
}

/**
 * As `parseJson`, for texts of any size: what is larger than 64 KiB is parsed in slices, with a turn of the event loop for others between them. Text that
 * nests too deep is refused before it is parsed; of a name that stands twice both values count. The bytes must stay as they are meanwhile.
 */
export async function parseJsonInTurns(bytes: Uint8Array, limits: JsonLimits = {}): Promise<unknown> {
  if (bytes.byteLength <= SLICE) return parseJson(bytes, limits);
  checkBytes(bytes, limits);
  const outline = new Outline(bytes, limits);
  await outline.read();
  const root = largeRoot(bytes, outline, limits);
  // one long text or number, or junk that is refused where it begins: there is nothing to cut it at
  if (root === undefined) return parseJson(bytes, limits);
  const assembly = new Assembly(bytes, limits, outline);
  const value = await assembly.container(root, 1);
  if (limits.unique && outline.members !== assembly.hardener.names) throw keyTwice(limits);
  return value;
}

/** As `parseJsonInTurns`, for text whose value must be an object. Throws `invalid` for any other value. */
export const parseJsonObjectInTurns = async (
  bytes: Uint8Array,
  limits: JsonLimits = {},
): Promise<{ readonly [key: string]: unknown }> => objectIn(await parseJsonInTurns(bytes, limits), limits);
