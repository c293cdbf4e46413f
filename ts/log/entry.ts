import { concat, text, utf8 } from '../lib/bytes.js';
import { sha256Hex } from '../lib/digest.js';
import { timeOf } from '../storage/key.js';
import { type Change, type EntryInfo, type Floor, UnknownChange } from './schema.js';

/** An entry may not be larger; a batch closes before. */
export const MAX_ENTRY_BYTES = 1024 * 1024;

const VERSION = 1;

/** One slot of a log, read and found whole (design §5). */
export interface Entry extends EntryInfo {
  /** SHA-256 (hex) of the predecessor's first line; null in entry 0. */
  readonly prev: string | null;
  /** SHA-256 (hex) of this entry's first line. */
  readonly hash: string;
  /** `<time>-<id>` of the markers that announced it. */
  readonly markers: readonly string[];
  /** The log's identity string: entry 0, or the first one that knows it (absent once erased). */
  readonly name: string | undefined;
  readonly changes: readonly Change[];
  /** The body was rewritten to a stub: believed only if a later entry says `erase` of this one. */
  readonly erased: boolean;
}

export interface EntryDraft {
  readonly n: number;
  readonly prev: string | null;
  readonly id: string;
  readonly at: number;
  readonly salt: Uint8Array;
  readonly markers: readonly string[];
  readonly name?: string;
  readonly changes: readonly Change[];
}

const NEWLINE = utf8('\n');
const NO_SALT = new Uint8Array(16);

/** The bytes of an entry: two lines, the second hashed in the first. */
export function encodeEntry({ n, prev, id, at, salt, markers, name, changes }: EntryDraft): Uint8Array {
  const body = utf8(
    JSON.stringify({ salt: Buffer.from(salt).toString('base64url'), markers, ...(name === undefined ? {} : { name }), changes }),
  );
  const head = utf8(JSON.stringify({ v: VERSION, n, prev, id, at, body: sha256Hex(body) }));
  return concat([head, NEWLINE, body, NEWLINE]);
}

/** The same slot with its body reduced to `changes`; the first line stays, and with it the chain. */
export function encodeStub(bytes: Uint8Array, changes: readonly Change[], markers: readonly string[]): Uint8Array {
  const end = bytes.indexOf(10);
  return concat([bytes.subarray(0, end + 1), utf8(JSON.stringify({ erased: true, markers, changes })), NEWLINE]);
}

/** An entry that says nothing, for a slot in which half of one was left. The same bytes whoever makes them. */
export const closingEntry = ({ n, prev, at }: Pick<EntryDraft, 'n' | 'prev' | 'at'>): Uint8Array =>
  encodeEntry({ n, prev, id: 'closed', at, salt: NO_SALT, markers: [], changes: [] });

/** Why bytes in a slot are not an entry: the log is damaged from here on. */
export class DamagedEntry extends Error {
  override readonly name = 'DamagedEntry';
  /** There is less of it than an entry has: a write that the store has kept a part of. */
  readonly cut: boolean;

  constructor(message: string, cut = false) {
    super(message);
    this.cut = cut;
  }
}

/** Reads and checks slot `n`. Throws `DamagedEntry` when it is not whole, `UnknownChange` when a newer program wrote it. */
export function decodeEntry(bytes: Uint8Array, n: number): Entry {
  const end = bytes.indexOf(10);
  if (end < 0 || bytes.at(-1) !== 10 || bytes.indexOf(10, end + 1) !== bytes.byteLength - 1)
    throw new DamagedEntry(`entry ${n} is not two lines`, end < 0 || bytes.at(-1) !== 10);
  const line1 = bytes.subarray(0, end);
  const line2 = bytes.subarray(end + 1, bytes.byteLength - 1);
  const head = parse(line1, n);
  if (head['v'] !== VERSION) throw new UnknownChange(`entry ${n} has version ${String(head['v'])}`);
  const body = parse(line2, n);
  const erased = body['erased'] === true;
  if (!erased && head['body'] !== sha256Hex(line2)) throw new DamagedEntry(`the body of entry ${n} does not match its hash`);
  if (head['n'] !== n || typeof head['id'] !== 'string' || !Number.isSafeInteger(head['at']) || !Array.isArray(body['changes'])) {
    throw new DamagedEntry(`entry ${n} lacks what entries have`);
  }
  return {
    n,
    id: head['id'],
    at: head['at'] as number,
    prev: head['prev'] as string | null,
    hash: sha256Hex(line1),
    markers: (body['markers'] as readonly string[] | undefined) ?? [],
    name: body['name'] as string | undefined,
    changes: body['changes'] as readonly Change[],
    erased,
  };
}

function parse(line: Uint8Array, n: number): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text(line));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
  } catch {
    // told below: the reason that JSON gives would quote the body
  }
  throw new DamagedEntry(`entry ${n} is not JSON`);
}

export const NO_FLOOR: Floor = { objects: 0, markers: 0 };

/** True when an entry announced by these markers counts for nothing under `floor` (design §1.3). */
export const markersVoid = (markers: readonly string[], floor: Floor): boolean =>
  markers.some((marker) => timeOf(marker) < floor.markers);

/** True when a change brings in an object that a collector may already have condemned (design §1.5). */
export const objectsVoid = (objects: readonly string[] | undefined, floor: Floor): boolean =>
  objects?.some((key) => timeOf(key) < floor.objects) ?? false;

/** The floor after a reserved `floor` change: it only rises. */
export const raised = (floor: Floor, change: Change): Floor => ({
  objects: Math.max(floor.objects, Number(change['objectsFloor'] ?? 0)),
  markers: Math.max(floor.markers, Number(change['markersFloor'] ?? 0)),
});
