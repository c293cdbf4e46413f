import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../ts/errors/registry-error.js';
import { gunzip } from '../../ts/formats/gzip.js';
import { readTar, type SeenEntry } from '../../ts/formats/tar.js';
import { concat, utf8 } from '../../ts/lib/bytes.js';
import {
  hasGnuTar,
  hasNodeTar,
  hasPython,
  type Listing,
  listWithGnuTar,
  listWithNodeTar,
  listWithPython,
} from '../formats/other-readers.js';
import { inPieces } from '../formats/pieces.js';
import { archive, directory, file, globalPax, longName, pax } from '../formats/tar-maker.js';

const CORPUS = fileURLToPath(new URL('corpus/', import.meta.url));
const WATCHDOG_MS = 10_000;
const RUNS = process.env['REQUIRE_CLIENTS'] === '1' ? 2_000 : 300;
if (RUNS < 2_000) console.log(`shortened: ${RUNS} mutated archives; REQUIRE_CLIENTS=1 makes 2000`);
const LONG = `package/${'d'.repeat(90)}/${'f'.repeat(90)}`;

/** What real tools write, each construct at least once. */
const seeds: readonly Uint8Array[] = [
  archive(file('package/package.json', '{"name":"a"}'), file('package/index.js', 'x'.repeat(700)), file('package/empty')),
  archive(
    directory('package/'),
    directory('package/lib/'),
    file('package/lib/a', 'a'),
    file('b', 'b', { prefix: 'package/lib' }),
  ),
  archive(
    globalPax(['comment', 'abcdef']),
    pax(['path', LONG], ['mtime', '1.5']),
    file('package/x', 'ab'),
    file('package/y', 'c'),
  ),
  archive(longName(LONG), file('package/x', 'ab', { magic: 'ustar  \0' }), pax(['size', '3']), file('package/z', 'abc')),
];

/** Lists what we accept; undefined when we refuse. Anything else, a hang included, is a failure. */
async function list(bytes: Uint8Array, size: number): Promise<Listing> {
  const watchdog = AbortSignal.timeout(WATCHDOG_MS);
  const seen: string[] = [];
  try {
    for await (const { type, size: length, path, body } of readTar(inPieces(bytes, size), { signal: watchdog })) {
      let read = 0;
      for await (const piece of body) read += piece.byteLength;
      expect(read).toBe(length);
      seen.push(`${type[0]} ${length} ${path}`);
    }
    return seen;
  } catch (error) {
    expect(error).toBeInstanceOf(RegistryError);
    return undefined;
  }
}

/** The same when nobody reads an entry: then the parser sees none. */
async function listUnread(bytes: Uint8Array, size: number): Promise<Listing> {
  const seen: string[] = [];
  const wants = ({ type, size: length, path }: SeenEntry): boolean => {
    seen.push(`${type[0]} ${length} ${path}`);
    return false;
  };
  try {
    for await (const _ of readTar(inPieces(bytes, size), { signal: AbortSignal.timeout(WATCHDOG_MS), wants }))
      expect.unreachable();
    return seen;
  } catch (error) {
    expect(error).toBeInstanceOf(RegistryError);
    return undefined;
  }
}

