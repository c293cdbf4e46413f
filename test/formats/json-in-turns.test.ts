import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../ts/errors/registry-error.js';
import { type JsonLimits, parseJson } from '../../ts/formats/json.js';
import { parseJsonInTurns, parseJsonObjectInTurns } from '../../ts/formats/json-in-turns.js';
import { utf8 } from '../../ts/lib/bytes.js';
import { turnsDuring } from './turns.js';

const SLICE = 64 * 1024;
const MIB = 1024 * 1024;

/** What becomes of the text: its value, or the kind of error. */
function inOneGo(text: string | Uint8Array, limits: JsonLimits): unknown {
  try {
    return parseJson(typeof text === 'string' ? utf8(text) : text, limits);
  } catch (error) {
    return error instanceof RegistryError ? error.kind : error;
  }
}
const inTurns = (text: string | Uint8Array, limits: JsonLimits): Promise<unknown> =>
  parseJsonInTurns(typeof text === 'string' ? utf8(text) : text, limits).catch((error: unknown) =>
    error instanceof RegistryError ? error.kind : error,
  );

/** Values of this size are no good in a message. */
const same = (one: unknown, other: unknown): string =>
  isDeepStrictEqual(one, other) ? 'the same' : `${JSON.stringify(one).slice(0, 60)} and ${JSON.stringify(other).slice(0, 60)}`;

const filler = `"${'f'.repeat(1_000)}"`;
const many = (count: number, make: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => make(at)).join(',');
const list = many(66, () => filler);
const members = many(66, (at) => `"k${at}":${filler}`);
const spaces = ' \n\t\r'.repeat(20_000);

/** All are larger than one slice. */
const texts: readonly (readonly [title: string, text: string])[] = [
  ['a list', `[${list}]`],
  ['an object', `{${members}}`],
  ['white space around and between', `${spaces}[ ${list} ,${spaces}{ ${members} } , 1 ]${spaces}`],
  ['a large child alone', `[[${list}]]`],
  ['a large member alone', `{"a":{${members}}}`],
  ['a large child first, in the middle and last', `[{${members}},1,[${list}],2,{${members}}]`],
  ['a large member first, in the middle and last', `{"a":[${list}],"b":1,"c":{${members}},"d":2,"e":[${list}]}`],
  ['names with all kinds of escapes before large members', `{"a\\"\\\\:,{[":[${list}],"\\u00e9":{${members}}}`],
  ['texts full of brackets', `[${many(2_000, () => '"]}{[,:\\\\\\"[{"')},${list}]`],
  ['one text of a mebibyte among small ones', `[1,"${'x'.repeat(MIB)}",2,{"a":"${'y'.repeat(MIB)}"}]`],
  ['long texts that end in escapes', `["${'x'.repeat(200)}\\\\","${'y'.repeat(200)}\\"",${list},"${'\\\\'.repeat(100)}"]`],
  ['a long text that ends in half an escape', `[${list},"${'x'.repeat(200)}\\"]`],
  ['nothing but a text', `"${'x'.repeat(MIB)}"`],
  ['nothing but a number', '1'.repeat(200)],
  ['names that come again in other slices', `{${members},${members},"k0":1}`],
  ['a name that comes again with a large member', `{"a":1,"a":[${list}],"b":2,"a":{${members}}}`],
  ['names that are numbers', `{${many(20_000, (at) => `"${20_000 - at}":${at}`)}}`],
  ['names that objects inherit', `{"constructor":[${list}],"toString":1,"valueOf":{${members}}}`],
  ['empty containers', `[[],{},[${list}],{"a":[],"b":{}}]`],
  ['as deep as may be', `${'['.repeat(63)}[${list}]${']'.repeat(63)}`],
  ['one deeper', `${'['.repeat(64)}[${list}]${']'.repeat(64)}`],
  ['too deep in a slice', `[${list},${'['.repeat(64)}1${']'.repeat(64)}]`],
  ['nothing', spaces],
  ['a comma before all', `[,${list}]`],
  ['a comma before a large child', `[,[${list}]]`],
  ['two commas behind a slice', `[${list},,1]`],
  ['two commas before a large child', `[1,,[${list}]]`],
  ['two commas behind a large child', `[[${list}],,1]`],
  ['a comma at the end of a list', `[${list},]`],
  ['a comma behind a large child', `[[${list}],]`],
  ['a comma behind a large member', `{"a":[${list}],}`],
  ['a comma at the end of an object', `{${members},}`],
  ['something else between', `[[${list}] 1]`],
  ['another large child without a comma', `[[${list}][${list}]]`],
  ['a name before a large child of a list', `["a":[${list}]]`],
  ['a value before a large child of a list', `[1[${list}]]`],
  ['no name before a large member', `{[${list}]}`],
  ['two names before a large member', `{"a":"b":[${list}]}`],
  ['two members before a large member', `{"a":1 "b":[${list}]}`],
  ['a value before a large member', `{"a":1[${list}]}`],
  ['a name without quotes', `{a:[${list}]}`],
  ['brackets that do not belong together', `[{"a":1],${list}}`],
  ['a bracket too many', `[${list}]]`],
  ['a bracket too few', `[[${list}]`],
  ['a text without an end', `[${list},"abc]`],
  ['a backslash outside of texts', `[${list},\\"a"]`],
  ['a control character', `[${list},"a\nb"]`],
  ['something behind the end', `[${list}] 1`],
  ['something before the beginning', `1 [${list}]`],
  ['another kind of white space', `[\u00a0${list},\u00a0]`],
  ['__proto__', `{${members},"__proto__":1}`],
  ['__proto__ as a large member', `{"__proto__":[${list}]}`],
  ['an escaped __proto__ in a slice', `[${list},{"\\u005f_proto__":1}]`],
  ['NUL', `[${list},"a\\u0000"]`],
  ['NUL in the name of a large member', `{"a\\u0000":[${list}]}`],
  ['a number out of range', `[${list},1e400]`],
];

