export interface LoginForm {
  readonly name: string;
  readonly password: string;
}

/** What the page has to say. */
export type LoginPageState = 'ask' | 'wrong' | 'done' | 'over';

/** No scripts, no styles, nothing from elsewhere, no framing; the form goes nowhere but back. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
};

const FORM = `<form method="post">
<p><label>User name<br><input name="name" autocomplete="username" autocapitalize="none" required></label></p>
<p><label>Password or token<br><input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Log in</button></p>
</form>
<p>Go on only if you have just started <code>npm login</code> yourself: whoever did will be logged in as you.</p>`;

const CONTENT: Readonly<Record<LoginPageState, string>> = {
  ask: FORM,
  wrong: `<p><strong>The name or the password is not right.</strong></p>\n${FORM}`,
  done: '<p>You are logged in. You can close this page and go back to the terminal.</p>',
  over: '<p>This login is over. Start it again in the terminal.</p>',
};

/** The page behind `loginUrl`. */
export const loginPage = (state: LoginPageState): string => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Log in</title></head>
<body>
<h1>Log in to the npm registry</h1>
${CONTENT[state]}
</body>
</html>
`;
