import type { H } from './elements.js';

/** ISO 8601 in UTC, without milliseconds; the local time stands in the title. */
export function time(h: H, at: number | string): HTMLElement {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return h('span', {}, String(at));
  const iso = date.toISOString();
  return h('time', { datetime: iso, title: date.toLocaleString() }, iso.replace(/\.\d+Z$/, 'Z'));
}

const UNITS = ['kB', 'MB', 'GB', 'TB'];

/** Decimal units; the bytes stand in the title. */
export function size(h: H, bytes: number): HTMLElement {
  let value = bytes;
  let unit = 'B';
  for (const next of UNITS) {
    if (value < 1_000) break;
    value /= 1_000;
    unit = next;
  }
  const shown = unit === 'B' ? String(value) : value.toFixed(value < 10 ? 1 : 0);
  return h('span', { title: `${bytes} bytes` }, `${shown} ${unit}`);
}

/** A link to another site, where the address is one; else its text. */
export function outside(h: H, address: string): HTMLElement {
  const url = address.replace(/^git\+(?=https?:\/\/)/i, '');
  if (!/^https?:\/\//i.test(url)) return h('span', {}, address);
  return h('a', { href: url, rel: 'noopener noreferrer nofollow', target: '_blank' }, address);
}

/** A button that copies a text; where the browser does not let it, the text is selected for the reader to copy. */
export function copyButton(h: H, window: Window, text: string, what: string): HTMLButtonElement {
  const button = h(
    'button',
    { type: 'button', class: 'small', 'aria-label': `Copy ${what}`, onclick: () => void copy() },
    'Copy',
  );
  const copy = async (): Promise<void> => {
    try {
      await window.navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      const shown = button.parentElement?.querySelector('code');
      if (shown) window.getSelection()?.selectAllChildren(shown);
      button.textContent = 'Press Ctrl+C';
    }
  };
  return button;
}

/** A line for a shell, to be copied. */
export const commandLine = (h: H, window: Window, line: string, what: string): HTMLElement =>
  h('div', { class: 'command' }, h('code', {}, line), copyButton(h, window, line, what));

export interface Column {
  readonly title: string;
  /** The title is for those who cannot see: the cells say by themselves what they are. */
  readonly quiet?: boolean;
}

/** A table; on narrow screens its rows become cards whose cells say their column. */
export function table(h: H, caption: string, columns: readonly Column[], rows: readonly HTMLElement[]): HTMLElement {
  const head = columns.map(({ title, quiet }) =>
    h('th', { scope: 'col' }, quiet ? h('span', { class: 'unseen' }, title) : title),
  );
  return h(
    'table',
    {},
    h('caption', { class: 'unseen' }, caption),
    h('thead', {}, h('tr', {}, ...head)),
    h('tbody', {}, ...rows),
  );
}

/** One cell. The first of a row is its heading. */
export const cell = (h: H, column: string, ...content: readonly (Node | string | undefined | false)[]): HTMLElement =>
  h('td', { 'data-column': column }, ...content);
