import { describe, expect, it } from 'vitest';
import { applies } from '../../ts/upstream/name-policy.js';
import type { IUpstreamScopeRule } from '../../ts/upstream/provider.js';

/** `-@acme/*` excludes, `+left*` includes. */
const rules = (...words: string[]): IUpstreamScopeRule[] =>
  words.map((word) => ({ pattern: word.slice(1), action: word.startsWith('+') ? 'include' : 'exclude' }));

describe('names that an upstream is asked for', () => {
  it('are all without a rule', () => {
    for (const name of ['x', '@acme/x', '']) expect([applies(undefined, name), applies([], name)]).toEqual([true, true]);
  });

  it.each([
    [['-@acme/*'], ['left-pad', '@acme', '@acmee/x', 'x@acme/'], ['@acme/x', '@acme/', '@acme/x/y']],
    [['+@open/*'], ['@open/x'], ['left-pad', '@acme/x', '']],
    [
      ['+*', '-@acme/*', '+@acme/public-*'],
      ['x', '@acme/public-x', '@acme/public-'],
      ['@acme/x', '@acme/publi'],
    ],
    [['+@acme/public-*', '-@acme/*'], [], ['@acme/public-x', 'x']],
    [
      ['-internal', '-*-private', '-a*b*c'],
      ['internals', 'x-privates', 'ab', 'acb', 'a-c'],
      ['internal', '-private', 'x-private', 'abc', 'axxbxxc', 'abcbc'],
    ],
    [['-*'], [], ['x', '']],
    [['-**a**'], ['b', ''], ['a', 'bab']],
    [['-a*a'], ['a', 'ab'], ['aa', 'aba']],
    [['-a*ab*b'], ['ab', 'aab', 'abb'], ['aabb', 'a-ab-b']],
    [['-.+'], ['x', 'xx'], ['.+']],
  ])('Z10: by the last rule that matches of %j', (words, asked, kept) => {
    expect(asked.filter((name) => !applies(rules(...words), name))).toEqual([]);
    expect(kept.filter((name) => applies(rules(...words), name))).toEqual([]);
  });

  it('Z10: do not lead past a rule by upper or lower case, on either side', () => {
    for (const name of ['@ACME/X', '@Acme/x', '@acme/X']) {
      expect(applies(rules('-@acme/*'), name)).toBe(false);
      expect(applies(rules('-@AcMe/*'), name)).toBe(false);
    }
  });

  it('R15: are judged in time that grows with their length, whatever the pattern', () => {
    const hostile = `${'a*'.repeat(127)}b`;
    const name = 'a'.repeat(100_000);
    // a matcher that goes back would need years
    for (let turn = 0; turn < 20; turn++) expect(applies(rules(`-${hostile}`, `-${'*a'.repeat(127)}*b*`), name)).toBe(true);
  });

  it('are found to match as a matcher finds that tries everything', () => {
    const tries = (pattern: string, name: string): boolean => {
      if (pattern === '') return name === '';
      if (pattern.startsWith('*')) return tries(pattern.slice(1), name) || (name !== '' && tries(pattern, name.slice(1)));
      return name !== '' && pattern[0] === name[0] && tries(pattern.slice(1), name.slice(1));
    };
    const words = (letters: string, length: number): string[] =>
      length === 0
        ? ['']
        : words(letters, length - 1).flatMap((word) =>
            word.length === length - 1 ? [word, ...[...letters].map((one) => word + one)] : [word],
          );
    let seen = 0;
    for (const pattern of words('ab*', 5))
      for (const name of words('ab', 5)) {
        seen++;
        if (applies(rules(`-${pattern}`), name) === tries(pattern, name)) throw new Error(`${pattern} ${name}`);
      }
    expect(seen).toBe(364 * 63);
  });
});
