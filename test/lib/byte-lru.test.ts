import { describe, expect, it } from 'vitest';
import { ByteLru } from '../../ts/lib/byte-lru.js';

describe('ByteLru', () => {
  it('drops what was used longest ago when the bytes run out', () => {
    const lru = new ByteLru<string, number>(100);
    lru.set('a', 1, 40);
    lru.set('b', 2, 40);
    expect(lru.get('a')).toBe(1);
    lru.set('c', 3, 40);
    expect([lru.get('a'), lru.get('b'), lru.get('c')]).toEqual([1, undefined, 3]);
    expect(lru.bytes).toBe(80);
  });

  it('peeking is no use', () => {
    const lru = new ByteLru<string, number>(100);
    lru.set('a', 1, 50);
    lru.set('b', 2, 50);
    expect(lru.peek('a')).toBe(1);
    lru.set('c', 3, 50);
    expect(lru.peek('a')).toBeUndefined();
  });

  it('does not keep what is larger than the whole, nor the older value under its key', () => {
    const lru = new ByteLru<string, number>(100);
    lru.set('a', 1, 10);
    lru.set('b', 2, 10);
    lru.set('a', 9, 101);
    expect([lru.get('a'), lru.get('b'), lru.size, lru.bytes]).toEqual([undefined, 2, 1, 10]);
  });

  it('keeps the last one that is larger beside the others, where that was asked for', () => {
    const lru = new ByteLru<string, number>(100, { oneLarger: true });
    lru.set('a', 1, 10);
    lru.set('b', 2, 101);
    expect([lru.get('a'), lru.get('b'), lru.peek('b'), lru.size, lru.bytes]).toEqual([1, 2, 2, 1, 10]);
    lru.set('c', 3, 101);
    expect([lru.get('b'), lru.get('c')]).toEqual([undefined, 3]);
    lru.set('c', 4, 20);
    expect([lru.get('c'), lru.bytes]).toEqual([4, 30]);
    lru.set('d', 5, 101);
    expect([lru.delete('d'), lru.delete('d'), lru.get('d')]).toEqual([true, false, undefined]);
    lru.set('e', 6, 101);
    lru.clear();
    expect(lru.get('e')).toBeUndefined();
  });

  it('counts a replaced entry once, and forgets everything on clear', () => {
    const lru = new ByteLru<string, number>(100);
    lru.set('a', 1, 60);
    lru.set('a', 2, 30);
    expect(lru.bytes).toBe(30);
    lru.clear();
    expect([lru.size, lru.bytes, lru.get('a')]).toEqual([0, 0, undefined]);
  });
});
