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
export interface ExpectedEntry {
  readonly type: 'file' | 'directory';
  /** As it stands in the archive. */
  readonly name: string;
  /** Without a directory's slash. */
  readonly path: string;
  readonly size: number;
}

const MIB = 1024 ** 2;
/** Of one PAX or long-name header. */
const MAX_EXTENSION = 256 * 1024;
/** Tools fill up to 10,240 bytes, or to what a tape once had. */
const MAX_PADDING = MIB;

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/**
 * Walks the raw bytes of a tar archive before a parser sees them, and refuses what parsers disagree on, hang on or hide. What it lets through has one
 * meaning: every entry is announced here first, and the parser must find the same.
 */
export class TarGate {
  private readonly maxEntries: number;
  private readonly maxBytes: number;
  private readonly maxHeaderBytes: number;
  private readonly names = new NameSet();
  private readonly expected: ExpectedEntry[] = [];
  private state: 'header' | 'extension' | 'body' | 'padding' = 'header';
  /** Bytes still to come in this state. */
  private left = BLOCK;
  private held: Buffer[] = [];
  private extension: TarHeader | undefined;
  private pax: PaxFacts | undefined;
  private longName: string | undefined;
  private total = 0;
  private entries = 0;
  private extensions = 0;
  private headerBytes = 0;
  private zeros = 0;

  constructor(limits: TarLimits = {}) {
    this.maxEntries = limits.maxEntries ?? 100_000;
    this.maxBytes = limits.maxBytes ?? 8192 * MIB;
    this.maxHeaderBytes = limits.maxHeaderBytes ?? 16 * MIB;
  }

  /** Throws `invalid`, or `too_large` beyond a limit. */
  feed(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    this.total += bytes.length;
    if (this.total > this.maxBytes) throw new RegistryError('too_large', `tar archive is larger than ${this.maxBytes} bytes`);
    for (let at = 0; at < bytes.length; ) {
      const part = this.state === 'padding' ? bytes.subarray(at) : bytes.subarray(at, at + this.left);
      at += part.length;
      this.take(part);
    }
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
    if (this.left > 0) {
      if (this.state !== 'body') this.held.push(Buffer.from(part));
      return;
    }
    const block = this.held.length === 0 ? part : Buffer.concat([...this.held, part]);
    this.held = [];
    if (this.state === 'header') this.header(block);
    else {
      if (this.state === 'extension') this.extended(block);
      this.state = 'header';
      this.left = BLOCK;
    }
  }

  private padding(part: Uint8Array): void {
    this.zeros += part.length;
    if (this.zeros > MAX_PADDING) throw invalid(`tar archive has more than ${MAX_PADDING} bytes behind its end`);
    if (!isZero(part)) throw invalid('tar archive has data behind its end-of-archive marker');
  }

  private header(block: Buffer): void {
    if (isZero(block)) {
      if (this.pax || this.longName !== undefined) throw invalid('tar archive ends behind an extension header');
      this.state = 'padding';
      this.zeros = BLOCK;
      return;
    }
    const header = readHeader(block);
    if (header.flag === 'x' || header.flag === 'g' || header.flag === 'L') this.extensionBegins(header);
    else this.entry(header);
  }

  private extensionBegins(header: TarHeader): void {
    if (this.pax || this.longName !== undefined) throw invalid('tar archive has two extension headers for one entry');
    if (header.size === 0 || header.size > MAX_EXTENSION) throw invalid('tar archive has an extension header of a wrong size');
    if (++this.extensions > this.maxEntries) {
      throw new RegistryError('too_large', `tar archive has more than ${this.maxEntries} extension headers`);
    }
    this.count(header.size);
    this.extension = header;
    this.state = 'extension';
    this.left = padded(header.size);
  }

  private extended(block: Buffer): void {
    const { flag, size } = this.extension as TarHeader;
    const payload = block.subarray(0, size);
    if (flag === 'L') this.longName = readLongName(payload);
    else {
      const facts = readPax(payload, flag === 'g');
      if (flag === 'x') this.pax = facts;
    }
  }

  private entry(header: TarHeader): void {
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
    this.expected.push({ type: isDirectory ? 'directory' : 'file', name, path, size });
    this.pax = undefined;
    this.longName = undefined;
    this.state = size === 0 ? 'header' : 'body';
    this.left = size === 0 ? BLOCK : padded(size);
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
