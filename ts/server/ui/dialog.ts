import { ApiError, inWords } from './api.js';
import type { Child } from './elements.js';
import type { Scene } from './view.js';

export interface Question {
  readonly title: string;
  readonly explanation: readonly Child[];
  /** Fields with their labels, in paragraphs. */
  readonly fields?: readonly HTMLElement[];
  /** What has to be typed before the button works. */
  readonly typed?: string;
  /** What the button says. */
  readonly action: string;
  /** Done behind the button; what it throws is shown, and the dialog stays. */
  run(): Promise<void>;
}

interface Confirmation {
  readonly field: HTMLElement;
  readonly input: HTMLInputElement;
}

function confirmation({ h }: Scene, typed: string): Confirmation {
  const input = h('input', { id: 'typed', autofocus: true, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' });
  const label = h('label', { for: 'typed' }, 'Type ', h('code', {}, typed), ' to go on');
  return { field: h('p', {}, label, input), input };
}

/** Shown only when the registry asks for it. */
function codeField({ h }: Scene): Confirmation {
  const input = h('input', { id: 'code', autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: '100' });
  return { field: h('p', { hidden: true }, h('label', { for: 'code' }, 'One-time password, or a recovery code'), input), input };
}

/** Asks before something is done. Escape and the cancel button close it; the focus goes back to where it was. */
export function ask(scene: Scene, question: Question): void {
  const { h, document, api } = scene;
  const { title, explanation, fields = [], typed, action } = question;
  const confirm = typed === undefined ? undefined : confirmation(scene, typed);
  const code = codeField(scene);
  const problem = h('p', { class: 'problem', role: 'alert' });
  const button = h('button', { class: 'danger', disabled: confirm !== undefined }, action);
  confirm?.input.addEventListener('input', () => {
    button.disabled = confirm.input.value !== typed;
  });
  const cancel = h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (button.disabled || (confirm && confirm.input.value !== typed)) return;
    button.disabled = true;
    try {
      await api.withCode(code.input.value.trim(), () => question.run());
      dialog.close();
    } catch (error) {
      problem.textContent = inWords(error);
      button.disabled = false;
      if (!(error instanceof ApiError && error.wantsCode)) return;
      code.field.hidden = false;
      code.input.value = '';
      code.input.focus();
    }
  };
  const form = h(
    'form',
    { onsubmit: (event) => void submit(event) },
    h('h2', { id: 'dialog-title' }, title),
    h('p', {}, ...explanation),
    ...fields,
    confirm?.field,
    code.field,
    problem,
    h('p', { class: 'line' }, button, cancel),
  );
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: () => closed() }, form);
  const closed = (): void => {
    dialog.remove();
    // The button that opened it went when the page was shown anew.
    if (!document.activeElement || document.activeElement === document.body) document.querySelector('h1')?.focus();
  };
  document.body.append(dialog);
  dialog.showModal();
}
