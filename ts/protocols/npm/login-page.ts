import { readForm } from '../../http/form.js';
import { type Reply, textReply } from '../../http/reply.js';
import type { RequestBody } from '../../http/route.js';
import { isFields } from './fields.js';

export interface LoginForm {
  readonly name: string;
  readonly password: string;
  /** Empty: none was given. */
  readonly code: string;
}

export interface CodeForm {
  readonly code: string;
}

/** What the pages have to say. */
export type LoginPageState = 'ask' | 'wrong' | 'code' | 'wait' | 'done' | 'over';
export type CodePageState = 'ask' | 'wrong' | 'wait' | 'done' | 'over';

/** No scripts, no styles, nothing from elsewhere, no framing; the form goes nowhere but back. */
const pageHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
};

const CODE = '<input name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck="false"';

const LOGIN = `<form method="post">
<p><label>User name<br><input name="name" autocomplete="username" autocapitalize="none" required></label></p>
<p><label>Password or token<br><input name="password" type="password" autocomplete="current-password" required></label></p>
<p><label>One-time password, if you have turned on two-factor authentication<br>${CODE}></label></p>
<p><button>Log in</button></p>
</form>
<p>Go on only if you have just started <code>npm login</code> yourself: whoever did will be logged in as you.</p>`;

const LOGIN_CONTENT: Readonly<Record<LoginPageState, string>> = {
  ask: LOGIN,
  wrong: `<p><strong>The name or the password is not right.</strong></p>\n${LOGIN}`,
  code: `<p><strong>A one-time password is needed, and this was none or not the right one.</strong></p>\n${LOGIN}`,
  wait: `<p><strong>Too many wrong one-time passwords: wait a while.</strong></p>\n${LOGIN}`,
  done: '<p>You are logged in. You can close this page and go back to the terminal.</p>',
  over: '<p>This login is over. Start it again in the terminal.</p>',
};

const CONFIRM = `<form method="post">
<p><label>One-time password, or a recovery code<br>${CODE} required></label></p>
<p><button>Confirm</button></p>
</form>
<p>Go on only if you have just started a command yourself that needs it: whoever did will make one change as you.</p>`;

const CONFIRM_CONTENT: Readonly<Record<CodePageState, string>> = {
  ask: CONFIRM,
  wrong: `<p><strong>This is not the right one, or it was used before.</strong></p>\n${CONFIRM}`,
  wait: `<p><strong>Too many wrong ones: wait a while.</strong></p>\n${CONFIRM}`,
  done: '<p>Confirmed. You can close this page and go back to the terminal.</p>',
  over: '<p>This is over. Start the command again in the terminal.</p>',
};

const page = (title: string, content: string): string => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body>
<h1>${title}</h1>
${content}
</body>
</html>
`;

/** The page behind `loginUrl`. */
export const loginPage = (state: LoginPageState): string => page('Log in to the npm registry', LOGIN_CONTENT[state]);

/** The page behind `authUrl`. */
export const codePage = (state: CodePageState): string => page('Confirm a change in the npm registry', CONFIRM_CONTENT[state]);

export const html = (status: number, content: string, headers: Readonly<Record<string, string>> = {}): Reply =>
  textReply(content, 'no-store', { status, mediaType: 'text/html; charset=utf-8', headers: { ...headers, ...pageHeaders } });

/** The fields of a form, whether it is read here or was by a framework. */
export async function fieldsOf(body: RequestBody): Promise<(name: string) => unknown> {
  const { parsed } = body;
  if (isFields(parsed)) return (name) => parsed[name];
  const form = await readForm(body);
  return (name) => form.get(name) ?? undefined;
}
