import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../ts/errors/registry-error.js';
import { readTar, type SeenEntry, type TarOptions } from '../../ts/formats/tar.js';
import { concat, text, utf8 } from '../../ts/lib/bytes.js';
import { collect, inPieces } from './pieces.js';
import * as make from './tar-maker.js';

const { archive, directory, file, pax } = make;

async function list(bytes: Uint8Array, size = 65_536, options: TarOptions = {}): Promise<string[]> {
  const seen: string[] = [];
  for await (const entry of readTar(inPieces(bytes, size), options)) {
    const content = text(await collect(entry.body));
    expect(content.length).toBe(entry.size);
    seen.push(entry.type === 'directory' ? `${entry.path}/` : `${entry.path}=${content}`);
  }
  return seen;
}

async function refusal(bytes: Uint8Array, options: TarOptions = {}, size = 65_536): Promise<RegistryError> {
  const error: unknown = await list(bytes, size, options).then(
    (seen) => new Error(`was accepted: ${JSON.stringify(seen).slice(0, 200)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof RegistryError) return error;
  throw error;
}

const NFC = 'package/caf\u00e9';
const NFD = 'package/cafe\u0301';
const LONG = `package/${'d'.repeat(120)}/${'f'.repeat(200)}`;

describe('readTar', () => {
  it.each([1, 100, 511, 512, 513, 65_536])('gives files and directories one at a time, in pieces of %i bytes', async (size) => {
    const bytes = archive(
      directory('package/'),
      file('package/package.json', '{}'),
      file('package/empty'),
      file('package/é.txt', 'x'.repeat(1500)),
      directory('package/lib'),
      file('index.js', '1', { prefix: 'package/lib' }),
    );
    expect(await list(bytes, size)).toEqual([
      'package/',
      'package/package.json={}',
      'package/empty=',
      `package/é.txt=${'x'.repeat(1500)}`,
      'package/lib/',
      'package/lib/index.js=1',
    ]);
  });

  it('reads an archive of nothing but its end', async () => {
    expect(await list(archive())).toEqual([]);
  });

  it('reads PAX and GNU names, and what other headers are harmless', async () => {
    const bytes = archive(
      make.globalPax(['comment', '0123456789abcdef0123456789abcdef01234567']),
      pax(
        ['path', LONG],
        ['mtime', '1700000000.5'],
        ['SCHILY.dev', '7'],
        ['LIBARCHIVE.xattr.com.apple.x', 'AAAA'],
        ['size', '2'],
      ),
      file('package/short', 'ab'),
      make.longName(`${LONG}2`),
      file('package/short', 'cd', { magic: 'ustar  \0' }),
      file('package/old', 'x', { flag: '\0' }),
    );
    expect(await list(bytes)).toEqual([`${LONG}=ab`, `${LONG}2=cd`, 'package/old=x']);
  });

  it('skips what is not read of an entry', async () => {
    const bytes = archive(file('a/1', 'x'.repeat(5000)), file('a/2', 'y'.repeat(200_000)), file('a/3', 'z'));
    const seen: string[] = [];
    for await (const entry of readTar(inPieces(bytes, 700))) {
      seen.push(entry.path);
      if (entry.path === 'a/2') for await (const _ of entry.body) break;
    }
    expect(seen).toEqual(['a/1', 'a/2', 'a/3']);
  });

  it.each([1, 511, 513, 65_536])(
    'gives out what is wanted only, and tells of everything, in pieces of %i bytes',
    async (size) => {
      const bytes = archive(
        make.globalPax(['comment', 'all of it']),
        directory('a/'),
        pax(['path', `${LONG}1`]),
        file('a/short', 'x'.repeat(1500)),
        make.longName(`${LONG}2`),
        file('a/short', 'y'.repeat(700)),
        file('a/empty'),
        file('a/3', 'z'),
        pax(['path', `${LONG}4`]),
        file('a/short'),
      );
      const told: string[] = [];
      const wants = ({ path, type, size: length }: SeenEntry) => {
        told.push(`${type} ${path} ${length}`);
        return /[24]$/.test(path);
      };
      expect(await list(bytes, size, { wants })).toEqual([`${LONG}2=${'y'.repeat(700)}`, `${LONG}4=`]);
      expect(told).toEqual([
        'directory a 0',
        `file ${LONG}1 1500`,
        `file ${LONG}2 700`,
        'file a/empty 0',
        'file a/3 1',
        `file ${LONG}4 0`,
      ]);
    },
  );

  it('ends with what the question for a wanted entry throws', async () => {
    const failure = new RegistryError('invalid', 'not this one');
    const wants = ({ path }: SeenEntry) => {
      if (path === 'a/2') throw failure;
      return true;
    };
    await expect(list(archive(file('a/1', 'x'), file('a/2', 'x')), 512, { wants })).rejects.toBe(failure);
  });

  it('keeps the permission bits', async () => {
    for await (const entry of readTar(inPieces(archive(file('a/b', 'x'))))) expect(entry.mode).toBe(0o644);
  });

  it('closes the source when the reader leaves', async () => {
    let closed = false;
    async function* source() {
      try {
        yield* inPieces(archive(file('a/1', 'x'.repeat(500_000)), file('a/2')), 1000);
      } finally {
        closed = true;
      }
    }
    for await (const _ of readTar(source())) break;
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(true);
  });

  it('reads no further than the entries are wanted', async () => {
    let pulled = 0;
    async function* source() {
      for await (const piece of inPieces(archive(file('a/1', new Uint8Array(8_000_000).fill(65)), file('a/2')), 16_384)) {
        pulled++;
        yield piece;
      }
    }
    const entries = readTar(source());
    await entries.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pulled).toBeLessThan(10);
    await entries.return(undefined);
  });

  it('passes errors of the source as they are, between entries and inside one', async () => {
    const failure = new Error('storage is gone');
    for (const cut of [100, 600, 3000]) {
      async function* failing() {
        yield archive(file('a/1', 'x'.repeat(5000))).subarray(0, cut);
        throw failure;
      }
      const read = async () => {
        for await (const entry of readTar(failing())) await collect(entry.body);
      };
      await expect(read()).rejects.toBe(failure);
    }
  });

  it('R4: ends with the signal, whatever the source does', async () => {
    for (const cut of [0, 100, 512, 2000]) {
      const stop = new AbortController();
      async function* stuck(): AsyncGenerator<Uint8Array> {
        yield archive(file('a/1', 'x'.repeat(5000))).subarray(0, cut);
        await new Promise(() => undefined);
      }
      const read = async () => {
        for await (const entry of readTar(stuck(), { signal: stop.signal })) await collect(entry.body);
      };
      const reading = read();
      await new Promise((resolve) => setImmediate(resolve));
      const reason = new RegistryError('request_timeout', 'too slow');
      stop.abort(reason);
      await expect(reading).rejects.toBe(reason);
    }
  });
});

describe('readTar refuses', () => {
  const two = (first: string, second: string): Uint8Array => archive(file(first), file(second));
  const name = (raw: string | Uint8Array): Uint8Array => archive(make.block({ name: raw }));
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    [
      'R4: a directory with a size and no body',
      concat([make.block({ name: 'p/', flag: '5', size: 1024 }), new Uint8Array(512)]),
      'directory with a size',
    ],
    ['R4: a directory with a size and a body', archive(file('p/', 'x', { flag: '5' })), 'directory with a size'],
    ['R4: a directory with a size of a PAX header', archive(pax(['size', '9']), directory('p/')), 'disagree on a size'],
    ['the same name twice', two('p/a', 'p/a'), 'two entries of one name'],
    ['R7: names that differ in case', two('p/README', 'p/Readme'), 'two entries of one name'],
    ['R7: names that are equal in Unicode', two(NFC, NFD), 'two entries of one name'],
    ['R7: names that differ in an odd case', two('p/\u212a', 'p/k'), 'two entries of one name'],
    ['a file and a directory of one name', archive(file('p/a'), directory('p/a/')), 'two entries of one name'],
    ['R2: a symbolic link', archive(make.block({ flag: '2' })), 'symbolic link'],
    ['R2: a hard link', archive(make.block({ flag: '1' })), 'hard link'],
    ['R2: a long link name', archive(make.extension('K', utf8('x\0'))), 'hard link'],
    ['a device', archive(make.block({ flag: '3' })), 'device'],
    ['a pipe', archive(make.block({ flag: '6' })), 'pipe'],
    ['a sparse file', archive(make.block({ flag: 'S' })), 'sparse'],
    ['a contiguous file', archive(make.block({ flag: '7' })), 'unknown type'],
    ['an unknown type', archive(make.block({ flag: 'Z' })), 'unknown type'],
    ['a type that is not text', archive(make.block({ flag: '\xff' })), 'unknown type'],
    ['..', name('p/../../etc/passwd'), 'dots'],
    ['.. at the end', name('p/..'), 'dots'],
    ['.', name('./p/a'), 'dots'],
    ['an absolute name', name('/etc/passwd'), 'absolute'],
    ['an absolute name by its prefix', archive(make.block({ name: 'passwd', prefix: '/etc' })), 'absolute'],
    ['a drive letter', name('C:/x'), 'absolute'],
    ['R7: a backslash', name('p\\..\\x'), 'backslash'],
    ['an empty name', name(''), 'empty'],
    ['an empty segment', name('p//a'), 'empty segment'],
    ['a file with a slash at its end', name('p/a/'), 'slash'],
    ['two slashes at the end', archive(directory('p/a//')), 'slash'],
    ['a name that is not UTF-8', name(Uint8Array.of(0x70, 0x2f, 0xff)), 'UTF-8'],
    ['a line feed in a name', name('p/a\nb'), 'control'],
    ['an escape in a name', name('p/\x1b[2J'), 'control'],
    ['R6: NUL in a PAX path', archive(pax(['path', 'p/a\0b']), file('p/x')), 'control'],
    ['N15: a segment of 256 bytes', archive(pax(['path', `p/${'é'.repeat(128)}`]), file('p/x')), '255'],
    ['R1: a name of 4 KiB', archive(pax(['path', `p/${'dir/'.repeat(1024)}x`]), file('p/x')), '4096'],
    ['R6: a name of many segments', archive(pax(['path', `p/${'a/'.repeat(200)}x`]), file('p/x')), 'segments'],
    ['an entry behind one zero block', concat([file('p/a'), new Uint8Array(512), file('p/b'), make.END]), 'behind its end'],
    ['an entry behind the end', concat([archive(file('p/a')), archive(file('p/b'))]), 'behind its end'],
    ['junk behind the end', concat([archive(file('p/a')), utf8('junk')]), 'behind its end'],
    ['no end-of-archive marker', file('p/a', 'x'), 'cut off'],
    ['one zero block only', concat([file('p/a', 'x'), new Uint8Array(512)]), 'cut off'],
    ['an end that is no whole block', concat([archive(file('p/a')), new Uint8Array(100)]), 'cut off'],
    ['nothing', new Uint8Array(0), 'cut off'],
    ['an end inside a header', archive(file('p/a')).subarray(0, 300), 'cut off'],
    ['an end inside a body', archive(file('p/a', 'x'.repeat(2000))).subarray(0, 1500), 'cut off'],
    ['R5: a PAX size beyond the header', archive(pax(['size', '1024']), file('p/a', 'x')), 'disagree'],
    ['R5: a PAX size below the header', archive(pax(['size', '0']), file('p/a', 'x')), 'disagree'],
    ['R5: a PAX size for a size of 0', archive(pax(['size', '512']), file('p/a'), file('p/b')), 'disagree'],
    ['R5: a PAX size as 1e99', archive(pax(['size', '1e99']), file('p/a', 'x')), 'malformed size'],
    ['R3: a negative PAX size', archive(pax(['size', '-1']), file('p/a', 'x')), 'malformed size'],
    ['R3: a negative size', archive(make.block({ size: '-0000000001\0' })), 'malformed size'],
    ['R3: a size in base 256', archive(make.block({ size: `\x80${'\0'.repeat(10)}\x01` })), 'malformed size'],
    ['R3: a negative size in base 256', archive(make.block({ size: '\xff'.repeat(12) })), 'malformed size'],
    ['a size that is not octal', archive(make.block({ size: '00000000009\0' })), 'malformed size'],
    ['a size with junk behind it', archive(make.block({ size: '0001\0junk\0\0\0' })), 'malformed size'],
    ['R5: a global path', archive(make.globalPax(['path', 'p/a']), file('p/b')), 'unexpected key'],
    ['R5: a global size', archive(make.globalPax(['size', '0']), file('p/b')), 'unexpected key'],
    ['R2: a global link', archive(make.globalPax(['linkpath', '/etc']), file('p/b')), 'unexpected key'],
    ['R2: a link path', archive(pax(['linkpath', '/etc']), file('p/b')), 'unexpected key'],
    ['R5: a sparse file in PAX', archive(pax(['GNU.sparse.name', 'p/x']), file('p/b')), 'unexpected key'],
    ['another character set', archive(pax(['hdrcharset', 'BINARY']), file('p/b')), 'unexpected key'],
    ['P1: a key __proto__', archive(pax(['__proto__', 'x']), file('p/b')), 'unexpected key'],
    ['a PAX key twice', archive(pax(['path', 'p/a'], ['path', 'p/b']), file('p/c')), 'unexpected key'],
    ['an empty PAX path', archive(pax(['path', '']), file('p/c')), 'empty path'],
    ['a PAX path that is not UTF-8', archive(pax(['path', Uint8Array.of(0x70, 0xff)]), file('p/c')), 'UTF-8'],
    ['a PAX record with a wrong length', archive(make.extension('x', utf8('20 path=p/a\n')), file('p/c')), 'malformed PAX'],
    ['a PAX record that ends too early', archive(make.extension('x', utf8('9 path=p/a\n')), file('p/c')), 'malformed PAX'],
    ['a PAX record without a value', archive(make.extension('x', utf8('7 path\n')), file('p/c')), 'malformed PAX'],
    ['a PAX record with a leading zero', archive(make.extension('x', utf8('012 path=p/a\n')), file('p/c')), 'malformed PAX'],
    ['an empty PAX header', archive(make.block({ flag: 'x' }), file('p/c')), 'wrong size'],
    ['R1: a PAX header of 4 MiB', archive(pax(['comment', 'x'.repeat(4 * 1024 ** 2)]), file('p/c')), 'wrong size'],
    ['R5: two PAX headers for one entry', archive(pax(['path', 'p/a']), pax(['path', 'p/b']), file('p/c')), 'two extension'],
    ['R5: a PAX header and a long name', archive(pax(['size', '1']), make.longName('p/b'), file('p/c', 'x')), 'two extension'],
    ['R5: a long name and a PAX header', archive(make.longName('p/b'), pax(['path', 'p/a']), file('p/c', 'x')), 'two extension'],
    [
      'a long name with bytes behind its NUL',
      archive(make.extension('L', utf8('p/a\0p/b\0')), file('p/c')),
      'malformed long name',
    ],
    ['a long name without NUL', archive(make.extension('L', utf8('p/a')), file('p/c')), 'malformed long name'],
    ['an extension header for nothing', archive(pax(['path', 'p/a'])), 'ends behind an extension'],
    ['a wrong checksum', archive(make.block({ checksum: '0000000\0' })), 'checksum'],
    ['a checksum that is no number', archive(make.block({ checksum: 'abcdefg\0' })), 'checksum'],
    ['an unknown format', archive(make.block({ magic: '\0'.repeat(8) })), 'unknown format'],
    ['M5: GNU fields where others see a prefix', archive(make.block({ magic: 'ustar  \0', prefix: 'q' })), 'unknown format'],
    ['M5: a file with a link name', archive(make.block({ link: 'p/b' })), 'link name'],
    ['M5: a mode that is no number', archive(make.block({ mode: 'rw-r--r-' })), 'malformed mode'],
    ['M5: a time that is no number', archive(make.block({ time: '00000000009\0' })), 'malformed time'],
    ['plain text', utf8('not a tar archive '.repeat(100)), 'malformed checksum'],
  ];

  it.each(cases)('%s', async (_, bytes, message) => {
    for (const size of [1000, 65_536]) {
      const error = await refusal(bytes, {}, size);
      expect(error.kind).toBe('invalid');
      expect(error.message).toContain(message);
      expect(error.message).not.toMatch(/[^\x20-\x7e]/);
      // no rule hangs on someone reading the entry
      expect(await refusal(bytes, { wants: () => false }, size)).toEqual(error);
    }
  });

  it('R1: more entries, bytes or header bytes than allowed', async () => {
    const three = archive(file('p/a', 'x'), file('p/b', 'y'), file('p/c', 'z'));
    expect((await refusal(three, { maxEntries: 2 })).kind).toBe('too_large');
    expect((await refusal(three, { maxBytes: three.length - 1 })).kind).toBe('too_large');
    expect((await refusal(three, { maxHeaderBytes: 8 })).kind).toBe('too_large');
    const exact = { maxEntries: 3, maxBytes: three.length, maxHeaderBytes: 9 };
    expect(await list(three, 65_536, exact)).toHaveLength(3);
    const globals = (count: number) => archive(...Array.from({ length: count }, () => make.globalPax(['comment', 'x'])));
    expect(await list(globals(1000))).toEqual([]);
    expect((await refusal(globals(1001))).kind).toBe('too_large');
  });
});
