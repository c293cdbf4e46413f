import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../ts/lib/bytes.js';
import { awaited, collect, inPieces } from './pieces.js';

const decode = (json: string, size = 65_536): Promise<Uint8Array> => collect(awaited(inPieces(utf8(json), size)).base64());

describe('a base 64 string in JSON', () => {
  it('stands for any bytes, in pieces of any size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), async (bytes, size) => {
        expect(await decode(JSON.stringify(Buffer.from(bytes).toString('base64')), size)).toEqual(Uint8Array.from(bytes));
      }),
      { numRuns: 500, seed: 20_260_511 },
    );
  });

  it('may be longer than what is decoded at once', async () => {
    for (const [length, size] of [
      [1_000_003, 65_536],
      [600_001, 1_000_000],
      [393_216, 17],
      [196_608, 262_144],
    ] as const) {
      const bytes = randomBytes(length);
      expect(Buffer.from(await decode(`"${bytes.toString('base64')}"`, size)).equals(bytes)).toBe(true);
    }
  });

  it('may hold escapes, as some encoders write them', async () => {
    const bytes = Buffer.from('fbff3f00fbff3f', 'hex');
    const plain = bytes.toString('base64');
    const escaped = plain.replaceAll('/', '\\/').replaceAll('+', '\\u002B').replace('=', '\\u003d');
    expect(escaped).not.toBe(plain);
    for (let size = 1; size < 20; size++) expect(Buffer.from(await decode(`"${escaped}"`, size)).equals(bytes)).toBe(true);
  });

  it.each([
    ['one character too few', 'QUJDR'],
    ['no padding', 'QUI'],
    ['too much padding', 'QUI=='],
    ['padding alone', '===='],
    ['padding in the middle', 'QQ==QUJD'],
    ['three of padding', 'Q==='],
    ['bits that no byte takes', 'QR=='],
    ['bits that no byte takes, with one of padding', 'QUJ='],
    ['the URL alphabet', 'QUJDQUJD-_-_QUJD'],
    ['the URL alphabet at the end', 'QUJDQU-_'],
    ['white space', 'QUJD\\nQUJD'],
    ['a raw line feed', 'QUJDQUJD\nQUJDQUJD'],
    ['characters of other scripts', 'QUJDQéJDQUJD'],
    ['other characters', 'QUJD****QUJD'],
    ['NUL', 'QUJD\\u0000'],
    ['a broken escape', 'QUJD\\u00g0'],
    ['an unknown escape', 'QUJD\\x'],
    ['a lone surrogate', 'QUJD\\ud800QUJD'],
    ['the second half of a pair', 'QUJD\\udc00QUJD'],
  ])('R17: is refused with %s', async (_, data) => {
    for (const size of [1, 2, 3, 4, 5, 8, 100])
      await expect(decode(`"${data}"`, size)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('is refused when it never ends, or is no string', async () => {
    await expect(decode('"QUJD')).rejects.toMatchObject({ kind: 'invalid', message: 'JSON is cut off' });
    await expect(decode('"QUJD\\')).rejects.toMatchObject({ kind: 'invalid' });
    await expect(decode('123')).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('is read no faster than it is taken', async () => {
    let pulled = 0;
    async function* endless() {
      yield utf8('"');
      for (;;) {
        pulled++;
        yield utf8('QUJD'.repeat(1000));
      }
    }
    const bytes = awaited(endless()).base64();
    await bytes.next();
    const after = pulled;
    await new Promise((resolve) => setImmediate(resolve));
    expect(pulled).toBe(after);
    await bytes.next();
    expect(pulled).toBeGreaterThan(after);
  });
});
