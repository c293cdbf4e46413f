import { invalid, RegistryError } from '../../errors/registry-error.js';
import { gunzip } from '../../formats/gzip.js';
import { parseJsonObjectInTurns } from '../../formats/json-in-turns.js';
import { quote } from '../../formats/quote.js';
import { readTar, type SeenEntry, type TarEntry } from '../../formats/tar.js';
import { concat } from '../../lib/bytes.js';
import { MAX_NAMES } from './limits.js';
import type { TarballFacts } from './manifest.js';

/** What a tarball says of itself. */
export interface Inspected extends TarballFacts {
  /** package.json as it stands in the tarball. */
  readonly manifestText: Uint8Array;
  /** Files, directories not counted. */
  readonly fileCount: number;
  /** Bytes of all files. */
  readonly unpackedSize: number;
  /** The first 64 KiB of the readme, cut between characters. */
  readonly readme?: string;
  readonly readmeFilename?: string;
  /** Packages below `node_modules`, sorted; at most 10,000. */
  readonly bundled: readonly string[];
}

const MIB = 1024 ** 2;
const MANIFEST = 'package.json';
const MAX_MANIFEST = MIB;
const MAX_README = 64 * 1024;
const MAX_BUNDLED = 10_000;
const MAX_UNPACKED = 8192 * MIB;
/** npm takes `readme`, with or without an ending, in any case; Markdown is what it prefers. */
const README = /^readme(?:\.[a-z]{1,16})?$/i;
const MARKDOWN = /\.(?:md|markdown|mkdn?|mdown)$/i;

/** At most `max` bytes of an entry; the rest is skipped. */
async function head(entry: TarEntry, max: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const piece of entry.body) {
    parts.push(piece.subarray(0, max - size));
    size += piece.byteLength;
    if (size >= max) break;
  }
  return concat(parts);
}

/** Text that may be cut inside a character; what is not UTF-8 is replaced, and NUL left out. */
function readableText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8').decode(bytes, { stream: true }).replaceAll('\0', '');
}

/** `a`, `@s/b` of the folders `node_modules/a/…`, `node_modules/@s/b/…`. */
function bundledName(folders: string): string | undefined {
  if (!folders.startsWith('node_modules/')) return undefined;
  const [, first = '', second] = folders.split('/', 3);
  if (first.startsWith('.')) return undefined;
  if (!first.startsWith('@')) return first;
  return second === undefined ? undefined : `${first}/${second}`;
}

/** Gathers facts: of all entries as they pass, and of the few that are read. */
class Inspection {
  private top: string | undefined;
  private manifestText: Uint8Array | undefined;
  private fileCount = 0;
  private unpackedSize = 0;
  private hasShrinkwrap = false;
  private hasBindingGyp = false;
  private readmeFilename: string | undefined;
  private readme: string | undefined;
  private readonly bundled = new Set<string>();

  /** Counts an entry; whether `take` is to read it. */
  sees({ path, type, size }: SeenEntry): boolean {
    const cut = path.indexOf('/');
    const top = cut < 0 ? path : path.slice(0, cut);
    this.top ??= top;
    // Installers drop the first folder's name, so two folders would be one.
    if (top !== this.top) throw invalid(`the tarball has more than one top folder: ${quote(this.top)} and ${quote(top)}`);
    if (type === 'directory') return false;
    if (cut < 0) throw invalid(`the tarball has a file outside of a folder: ${quote(top)}`);
    this.fileCount++;
    this.unpackedSize += size;
    const last = path.lastIndexOf('/');
    if (last === cut) return this.seesTopFile(path.slice(cut + 1), size);
    const name = this.bundled.size < MAX_BUNDLED ? bundledName(path.slice(cut + 1, last)) : undefined;
    if (name !== undefined) this.bundled.add(name);
    return false;
  }

  async take(entry: TarEntry): Promise<void> {
    if (entry.path === `${this.top}/${MANIFEST}`) this.manifestText = await head(entry, MAX_MANIFEST);
    else this.readme = readableText(await head(entry, MAX_README));
  }

  async result(): Promise<Inspected> {
    if (!this.manifestText) throw invalid('the tarball has no package.json');
    const { readme, readmeFilename } = this;
    return {
      manifest: await parseJsonObjectInTurns(withoutMark(this.manifestText), {
        what: 'package.json of the tarball',
        maxNames: MAX_NAMES,
      }),
      manifestText: this.manifestText,
      fileCount: this.fileCount,
      unpackedSize: this.unpackedSize,
      hasShrinkwrap: this.hasShrinkwrap,
      hasBindingGyp: this.hasBindingGyp,
      ...(readme !== undefined && readmeFilename !== undefined ? { readme, readmeFilename } : {}),
      bundled: [...this.bundled].sort(),
    };
  }

  private seesTopFile(name: string, size: number): boolean {
    if (name === MANIFEST) {
      if (size > MAX_MANIFEST)
        throw new RegistryError('too_large', `package.json of the tarball is larger than ${MAX_MANIFEST} bytes`);
      return true;
    }
    if (name === 'npm-shrinkwrap.json') this.hasShrinkwrap = true;
    else if (name === 'binding.gyp') this.hasBindingGyp = true;
    const before = this.readmeFilename;
    const isBetter = README.test(name) && (before === undefined || (MARKDOWN.test(name) && !MARKDOWN.test(before)));
    if (isBetter) this.readmeFilename = name;
    return isBetter;
  }
}

/** npm reads a package.json that begins with a byte order mark, so packages with one exist. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/**
 * Reads a package's tarball while it passes, in constant memory, and checks that every reader would see the same in it (`gunzip`, `readTar`).
 * Throws `invalid` for what they refuse, a tarball without `<folder>/package.json`, with files in more than one top folder or outside of one, and a
 * package.json that is not a JSON object; `too_large` beyond 8 GiB, 100,000 files or 1 MiB of package.json. Errors of the source, and the signal's reason,
 * pass as they are.
 */
export async function inspectTarball(bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<Inspected> {
  const inspection = new Inspection();
  const archive = gunzip(bytes, { maxBytes: MAX_UNPACKED, what: 'the tarball' });
  const entries = readTar(archive, {
    maxBytes: MAX_UNPACKED,
    wants: (entry) => inspection.sees(entry),
    ...(signal ? { signal } : {}),
  });
  for await (const entry of entries) await inspection.take(entry);
  return inspection.result();
}
