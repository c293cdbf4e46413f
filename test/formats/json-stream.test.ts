import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../ts/errors/registry-error.js';
import type { JsonReaderLimits } from '../../ts/formats/json-stream.js';
import { concat, text, utf8 } from '../../ts/lib/bytes.js';
import { awaited, collect, inPieces } from './pieces.js';

const MB = 1024 ** 2;

/** Reads a whole text as one value that nobody wants. */
async function check(bytes: Uint8Array, size: number, limits: JsonReaderLimits = {}): Promise<'accepted' | RegistryError> {
  const reader = awaited(inPieces(bytes, size), limits);
  try {
    await reader.value(64 * MB);
    await reader.end();
    return 'accepted';
  } catch (error) {
    if (error instanceof RegistryError) return error;
    throw error;
  }
}

const parses = (bytes: Uint8Array): boolean => {
  try {
    JSON.parse(text(bytes));
    return true;
  } catch {
    return false;
  }
};

describe('JsonReader walks', () => {
  const document =
    '{"a":1, "_attachments" : {"x.tgz":{"data":"aGVsbG8=","length":5}},"skipped":[{"b":[]},"\\"}"],"last":{"k":null}}\n';

  it.each([1, 2, 3, 7, 1000])('objects member by member, in pieces of %i bytes', async (size) => {
    const reader = awaited(inPieces(utf8(document), size));
    const seen: unknown[] = [];
    for await (const name of reader.members()) {
      seen.push(name);
      if (name === 'a') seen.push(await reader.json(100));
      if (name === 'last') seen.push(text(await reader.value(100)));
      if (name !== '_attachments') continue;
      for await (const file of reader.members()) {
        seen.push(file);
        for await (const field of reader.members()) {
          seen.push(field === 'data' ? text(await collect(reader.base64())) : await reader.json(10));
        }
      }
    }
    await reader.end();
    expect(seen).toEqual(['a', 1, '_attachments', 'x.tgz', 'hello', 5, 'skipped', 'last', '{"k":null}']);
  });

  it('empty objects', async () => {
    const reader = awaited(inPieces(utf8(' { } '), 1));
    for await (const name of reader.members()) throw new Error(name);
    await reader.end();
  });

  it('past a string of which only a part was wanted', async () => {
    const reader = awaited(inPieces(utf8(`{"data":"${'QUJD'.repeat(1000)}","b":2}`), 64));
    const seen: string[] = [];
    for await (const name of reader.members()) {
      seen.push(name);
      if (name === 'data') for await (const _ of reader.base64()) break;
    }
    await reader.end();
    expect(seen).toEqual(['data', 'b']);
  });

  it('keeps copies: a source may use its buffer again', async () => {
    async function* reusing() {
      const buffer = new Uint8Array(4);
      for (let at = 0; at < source.length; at += 4) {
        const part = source.subarray(at, at + 4);
        buffer.set(part);
        yield buffer.subarray(0, part.length);
      }
    }
    const source = utf8('{"versions":{"1.0.0":{"name":"abcdefghijklmnop"}}}');
    const reader = awaited(reusing());
    for await (const _ of reader.members())
      for await (const _version of reader.members()) expect(await reader.json(100)).toEqual({ name: 'abcdefghijklmnop' });
  });

  it('P1: constructor and prototype as names like any other', async () => {
    const reader = awaited(inPieces(utf8('{"constructor":1,"prototype":2,"toString":3}'), 5));
    const seen: string[] = [];
    for await (const name of reader.members()) seen.push(name);
    expect(seen).toEqual(['constructor', 'prototype', 'toString']);
  });

  it('closes its source', async () => {
    let closed = false;
    async function* source() {
      try {
        for (;;) yield utf8('{"a":1,');
      } finally {
        closed = true;
      }
    }
    const reader = awaited(source());
    for await (const _ of reader.members()) break;
    reader.close();
    await Promise.resolve();
    expect(closed).toBe(true);
  });
});