describe('JSON in turns', () => {
  it.each(texts)('is read as in one go: %s', async (_, text) => {
    for (const limits of [{}, { unique: true }])
      expect(same(await inTurns(text, limits), inOneGo(text, limits)), JSON.stringify(limits)).toBe('the same');
  });

  it('is read as in one go: bytes that are no UTF-8', async () => {
    const bytes = utf8(`[${list},"é"]`);
    bytes[bytes.byteLength - 3] = 0x20;
    expect(await inTurns(bytes, {})).toBe('invalid');
    expect(inOneGo(bytes, {})).toBe('invalid');
  });

  it('counts as in one go, across slices', async () => {
    const text = `{"a":[${list}],"b":{${members}},"c":[{"d":{${members}}}]}`;
    const [values, names] = [1 + 1 + 66 + 1 + 66 + 1 + 1 + 1 + 66, 3 + 66 + 1 + 66];
    for (const limits of [{ maxValues: values }, { maxValues: values - 1 }, { maxNames: names }, { maxNames: names - 1 }])
      expect(same(await inTurns(text, limits), inOneGo(text, limits)), JSON.stringify(limits)).toBe('the same');
    expect(await inTurns(text, { maxValues: values - 1 })).toBe('too_large');
    expect(await inTurns(text, { maxNames: names - 1 })).toBe('too_large');
    expect(await inTurns(text, { maxBytes: text.length - 1 })).toBe('too_large');
    expect(await inTurns(text, { maxValues: values, maxNames: names })).toBeTypeOf('object');
  });

  it('mutated texts are read as in one go', async () => {
    const text = `{"a":[${list}],"b":[[1],{"d":{${members}}}],"c":2}`;
    const junk = '[]{},:"\\ 1ae\n';
    let seed = 1;
    const next = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    // where grammar stands, not in the fillers
    const places = [...text.matchAll(/[[\]{},:]/g)].map(({ index }) => index);
    const outcomes = new Set<string>();
    for (let round = 0; round < 80; round += 1) {
      let mutated = text;
      for (let change = 0; change <= round % 3; change += 1) {
        const at = places[next(places.length)] ?? 0;
        mutated = `${mutated.slice(0, at)}${next(2) ? junk[next(junk.length)] : ''}${mutated.slice(at + next(2))}`;
      }
      const expected = inOneGo(mutated, { unique: true });
      expect(same(await inTurns(mutated, { unique: true }), expected), mutated.replaceAll(filler, 'F')).toBe('the same');
      outcomes.add(typeof expected);
    }
    expect([...outcomes].sort()).toEqual(['object', 'string']);
  });

  it('objects have no prototype, however large', async () => {
    const value = await parseJsonObjectInTurns(utf8(`{"a":{${members}},"b":[{}]}`));
    for (const one of [value, value['a'], (value['b'] as readonly object[])[0]]) expect(Object.getPrototypeOf(one)).toBe(null);
    await expect(parseJsonObjectInTurns(utf8(`[${list}]`))).rejects.toThrow('not an object');
  });

  it.each([
    ['100,000 names in one object', `{${many(100_000, (at) => `"${at.toString(36)}":1`)}}`],
    ['200,000 empty objects', `[${'{},'.repeat(200_000)}1]`],
    [
      '10,000 objects of ten names',
      `[${many(10_000, (at) => `{${many(10, (name) => `"${(at * 10 + name).toString(36)}":1`)}}`)}]`,
    ],
    ['large members in large members', `${'{"a":'.repeat(60)}{${many(30_000, (at) => `"${at}":1`)}}${'}'.repeat(60)}`],
  ])('R1: others have a turn for every slice: %s', async (_, text) => {
    const bytes = utf8(text);
    const turns = await turnsDuring(() => parseJsonInTurns(bytes));
    expect(turns).toBeGreaterThanOrEqual(Math.floor(bytes.byteLength / (SLICE + 64)));
  });

  it('R1: of empty containers there are no more in a slice than take as long as other text', async () => {
    const bytes = utf8(`[${'{},'.repeat(200_000)}1]`);
    const turns = await turnsDuring(() => parseJsonInTurns(bytes));
    expect(turns).toBeGreaterThanOrEqual(Math.floor(200_000 / (8 * 1024)));
  });

  it.each([
    ['white space', `[${list},${' '.repeat(300 * 1024)}1]`],
    ['digits', `{${members},"n":${'1'.repeat(300 * 1024)}}`],
    ['junk', 'z'.repeat(4 * MIB)],
  ])('R1: %s that cannot be cut is refused before it is parsed', async (_, text) => {
    await expect(parseJsonInTurns(utf8(text))).rejects.toMatchObject({
      kind: 'invalid',
      message: 'JSON has more than 262144 bytes of white space or digits in a row',
    });
  });

  it('R1: what nests too deep is refused before it is parsed, with a turn for every mebibyte that was looked at', async () => {
    const shallow = utf8(`[${many(3, () => `"${'x'.repeat(MIB)}"`)},${many(100_000, () => '1')},${'['.repeat(70)}`);
    const refusal = async (): Promise<unknown> => parseJsonInTurns(shallow).catch((error: unknown) => error);
    let error: unknown;
    const turns = await turnsDuring(async () => {
      error = await refusal();
    });
    expect(error).toMatchObject({ kind: 'invalid', message: 'JSON is nested more than 64 deep' });
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});
