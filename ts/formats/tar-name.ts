import { isUtf8 } from 'node:buffer';
import { invalid } from '../errors/registry-error.js';
import { quote } from './quote.js';

const MAX_NAME = 4096;
const MAX_SEGMENT = 255;
const MAX_SEGMENTS = 128;
const ASCII = /^[ -~]*$/;

/** Bytes of a name as text. Throws `invalid` unless they are UTF-8: replacement characters would make two names one. */
export function decodeName(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw invalid('tar archive has a name that is not UTF-8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/**
 * Checks the name of an entry and returns it without the slash at a directory's end. Throws `invalid` for what readers would understand differently or
 * would write elsewhere: empty, absolute, `.` and `..` segments, backslashes, drive letters, control characters, more than 255 bytes in a segment, 4,096 in
 * all, or 128 segments.
 */
export function checkName(name: string, isDirectory: boolean): string {
  const path = isDirectory && name.endsWith('/') ? name.slice(0, -1) : name;
  const problem = problemOf(path);
  if (problem) throw invalid(`tar archive has an entry whose name ${problem}: ${quote(name)}`);
  return path;
}

/** In bytes of UTF-8, of which a unit of a string takes one to three. */
const isLonger = (text: string, max: number): boolean =>
  text.length > max || (3 * text.length > max && Buffer.byteLength(text) > max);

function problemOf(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (isLonger(path, MAX_NAME)) return `is longer than ${MAX_NAME} bytes`;
  if (!ASCII.test(path) && /\p{Cc}/u.test(path)) return 'has control characters';
  if (path.includes('\\')) return 'has a backslash';
  if (path.startsWith('/') || (path[1] === ':' && /^[A-Za-z]/.test(path))) return 'is absolute';
  return segmentProblemOf(path);
}

const DOT = 0x2e;

/** Without a list of the segments: a flood of names would make a flood of lists. */
function segmentProblemOf(path: string): string | undefined {
  let count = 0;
  for (let from = 0, end = 0; end < path.length; from = end + 1) {
    end = path.indexOf('/', from);
    if (end < 0) end = path.length;
    const length = end - from;
    if (++count > MAX_SEGMENTS) return `has more than ${MAX_SEGMENTS} segments`;
    if (length === 0) return end === path.length ? 'ends with a slash' : 'has an empty segment';
    if (length <= 2 && path.charCodeAt(from) === DOT && path.charCodeAt(end - 1) === DOT) return 'has a segment of dots';
    if (3 * length > MAX_SEGMENT && isLonger(path.slice(from, end), MAX_SEGMENT))
      return `has a segment of more than ${MAX_SEGMENT} bytes`;
  }
  return undefined;
}

/** Names that are one on some file system: Unicode-equal ones, and those that differ in case. */
export const collisionKey = (path: string): string =>
  ASCII.test(path) ? path.toLowerCase() : path.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');

/** Refuses the second entry of a name. */
export class NameSet {
  private readonly keys = new Set<string>();

  /** Throws `invalid` for a name that collides with an earlier one. */
  add(path: string): void {
    const key = collisionKey(path);
    if (this.keys.has(key)) throw invalid(`tar archive has two entries of one name: ${quote(path)}`);
    this.keys.add(key);
  }
}
