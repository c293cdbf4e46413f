import type { Package } from './api.js';
import { ask } from './dialog.js';
import type { PackagePlace } from './package-page.js';
import { purgeField } from './version-changes.js';
import type { Scene } from './view.js';

const pathOf = ({ repository, name }: PackagePlace): readonly string[] => ['repositories', repository, 'packages', name];

function deletePackage(scene: Scene, place: PackagePlace): void {
  const { api, go } = scene;
  const { repository, name } = place;
  const { field, query } = purgeField(scene);
  ask(scene, {
    title: `Delete ${name} in ${repository}`,
    explanation: ['All of its versions go. This cannot be undone, and nobody but its owners gets the name.'],
    fields: [field],
    typed: name,
    action: 'Delete all of it',
    async run() {
      await api.ask('DELETE', pathOf(place), { query: query() });
      go({ page: 'packages', repository, q: '', after: '' }, `Deleted ${name} in ${repository}.`);
    },
  });
}

function changeVisibility(scene: Scene, place: PackagePlace, visibility: string): void {
  const { api, say, refresh } = scene;
  const { name, repository } = place;
  const reach =
    visibility === 'public'
      ? 'Everybody who may read the repository sees it then, without credentials where the repository is open to all.'
      : 'Only users with the right scope see it then.';
  ask(scene, {
    title: `Make ${name} in ${repository} ${visibility}`,
    explanation: [reach],
    action: `Make it ${visibility}`,
    async run() {
      await api.ask('PUT', [...pathOf(place), 'visibility'], { body: { visibility } });
      await refresh();
      say(`${name} is ${visibility} now.`);
    },
  });
}

function changeOwners(scene: Scene, place: PackagePlace, { owners, people }: Package): void {
  const { h, api, say, refresh } = scene;
  const names = new Map(people.map(({ id, name }) => [id, name]));
  const input = h('textarea', { id: 'owners', rows: '4', autocapitalize: 'none', spellcheck: 'false' });
  input.value = owners.map((id) => names.get(id) ?? id).join('\n');
  ask(scene, {
    title: `Owners of ${place.name} in ${place.repository}`,
    explanation: ['They, and administrators, may change it. There is always one.'],
    fields: [h('p', {}, h('label', { for: 'owners' }, 'Names of users, one in each line'), input)],
    action: 'Set the owners',
    async run() {
      const wanted = input.value.split(/[\s,]+/).filter(Boolean);
      await api.ask('PUT', [...pathOf(place), 'owners'], { body: { owners: wanted } });
      await refresh();
      say(`The owners of ${place.name} are ${wanted.join(', ')} now.`);
    },
  });
}

/** What the reader may do to the package as a whole; nothing where that is nothing. */
export function changePanel(scene: Scene, place: PackagePlace, found: Package): HTMLElement | undefined {
  const { h } = scene;
  const other = found.visibility === 'public' ? 'restricted' : 'public';
  const button = (text: string, act: () => void): HTMLElement => h('button', { type: 'button', onclick: act }, text);
  const buttons = [
    ...(found.may.includes('administer')
      ? [
          button(`Make it ${other}…`, () => changeVisibility(scene, place, other)),
          button('Change the owners…', () => changeOwners(scene, place, found)),
        ]
      : []),
    ...(found.may.includes('delete') ? [button('Delete the package…', () => deletePackage(scene, place))] : []),
  ];
  if (buttons.length === 0) return undefined;
  return h(
    'section',
    { 'aria-labelledby': 'changes' },
    h('h2', { id: 'changes' }, 'Change'),
    h('p', { class: 'line' }, ...buttons),
  );
}
