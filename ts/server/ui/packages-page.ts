import type { PackagePage } from './api.js';
import { hashOf, type Place } from './place.js';
import type { Scene, View } from './view.js';

const PAGE = '50';

function searchForm({ h, go }: Scene, place: Extract<Place, { page: 'packages' }>): HTMLElement {
  const input = h('input', { id: 'q', type: 'search', autocapitalize: 'none', spellcheck: 'false', maxlength: '200' });
  input.value = place.q;
  const submit = (event: Event): void => {
    event.preventDefault();
    go({ ...place, q: input.value.trim(), after: '' });
  };
  return h(
    'form',
    { role: 'search', class: 'line', onsubmit: submit },
    h('label', { for: 'q' }, 'Name contains'),
    input,
    h('button', {}, 'Search'),
  );
}

/** The packages of a repository that the reader may see, in pages. */
export async function packagesPage(scene: Scene, place: Extract<Place, { page: 'packages' }>): Promise<View> {
  const { h, api, signal } = scene;
  const { repository, q, after } = place;
  const query = { q, after, limit: PAGE };
  const page = await api.ask<PackagePage>('GET', ['repositories', repository, 'packages'], { query, signal });
  const links = page.packages.map(({ name }) =>
    h('li', {}, h('a', { href: hashOf({ page: 'package', repository, name }) }, name)),
  );
  const found = links.length > 0 ? h('ul', { class: 'names' }, ...links) : h('p', {}, emptiness(place));
  const pages = h(
    'nav',
    { 'aria-label': 'Pages', class: 'line' },
    after !== '' && h('a', { href: hashOf({ ...place, after: '' }) }, 'First page'),
    page.next !== undefined && h('a', { href: hashOf({ ...place, after: page.next }), rel: 'next' }, 'Next page'),
  );
  return { title: `Packages in ${repository}`, content: [searchForm(scene, place), found, pages] };
}

function emptiness({ q, after }: Extract<Place, { page: 'packages' }>): string {
  if (q !== '') return `No package that you may see has “${q}” in its name.`;
  return after === '' ? 'There are no packages that you may see.' : 'There are no more packages.';
}
