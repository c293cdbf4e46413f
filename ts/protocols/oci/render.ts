import { RegistryError } from '../../errors/registry-error.js';
import type { Query } from '../../http/route.js';
import { firstBehind, type LayeredMap } from '../../lib/layered-map.js';
import { nextLink } from './locations.js';

/** Items of one page, however many are asked for. */
export const MAX_PAGE = 10_000;

/** Throws PAGINATION_NUMBER_INVALID for what is no natural number. Nothing is ever allocated in proportion to it. */
export function pageSize(text: string | undefined, most: number): number {
  if (text === undefined) return most;
  if (!/^\d{1,19}$/.test(text))
    throw new RegistryError('invalid', 'n must be a natural number', {
      code: 'PAGINATION_NUMBER_INVALID',
      detail: { n: text.slice(0, 32) },
    });
  return Math.min(Number(text), most);
}

export interface Page {
  readonly items: readonly string[];
  /** Undefined: nothing comes behind it. */
  readonly next: { readonly n: number; readonly last: string } | undefined;
}

/** `n` names behind `last`, which need not be one of them (distribution-spec, listing tags). `n=0`: none, and no next page. */
export function pageOf(names: readonly string[], query: Query): Page {
  const n = pageSize(query.get('n'), MAX_PAGE);
  const last = query.get('last');
  const from = last === undefined || last === '' ? 0 : firstBehind(names, last);
  const items = names.slice(from, from + n);
  const end = items.at(-1);
  return { items, next: end !== undefined && from + n < names.length ? { n, last: end } : undefined };
}

/** The same of tags, in byte order of ASCII, without putting all of them in order again after each push. */
export function pageOfTags(tags: LayeredMap<string, string>, query: Query): Page {
  const n = pageSize(query.get('n'), MAX_PAGE);
  const last = query.get('last');
  const found = n === 0 ? [] : tags.keysBehind(last === '' ? undefined : last, n + 1);
  const items = found.slice(0, n);
  const end = items.at(-1);
  return { items, next: end !== undefined && found.length > n ? { n, last: end } : undefined };
}

/** Options of a Reply: the link to the next page, where there is one. */
export const linked = (path: string, next: Page['next']): { readonly headers?: { readonly Link: string } } =>
  next === undefined ? {} : { headers: { Link: nextLink(path, { n: String(next.n), last: next.last }) } };
