import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRange } from '../../ts/http/range.js';

describe('ranges (RFC 9110 §14)', () => {
  it.each([
    ['bytes=0-', { start: 0, end: 99 }],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=90-1000', { start: 90, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
    ['BYTES=5-6', { start: 5, end: 6 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=100-', 'unsatisfiable'],
    [`bytes=${'9'.repeat(400)}-`, 'unsatisfiable'],
    ['bytes=5-4', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,3-4', undefined],
    ['lines=0-1', undefined],
    ['bytes=0x1-2', undefined],
    ['bytes=1', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s of 100 bytes', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });

  it('nothing of an empty content can be had', () => {
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseRange('bytes=-5', 0)).toBe('unsatisfiable');
  });

  it('whatever is answered lies inside, and is what slicing would give', () => {
    const size = fc.nat(10_000);
    const edge = fc.option(fc.nat(12_000), { nil: undefined });
    fc.assert(
      fc.property(size, edge, edge, (bytes, first, last) => {
        const range = parseRange(`bytes=${first ?? ''}-${last ?? ''}`, bytes);
        const all = Array.from({ length: bytes }, (_, at) => at);
        const wanted =
          first === undefined
            ? last === undefined || last === 0
              ? []
              : all.slice(-last)
            : all.slice(first, last === undefined ? bytes : last + 1);
        if (typeof range === 'object') expect([range.start, range.end]).toEqual([wanted[0], wanted.at(-1)]);
        else expect(wanted).toEqual([]);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), fc.nat(), (header, size) => void parseRange(`bytes=${header}`, size)));
  });
});