/** Makes the header's checksum right again, so that a mutation is not refused for that alone. */
function healed(bytes: Uint8Array): Uint8Array {
  const out = Buffer.from(bytes);
  for (let at = 0; at + 512 <= out.length; at += 512) {
    const block = out.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return out;
}

interface Mutation {
  readonly at: number;
  readonly byte: number;
  readonly mode: 'set' | 'cut' | 'double' | 'drop' | 'zero';
}

function mutate(seed: Uint8Array, { at, byte, mode }: Mutation): Uint8Array {
  const place = at % seed.length;
  const blockAt = place - (place % 512);
  const block = seed.subarray(blockAt, blockAt + 512);
  const [head, tail] = [seed.subarray(0, blockAt), seed.subarray(blockAt + 512)];
  if (mode === 'cut') return seed.subarray(0, place);
  if (mode === 'double') return concat([head, block, block, tail]);
  if (mode === 'drop') return concat([head, tail]);
  if (mode === 'zero') return concat([head, new Uint8Array(512), tail]);
  return concat([seed.subarray(0, place), Uint8Array.of(byte), seed.subarray(place + 1)]);
}

/** Most places of a header are padding: half of the changes go where something stands. */
const place = fc.oneof(
  fc.nat(1 << 16),
  fc
    .tuple(fc.nat(7), fc.constantFrom(0, 8, 99, 100, 107, 124, 130, 135, 136, 147, 156, 157, 257, 262, 263, 265, 329, 345, 400))
    .map(([block, at]) => block * 512 + at),
);
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: place,
  byte: fc.oneof(fc.nat(255), fc.constantFrom(...utf8('\0 012345678xgLKS/.\\='))),
  mode: fc.constantFrom('set', 'set', 'set', 'set', 'cut', 'double', 'drop', 'zero'),
});
const mutants = fc.tuple(
  fc.nat(seeds.length - 1),
  fc.array(mutation, { minLength: 1, maxLength: 3 }),
  fc.integer({ min: 1, max: 2000 }),
  fc.boolean(),
);

describe('tar archives', () => {
  it('M5, R4, R5: mutated ones end, fail with a RegistryError only, and mean the same to every reader when accepted', async () => {
    const accepted: { readonly bytes: Uint8Array; readonly ours: Listing }[] = seeds.map((bytes) => ({ bytes, ours: [] }));
    for (const [at, bytes] of seeds.entries()) accepted[at] = { bytes, ours: await list(bytes, 65_536) };
    expect(accepted.every(({ ours }) => ours && ours.length > 1)).toBe(true);
    await fc.assert(
      fc.asyncProperty(mutants, async ([which, changes, size, heal]) => {
        const changed = changes.reduce(mutate, seeds[which] as Uint8Array);
        const bytes = heal ? healed(changed) : changed;
        const ours = await list(bytes, size);
        expect(await list(bytes, 65_536)).toEqual(ours);
        expect(await listUnread(bytes, size)).toEqual(ours);
        if (ours) accepted.push({ bytes, ours });
      }),
      { numRuns: RUNS, seed: 20_260_511, endOnFailure: true },
    );
    expect(accepted.length).toBeGreaterThan(RUNS / 6);
    const archives = accepted.map(({ bytes }) => bytes);
    const expected = accepted.map(({ ours }) => ours);
    if (hasPython) expect(listWithPython(archives)).toEqual(expected);
    if (hasNodeTar) expect(listWithNodeTar(archives)).toEqual(expected);
    if (hasGnuTar) expect(listWithGnuTar(archives.slice(0, 150))).toEqual(expected.slice(0, 150));
  }, 60_000);

  it('R4: every file of the corpus is refused, and in time', async () => {
    const names = readdirSync(`${CORPUS}tar`);
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect([name, await list(readFileSync(`${CORPUS}tar/${name}`), 65_536)]).toEqual([name, undefined]);
  });
});

describe('gzip', () => {
  const decode = async (bytes: Uint8Array, size: number): Promise<number | undefined> => {
    let length = 0;
    try {
      for await (const piece of gunzip(inPieces(bytes, size))) length += piece.byteLength;
      return length;
    } catch (error) {
      expect(error).toBeInstanceOf(RegistryError);
      return undefined;
    }
  };

  it('R14: mutated data is refused with a RegistryError, or says the same', async () => {
    const plain = utf8('the quick brown fox '.repeat(40));
    const seed = gzipSync(plain);
    await fc.assert(
      fc.asyncProperty(fc.nat(seed.length - 1), fc.nat(255), fc.integer({ min: 1, max: 200 }), async (at, byte, size) => {
        const length = await decode(concat([seed.subarray(0, at), Uint8Array.of(byte), seed.subarray(at + 1)]), size);
        expect([undefined, plain.length]).toContain(length);
      }),
      { numRuns: 500, seed: 20_260_511 },
    );
  });

  it('every file of the corpus is refused', async () => {
    const names = readdirSync(`${CORPUS}gzip`);
    expect(names.length).toBeGreaterThan(3);
    for (const name of names)
      expect([name, await decode(readFileSync(`${CORPUS}gzip/${name}`), 65_536)]).toEqual([name, undefined]);
  });
});
