import { invalid, RegistryError } from '../../errors/registry-error.js';
import { gunzip } from '../../formats/gzip.js';
import { parseJsonObject } from '../../formats/json.js';
import { quote } from '../../formats/quote.js';
import { readTar, type TarEntry } from '../../formats/tar.js';
import { concat } from '../../lib/bytes.js';
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

/** `a`, `@s/b` of `node_modules/a/…`, `node_modules/@s/b/…`. */
function bundledName([folder, first, second]: readonly string[]): string | undefined {
  if (folder !== 'node_modules' || first === undefined || first.startsWith('.')) return undefined;
  if (!first.startsWith('@')) return first;
  return second === undefined ? undefined : `${first}/${second}`;
}

/** Gathers facts entry by entry. */
class Inspection {
  private top: string | undefined;
  private manifestText: Uint8Array | undefined;
  private fileCount = 0;
  private unpackedSize = 0;
  private hasShrinkwrap = false;
  private hasBindingGyp = false;
  private readme: { readonly name: string; readonly text: string } | undefined;
  private readonly bundled = new Set<string>();

  async take(entry: TarEntry): Promise<void> {
    const [top, ...rest] = entry.path.split('/') as [string, ...string[]];
    this.top ??= top;
    // Installers drop the first folder's name, so two folders would be one.
    if (top !== this.top) throw invalid(`the tarball has more than one top folder: ${quote(this.top)} and ${quote(top)}`);
    if (entry.type === 'directory') return;
    const [name] = rest;
    if (name === undefined) throw invalid(`the tarball has a file outside of a folder: ${quote(top)}`);
    this.fileCount++;
    this.unpackedSize += entry.size;
    if (rest.length === 1) await this.takeTopFile(name, entry);
    else if (this.bundled.size < MAX_BUNDLED) this.addBundled(bundledName(rest.slice(0, -1)));
  }

  result(): Inspected {
    if (!this.manifestText) throw invalid('the tarball has no package.json');
    const { readme } = this;
    return {
      manifest: parseJsonObject(withoutMark(this.manifestText), { what: 'package.json of the tarball' }),
      manifestText: this.manifestText,
      fileCount: this.fileCount,
      unpackedSize: this.unpackedSize,
      hasShrinkwrap: this.hasShrinkwrap,
      hasBindingGyp: this.hasBindingGyp,
      ...(readme ? { readme: readme.text, readmeFilename: readme.name } : {}),
      bundled: [...this.bundled].sort(),
    };
  }

  private async takeTopFile(name: string, entry: TarEntry): Promise<void> {
    if (name === 'package.json') {
      if (entry.size > MAX_MANIFEST)
        throw new RegistryError('too_large', `package.json of the tarball is larger than ${MAX_MANIFEST} bytes`);
      this.manifestText = await head(entry, MAX_MANIFEST);
    } else if (name === 'npm-shrinkwrap.json') this.hasShrinkwrap = true;
    else if (name === 'binding.gyp') this.hasBindingGyp = true;
    else if (README.test(name) && (!this.readme || (MARKDOWN.test(name) && !MARKDOWN.test(this.readme.name)))) {
      this.readme = { name, text: readableText(await head(entry, MAX_README)) };
    }
  }

  private addBundled(name: string | undefined): void {
    if (name !== undefined) this.bundled.add(name);
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
  for await (const entry of readTar(archive, { maxBytes: MAX_UNPACKED, ...(signal ? { signal } : {}) }))
    await inspection.take(entry);
  return inspection.result();
}
