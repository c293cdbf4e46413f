import type { History, HistoryRecord } from './api.js';
import { type ShowUser, userNames } from './people.js';
import { cell, table, time } from './pieces.js';
import { hashOf, type Place } from './place.js';
import type { Scene, View } from './view.js';

const PAGE = '100';
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
  const path = ['repositories', repository, 'packages', name, 'history'];
  const first = await api.ask<History>('GET', path, { query: { limit: PAGE }, signal });
  const element = table(h, `History of ${name}`, COLUMNS, []);
  const count = h('p', { class: 'quiet' });
  const more = h('button', { type: 'button', onclick: () => void older() }, 'Show older changes');
  let shown = 0;
  let before: number | undefined;
  const show = (page: History): void => {
    const user = userNames(h, page.people);
    element.querySelector('tbody')?.append(...page.history.toReversed().map((record) => row(scene, user, record)));
    shown += page.history.length;
    before = page.before;
    count.textContent = before === undefined ? `All ${shown} changes shown.` : `The newest ${shown} changes shown.`;
    more.hidden = before === undefined;
  };
  const older = async (): Promise<void> => {
    more.disabled = true;
    try {
      show(await api.ask<History>('GET', path, { query: { limit: PAGE, before: String(before) }, signal }));
    } catch (error) {
      if (!signal.aborted) count.textContent = error instanceof Error ? error.message : '';
    }
    more.disabled = false;
  };
  show(first);
  const up = hashOf({ page: 'package', repository, name });
  const links = h('p', {}, 'of ', h('a', { href: up }, name), ` in ${repository}`);
  return { title: `History of ${name}`, content: [links, element, count, more] };
}
