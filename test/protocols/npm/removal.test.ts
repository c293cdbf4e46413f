import fc from 'fast-check';
import compare from 'semver/functions/compare.js';
import prerelease from 'semver/functions/prerelease.js';
import { expect, it } from 'vitest';
import { highest } from '../../../ts/protocols/npm/removal.js';

/** As it reads in the rule: all sorted, the last finished one, else the last. */
function sorted(versions: readonly string[]): string | undefined {
  const all = [...versions].sort(compare);
  return all.findLast((version) => prerelease(version) === null) ?? all.at(-1);
}

it('the highest version is the last of the finished ones when all are sorted', () => {
  const part = fc.nat(3);
  const version = fc
    .tuple(part, part, part, fc.constantFrom('', '', '-a', '-a.1', '-2', '-10', '+one', '+two', '-a+one'))
    .map(([major, minor, patch, more]) => `${major}.${minor}.${patch}${more}`);
  fc.assert(
    fc.property(fc.array(version, { maxLength: 12 }), (versions) => {
      expect(highest(versions)).toBe(sorted(versions));
    }),
    { numRuns: 500, seed: 7 },
  );
});
