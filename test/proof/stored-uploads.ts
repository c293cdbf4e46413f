import { crc32 } from 'node:zlib';
import { block, END, file } from '../formats/tar-maker.js';
import { noise } from '../fuzz/archives.js';

const STORED = 65_535;
const BLOCKS = 48;

/** A stored block of a deflate stream (RFC 1951 §3.2.4). */
function stored(bytes: Uint8Array, final = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(final ? 1 : 0, 0);
  head.writeUInt16LE(bytes.byteLength, 1);
  head.writeUInt16LE(~bytes.byteLength & 0xffff, 3);
  return Buffer.concat([head, bytes]);
}

/** Noise that all uploads share: as it lies in a tarball, and as base 64 of the blocks it travels in, whose length is a multiple of 3. */
const PLAIN = noise(STORED * BLOCKS + 4).subarray(0, STORED * BLOCKS);
const SHARED = Buffer.from(
  Buffer.concat(Array.from({ length: BLOCKS }, (_, n) => stored(PLAIN.subarray(n * STORED, (n + 1) * STORED)))).toString(
    'base64',
  ),
);

const UNITS = 34;
/** Of every tarball, without what is around the noise. */
export const UPLOAD_BYTES = UNITS * PLAIN.byteLength;

/** What stands before the package.json, which comes last: so its sum is the same for all. */
const HEAD = block({ name: 'package/noise.bin', size: UPLOAD_BYTES });
/** With an empty file name, which brings the noise to a boundary of base 64. */
const BEFORE = Buffer.concat([Buffer.from([31, 139, 8, 8, 0, 0, 0, 0, 0, 255, 0]), stored(HEAD)]);
let sumBefore: number | undefined;

function sum(): number {
  sumBefore ??= Array.from({ length: UNITS }, () => PLAIN).reduce((before, bytes) => crc32(bytes, before), crc32(HEAD));
  return sumBefore;
}

/** The document of a publish with more than 100 MB of tarball, made on its way: only some kilobytes of it are its own. */
export function* uploadBody(name: string, version: string): Generator<Buffer> {
  const filler = Buffer.alloc((512 - (UPLOAD_BYTES % 512)) % 512);
  const tail = Buffer.concat([filler, file('package/package.json', JSON.stringify({ name, version })), END]);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(tail, sum()), 0);
  trailer.writeUInt32LE((HEAD.byteLength + UPLOAD_BYTES + tail.byteLength) >>> 0, 4);
  if (BEFORE.byteLength % 3 !== 0) throw new Error('the noise would not begin at a boundary of base 64');
  const behind = Buffer.concat([stored(tail, true), trailer]);
  const size = BEFORE.byteLength + (UNITS * SHARED.byteLength * 3) / 4 + behind.byteLength;
  const fileName = `${name}-${version}.tgz`;
  const dist = { tarball: `http://registry.example/${name}/-/${fileName}` };
  const about = { _id: name, name, 'dist-tags': { latest: version }, versions: { [version]: { name, version, dist } } };
  yield Buffer.from(`${JSON.stringify(about).slice(0, -1)},"_attachments":{"${fileName}":{"data":"${BEFORE.toString('base64')}`);
  for (let n = 0; n < UNITS; n += 1) yield SHARED;
  yield Buffer.from(`${behind.toString('base64')}","length":${size}}}}`);
}
