import fc from 'fast-check';
import semver from 'semver';
import { expect, it } from 'vitest';
import {
  canonicalVersion,
  compareVersions,
  isPrerelease,
  readsAsRange,
  typedVersion,
} from '../../../ts/protocols/npm/versions.js';

const RUNS = { numRuns: 1_000, seed: 20_261_121 };

const number = fc.oneof(
  fc.integer({ min: 0, max: 12 }).map(String),
  fc.constantFrom('00', '01', '9007199254740991', '9007199254740992'),
);
const identifier = fc.oneof(
  number,
  fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', 'Z', 'x', '-'), minLength: 0, maxLength: 4 }),
);
const list = fc.array(identifier, { minLength: 1, maxLength: 3 }).map((all) => all.join('.'));
const version = fc
  .tuple(fc.array(number, { minLength: 2, maxLength: 4 }), fc.option(list), fc.option(list))
  .map(([main, pre, build]) => `${main.join('.')}${pre === null ? '' : `-${pre}`}${build === null ? '' : `+${build}`}`);
const dirty = fc
  .tuple(fc.constantFrom('', '', '', 'v', '=', ' ', 'vv', '~'), version, fc.constantFrom('', '', '', ' ', '\n', '.', '-', '+'))
  .map((pieces) => pieces.join(''));

/** What the library makes of a version that nothing stands around. */
function known(text: string): string | undefined {
  const parsed = text.length <= 256 ? semver.parse(text) : null;
  if (!parsed) return undefined;
  const build = parsed.build.length > 0 ? `+${parsed.build.join('.')}` : '';
  return `${parsed.version}${build}` === text ? parsed.version : undefined;
}

it('npm 25: a version is what the clients take for one', () => {
  fc.assert(
    fc.property(dirty, (text) => {
      expect([text, canonicalVersion(text)]).toEqual([text, known(text)]);
    }),
    RUNS,
  );
  for (const length of [256, 257]) {
    const long = `1.0.0-${'a'.repeat(length - 6)}`;
    expect([length, canonicalVersion(long)]).toEqual([length, length === 256 ? long : undefined]);
  }
  expect([typedVersion(' v1.2.3 '), typedVersion('=1.2.3+b'), typedVersion('1.2'), typedVersion('latest')]).toEqual([
    '1.2.3',
    '1.2.3',
    undefined,
    undefined,
  ]);
});

it('npm 11: versions have the order that the clients give them', () => {
  const canonical = version.map(canonicalVersion).filter((found) => found !== undefined);
  fc.assert(
    fc.property(canonical, canonical, (a, b) => {
      expect([a, b, Math.sign(compareVersions(a, b))]).toEqual([a, b, semver.compare(a, b)]);
      expect([a, isPrerelease(a)]).toEqual([a, semver.prerelease(a) !== null]);
    }),
    RUNS,
  );
});

it('npm 9: a tag that the clients would read as a range is told from others', () => {
  const small = fc.constantFrom('0', '1', '20', '01', 'x', 'X', '*', 'beta', '');
  const partial = fc
    .tuple(
      fc.constantFrom('', '', '~', 'v', 'vv', '~v', '~~', 'a', '-'),
      fc.array(small, { maxLength: 4 }),
      fc.option(list),
      fc.constantFrom('', '', '*', '.'),
    )
    .map(([before, main, pre, after]) => `${before}${main.join('.')}${pre === null ? '' : `-${pre}`}${after}`)
    .filter((text) => text !== '' && encodeURIComponent(text) === text && !/\d{16}/.test(text));
  fc.assert(
    fc.property(partial, (text) => {
      expect([text, readsAsRange(text)]).toEqual([text, semver.validRange(text) !== null]);
    }),
    { ...RUNS, numRuns: 4_000 },
  );
});