describe('JsonReader refuses', () => {
  async function walk(body: string, limits: JsonReaderLimits = {}): Promise<RegistryError> {
    const reader = awaited(inPieces(utf8(body), 3), limits);
    try {
      for await (const name of reader.members()) if (name === 'in') for await (const _ of reader.members());
      await reader.end();
    } catch (error) {
      if (error instanceof RegistryError) return error;
      throw error;
    }
    throw new Error('was accepted');
  }

  it.each([
    ['a name that stands twice', '{"a":1,"a":2}', 'twice: "a"'],
    ['a name that stands twice in other spelling', '{"a":1,"\\u0061":2}', 'twice: "a"'],
    ['a name that stands twice further in', '{"in":{"x":1,"x":1}}', 'twice: "x"'],
    ['__proto__', '{"in":{"__proto__":{}}}', '__proto__'],
    ['an array where an object must stand', '[]', 'object'],
    ['a string where an object must stand', '"{}"', 'object'],
    ['a comma before the end', '{"a":1,}', 'no name'],
    ['no comma', '{"a":1 "b":2}', 'comma'],
    ['no colon', '{"a" 1}', 'colon'],
    ['no value', '{"a":}', 'no value'],
    ['an end too early', '{"a":1', 'cut off'],
    ['an end inside a name', '{"a', 'cut off'],
    ['an end inside a skipped value', '{"a":[1,2', 'cut off'],
    ['nothing', '', 'cut off'],
    ['a second value', '{}{}', 'behind its end'],
    ['a byte order mark', '\ufeff{}', 'object'],
    ['10,000 nested arrays in a skipped value', `{"a":${'['.repeat(10_000)}`, 'nested'],
  ])('P3: %s', async (_, body, message) => {
    const error = await walk(body);
    expect(error.kind).toBe('invalid');
    expect(error.message).toContain(message);
  });

  it('R16: more bytes than allowed, streamed strings not counted', async () => {
    expect((await walk(`{"a":"${'x'.repeat(200)}"}`, { maxBytes: 100 })).kind).toBe('too_large');
    expect((await walk(`{"a":${' '.repeat(200)}1}`, { maxBytes: 100 })).kind).toBe('too_large');
    const reader = awaited(inPieces(utf8(`{"a":"${'QUJD'.repeat(200)}"}`), 16), { maxBytes: 100 });
    for await (const _ of reader.members()) expect((await collect(reader.base64())).length).toBe(600);
    await reader.end();
  });

  it('P3: more keys than allowed', async () => {
    expect((await walk('{"a":1,"b":2,"c":3}', { maxMembers: 2 })).kind).toBe('too_large');
  });

  it('a value larger than asked for', async () => {
    const reader = awaited(inPieces(utf8('[1,2,3,4,5,6]'), 4));
    await expect(reader.value(6, 'the list')).rejects.toMatchObject({
      kind: 'too_large',
      message: 'the list is larger than 6 bytes',
    });
  });
});

describe('JsonReader and JSON.parse', () => {
  const corpus = [
    '{"a":[1,-0.5e3,0,0.1,10E+2,true,false,null,"\\u00e9é\\n\\/\\"",{}],"":{"b":[[]]}}',
    '"😀\\ud83d\\ude00"',
    '-12.5e-7',
    '[1,2,{"x":"y"}]  ',
    'true',
  ].map(utf8);

  it('P3: agree on every text of a corpus, cut at every place', async () => {
    for (const bytes of corpus)
      for (let end = 0; end <= bytes.length; end++) {
        const part = bytes.subarray(0, end);
        expect([text(bytes), end, (await check(part, 5)) === 'accepted']).toEqual([text(bytes), end, parses(part)]);
      }
  });

  it('P3: agree on mutated texts, in pieces of any size', async () => {
    const mutation = fc.record({
      which: fc.nat(corpus.length - 1),
      at: fc.nat(100),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...utf8('{}[]",:\\u0123456789eE+-. \n\ttruefalsn'))),
      mode: fc.constantFrom('set', 'insert', 'delete'),
      size: fc.integer({ min: 1, max: 9 }),
    });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ which, at, byte, mode, size }) => {
        const original = corpus[which] as Uint8Array;
        const place = at % original.length;
        const head = original.subarray(0, place);
        const tail = original.subarray(mode === 'insert' ? place : place + 1);
        const bytes = concat(mode === 'delete' ? [head, tail] : [head, Uint8Array.of(byte), tail]);
        expect((await check(bytes, size)) === 'accepted').toBe(parses(bytes));
      }),
      { numRuns: 3000, seed: 20_260_511 },
    );
  });

  it('P5: gives any value back as it came', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 6 }), fc.integer({ min: 1, max: 40 }), async (json, size) => {
        const bytes = utf8(json);
        expect(text(await awaited(inPieces(bytes, size)).value(MB))).toBe(json.trim());
      }),
      { numRuns: 500, seed: 20_260_511 },
    );
  });
});
