import { describe, expect, it } from 'vitest';
import type { FeedItem } from '../../ts/log/schema.js';
import { SearchIndex } from '../../ts/packages/search.js';

const item = (name: string, summary: Record<string, unknown> = {}): FeedItem => ({
  key: `k-${name}`,
  identity: name,
  to: 1,
  summary: { name, ...summary } as never,
});
const itemsOf = (items: readonly FeedItem[]) => ({ items: new Map(items.map((one) => [one.key, one])) });
const indexOf = (...items: FeedItem[]) => {
  const index = new SearchIndex();
  index.update(itemsOf(items));
  return index;
};
const names = (index: SearchIndex, text: string, more = {}) =>
  index.search({ text, ...more }).hits.map(({ item: { identity } }) => identity);

describe('ranking', () => {
  const index = indexOf(
    item('z-description', { description: 'all about React, mostly' }),
    item('y-keyword', { keywords: ['react', 'ui'] }),
    item('preact'),
    item('react-dom'),
    item('@scope/react'),
    item('react'),
    item('unrelated', { description: 'nothing' }),
  );

  it('the name itself, then its beginning, inside it, a keyword, the description', () => {
    expect(names(index, 'react')).toEqual(['react', '@scope/react', 'react-dom', 'preact', 'y-keyword', 'z-description']);
  });

  it('upper and lower case, and look-alike forms, are one', () => {
    expect(names(index, 'REACT')).toEqual(names(index, 'react'));
    expect(names(index, 'ｒｅａｃｔ')).toEqual(names(index, 'react'));
  });

  it('each word must occur', () => {
    expect(names(index, 'react dom')).toEqual(['react-dom']);
    expect(names(index, 'react ui')).toEqual(['y-keyword']);
    expect(names(index, 'react nowhere')).toEqual([]);
  });

  it('no words: everything, by name', () => {
    expect(names(index, '  ')).toEqual([
      '@scope/react',
      'preact',
      'react',
      'react-dom',
      'unrelated',
      'y-keyword',
      'z-description',
    ]);
  });

  it('texts that look like patterns or prototypes are only texts', () => {
    const odd = indexOf(item('__proto__'), item('a.*b'), item('constructor'));
    expect(names(odd, '.*')).toEqual(['a.*b']);
    expect(names(odd, '__proto__')).toEqual(['__proto__']);
    expect(names(odd, '[')).toEqual([]);
  });
});

describe('pages', () => {
  const many = Array.from({ length: 30 }, (_, n) =>
    item(`p-${String(n).padStart(2, '0')}`, { description: n % 2 ? 'odd' : 'even' }),
  );

  it('put together are the whole, in one order', () => {
    const index = indexOf(...many);
    const whole = names(index, 'p', { size: 250 });
    const pages = [0, 7, 14, 21, 28].flatMap((from) => names(index, 'p', { from, size: 7 }));
    expect(pages).toEqual(whole);
    expect(new Set(whole).size).toBe(30);
  });

  it('O11: hidden packages are neither shown nor counted', () => {
    const index = indexOf(...many);
    const page = index.search({
      text: 'p',
      from: 10,
      size: 10,
      visible: ({ summary }) => (summary as { description: string }).description === 'odd',
    });
    expect([page.total, page.hits.length]).toEqual([15, 5]);
  });

  it.each([
    [-5, 3],
    [0, -1],
    [Number.NaN, 2],
    [1e18, 10],
    [2.7, 1e18],
  ])('O4: from %s size %s costs no more than what is there', (from, size) => {
    const page = indexOf(...many).search({ text: '', from, size });
    expect(page.total).toBe(30);
    expect(page.hits.length).toBeLessThanOrEqual(30);
  });
});

describe('updates', () => {
  it('look at new summaries only, and forget what is gone', () => {
    const index = new SearchIndex();
    const first = [item('a'), item('b'), item('c')];
    expect(index.update(itemsOf(first))).toBe(3);
    const changed = item('b', { description: 'now different' });
    expect(index.update(itemsOf([first[0] as FeedItem, changed, item('d')]))).toBe(2);
    expect([names(index, 'different'), names(index, 'c'), names(index, ''), index.size]).toEqual([['b'], [], ['a', 'b', 'd'], 3]);
    const same = itemsOf([changed]);
    index.update(same);
    expect(index.update(same)).toBe(0);
  });

  it('summaries of any form are no harm', () => {
    const index = indexOf(
      ...[null, 7, 'text', ['a'], { name: 7, keywords: 'no list', description: {} }].map((summary, n) => ({
        ...item(`odd-${n}`),
        summary: summary as never,
      })),
    );
    expect(names(index, 'odd')).toHaveLength(5);
  });
});

it('10,000 packages: a search visits each once and an update none that is old', () => {
  const all = Array.from({ length: 10_000 }, (_, n) =>
    item(`package-${n}`, { description: `${'words of no interest '.repeat(8)}${n}`, keywords: ['one', 'two'] }),
  );
  const index = indexOf(...all);
  let asked = 0;
  const visible = () => {
    asked++;
    return true;
  };
  expect(index.search({ text: 'package', visible }).total).toBe(10_000);
  expect(asked).toBe(10_000);
  expect(index.update(itemsOf([...all, item('one more')]))).toBe(1);
});
