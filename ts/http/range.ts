import type { ByteRange } from '../lib/content.js';

/**
 * What a Range header asks of content with `size` bytes (RFC 9110 §14.2): one interval; `'unsatisfiable'`; or undefined, which means the whole: no
 * header, another unit, bad grammar, several ranges.
 * `strict`: an interval that ends before it begins is unsatisfiable, and not bad grammar.
 */
export function parseRange(header: string | undefined, size: number, strict = false): ByteRange | 'unsatisfiable' | undefined {
  const found = /^bytes=[\t ]*(\d*)-(\d*)[\t ]*$/i.exec(header ?? '');
  if (!found) return undefined;
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const suffix = Number(last);
    return suffix === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - suffix), end: size - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return strict ? 'unsatisfiable' : undefined;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
