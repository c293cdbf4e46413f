import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LayeredMap } from '../../ts/lib/layered-map.js';

type Step = { readonly set: readonly (readonly [string, number])[] } | { readonly drop: string };

const KEYS = 150;
const key = fc.integer({ min: 0, max: KEYS }).map(String);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ set: fc.array(fc.tuple(key, fc.nat()), { minLength: 1, maxLength: 6 }) }),
  fc.record({ drop: key }),
);

/** Small ones, and ones that are large enough for changes to lie between the base and the top for a while. */
const others = Array.from({ length: 1_000 }, (_, n) => [`other ${n}`, n] as const);
const start = fc
  .tuple(fc.array(fc.tuple(key, fc.nat())), fc.boolean())
  .map(([some, large]) => (large ? [...some, ...others] : some) as readonly (readonly [string, number])[]);

const digitsOf = (value: number): ReadonlySet<string> => new Set(String(value));

describe('LayeredMap', () => {
  it('is a Map after any changes: same content, same order, same size', () => {
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 300, size: 'max' }), (start, steps) => {
        const plain = new Map(start);
        let layered = LayeredMap.of(start);
        for (const one of steps) {
          if ('set' in one) {
            for (const [k, v] of one.set) plain.set(k, v);
            layered = layered.withAll(one.set);
          } else {
            plain.delete(one.drop);
            layered = layered.without(one.drop);
          }
          expect(layered.size).toBe(plain.size);
          // what was sorted is merged from here on
          if (plain.size % 2 === 0) layered.keysBehind(undefined, 1);
          if (plain.size % 16 === 0) layered.names(digitsOf, '7');
        }
        expect([...layered]).toEqual([...plain]);
        expect([...layered.keys()]).toEqual([...plain.keys()]);
        expect([...layered.values()]).toEqual([...plain.values()]);
        for (let n = 0; n <= KEYS + 1; n++) {
          expect(layered.has(String(n))).toBe(plain.has(String(n)));
          expect(layered.get(String(n))).toBe(plain.get(String(n)));
        }
        const sorted = [...plain.keys()].sort();
        expect(layered.keysBehind(undefined, sorted.length + 1)).toEqual(sorted);
        for (const name of ['0', '7']) {
          const naming = [...plain].flatMap(([k, v]) => (digitsOf(v).has(name) ? [k] : []));
          expect([...layered.keysNaming(digitsOf, name)].sort()).toEqual(naming.sort());
          expect(layered.names(digitsOf, name)).toBe(naming.length > 0);
        }
        expect(layered.keysBehind('55', 7)).toEqual(sorted.filter((one) => one > '55').slice(0, 7));
      }),
      { numRuns: 50, endOnFailure: true },
    );
  });

  it('who names what is sorted out once for a base, whatever is changed and asked behind that', () => {
    let looked = 0;
    const naming = (value: number): readonly string[] => {
      looked += 1;
      return [String(value % 10)];
    };
    let map = LayeredMap.of(others);
    expect([...map.keysNaming(naming, '3')]).toHaveLength(100);
    expect(looked).toBe(1_000);
    for (let n = 0; n < 50; n++) {
      map = map.with(`other ${n}`, 3);
      expect(map.names(naming, '4')).toBe(true);
    }
    expect([...map.keysNaming(naming, '3')]).toHaveLength(145);
    expect(looked).toBeLessThan(1_100);
  });

  it('leaves the map that it was made from as it was', () => {
    const first = LayeredMap.of([['a', 1] as const, ['b', 2] as const]) as LayeredMap<string, number>;
    const second = first.with('a', 9).without('b').with('c', 3);
    expect([...first]).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect([...second]).toEqual([
      ['a', 9],
      ['c', 3],
    ]);
  });

  it('a key that was deleted and came back stands last, also behind an undefined value', () => {
    const map = LayeredMap.of<string, number | undefined>([
      ['a', 1],
      ['b', undefined],
      ['c', 3],
    ]);
    expect([...map.without('a').with('a', 4).keys()]).toEqual(['b', 'c', 'a']);
    expect(map.with('b', undefined).size).toBe(3);
    expect([...map.without('b').with('b', undefined).keys()]).toEqual(['a', 'c', 'b']);
  });

  it('changing one of 100,000 does not visit the others', () => {
    let visited = 0;
    const counted = (function* (): Generator<[number, number]> {
      for (let i = 0; i < 100_000; i++) {
        visited++;
        yield [i, i];
      }
    })();
    let map = LayeredMap.of(counted);
    expect(visited).toBe(100_000);
    const original = Map.prototype.set;
    let sets = 0;
    Map.prototype.set = function (this: Map<unknown, unknown>, k, v) {
      sets++;
      return original.call(this, k, v);
    };
    try {
      for (let i = 0; i < 100; i++) map = map.with(i * 7, -1);
    } finally {
      Map.prototype.set = original;
    }
    expect(map.get(7)).toBe(-1);
    expect(map.size).toBe(100_000);
    expect(sets).toBeGreaterThan(0);
    expect(sets).toBeLessThan(20_000);
  });
});
