import fc from 'fast-check';
import { expect, it } from 'vitest';
import { least } from '../../ts/lib/least.js';

it('the least texts are those that sorting puts first', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 }), { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (texts, count) => {
      expect(least(new Set(texts), count)).toEqual([...new Set(texts)].sort().slice(0, count));
    }),
    { numRuns: 500, seed: 7 },
  );
});

it('R1: of a hundred thousand texts only some are sorted', () => {
  // each once, in no order
  const texts = Array.from({ length: 100_000 }, (_, at) => ((at * 48_271) % 100_003).toString(36).padStart(4, '0'));
  let sorted = 0;
  const { sort } = Array.prototype;
  Array.prototype.sort = function (this: unknown[], ...how: Parameters<typeof sort>) {
    sorted += this.length;
    return sort.apply(this, how);
  };
  let found: readonly string[];
  try {
    found = least(texts, 100);
  } finally {
    Array.prototype.sort = sort;
  }
  expect(found).toEqual(texts.toSorted().slice(0, 100));
  expect(sorted).toBeLessThan(5_000);
});
