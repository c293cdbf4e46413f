import type { Package, Version } from './api.js';
import type { PackagePlace } from './package-page.js';
import { userNames } from './people.js';
import { cell, copyButton, size, table, time } from './pieces.js';
import { deleteVersion, restoreVersion, yankVersion } from './version-changes.js';
import type { Scene } from './view.js';

const COLUMNS = [
  { title: 'Version' },
  { title: 'Tags' },
  { title: 'Published' },
  { title: 'Size' },
  { title: 'State' },
  { title: 'Actions', quiet: true },
];

const isDigest = (version: string): boolean => version.includes(':');

export interface VersionRows {
  readonly element: HTMLElement;
  readonly shown: number;
  /** Older ones, behind those that are there. */
  add(older: Package): void;
}

/** A tag of an image and what it names; a digest with a button that copies it. */
function label({ h, window }: Scene, { version }: Version, digests: ReadonlyMap<string, string>): readonly HTMLElement[] {
  if (isDigest(version)) return [digest(version)];
  const behind = digests.get(version);
  return [h('strong', {}, version), ...(behind === undefined ? [] : [digest(behind)])];

  function digest(full: string): HTMLElement {
    const [algorithm = '', hex = ''] = full.split(':');
    const short = h('code', { title: full }, `${algorithm}:${hex.slice(0, 12)}…`);
    return h('span', { class: 'digest' }, short, copyButton(h, window, full, `the digest ${full}`));
  }
}

function state({ h }: Scene, { status, reason }: Version): readonly (HTMLElement | string)[] {
  if (status === 'published') return ['available'];
  const mark = h('strong', { class: 'mark' }, status === 'yanked' ? 'yanked or deprecated' : status);
  return reason === undefined || reason === '' ? [mark] : [mark, ': ', reason];
}

function actions(scene: Scene, place: PackagePlace, found: Package, version: Version): readonly HTMLElement[] {
  const { h } = scene;
  const button = (text: string, act: (scene: Scene, place: PackagePlace, version: string) => void): HTMLElement =>
    h(
      'button',
      {
        type: 'button',
        class: 'small',
        'aria-label': `${text} ${version.version}`,
        onclick: () => act(scene, place, version.version),
      },
      text,
    );
  const yanking = version.status === 'yanked' ? button('Undo yank', restoreVersion) : button('Yank', yankVersion);
  return [
    ...(found.may.includes('yank') ? [yanking] : []),
    ...(found.may.includes('delete') ? [button('Delete', deleteVersion)] : []),
  ];
}

function row(
  scene: Scene,
  place: PackagePlace,
  found: Package,
  version: Version,
  digests: ReadonlyMap<string, string>,
): HTMLElement {
  const { h } = scene;
  const tags = version.tags.filter((tag) => tag !== version.version);
  const user = userNames(h, found.people);
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, ...label(scene, version, digests)),
    cell(h, 'Tags', ...tags.map((tag) => h('span', { class: 'tag' }, tag))),
    cell(h, 'Published', time(h, version.publishedAt), ' by ', user(version.publishedBy)),
    cell(h, 'Size', size(h, version.size), digests.size > 0 && ' (manifest)'),
    cell(h, 'State', ...state(scene, version)),
    cell(h, 'Actions', h('span', { class: 'line' }, ...actions(scene, place, found, version))),
  );
}

/** What tags of images name. */
const digestsIn = (versions: readonly Version[]): ReadonlyMap<string, string> =>
  new Map(
    versions.flatMap(({ version, tags }) => (isDigest(version) ? tags.map((tag): [string, string] => [tag, version]) : [])),
  );

/** The versions of a package, the newest first, with what the reader may do to each. */
export function versionTable(scene: Scene, place: PackagePlace, first: Package): VersionRows {
  const rowsOf = (found: Package): HTMLElement[] => {
    const digests = digestsIn(found.versions);
    return found.versions.toReversed().map((version) => row(scene, place, found, version, digests));
  };
  const element = table(scene.h, `Versions of ${place.name}`, COLUMNS, rowsOf(first));
  let shown = first.versions.length;
  return {
    element,
    get shown() {
      return shown;
    },
    add(older) {
      element.querySelector('tbody')?.append(...rowsOf(older));
      shown += older.versions.length;
    },
  };
}
