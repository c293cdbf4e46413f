import type { About, Package } from './api.js';
import type { Child, H } from './elements.js';
import { changePanel } from './package-changes.js';
import { userNames } from './people.js';
import { outside } from './pieces.js';
import { hashOf, type Place } from './place.js';
import { versionTable } from './version-table.js';
import type { Scene, View } from './view.js';

export type PackagePlace = Extract<Place, { page: 'package' }>;

/** How many versions are shown at first, and with each press of the button. */
const PAGE = '100';

const pathOf = ({ repository, name }: PackagePlace): readonly string[] => ['repositories', repository, 'packages', name];

function facts(h: H, rows: readonly (readonly [title: string, value: readonly Child[] | undefined])[]): HTMLElement {
  const shown = rows.flatMap(([title, value]) => (value === undefined ? [] : [h('dt', {}, title), h('dd', {}, ...value)]));
  return h('dl', {}, ...shown);
}

const text = (value: string | undefined): readonly Child[] | undefined => (value === undefined ? undefined : [value]);

function said({ h }: Scene, about: About, found: Package): HTMLElement {
  const { homepage, repository, license, author, keywords = [] } = about;
  const user = userNames(h, found.people);
  const owners = found.owners.flatMap((id, at) => [at > 0 && ', ', user(id)]);
  return facts(h, [
    ['Visible to', [found.visibility === 'public' ? 'everybody who may read the repository' : 'users with the right scope']],
    ['Owners', owners.length > 0 ? owners : ['nobody in particular: whoever may push']],
    ['Homepage', homepage === undefined ? undefined : [outside(h, homepage)]],
    ['Source', repository === undefined ? undefined : [outside(h, repository)]],
    ['Licence', text(license)],
    ['Author', text(author)],
    ['Keywords', keywords.length > 0 ? [keywords.join(', ')] : undefined],
  ]);
}

/** The versions, and a button for older ones where there are more. */
function versions(scene: Scene, place: PackagePlace, first: Package): HTMLElement {
  const { h, api, signal } = scene;
  const rows = versionTable(scene, place, first);
  const count = h('p', { class: 'quiet' });
  const more = h('button', { type: 'button', onclick: () => void older() }, 'Show older ones');
  let before = first.before;
  const tell = (): void => {
    count.textContent = `${rows.shown} of ${first.total} shown, the newest first.`;
    more.hidden = before === undefined;
  };
  const older = async (): Promise<void> => {
    more.disabled = true;
    try {
      const next = await api.ask<Package>('GET', pathOf(place), { query: { limit: PAGE, before }, signal });
      rows.add(next);
      before = next.before;
      tell();
    } catch (error) {
      if (!signal.aborted) count.textContent = error instanceof Error ? error.message : '';
    }
    more.disabled = false;
  };
  tell();
  return h('section', { 'aria-labelledby': 'versions' }, h('h2', { id: 'versions' }, 'Versions'), rows.element, count, more);
}

/** Plain text as it was published: nobody's markup becomes ours. */
const readme = (h: H, content: string): HTMLElement =>
  h(
    'section',
    { 'aria-labelledby': 'readme' },
    h('h2', { id: 'readme' }, 'Readme'),
    h('pre', { class: 'readme', tabindex: '0', 'aria-labelledby': 'readme' }, content),
  );

/** One package: what it is, its versions, what the reader may do to it. */
export async function packagePage(scene: Scene, place: PackagePlace): Promise<View> {
  const { h, api, signal, loggedIn } = scene;
  const { repository, name } = place;
  const found = await api.ask<Package>('GET', pathOf(place), { query: { limit: PAGE }, signal });
  const { about } = found;
  const up = hashOf({ page: 'packages', repository, q: '', after: '' });
  const links = h(
    'p',
    { class: 'line' },
    h('span', {}, 'in ', h('a', { href: up }, repository)),
    loggedIn && h('a', { href: hashOf({ ...place, page: 'history' }) }, 'History'),
  );
  const content = [
    links,
    about.description === undefined ? undefined : h('p', { class: 'description' }, about.description),
    said(scene, about, found),
    versions(scene, place, found),
    about.readme === undefined || about.readme === '' ? undefined : readme(h, about.readme),
    changePanel(scene, place, found),
  ];
  return { title: name, content: content.filter((node) => node !== undefined) };
}
