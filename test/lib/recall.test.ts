import { describe, expect, it } from 'vitest';
import { Recall } from '../../ts/lib/recall.js';

describe('what is recalled by its text', () => {
  it('is bounded in number and in length: a full one forgets all, long texts are never kept', () => {
    const recall = new Recall<number>({ most: 3, longest: 4 });
    expect(recall.keep('longer', 1)).toBe(1);
    expect(recall.get('longer')).toBeUndefined();
    for (const text of ['a', 'b', 'c']) expect(recall.keep(text, 2)).toBe(2);
    expect([recall.get('a'), recall.get('b'), recall.get('c')]).toEqual([2, 2, 2]);
    recall.keep('d', 3);
    expect([recall.get('a'), recall.get('d')]).toEqual([undefined, 3]);
  });
});
