import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { type Finished, run } from './processes.js';
import { onPath, required } from './programs.js';
import type { Sandbox } from './sandbox.js';

/** Plays a person at a terminal: the text is an `expect` script in which `$argv` is the command. What it waits for in vain for a minute ends it with 98. */
export async function atTerminal(
  machine: Sandbox,
  script: readonly string[],
  env: Readonly<Record<string, string>> = {},
  npm: string = required('npm', onPath('npm')),
): Promise<(...args: readonly string[]) => Promise<Finished>> {
  machine.write(
    'terminal.exp',
    [
      'set timeout 60',
      'spawn -noecho {*}$argv',
      'expect_after timeout { exit 98 }',
      ...script,
      'expect eof',
      'exit [lindex [wait] 3]',
      '',
    ].join('\n'),
  );
  const expect = required('expect', onPath('expect'));
  return (...args) =>
    run(expect, [join(machine.home, 'terminal.exp'), npm, ...args], {
      cwd: machine.home,
      env: machine.env({ TERM: 'dumb', ...env }),
      seconds: 70,
    });
}

/** What opens the browser: it fills the form of the page in and sends it, as a person would. Answers the environment in which it is found. */
export function browser(machine: Sandbox, fields: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  machine.write(
    'bin/xdg-open',
    `#!${process.execPath}
const url = process.argv[2];
fetch(url)
  .then((page) => page.text())
  .then((page) => {
    if (!/<form method="post">/.test(page)) throw new Error('no form');
    return fetch(url, { method: 'POST', body: new URLSearchParams(${JSON.stringify(fields)}) });
  })
  .then((answer) => process.exit(answer.ok ? 0 : 1));
`,
  );
  chmodSync(join(machine.home, 'bin/xdg-open'), 0o755);
  return { PATH: `${join(machine.home, 'bin')}:${machine.env()['PATH']}` };
}
