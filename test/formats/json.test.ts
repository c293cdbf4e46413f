import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../ts/errors/registry-error.js';
import { parseJson, parseJsonObject } from '../../ts/formats/json.js';
import { utf8 } from '../../ts/lib/bytes.js';

const refusal = (bytes: Uint8Array | string, limits = {}): RegistryError => {
  try {
    parseJson(typeof bytes === 'string' ? utf8(bytes) : bytes, limits);
  } catch (error) {
    if (error instanceof RegistryError) return error;
    throw error;
  }
  throw new Error('was accepted');
};

describe('parseJson', () => {
  it('gives values of every kind', () => {
    expect(parseJson(utf8(' {"a":[1,-0.5e3,true,false,null,"\\u00e9é"]}\n'))).toEqual({ a: [1, -500, true, false, null, 'éé'] });
    expect(parseJson(utf8('"1.0.0"'))).toBe('1.0.0');
  });

  it('P1: keys that every object inherits are plain data', () => {
    const value = parseJsonObject(utf8('{"constructor":1,"prototype":{"toString":2},"valueOf":3}'));
    expect(Object.getPrototypeOf(value)).toBe(null);
    expect(Object.keys(value)).toEqual(['constructor', 'prototype', 'valueOf']);
    expect('hasOwnProperty' in value).toBe(false);
  });

  it.each([
    ['an own __proto__', '{"a":[{"__proto__":{"x":1}}]}', '__proto__'],
    ['an escaped __proto__', '{"\\u005f_proto__":1}', '__proto__'],
    ['a number out of range', '[1e400]', 'number out of range'],
    ['a lone surrogate', '["\\ud800"]', 'lone surrogate'],
    ['a lone surrogate in a key', '{"\\udc00":1}', 'lone surrogate'],
    ['NUL', '["a\\u0000"]', 'NUL'],
    ['a trailing comma', '[1,]', 'not valid JSON'],
    ['a byte order mark', '\ufeff{}', 'not valid JSON'],
    ['nothing', '', 'not valid JSON'],
    ['two values', '{} {}', 'not valid JSON'],
    ['a comment', '{/**/}', 'not valid JSON'],
    ['NaN', '[NaN]', 'not valid JSON'],
    ['10,000 nested arrays', '['.repeat(10_000) + ']'.repeat(10_000), '64 deep'],
    ['65 nested objects', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, '64 deep'],
  ])('P3: refuses %s', (_, text, message) => {
    const error = refusal(text);
    expect(error.kind).toBe('invalid');
    expect(error.message).toContain(message);
  });

  it('P3: accepts 64 nested arrays', () => {
    expect(parseJson(utf8('['.repeat(64) + ']'.repeat(64)))).toBeInstanceOf(Array);
  });

  it('P3: refuses bytes that are not UTF-8', () => {
    expect(refusal(Uint8Array.of(0x22, 0xc3, 0x22)).message).toContain('UTF-8');
    expect(refusal(Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)).message).toContain('UTF-8');
  });

  it('P3: refuses more bytes or values than allowed', () => {
    expect(refusal('[1,2,3]', { maxBytes: 6 }).kind).toBe('too_large');
    expect(refusal('[1,2,3]', { maxValues: 3 }).kind).toBe('too_large');
    expect(parseJson(utf8('[1,2,3]'), { maxBytes: 7, maxValues: 4 })).toEqual([1, 2, 3]);
  });

  it('names the document in its messages, and never its content', () => {
    const error = refusal('{"token":"s3cret"', { what: 'package.json' });
    expect(error.message).toBe('package.json is not valid JSON');
  });

  it('refuses other values where an object must stand', () => {
    expect(() => parseJsonObject(utf8('[]'))).toThrow('JSON is not an object');
    expect(() => parseJsonObject(utf8('null'))).toThrow('JSON is not an object');
  });
});

it('P3: names that stand twice are refused where they must not', () => {
  const read = (text: string, unique: boolean): unknown => parseJson(new TextEncoder().encode(text), { unique });
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":{"b":1,"b":1}}',
    '[{"a":1},{"b":{"c":1,"\\u0063":2}}]',
    '{"a\\\\":1,"a\\\\":2}',
    '{"":1,"":2}',
  ]) {
    expect(() => read(text, true)).toThrow('twice');
    expect(() => read(text, false)).not.toThrow();
  }
  for (const text of ['{"a":":","b":"\\":{","c":["\\\\",{"a":1}]}', '{"a":1,"A":2}', '{}', '[]', '":"', '{"a:":{"a:":1}}'])
    expect(() => read(text, true)).not.toThrow();
});
