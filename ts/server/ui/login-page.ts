import { ApiError, inWords } from './api.js';
import type { Scene, View } from './view.js';

async function enter({ api, logIn }: Scene, token: string): Promise<string | undefined> {
  if (token === '') return 'Paste a token first.';
  // A header holds no others, and the browser would say so in words of its own.
  if (!/^[!-~]+$/.test(token)) return 'A token has no spaces, line breaks or other special characters.';
  try {
    await api.ask('GET', ['repositories'], { token });
  } catch (error) {
    return error instanceof ApiError && error.status === 401 ? 'This token is not valid.' : inWords(error);
  }
  logIn(token);
  return undefined;
}

/** Asks for a token. `why`: what the reader was told instead of what they wanted to see. */
export function loginPage(scene: Scene, why: string | undefined): View {
  const { h } = scene;
  const problem = h('p', { class: 'problem', role: 'alert', id: 'login-problem' }, why ?? '');
  const input = h('input', {
    id: 'token',
    type: 'password',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    required: true,
    'aria-describedby': 'login-problem login-help',
  });
  const button = h('button', {}, 'Log in');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = (await enter(scene, input.value.trim())) ?? '';
    button.disabled = false;
    if (problem.textContent !== '') input.focus();
  };
  const form = h(
    'form',
    { class: 'card', onsubmit: (event) => void submit(event) },
    h('p', {}, h('label', { for: 'token' }, 'Token'), input),
    problem,
    h('p', {}, button),
  );
  const help = h(
    'p',
    { id: 'login-help', class: 'quiet' },
    'The token is kept in this tab until you log out or close it. The first start of the server shows one; ',
    h('code', {}, 'entrepot token create'),
    ' or your package client’s login makes others.',
  );
  return { title: 'Log in', content: [form, help] };
}
