import { OPTION_ROWS } from './option-rows.js';

const COMMANDS: readonly (readonly [string, string])[] = [
  ['serve', 'run the server (this is what `npm start` does)'],
  [
    'token create USER [--name TEXT] [--scope SCOPE]… [--cidr RANGE]… [--protocol NAME] [--readonly] [--automation] [--ttl SECONDS]',
    'make a token; it is shown once',
  ],
  ['token list USER', "a user's tokens"],
  ['token revoke USER ID', 'make a token void, on every instance'],
  ['user add NAME [--admin] [--email ADDRESS] [--password-stdin]', 'make a user'],
  ['user disable-2fa NAME', 'end the two-factor authentication of who has lost the second factor'],
  ['user list', 'all users'],
  ['list [REPO [NAME]]', 'repositories, packages, versions'],
  ['history REPO NAME', 'who changed what, when'],
  ['yank REPO NAME VERSION [--reason TEXT] [--undo]', 'yank or deprecate a version, or undo it'],
  ['delete REPO NAME [VERSION] [--purge]', 'delete a version, or a package'],
  ['gc [--dry-run]', 'delete bytes that nothing names any more'],
  ['verify [--repair]', 'check everything stored'],
];

export const usage = (): string =>
  [
    'usage: entrepot COMMAND [options]',
    '',
    ...COMMANDS.flatMap(([command, meaning]) => [`  ${command}`, `      ${meaning}`]),
    '',
    'All commands but serve work on the storage directly, also beside a running server: they take --storage, --secret-file, --config and the environment',
    'variables of `entrepot serve --help`, and --json for output that machines read.',
    '',
    '  --help, --version',
    '',
  ].join('\n');

/** The options of `serve`: every one is a flag, an environment variable, or a key of the file given by `--config`, in that order of precedence. */
export function serveUsage(): string {
  const rows = OPTION_ROWS.map(({ flag, hint, env, key, byDefault, meaning }) => ({
    names: [flag === undefined ? '' : `--${flag} ${hint ?? ''}`.trim(), env ?? '', key],
    text: `${meaning} [${byDefault}]`,
  }));
  const widths = [0, 1, 2].map((at) => Math.max(...rows.map(({ names }) => names[at]?.length ?? 0)));
  const line = (names: readonly string[]): string =>
    names
      .map((name, at) => name.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return [
    'usage: entrepot serve [options]',
    '',
    'Each option is a flag, an environment variable, or a key of the JSON file given by --config, in that order of precedence.',
    '',
    `  ${line(['flag', 'environment', 'key'])}`,
    ...rows.flatMap(({ names, text }) => [`  ${line(names)}`, `      ${text}`]),
    '  --config FILE',
    '      JSON file with any of the keys above, and with repositories, auth, maxStaleness, singleWriter, cacheBytes or a protocol (npm) [none]',
    '',
  ].join('\n');
}
