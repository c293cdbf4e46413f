import { ask } from './dialog.js';
import type { PackagePlace } from './package-page.js';
import type { Scene } from './view.js';

const versionPath = ({ repository, name }: PackagePlace, version: string): readonly string[] => [
  'repositories',
  repository,
  'packages',
  name,
  'versions',
  version,
];

const of = ({ name, repository }: PackagePlace, version: string): string => `${version} of ${name} in ${repository}`;

/** A box to tick: bytes go with the next collection, or stay for the retention time. */
export function purgeField(scene: Scene): { readonly field: HTMLElement; readonly query: () => { readonly purge?: string } } {
  const { h } = scene;
  const box = h('input', { type: 'checkbox', id: 'purge' });
  const field = h('p', { class: 'line' }, box, h('label', { for: 'purge' }, 'Let the next collection remove the bytes'));
  return { field, query: () => (box.checked ? { purge: 'true' } : {}) };
}

/** Yanks or deprecates, with a reason. */
export function yankVersion(scene: Scene, place: PackagePlace, version: string): void {
  const { h, api, say, refresh } = scene;
  const reason = h('input', { id: 'reason', maxlength: '1000', autocomplete: 'off' });
  ask(scene, {
    title: `Yank ${of(place, version)}`,
    explanation: [
      'Clients are warned of it, or no longer choose it by themselves. It stays where it is, and this can be undone.',
    ],
    fields: [h('p', {}, h('label', { for: 'reason' }, 'Reason, for those who use it'), reason)],
    action: 'Yank',
    async run() {
      const body = reason.value.trim() === '' ? {} : { reason: reason.value.trim() };
      await api.ask('PUT', [...versionPath(place, version), 'yank'], { body });
      await refresh();
      say(`Yanked ${of(place, version)}.`);
    },
  });
}

/** Takes a yank back. */
export function restoreVersion(scene: Scene, place: PackagePlace, version: string): void {
  const { api, say, refresh } = scene;
  ask(scene, {
    title: `Undo the yank of ${of(place, version)}`,
    explanation: ['Clients use it again without a warning.'],
    action: 'Undo yank',
    async run() {
      await api.ask('DELETE', [...versionPath(place, version), 'yank']);
      await refresh();
      say(`${of(place, version)} is available again.`);
    },
  });
}

/** Nobody types a whole digest. */
const shortOf = (version: string): string => /^[a-z0-9+._-]+:([0-9a-f]{12})[0-9a-f]{20,}$/i.exec(version)?.[1] ?? version;

/** Deletes a version, once its name has been typed. */
export function deleteVersion(scene: Scene, place: PackagePlace, version: string): void {
  const { api, say, refresh } = scene;
  const { field, query } = purgeField(scene);
  ask(scene, {
    title: `Delete ${of(place, version)}`,
    explanation: [
      version.includes(':')
        ? 'This cannot be undone. All tags that name it go with it.'
        : 'This cannot be undone. Where the protocol says so, the version can never be published again.',
    ],
    fields: [field],
    typed: shortOf(version),
    action: 'Delete',
    async run() {
      await api.ask('DELETE', versionPath(place, version), { query: query() });
      await refresh();
      say(`Deleted ${of(place, version)}.`);
    },
  });
}
