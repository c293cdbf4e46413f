import type { History, HistoryRecord } from './api.js';
import { type ShowUser, userNames } from './people.js';
import { cell, table, time } from './pieces.js';
import { hashOf, type Place } from './place.js';
import type { Scene, View } from './view.js';

const PAGE = 100;
const COLUMNS = [{ title: 'When' }, { title: 'Who' }, { title: 'What' }, { title: 'Details' }];

const inText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

const detailsOf = ({ details }: HistoryRecord): string =>
  Object.entries(details)
    .map(([field, value]) => `${field}: ${inText(value)}`)
    .join('\n');

const row = ({ h }: Scene, user: ShowUser, record: HistoryRecord): HTMLElement =>
  h(
    'tr',
    {},
    h('th', { scope: 'row' }, time(h, record.at)),
    cell(h, 'Who', user(record.by)),
    cell(h, 'What', record.type),
    cell(h, 'Details', h('span', { class: 'details' }, detailsOf(record))),
  );

/** Who changed what, and when: the log of a package, the newest first. */
export async function historyPage(scene: Scene, place: Extract<Place, { page: 'history' }>): Promise<View> {
  const { h, api, signal } = scene;
  const { repository, name } = place;
  const { history, people } = await api.ask<History>('GET', ['repositories', repository, 'packages', name, 'history'], {
    signal,
  });
  const user = userNames(h, people);
  const newest = history.toReversed();
  const element = table(h, `History of ${name}`, COLUMNS, []);
  const count = h('p', { class: 'quiet' });
  const more = h('button', { type: 'button', onclick: () => show() }, 'Show older changes');
  let shown = 0;
  const show = (): void => {
    const next = newest.slice(shown, shown + PAGE);
    element.querySelector('tbody')?.append(...next.map((record) => row(scene, user, record)));
    shown += next.length;
    count.textContent = `${shown} of ${newest.length} changes shown.`;
    more.hidden = shown === newest.length;
  };
  show();
  const up = hashOf({ page: 'package', repository, name });
  const links = h('p', {}, 'of ', h('a', { href: up }, name), ` in ${repository}`);
  return { title: `History of ${name}`, content: [links, element, count, more] };
}
