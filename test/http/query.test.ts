import { describe, expect, it } from 'vitest';
import { queryOf } from '../../ts/http/query.js';

describe('queries', () => {
  it('keeps repeated names and brackets, decodes once, reads + as a space', () => {
    const query = queryOf('tag=a&tag=b&packages[0]=x&text=a+b%2Bc&flag&=v&__proto__=p&a=b=c');
    expect(query.getAll('tag')).toEqual(['a', 'b']);
    expect(query.get('packages[0]')).toBe('x');
    expect(query.get('text')).toBe('a b+c');
    expect(query.get('flag')).toBe('');
    expect(query.get('a')).toBe('b=c');
    expect(query.get('__proto__')).toBe('p');
    expect(query.get('toString')).toBeUndefined();
    expect(query.getAll('absent')).toEqual([]);
    expect(queryOf('x=%2541').get('x')).toBe('%41');
  });

  it('takes what a host has parsed', () => {
    const query = queryOf({ tag: ['a', 'b'], text: 'x', none: undefined });
    expect([query.getAll('tag'), query.get('text'), query.get('none')]).toEqual([['a', 'b'], 'x', undefined]);
  });

  it('refuses what is malformed or too much, and only when asked', () => {
    for (const raw of ['x=%ff', 'x=%', 'x=%00', Array(600).fill('a').join('&')]) {
      const query = queryOf(raw);
      expect(() => query.get('y')).toThrow(expect.objectContaining({ kind: 'invalid' }));
    }
    expect(() => queryOf('x'.repeat(8193))).toThrow(expect.objectContaining({ kind: 'invalid' }));
    expect(() => queryOf({ x: Array(600).fill('a') }).get('x')).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });
});
