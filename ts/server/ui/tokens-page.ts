import type { Token } from './api.js';
import { ask } from './dialog.js';
import { cell, table, time } from './pieces.js';
import { tokenForm } from './token-form.js';
import type { Scene, View } from './view.js';

const COLUMNS = [
  { title: 'Name' },
  { title: 'Opens' },
  { title: 'Made' },
  { title: 'Ends' },
  { title: 'Last used' },
  { title: 'Actions', quiet: true },
];

function revoke(scene: Scene, { id, name }: Token): void {
  const { api, say, refresh } = scene;
  ask(scene, {
    title: `Revoke ${name === '' ? `the token ${id}` : name}`,
    explanation: [
      'Nobody gets in with it any more, nor with tokens that were made with it. If it is the one you are here with, you will be logged out.',
    ],
    action: 'Revoke',
    async run() {
      await api.ask('DELETE', ['tokens', id]);
      await refresh();
      say(`Revoked ${name === '' ? id : name}.`);
    },
  });
}

const limitsOf = ({ readonly, protocol, cidr = [], scopes }: Token): string =>
  [
    readonly ? 'reading only' : undefined,
    protocol === undefined ? undefined : `${protocol} only`,
    cidr.length > 0 ? `from ${cidr.join(', ')}` : undefined,
    scopes.join(' '),
  ]
    .filter((part) => part !== undefined && part !== '')
    .join('; ');

function row(scene: Scene, token: Token): HTMLElement {
  const { h } = scene;
  const { id, name, created, expires, lastUsed, operator } = token;
  const button = h(
    'button',
    { type: 'button', class: 'small', 'aria-label': `Revoke ${name || id}`, onclick: () => revoke(scene, token) },
    'Revoke',
  );
  return h(
    'tr',
    {},
    h(
      'th',
      { scope: 'row' },
      name === '' ? h('span', { class: 'quiet' }, 'no name') : name,
      ' ',
      h('code', { class: 'quiet' }, id),
    ),
    cell(h, 'Opens', h('span', { class: 'details' }, limitsOf(token))),
    cell(h, 'Made', time(h, created)),
    cell(h, 'Ends', expires === undefined ? 'never' : time(h, expires)),
    cell(h, 'Last used', lastUsed === undefined ? 'never' : time(h, lastUsed)),
    cell(h, 'Actions', operator === true ? 'the operator’s' : button),
  );
}

/** The reader's own tokens. */
export async function tokensPage(scene: Scene): Promise<View> {
  const { h, api, signal } = scene;
  const { tokens } = await api.ask<{ readonly tokens: readonly Token[] }>('GET', ['tokens'], { signal });
  const list = table(
    h,
    'Your tokens',
    COLUMNS,
    tokens.map((token) => row(scene, token)),
  );
  return { title: 'Tokens', content: [tokens.length > 0 ? list : h('p', {}, 'There are none.'), tokenForm(scene)] };
}
