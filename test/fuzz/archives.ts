import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { crc32 } from '../../ts/formats/crc32.js';
import { archive, block, directory, END, extension, file, globalPax, longName, padded, pax } from '../formats/tar-maker.js';

/** A tarball that must be refused, and why. `bytes` is made when it is wanted: some are large. */
export interface BadArchive {
  readonly title: string;
  readonly bytes: () => Buffer;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Archives for a package that a publish of `name`@`version` would otherwise accept. */
export function badArchives(name: string, version: string): readonly BadArchive[] {
  const json = JSON.stringify({ name, version });
  const manifest = file('package/package.json', json);
  const zip = (...parts: readonly Uint8Array[]) => gzipSync(archive(...parts), { level: 1 });
  const good = zip(manifest);
  const of = (title: string, bytes: () => Buffer): BadArchive => ({ title, bytes });
  return [
    of('R4: a directory with a size and no body (tar-stream never ends)', () =>
      zip(manifest, directory('package/x/', { size: 512 })),
    ),
    of('R4: a directory with a size and a body', () =>
      zip(manifest, directory('package/x/', { size: 512 }), new Uint8Array(512)),
    ),
    of('R4: a directory with a size at the very end, no end of archive', () =>
      gzipSync(Buffer.concat([manifest, directory('package/x/', { size: 2_000 })])),
    ),
    of('R2: a symbolic link', () => zip(manifest, block({ name: 'package/x', flag: '2' }))),
    of('R2: a hard link', () => zip(manifest, block({ name: 'package/x', flag: '1' }))),
    of('R2: a device', () => zip(manifest, block({ name: 'package/x', flag: '3' }))),
    of('R2: a pipe', () => zip(manifest, block({ name: 'package/x', flag: '6' }))),
    of('a GNU sparse file', () => zip(manifest, block({ name: 'package/x', flag: 'S' }))),
    of('an unknown type', () => zip(manifest, block({ name: 'package/x', flag: 'Z' }))),
    of('N3: a way out of the folder', () => zip(manifest, file('package/../../etc/passwd', 'x'))),
    of('N3: an absolute path', () => zip(manifest, file('/etc/passwd', 'x'))),
    of('R7: a backslash', () => zip(manifest, file('package\\..\\x', 'x'))),
    of('R7: one name twice', () => zip(manifest, file('package/x', '1'), file('package/x', '2'))),
    of('R7: names that differ in case alone', () => zip(manifest, file('package/x', '1'), file('package/X', '2'))),
    of('R7: names that are one in Unicode', () => zip(manifest, file('package/\u00e9', '1'), file('package/e\u0301', '2'))),
    of('M5: two package.json', () => zip(manifest, file('package/package.json', '{"name":"other"}'))),
    of('R6: NUL in a PAX path', () => zip(manifest, pax(['path', 'package/a\0b']), file('x', 'x'))),
    of('R6: a NUL hidden in a name', () => zip(manifest, file('package/a\u0001b', 'x'))),
    of('R5: PAX and ustar disagree on the size', () => zip(manifest, pax(['size', '3']), file('package/x', 'xyzw'))),
    of('R3: a negative PAX size', () => zip(manifest, pax(['size', '-512']), file('package/x', 'x'))),
    of('R3: a PAX size of 1e99', () => zip(manifest, pax(['size', '1e99']), file('package/x', 'x'))),
    of('R3: a size that is no number', () => zip(manifest, block({ name: 'package/x', size: '99999999999\0' }))),
    of('M5: a global PAX path', () => zip(globalPax(['path', 'package/other']), manifest)),
    of('R6: an unknown PAX record length', () => zip(manifest, extension('x', text('999 path=package/x\n')), file('y', 'x'))),
    of('an entry behind the end', () => gzipSync(Buffer.concat([archive(manifest), archive(file('package/x', 'x'))]))),
    of('an entry behind one empty block', () =>
      gzipSync(Buffer.concat([manifest, new Uint8Array(512), archive(file('package/x', 'x'))])),
    ),
    of('no end of archive', () => gzipSync(manifest)),
    of('cut in a body', () => gzipSync(archive(manifest, file('package/x', 'x'.repeat(4_000))).subarray(0, 3_000))),
    of('a bad checksum', () => zip(manifest, block({ name: 'package/x', checksum: '000000\0 ' }))),
    of('a name that is not UTF-8', () => zip(manifest, block({ name: Uint8Array.of(0x70, 0x2f, 0xff, 0xfe) }))),
    of('a name of 300 bytes', () => zip(manifest, longName(`package/${'n'.repeat(300)}`), file('x', 'x'))),
    of('R1: a name of 4 MiB', () => zip(manifest, longName(`package/${'n/'.repeat(2 * 1024 * 1024)}x`), file('x', 'x'))),
    of('R1: 10,000 folders in one name', () => zip(manifest, longName(`package/${'d/'.repeat(10_000)}x`), file('x', 'x'))),
    of('R1: a flood of PAX headers', () => {
      const one = pax(['mtime', '1']);
      return gzipSync(Buffer.concat([...Array.from({ length: 120_000 }, () => one), archive(manifest)]), { level: 1 });
    }),
    of('R1: more than 100,000 entries', () => {
      const entries = Array.from({ length: 100_010 }, (_, n) => block({ name: `package/${n}` }));
      return gzipSync(Buffer.concat([manifest, ...entries, END]), { level: 1 });
    }),
    of('R1: a gibibyte of zeros', () => zeros(manifest)),
    of('R1: gzip in gzip', () => gzipSync(good)),
    of('M5: two top folders', () => zip(manifest, file('other/x', 'x'))),
    of('M5: a file outside of any folder', () => zip(manifest, file('x', 'x'))),
    of('no package.json', () => zip(file('package/index.js', 'x'))),
    of('M1: another name in package.json', () => zip(file('package/package.json', JSON.stringify({ name: 'other', version })))),
    of('M1: another version in package.json', () =>
      zip(file('package/package.json', JSON.stringify({ name, version: '9.9.9' }))),
    ),
    of('M1: no name in package.json', () => zip(file('package/package.json', JSON.stringify({ version })))),
    of('package.json is no JSON', () => zip(file('package/package.json', '{"name":'))),
    of('package.json is an array', () => zip(file('package/package.json', '[]'))),
    of('package.json is not UTF-8', () => zip(file('package/package.json', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)))),
    of('P3: package.json is 10,000 deep', () =>
      zip(
        file('package/package.json', `{"name":"${name}","version":"${version}","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`),
      ),
    ),
    of('P1: package.json has an own __proto__', () =>
      zip(file('package/package.json', `{"name":"${name}","version":"${version}","__proto__":{"x":1}}`)),
    ),
    of('package.json of 2 MiB', () => zip(file('package/package.json', `${json}${' '.repeat(2 * 1024 * 1024)}`))),
    of('an empty archive', () => gzipSync(END)),
    of('nothing', () => Buffer.alloc(0)),
    of('gzip of nothing', () => gzipSync(new Uint8Array(0))),
    of('no gzip at all', () => Buffer.from(archive(manifest))),
    of('text', () => Buffer.from('this is not a tarball')),
    of('gzip cut short', () => good.subarray(0, good.length - 9)),
    of('gzip with a wrong checksum', () => flipped(good, good.length - 6)),
    of('gzip with a wrong length', () => flipped(good, good.length - 1)),
    of('R14: gzip with something behind it', () => Buffer.concat([good, Buffer.from('tail')])),
    of('R14: gzip with zeros behind it', () => Buffer.concat([good, Buffer.alloc(16)])),
    of('R14: two gzip members', () => Buffer.concat([good, gzipSync(file('package/x', 'x'))])),
    of('R14: 10,000 gzip members', () =>
      Buffer.concat([good, ...Array.from({ length: 10_000 }, () => gzipSync(new Uint8Array(0)))]),
    ),
    of('gzip with a damaged middle', () => flipped(zip(manifest, file('package/x', noise(4_000))), 2_000)),
    of('a header of the wrong length', () => gzipSync(Buffer.concat([padded(text(json)), END]))),
  ];
}

/** Bytes that do not compress, the same in every run. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    bytes.writeUInt32LE(state, Math.min(at, length - 4));
  }
  return bytes;
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x55;
  return copy;
}

/** 1 GiB in a file that is honest about its size. One MiB is packed once and said 1,024 times: to pack them all would take seconds. */
function zeros(manifest: Uint8Array): Buffer {
  const begin = Buffer.concat([manifest, block({ name: 'package/zeros', size: 1024 ** 3 })]);
  const chunk = Buffer.alloc(1024 ** 2);
  const packed = (bytes: Uint8Array, finishFlush: number) =>
    deflateRawSync(bytes, { level: constants.Z_BEST_SPEED, finishFlush });
  const chunks = Array.from({ length: 1024 }, () => chunk);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE([begin, ...chunks, END].reduce((crc, bytes) => crc32(bytes, crc), 0));
  trailer.writeUInt32LE(begin.length + 1024 ** 3 + END.length, 4);
  const once = packed(chunk, constants.Z_FULL_FLUSH);
  return Buffer.concat([
    Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3),
    packed(begin, constants.Z_FULL_FLUSH),
    ...chunks.map(() => once),
    packed(END, constants.Z_FINISH),
    trailer,
  ]);
}
