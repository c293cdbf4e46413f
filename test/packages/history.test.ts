import { expect, it } from 'vitest';
import type { HistoryEntry, HistoryOptions } from '../../ts/log/schema.js';
import { historyPage } from '../../ts/packages/history.js';

/** A log whose entry `n` has as many changes as `sizes[n]` says. */
function logOf(sizes: readonly number[]) {
  const read: number[] = [];
  async function* history(_: string, { from = 0 }: HistoryOptions = {}): AsyncGenerator<HistoryEntry> {
    for (let n = from; n < sizes.length; n += 1) {
      read.push(n);
      const changes = Array.from({ length: sizes[n] ?? 0 }, (__, at) => ({ type: `${n}.${at}`, by: 'ann', at: n }));
      yield { n, id: `id-${n}`, at: n, changes };
    }
  }
  return { history, read };
}

const types = (page: { readonly records: readonly { readonly type: string }[] }) => page.records.map(({ type }) => type);

it('R1: a page of history reads backwards from its end, and nothing older than it needs', async () => {
  const log = logOf(Array.from({ length: 5_000 }, () => 1));
  const page = await historyPage(log, 'p', { before: 5_000, limit: 100 });
  expect([types(page).length, types(page)[0], types(page).at(-1), page.before]).toEqual([100, '4900.0', '4999.0', 4_900]);
  expect(log.read).toHaveLength(100);
  const next = await historyPage(log, 'p', { before: 4_900, limit: 100 });
  expect([types(next)[0], types(next).at(-1), next.before]).toEqual(['4800.0', '4899.0', 4_800]);
  // the entry behind the page tells that it has ended
  expect(log.read).toHaveLength(201);
});

it('what was committed as one is not parted, and all pages together are the whole', async () => {
  const sizes = [1, 3, 0, 2, 5, 0, 0, 1, 1, 4];
  const whole = sizes.flatMap((size, n) => Array.from({ length: size }, (_, at) => `${n}.${at}`));
  for (let limit = 1; limit <= 20; limit += 1) {
    const log = logOf(sizes);
    const found: string[] = [];
    let before: number | undefined = sizes.length;
    for (let pages = 0; before !== undefined && pages < 20; pages += 1) {
      const page: Awaited<ReturnType<typeof historyPage>> = await historyPage(log, 'p', { before, limit });
      expect(page.records.length).toBeLessThan(limit + 5);
      found.unshift(...types(page));
      before = page.before;
    }
    expect([limit, before, found]).toEqual([limit, undefined, whole]);
  }
});
