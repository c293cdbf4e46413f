import { createHash, randomFillSync } from 'node:crypto';
import { Readable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';

const MiB = 1024 * 1024;
/** Of what zlib hands on at once: with its own 16 KiB this process would work for longer than the server. */
const PIECE = MiB / 4;

/** The header of a file in a tar archive (POSIX ustar). */
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  const field = (at: number, text: string): number => block.write(text, at, 'latin1');
  field(0, name);
  field(100, '0000644\0');
  field(108, '0000000\0');
  field(116, '0000000\0');
  field(124, `${size.toString(8).padStart(11, '0')}\0`);
  field(136, '00000000000\0');
  field(148, '        ');
  field(156, '0');
  field(257, 'ustar\x0000');
  const sum = block.reduce((total, byte) => total + byte, 0);
  field(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

/** A package's tarball of so many MiB of noise, which is never in memory as a whole. */
export class StoredTarball {
  readonly name: string;
  readonly version: string;
  private readonly block: Buffer = randomFillSync(Buffer.alloc(MiB));
  private readonly mebibytes: number;

  constructor(name: string, version: string, mebibytes: number) {
    this.name = name;
    this.version = version;
    this.mebibytes = mebibytes;
  }

  /** The same bytes each time. */
  bytes(): Readable {
    return Readable.from(this.tar()).pipe(createGzip({ level: constants.Z_NO_COMPRESSION, chunkSize: PIECE }));
  }

  /** What `npm publish` would send, in pieces. */
  async *publishBody(measured: Measured): AsyncGenerator<string> {
    const { name, version } = this;
    const { size, integrity } = measured;
    const file = `${name}-${version}.tgz`;
    const versions = { [version]: { name, version, dist: { integrity, tarball: `http://registry.example/${name}/-/${file}` } } };
    const about = JSON.stringify({ _id: name, name, 'dist-tags': { latest: version }, versions, access: null });
    yield `${about.slice(0, -1)},"_attachments":{"${file}":{"content_type":"application/octet-stream","data":"`;
    let rest = Buffer.alloc(0);
    for await (const chunk of this.bytes()) {
      const bytes = Buffer.concat([rest, chunk as Buffer]);
      const whole = bytes.length - (bytes.length % 3);
      yield bytes.toString('base64', 0, whole);
      rest = bytes.subarray(whole);
    }
    yield `${rest.toString('base64')}","length":${size}}}}`;
  }

  private *tar(): Generator<Buffer> {
    const manifest = Buffer.from(JSON.stringify({ name: this.name, version: this.version }));
    yield Buffer.concat([header('package/package.json', manifest.length), manifest, Buffer.alloc(512 - (manifest.length % 512))]);
    yield header('package/noise.bin', this.mebibytes * MiB);
    for (let n = 0; n < this.mebibytes; n++) yield this.block;
    yield Buffer.alloc(1024);
  }
}

export interface Measured {
  readonly size: number;
  /** As npm writes it: `sha512-` and base 64. */
  readonly integrity: string;
}

export async function measure(bytes: AsyncIterable<Uint8Array>): Promise<Measured> {
  const hash = createHash('sha512');
  let size = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, integrity: `sha512-${hash.digest('base64')}` };
}
