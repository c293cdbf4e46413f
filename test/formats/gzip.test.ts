import { randomBytes } from 'node:crypto';
import zlib, { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { invalid, RegistryError } from '../../ts/errors/registry-error.js';
import { crc32, slicedCrc32 } from '../../ts/formats/crc32.js';
import { type GunzipLimits, gunzip } from '../../ts/formats/gzip.js';
import { concat, text, utf8 } from '../../ts/lib/bytes.js';
import { collect, inPieces } from './pieces.js';

const MIB = 1024 ** 2;
const unzip = (bytes: Uint8Array, size?: number, limits?: GunzipLimits): Promise<Uint8Array> =>
  collect(gunzip(inPieces(bytes, size), limits));
const plain = utf8('the same words, the same words, '.repeat(500));
const packed = gzipSync(plain);

/** A member with every optional header field. */
function withHeader(flags: number, fields: Uint8Array): Uint8Array {
  const header = concat([Uint8Array.of(0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3), fields]);
  const checksum = flags & 2 ? Uint8Array.of(crc32(header) & 0xff, (crc32(header) >> 8) & 0xff) : new Uint8Array(0);
  return concat([header, checksum, deflateRawSync(plain), packed.subarray(-8)]);
}

describe('gunzip', () => {
  it('gives back any bytes, in pieces of any size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), fc.integer({ min: 1, max: 60 }), async (bytes, size) => {
        expect(Buffer.from(await unzip(gzipSync(bytes), size)).equals(bytes)).toBe(true);
      }),
      { numRuns: 100, seed: 20_260_511 },
    );
  });

  it('gives back what is longer than one piece, however it is cut', async () => {
    const bytes = concat([randomBytes(700_000), new Uint8Array(900_000)]);
    const zipped = gzipSync(bytes);
    for (const size of [999, 65_536, zipped.length - 8, zipped.length - 4, zipped.length])
      expect(Buffer.from(await unzip(zipped, size)).equals(bytes)).toBe(true);
  });

  it('judges a small archive that comes whole as it judges one that comes in pieces: any byte changed, any end cut off or added', async () => {
    const small = gzipSync(utf8('a few words, a few words, and some more'));
    const damaged = [...small.keys()].map((at) => Uint8Array.from(small, (byte, n) => (n === at ? byte ^ 0x11 : byte)));
    const cut = [...small.keys()].map((end) => small.subarray(0, end));
    const longer = [Uint8Array.of(0), small].map((tail) => concat([small, tail]));
    const told = (bytes: Uint8Array, size: number) =>
      unzip(bytes, size).then(
        (out) => text(out),
        (error: Error) => error.message,
      );
    for (const bytes of [small, ...damaged, ...cut, ...longer])
      expect(await told(bytes, bytes.length)).toBe(await told(bytes, 7));
  });

  it('gives back what comes whole and small, and unpacks to little more or much more than is unpacked at once', async () => {
    for (const size of [0, 1, 16_384, 262_143, 262_144, 262_145, 5_000_000]) {
      const bytes = Buffer.alloc(size, 'abc');
      expect(Buffer.from(await unzip(gzipSync(bytes), 100_000)).equals(bytes)).toBe(true);
    }
    const dense = randomBytes(40_000);
    for (const size of [32_767, 32_768, 40_000]) {
      const stored = gzipSync(dense.subarray(0, size), { level: 0 });
      expect(Buffer.from(await unzip(stored, 100_000)).equals(dense.subarray(0, size))).toBe(true);
    }
    await expect(unzip(gzipSync(Buffer.alloc(1000)), 100_000, { maxBytes: 999 })).rejects.toMatchObject({ kind: 'too_large' });
  });

  it('reads optional header fields', async () => {
    const name = utf8('package.tar\0');
    const comment = utf8('a comment\0');
    const extra = Uint8Array.of(3, 0, 1, 2, 3);
    for (const [flags, fields] of [
      [8, name],
      [16, comment],
      [4, extra],
      [4 | 8 | 16, concat([extra, name, comment])],
      [2, new Uint8Array(0)],
      [2 | 4 | 8 | 16, concat([extra, name, comment])],
    ] as const)
      for (const size of [1, 7, 1000]) expect(text(await unzip(withHeader(flags, fields), size))).toBe(text(plain));
  });

  it('agrees with the checksum of zlib, also without its help', async () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (head, tail) => {
        const expected = gzipSync(concat([head, tail])).readUInt32LE(gzipSync(concat([head, tail])).length - 8);
        expect(slicedCrc32(tail, slicedCrc32(head))).toBe(expected);
        expect(crc32(tail, crc32(head))).toBe(expected);
      }),
      { seed: 20_260_511 },
    );
  });

  const flipped = (at: number): Uint8Array => {
    const copy = Uint8Array.from(packed);
    copy[at < 0 ? copy.length + at : at] = (copy.at(at) as number) ^ 1;
    return copy;
  };

  it.each([
    ['nothing', new Uint8Array(0), 'cut off'],
    ['plain text', plain, 'not gzip'],
    ['a zlib stream', zlib.deflateSync(plain), 'not gzip'],
    ['R14: a second member', concat([packed, packed]), 'behind its end'],
    ['R14: an empty second member', concat([packed, gzipSync('')]), 'behind its end'],
    ['R14: trailing zeros', concat([packed, new Uint8Array(512)]), 'behind its end'],
    ['R14: one trailing zero', concat([packed, Uint8Array.of(0)]), 'behind its end'],
    ['R14: trailing junk', concat([packed, utf8('junk')]), 'behind its end'],
    ['a wrong checksum', flipped(-6), 'checksum'],
    ['a wrong length', flipped(-2), 'length'],
    ['a damaged body', concat([packed.subarray(0, 12), randomBytes(200)]), 'gzip data'],
    ['an unknown flag', flipped(3).map((byte, at) => (at === 3 ? 0x80 : byte)), 'flag'],
    ['a wrong header checksum', withHeader(2, new Uint8Array(0)).map((byte, at) => (at === 10 ? byte ^ 1 : byte)), 'header'],
    [
      'a header without end',
      concat([Uint8Array.of(0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3), new Uint8Array(100_000).fill(65)]),
      'header',
    ],
  ])('refuses %s', async (_, bytes, message) => {
    for (const size of [1000, 65_536]) {
      const error: unknown = await unzip(bytes, size).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(RegistryError);
      expect(error).toMatchObject({ kind: 'invalid', message: expect.stringContaining(message) });
    }
  });

  it('refuses data cut off at every place', async () => {
    const short = gzipSync('abc');
    for (let end = 0; end < short.length; end++)
      await expect(unzip(short.subarray(0, end), 5)).rejects.toMatchObject({ kind: 'invalid', message: 'gzip data is cut off' });
  });

  it('R1: refuses more than it was told to unpack', async () => {
    await expect(unzip(packed, 65_536, { maxBytes: plain.length - 1 })).rejects.toMatchObject({ kind: 'too_large' });
    expect((await unzip(packed, 65_536, { maxBytes: plain.length })).length).toBe(plain.length);
  });

  it('R1: stops a bomb of 1 GiB of zeros early, and holds little of it', async () => {
    const bomb = concat([bombHead(), utf8('never reached')]);
    const before = process.memoryUsage().rss;
    let size = 0;
    const read = async () => {
      for await (const piece of gunzip(inPieces(bomb))) size += piece.length;
    };
    await expect(read()).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('200 times') });
    expect(size).toBeLessThan(66 * MIB);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
  });

  it('passes errors of the source as they are', async () => {
    const failure = invalid('the body was too slow');
    async function* failing() {
      yield packed.subarray(0, 30);
      throw failure;
    }
    await expect(collect(gunzip(failing()))).rejects.toBe(failure);
  });

  it('closes the source when the reader leaves, and when the data is bad', async () => {
    for (const bytes of [gzipSync(randomBytes(MIB)), plain]) {
      let closed = false;
      async function* source() {
        try {
          yield* inPieces(bytes, 1000);
        } finally {
          closed = true;
        }
      }
      try {
        for await (const _ of gunzip(source())) break;
      } catch {}
      await new Promise((resolve) => setImmediate(resolve));
      expect(closed).toBe(true);
    }
  });

  it('reads no further than the output is wanted', async () => {
    let pulled = 0;
    async function* source() {
      for (const piece of Array.from({ length: 100 }, (_, at) => gzipSync(randomBytes(0)).subarray(0, at === 0 ? 10 : 0)))
        yield piece;
      const body = deflateRawSync(randomBytes(8 * MIB));
      for await (const piece of inPieces(body)) {
        pulled++;
        yield piece;
      }
    }
    const pieces = gunzip(source());
    await pieces.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pulled).toBeLessThan(20);
    await pieces.return(undefined);
  });
});

/** Deflate of zeros, 1 GiB of them: one compressed MiB block, said again and again. */
function bombHead(): Uint8Array {
  const block = deflateRawSync(new Uint8Array(MIB), { finishFlush: zlib.constants.Z_FULL_FLUSH });
  return concat([Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3), ...Array.from({ length: 1024 }, () => block)]);
}
