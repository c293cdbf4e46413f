/** A qualifier: `keywords:a,b+c,-d`, `author:ann`, `maintainer:bob`, `scope:team`, `is:unstable`, `not:deprecated`. */
export interface Filter {
  readonly field: 'keywords' | 'author' | 'maintainer' | 'scope' | 'flag';
  /** Lower case. */
  readonly value: string;
  readonly not: boolean;
}

export interface SearchQuery {
  /** The words that are left. */
  readonly text: string;
  readonly filters: readonly Filter[];
}

const FIELDS: ReadonlyMap<string, Filter['field']> = new Map([
  ['keywords', 'keywords'],
  ['author', 'author'],
  ['maintainer', 'maintainer'],
  ['scope', 'scope'],
]);

/** Weights for rankings that this registry does not have: accepted, without effect. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['boost-exact', 'quality-weight', 'popularity-weight', 'maintenance-weight']);
const MAX_TEXT = 1_024;
const MAX_FILTERS = 16;

function filterOf(key: string, value: string): Filter | undefined {
  const field = FIELDS.get(key);
  if (field) return { field, value, not: false };
  return key === 'is' || key === 'not' ? { field: 'flag', value, not: key === 'not' } : undefined;
}

/** The words and the qualifiers of a search text. */
export function parseSearch(text: string): SearchQuery {
  const words: string[] = [];
  const filters: Filter[] = [];
  for (const word of text.slice(0, MAX_TEXT).split(/\s+/).filter(Boolean)) {
    const [, key = '', value = ''] = /^([a-z-]+):(.+)$/.exec(word.toLowerCase()) ?? [];
    const filter = filterOf(key, value);
    if (filter && filters.length < MAX_FILTERS) filters.push(filter);
    else if (!WITHOUT_EFFECT.has(key)) words.push(word);
  }
  return { text: words.join(' '), filters };
}
