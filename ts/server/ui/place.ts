/** What the address bar says, behind `#`. */
export type Place =
  | { readonly page: 'repositories' }
  | { readonly page: 'packages'; readonly repository: string; readonly q: string; readonly after: string }
  | { readonly page: 'package'; readonly repository: string; readonly name: string }
  | { readonly page: 'history'; readonly repository: string; readonly name: string }
  | { readonly page: 'tokens' }
  | { readonly page: 'login' }
  | { readonly page: 'nothing' };

const NOTHING: Place = { page: 'nothing' };

function segmentsOf(path: string): readonly string[] | undefined {
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** `#/npm/packages/%40acme%2ftool/history`; whatever is none of ours is `nothing`. */
export function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?');
  const segments = segmentsOf(path);
  if (!segments) return NOTHING;
  const [first, second, name, last, ...more] = segments;
  if (first === undefined) return { page: 'repositories' };
  if (second === undefined) return first === 'tokens' || first === 'login' ? { page: first } : NOTHING;
  if (first !== 'repositories' || more.length > 0) return NOTHING;
  const repository = second;
  if (name === undefined) {
    const asked = new URLSearchParams(query);
    return { page: 'packages', repository, q: asked.get('q') ?? '', after: asked.get('after') ?? '' };
  }
  if (last === undefined) return { page: 'package', repository, name };
  return last === 'history' ? { page: 'history', repository, name } : NOTHING;
}

/** The address of a place, `#` included. */
export function hashOf(place: Place): string {
  if (place.page === 'repositories' || place.page === 'nothing') return '#/';
  if (place.page === 'tokens' || place.page === 'login') return `#/${place.page}`;
  const repository = `#/repositories/${encodeURIComponent(place.repository)}`;
  if (place.page === 'packages') {
    const asked = new URLSearchParams();
    if (place.q !== '') asked.set('q', place.q);
    if (place.after !== '') asked.set('after', place.after);
    const query = asked.toString();
    return query === '' ? repository : `${repository}?${query}`;
  }
  const name = `${repository}/${encodeURIComponent(place.name)}`;
  return place.page === 'history' ? `${name}/history` : name;
}
