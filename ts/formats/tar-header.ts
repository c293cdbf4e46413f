import { invalid, type RegistryError } from '../errors/registry-error.js';
import { quote } from './quote.js';
import { decodeName } from './tar-name.js';

export const BLOCK = 512;

/** One header block (POSIX.1-1988 ustar, or GNU's), as far as readers must agree on it. */
export interface TarHeader {
  /** The type flag's character; NUL, the old way to say a file, is `0`. */
  readonly flag: string;
  readonly name: string;
  readonly size: number;
}

const USTAR = Buffer.from('ustar\u000000', 'latin1');
const GNU = Buffer.from('ustar  \0', 'latin1');

const untilNul = (field: Buffer): Buffer => {
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
};

/** Whether `bytes` stand at `from`; without a view of them, which costs more than to look. */
function standsAt(block: Buffer, from: number, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (block[from + at] !== bytes[at]) return false;
  return true;
}

/** A field of text up to its NUL. */
function textAt(block: Buffer, from: number, length: number): string {
  const limit = from + length;
  let all = 0;
  let end = from;
  for (; end < limit && block[end] !== 0; end++) all |= block[end] as number;
  return all < 0x80 ? block.toString('latin1', from, end) : decodeName(block.subarray(from, end));
}

const malformed = (what: string): RegistryError => invalid(`tar archive has a header with a malformed ${what}`);
const isFiller = (byte: number | undefined): boolean => byte === 0x20 || byte === 0;

/** Spaces, digits, then spaces and NULs: what every reader takes for the same number; undefined where there are no digits. */
function octalOrBlank(block: Buffer, from: number, length: number, what: string): number | undefined {
  const end = from + length;
  let at = from;
  while (at < end && block[at] === 0x20) at++;
  const first = at;
  let value = 0;
  for (let digit = block[at] as number; at < end && digit >= 0x30 && digit <= 0x37; digit = block[++at] as number) {
    value = value * 8 + digit - 0x30;
  }
  const digits = at - first;
  while (at < end && isFiller(block[at])) at++;
  if (at < end) throw malformed(what);
  return digits === 0 ? undefined : value;
}

function octal(block: Buffer, from: number, length: number, what: string): number {
  const value = octalOrBlank(block, from, length, what);
  if (value === undefined) throw malformed(what);
  return value;
}

/** Fields that say nothing about content, and at which some readers stop all the same: octal, blank, or GNU's base 256. */
const OTHER_NUMBERS = [
  ['mode', 100, 8],
  ['owner', 108, 8],
  ['group', 116, 8],
  ['time', 136, 12],
  ['device', 329, 8],
  ['device', 337, 8],
] as const;

function checkOtherNumbers(block: Buffer): void {
  for (const [what, from, length] of OTHER_NUMBERS) {
    if (block[from] !== 0x80 && block[from] !== 0xff) octalOrBlank(block, from, length, what);
  }
}

/** A block copied to where it may be read as words: faster than any view of where it lies. */
const scratch = new Uint8Array(BLOCK);
const words = new Int32Array(scratch.buffer);

/** The sum of all bytes, those of the field itself counting as spaces; four at a time, in lanes that 128 words cannot fill. */
function checksum(block: Buffer): number {
  scratch.set(block);
  let even = 0;
  let odd = 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as number;
    even += word & 0xff00ff;
    odd += (word >>> 8) & 0xff00ff;
  }
  let sum = (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16) + 8 * 0x20;
  for (let at = 148; at < 156; at++) sum -= block[at] as number;
  return sum;
}

/** Reads a header block. Throws `invalid` for a wrong checksum, a format other than ustar and GNU's, a size that is not octal (8 GiB and more). */
export function readHeader(block: Buffer): TarHeader {
  if (octal(block, 148, 8, 'checksum') !== checksum(block)) throw invalid('tar archive has a header with a wrong checksum');
  const isUstar = standsAt(block, 257, USTAR);
  // Where GNU keeps other things, some readers see the beginning of a name.
  if (!isUstar && !(standsAt(block, 257, GNU) && block[345] === 0))
    throw invalid('tar archive has a header of an unknown format');
  // Nothing that is let through links to anything; some readers stop at a link's name all the same.
  if (block[157] !== 0) throw invalid('tar archive has a header with a link name');
  checkOtherNumbers(block);
  const own = textAt(block, 0, 100);
  const hasPrefix = isUstar && block[345] !== 0;
  const name = hasPrefix ? `${textAt(block, 345, 155)}/${own}` : own;
  const flag = String.fromCharCode(block[156] as number);
  return { flag: flag === '\0' ? '0' : flag, name, size: octal(block, 124, 12, 'size') };
}

/** Keys that change nothing about which files there are and what is in them. */
const HARMLESS =
  /^(?:[acm]time|[ug]id|[ug]name|comment|charset|LIBARCHIVE\.(?:creationtime|xattr\..+)|SCHILY\.(?:dev|ino|nlink|fflags|xattr\..+|acl\..+)|RHT\.security\.selinux)$/;
/** Records that speak of the entry itself, not of the whole archive. */
const OF_ENTRY: ReadonlySet<string> = new Set(['path', 'size']);

/** What a PAX header says of the next entry. */
export interface PaxFacts {
  readonly path?: string;
  readonly size?: number;
}

/** `<length> <key>=<value>\n`, the length counting itself. */
function record(payload: Buffer, at: number): { readonly key: string; readonly value: Buffer; readonly next: number } {
  const space = payload.indexOf(0x20, at);
  const digits = space < 0 || space - at > 6 ? '' : payload.toString('latin1', at, space);
  const next = at + Number(digits);
  const equals = payload.indexOf(0x3d, space);
  const whole = /^[1-9]\d*$/.test(digits) && next <= payload.length && payload[next - 1] === 0x0a;
  if (!whole || equals < 0 || equals >= next) throw invalid('tar archive has a malformed PAX header');
  return { key: payload.toString('latin1', space + 1, equals), value: payload.subarray(equals + 1, next - 1), next };
}

/**
 * Reads a PAX header's payload (POSIX.1-2001). Throws `invalid` for a malformed record, a key that stands twice, and any key that is not known to be
 * harmless: sparse files, links, other character sets; of a global header also `path` and `size`, which readers treat differently.
 */
export function readPax(payload: Buffer, isGlobal: boolean): PaxFacts {
  const facts: { path?: string; size?: number } = {};
  const seen = new Set<string>();
  for (let at = 0; at < payload.length; ) {
    const { key, value, next } = record(payload, at);
    at = next;
    const known = HARMLESS.test(key) || (!isGlobal && OF_ENTRY.has(key));
    if (!known || seen.has(key)) throw invalid(`tar archive has a PAX header with an unexpected key ${quote(key)}`);
    seen.add(key);
    if (key === 'path') facts.path = pathOf(value);
    if (key === 'size') facts.size = sizeOf(value);
  }
  return facts;
}

function pathOf(value: Buffer): string {
  if (value.length === 0) throw invalid('tar archive has a PAX header with an empty path');
  return decodeName(value);
}

function sizeOf(value: Buffer): number {
  const digits = value.toString('latin1');
  if (!/^(?:0|[1-9]\d{0,14})$/.test(digits)) throw invalid('tar archive has a PAX header with a malformed size');
  return Number(digits);
}

/** The payload of GNU's long-name header: the name and one NUL. Throws `invalid` for anything else. */
export function readLongName(payload: Buffer): string {
  const name = untilNul(payload);
  if (name.length !== payload.length - 1) throw invalid('tar archive has a malformed long name');
  return decodeName(name);
}
