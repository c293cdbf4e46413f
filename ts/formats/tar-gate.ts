import { invalid, RegistryError } from '../errors/registry-error.js';
import { quote } from './quote.js';
import { BLOCK, type PaxFacts, readHeader, readLongName, readPax, type TarHeader } from './tar-header.js';
import { checkName, NameSet } from './tar-name.js';

export interface TarLimits {
  /** Most entries; default 100,000. Extension headers are counted apart, with the same limit. */
  readonly maxEntries?: number;
  /** Most bytes of the whole archive; default 8 GiB. */
  readonly maxBytes?: number;
  /** Most bytes of all names and extension headers together; default 16 MiB. */
  readonly maxHeaderBytes?: number;
}

/** An entry that every reader must see in the same way. */
export interface SeenEntry {
  readonly type: 'file' | 'directory';
  /** Segments joined by `/`: no leading or trailing slash, no dots. */
  readonly path: string;
  readonly size: number;
}

export interface ExpectedEntry extends SeenEntry {
  /** As it stands in the archive. */
  readonly name: string;
}

/** Told of every entry in the archive's order; says whether the parser is to read it. */
export type Wants = (entry: SeenEntry) => boolean;

const MIB = 1024 ** 2;
/** Of one PAX or long-name header. */
const MAX_EXTENSION = 256 * 1024;
/** Tools fill up to 10,240 bytes, or to what a tape once had. */
const MAX_PADDING = MIB;
/** Tools write one, for the whole archive. */
const MAX_GLOBALS = 1000;
const ZEROS = Buffer.alloc(64 * 1024);

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;
function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const end = Math.min(at + ZEROS.length, bytes.length);
    if (bytes.compare(ZEROS, 0, end - at, at, end) !== 0) return false;
  }
  return true;
}

/**
 * Walks the raw bytes of a tar archive before a parser sees them, and refuses what parsers disagree on, hang on or hide. What it lets through has one
 * meaning: every entry is announced here first, and the parser must find the same. The parser gets only the entries that are wanted: it takes several
 * times as long for a header, so whole archives of headers would keep it busy for nothing.
 */
export class TarGate {
  private readonly maxEntries: number;
  private readonly maxBytes: number;
  private readonly maxHeaderBytes: number;
  private readonly wants: Wants;
  private readonly names = new NameSet();
  private readonly expected: ExpectedEntry[] = [];
  private state: 'header' | 'extension' | 'body' | 'padding' = 'header';
  /** Bytes still to come in this state. */
  private left = BLOCK;
  private held: Buffer[] = [];
  private extension: TarHeader | undefined;
  /** An extension header and its payload, until it is known whether the entry behind them is wanted. */
  private pending: Buffer[] = [];
  private wanted = false;
  private through: Buffer[] = [];
  private pax: PaxFacts | undefined;
  private longName: string | undefined;
  private total = 0;
  private entries = 0;
  private extensions = 0;
  private globals = 0;
  private headerBytes = 0;
  private zeros = 0;

  constructor(limits: TarLimits = {}, wants: Wants = () => true) {
    this.wants = wants;
    this.maxEntries = limits.maxEntries ?? 100_000;
    this.maxBytes = limits.maxBytes ?? 8192 * MIB;
    this.maxHeaderBytes = limits.maxHeaderBytes ?? 16 * MIB;
  }

  /** What of the piece, and of earlier ones, is for the parser. Throws `invalid`, or `too_large` beyond a limit, and what `wants` throws. */
  feed(piece: Uint8Array): readonly Uint8Array[] {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    this.total += bytes.length;
    if (this.total > this.maxBytes) throw new RegistryError('too_large', `tar archive is larger than ${this.maxBytes} bytes`);
    for (let at = 0; at < bytes.length; ) {
      const part = this.state === 'padding' ? bytes.subarray(at) : bytes.subarray(at, at + this.left);
      at += part.length;
      this.take(part);
    }
    const { through } = this;
    if (through.length > 0) this.through = [];
    return through;
  }

  /** The archive ends here: throws `invalid` unless it is whole. */
  end(): void {
    if (this.state !== 'padding' || this.zeros < 2 * BLOCK || this.total % BLOCK !== 0) {
      throw invalid('tar archive is cut off: it has no end-of-archive marker');
    }
  }

  /** The entry that the parser must find next; undefined when there is none. */
  next(): ExpectedEntry | undefined {
    return this.expected.shift();
  }

