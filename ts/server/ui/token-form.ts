import { inWords, type Token } from './api.js';
import { commandLine } from './pieces.js';
import type { Scene } from './view.js';

const DAY = 86_400;
const LIVES: readonly (readonly [text: string, days: number])[] = [
  ['7 days', 7],
  ['30 days', 30],
  ['90 days', 90],
  ['a year', 365],
  ['for ever', 0],
];

interface Fields {
  readonly rows: readonly HTMLElement[];
  /** What the registry is asked for. */
  values(): object;
}

const lines = ({ value }: HTMLTextAreaElement): readonly string[] => value.split(/[\s,]+/).filter(Boolean);

function fieldsOf({ h }: Scene): Fields {
  const name = h('input', { id: 'token-name', maxlength: '200', autocomplete: 'off' });
  const life = h('select', { id: 'token-life' }, ...LIVES.map(([text, days]) => h('option', { value: String(days) }, text)));
  life.value = '90';
  const readonly = h('input', { id: 'token-readonly', type: 'checkbox' });
  const scopes = h('textarea', { id: 'token-scopes', rows: '3', autocapitalize: 'none', spellcheck: 'false' });
  const cidr = h('textarea', { id: 'token-cidr', rows: '2', autocapitalize: 'none', spellcheck: 'false' });
  const scopeHelp = h(
    'span',
    { class: 'quiet' },
    'Empty: all that you may do. Else for example ',
    h('code', {}, 'npm:package:@acme/*:read'),
  );
  return {
    rows: [
      h('p', {}, h('label', { for: 'token-name' }, 'Name'), name),
      h('p', {}, h('label', { for: 'token-life' }, 'Good for'), life),
      h('p', { class: 'line' }, readonly, h('label', { for: 'token-readonly' }, 'Reading only')),
      h('p', {}, h('label', { for: 'token-scopes' }, 'Scopes, one in each line'), scopes, scopeHelp),
      h('p', {}, h('label', { for: 'token-cidr' }, 'Only from these address ranges (CIDR); empty: from anywhere'), cidr),
    ],
    values: () => ({
      ...(name.value.trim() === '' ? {} : { name: name.value.trim() }),
      ...(life.value === '0' ? {} : { ttl: Number(life.value) * DAY }),
      ...(readonly.checked ? { readonly: true } : {}),
      ...(lines(scopes).length > 0 ? { scopes: lines(scopes) } : {}),
      ...(lines(cidr).length > 0 ? { cidr: lines(cidr) } : {}),
    }),
  };
}

/** Makes a token, and shows it this once. */
export function tokenForm(scene: Scene): HTMLElement {
  const { h, api, window, say } = scene;
  const { rows, values } = fieldsOf(scene);
  const problem = h('p', { class: 'problem', role: 'alert' });
  const made = h('div', {});
  const button = h('button', {}, 'Make a token');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = '';
    try {
      const { token, id } = await api.ask<Token & { readonly token: string }>('POST', ['tokens'], { body: values() });
      made.replaceChildren(
        h('p', {}, h('strong', {}, 'The new token, shown this once:'), ' ', h('code', { class: 'quiet' }, id)),
        commandLine(h, window, token, 'the new token'),
      );
      say('A token was made. It is shown this once.');
    } catch (error) {
      problem.textContent = inWords(error);
    }
    button.disabled = false;
  };
  return h(
    'section',
    { 'aria-labelledby': 'new-token' },
    h('h2', { id: 'new-token' }, 'A new token'),
    h('form', { class: 'card', onsubmit: (event) => void submit(event) }, ...rows, problem, h('p', {}, button), made),
  );
}
