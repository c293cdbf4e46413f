import { describe, expect, it } from 'vitest';
import { type Cell, Cells } from '../../ts/log/cells.js';
import type { LogSchema } from '../../ts/log/schema.js';

const weightOf = (key: string): number => (key.startsWith('giant') ? 50_000 : 2_000);

/** Logs that only have a weight, and a list of those that were made, again and again. */
function cellsOf(max: number): { readonly cells: Cells<string>; readonly made: string[] } {
  const made: string[] = [];
  const schema = { weigh: weightOf } as unknown as LogSchema<string>;
  const cells = new Cells<string>(max, schema, (key) => {
    made.push(key);
    return { log: { snapshot: { state: key }, busy: false }, committer: { busy: false } } as unknown as Cell<string>;
  });
  return { cells, made };
}

function use(cells: Cells<string>, ...keys: readonly string[]): void {
  for (const key of keys) {
    cells.get(key);
    cells.used(key);
  }
}

describe('the logs that are kept folded', () => {
  it('are those used last', () => {
    const { cells, made } = cellsOf(10_000);
    use(cells, 'a', 'b', 'c', 'a', 'd');
    expect(cells.peek('b')).toBeUndefined();
    use(cells, 'a', 'c', 'd');
    expect(made).toEqual(['a', 'b', 'c', 'd']);
  });

  it('one that is larger than all may be stays beside those that fit, and does not drive them out', () => {
    const { cells, made } = cellsOf(10_000);
    use(cells, 'a', 'b', 'giant', 'a', 'b', 'giant', 'c', 'giant');
    expect(made).toEqual(['a', 'b', 'giant', 'c']);
    use(cells, 'd');
    expect(cells.peek('a')).toBeUndefined();
    expect(cells.peek('giant')).toBeDefined();
  });

  it('of those there is one at a time', () => {
    const { cells } = cellsOf(10_000);
    use(cells, 'giant 1', 'a', 'giant 2', 'a');
    expect(cells.peek('giant 1')).toBeUndefined();
    expect(cells.peek('giant 2')).toBeDefined();
    expect(cells.peek('a')).toBeDefined();
  });
});
