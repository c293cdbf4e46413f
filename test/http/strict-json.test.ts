import { describe, expect, it } from 'vitest';
import { checkJson, parseJson } from '../../ts/http/strict-json.js';
import { utf8 } from '../../ts/lib/bytes.js';

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('strict JSON', () => {
  it.each([
    ['nesting beyond 64', nested(65)],
    ['10,000 levels', nested(10_000)],
    ['objects beyond 64', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`],
    ['an own __proto__', '{"__proto__":{"x":1}}'],
    ['an escaped __proto__', '{"a":[{"\\u005f_proto__":1}]}'],
    ['a byte order mark', '\ufeff{}'],
    ['an escaped NUL', '{"a":"x\\u0000"}'],
    ['an escaped NUL in a key', '{"x\\u0000":1}'],
    ['a raw NUL', '{"a":"\0"}'],
    ['a lone surrogate', '"\\ud800"'],
    ['an infinite number', '[1e400]'],
    ['a trailing comma', '[1,]'],
    ['two documents', '{}{}'],
    ['nothing', ''],
    ['half of it', '{"a":'],
  ])('P3: %s is 400', (_, text) => {
    expect(() => parseJson(utf8(text))).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });

  it('P3: invalid UTF-8 is 400', () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow('UTF-8');
  });

  it('P3: more than a million values are 413', () => {
    expect(() => parseJson(utf8(`[${'1,'.repeat(1_000_000)}1]`))).toThrow(expect.objectContaining({ kind: 'too_large' }));
  });

  it('takes what is well formed', () => {
    expect(parseJson(utf8(nested(64)))).toBeDefined();
    expect(parseJson(utf8('{"constructor":1,"toString":[null,true,"\\\\u0000"],"a":1,"a":2}'))).toEqual({
      constructor: 1,
      toString: [null, true, '\\u0000'],
      a: 2,
    });
    expect(parseJson(utf8('"1.0.0"'))).toBe('1.0.0');
  });

  it('what a framework has parsed is held to the same, cycles included', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(() => checkJson(cycle)).toThrow('deep');
    expect(() => checkJson(JSON.parse('{"__proto__":1}'))).toThrow('__proto__');
  });
});
