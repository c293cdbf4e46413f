import type { Repository } from './api.js';
import { commandLine } from './pieces.js';
import { hashOf } from './place.js';
import type { Scene, View } from './view.js';

const NAMES: ReadonlyMap<string, string> = new Map([
  ['npm', 'npm'],
  ['oci', 'container images (OCI)'],
]);

function card({ h, window }: Scene, { name, protocol, path, anonymousRead, setUp }: Repository): HTMLElement {
  const href = hashOf({ page: 'packages', repository: name, q: '', after: '' });
  return h(
    'li',
    { class: 'card' },
    h('h2', {}, h('a', { href }, name)),
    h(
      'p',
      { class: 'quiet' },
      `${NAMES.get(protocol) ?? protocol} at `,
      h('code', {}, path),
      anonymousRead && ' · anybody may read',
    ),
    setUp !== undefined && h('p', {}, 'Point the client here:'),
    setUp !== undefined && commandLine(h, window, setUp, `the set-up line of ${name}`),
  );
}

/** What there is, and how a client gets to it. */
export async function repositoriesPage(scene: Scene): Promise<View> {
  const { h, api, signal, loggedIn } = scene;
  const { repositories } = await api.ask<{ readonly repositories: readonly Repository[] }>('GET', ['repositories'], { signal });
  const token = h(
    'p',
    { class: 'quiet' },
    h('code', {}, '$ENTREPOT_TOKEN'),
    ' is a token of yours: ',
    loggedIn ? h('a', { href: hashOf({ page: 'tokens' }) }, 'make one') : 'log in to make one',
    ' and run ',
    h('code', {}, 'export ENTREPOT_TOKEN=…'),
    ' first.',
  );
  const list = h('ul', { class: 'cards' }, ...repositories.map((one) => card(scene, one)));
  const content = repositories.length > 0 ? [list, token] : [h('p', {}, 'There are no repositories.')];
  return { title: 'Repositories', content };
}
