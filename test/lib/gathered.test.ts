import { describe, expect, it } from 'vitest';
import { gathered, only } from '../../ts/lib/gathered.js';
import { collect, inPieces } from '../formats/pieces.js';

const bytes = Uint8Array.from({ length: 100 }, (_, at) => at);

describe('gathered', () => {
  it.each([1, 7, 50, 99, 100, 1000])('is the whole of a small source, in pieces of %i bytes', async (size) => {
    expect(await gathered(inPieces(bytes, size), 100)).toEqual(bytes);
    expect(await gathered(inPieces(bytes.subarray(0, 0), size), 100)).toEqual(new Uint8Array(0));
  });

  it.each([1, 7, 50, 99, 100, 1000])(
    'loses nothing of a larger one, and reads no more of it than it must, in pieces of %i',
    async (size) => {
      let asked = 0;
      async function* counted() {
        for await (const piece of inPieces(bytes, size)) {
          asked += piece.byteLength;
          yield piece;
        }
      }
      const rest = await gathered(counted(), 99);
      if (rest instanceof Uint8Array) throw new Error('was gathered');
      expect(asked).toBe(100);
      expect(await collect(rest)).toEqual(bytes);
    },
  );

  it('closes what it has begun to read when nobody wants the rest', async () => {
    let closed = false;
    async function* endless() {
      try {
        for (;;) yield bytes;
      } finally {
        closed = true;
      }
    }
    const rest = await gathered(endless(), 150);
    if (rest instanceof Uint8Array) throw new Error('was gathered');
    for await (const _ of rest) break;
    expect(closed).toBe(true);
  });

  it('passes on what the source throws', async () => {
    async function* broken() {
      yield bytes;
      throw new Error('gone');
    }
    await expect(gathered(broken(), 1000)).rejects.toThrow('gone');
    expect(await collect(only(bytes))).toEqual(bytes);
  });
});