  private take(part: Buffer): void {
    if (this.state === 'padding') {
      this.padding(part);
      return;
    }
    this.left -= part.length;
    if (this.state === 'body') {
      if (this.wanted) this.through.push(part);
      if (this.left === 0) this.headerNext();
      return;
    }
    if (this.left > 0) {
      this.held.push(Buffer.from(part));
      return;
    }
    const block = this.held.length === 0 ? part : Buffer.concat([...this.held, part]);
    if (this.held.length > 0) this.held = [];
    if (this.state === 'header') this.header(block);
    else this.extended(block);
  }

  private headerNext(): void {
    this.state = 'header';
    this.left = BLOCK;
  }

  private padding(part: Buffer): void {
    this.zeros += part.length;
    if (this.zeros > MAX_PADDING) throw invalid(`tar archive has more than ${MAX_PADDING} bytes behind its end`);
    if (!isZero(part)) throw invalid('tar archive has data behind its end-of-archive marker');
  }

  private header(block: Buffer): void {
    if (block[0] === 0 && isZero(block)) {
      if (this.pax || this.longName !== undefined) throw invalid('tar archive ends behind an extension header');
      this.state = 'padding';
      this.zeros = BLOCK;
      return;
    }
    const header = readHeader(block);
    if (header.flag === 'x' || header.flag === 'g' || header.flag === 'L') {
      this.extensionBegins(header);
      this.pending.push(block);
    } else this.entry(header, block);
  }

  private extensionBegins(header: TarHeader): void {
    if (this.pax || this.longName !== undefined) throw invalid('tar archive has two extension headers for one entry');
    if (header.size === 0 || header.size > MAX_EXTENSION) throw invalid('tar archive has an extension header of a wrong size');
    if (++this.extensions > this.maxEntries) {
      throw new RegistryError('too_large', `tar archive has more than ${this.maxEntries} extension headers`);
    }
    if (header.flag === 'g' && ++this.globals > MAX_GLOBALS) {
      throw new RegistryError('too_large', `tar archive has more than ${MAX_GLOBALS} global headers`);
    }
    this.count(header.size);
    this.extension = header;
    this.state = 'extension';
    this.left = padded(header.size);
  }

  private extended(block: Buffer): void {
    const { flag, size } = this.extension as TarHeader;
    const payload = block.subarray(0, size);
    this.pending.push(block);
    if (flag === 'L') this.longName = readLongName(payload);
    else {
      const facts = readPax(payload, flag === 'g');
      if (flag === 'x') this.pax = facts;
      else this.settle(true);
    }
    this.headerNext();
  }

  /** What stands before an entry goes where the entry goes. */
  private settle(wanted: boolean): void {
    if (this.pending.length === 0) return;
    if (wanted) this.through.push(...this.pending);
    this.pending = [];
  }

  private entry(header: TarHeader, block: Buffer): void {
    const isDirectory = header.flag === '5';
    if (!isDirectory && header.flag !== '0') throw invalid(`tar archive has ${kindOf(header.flag)}`);
    const name = this.longName ?? this.pax?.path ?? header.name;
    const { size } = header;
    if (this.pax?.size !== undefined && this.pax.size !== size) throw invalid('tar archive has headers that disagree on a size');
    if (isDirectory && size !== 0) throw invalid('tar archive has a directory with a size');
    const path = checkName(name, isDirectory);
    if (++this.entries > this.maxEntries) {
      throw new RegistryError('too_large', `tar archive has more than ${this.maxEntries} entries`);
    }
    this.count(Buffer.byteLength(name));
    this.names.add(path);
    const entry: ExpectedEntry = { type: isDirectory ? 'directory' : 'file', name, path, size };
    this.wanted = this.wants(entry);
    this.settle(this.wanted);
    if (this.wanted) {
      this.expected.push(entry);
      this.through.push(block);
    }
    this.pax = undefined;
    this.longName = undefined;
    if (size === 0) this.headerNext();
    else {
      this.state = 'body';
      this.left = padded(size);
    }
  }

  private count(bytes: number): void {
    this.headerBytes += bytes;
    if (this.headerBytes > this.maxHeaderBytes) {
      throw new RegistryError(
        'too_large',
        `tar archive has more than ${this.maxHeaderBytes} bytes of names and extension headers`,
      );
    }
  }
}

function kindOf(flag: string): string {
  if (flag === '1' || flag === 'K') return 'a hard link';
  if (flag === '2') return 'a symbolic link';
  if (flag === '3' || flag === '4' || flag === '6') return 'a device or pipe';
  if (flag === 'S') return 'a sparse file';
  return `an entry of an unknown type ${quote(flag)}`;
}
