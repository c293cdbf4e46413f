import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError } from '../errors/config-error.js';
import { keepAliveDuring } from '../lib/clock.js';
import { nearest } from '../lib/nearest.js';
import { PROTOCOL_TABLE } from '../protocols/index.js';
import type { CommandFlags } from './command.js';
import { OPTION_ROWS } from './option-rows.js';
import { readOptions, type ServerOptions } from './options.js';
import { sentence } from './sentence.js';

type FlagSpec = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly multiple?: boolean }>>;

const SERVER_FLAGS: FlagSpec = {
  ...Object.fromEntries(OPTION_ROWS.flatMap(({ flag }) => (flag === undefined ? [] : [[flag, { type: 'string' } as const]]))),
  config: { type: 'string' },
  help: { type: 'boolean' },
  version: { type: 'boolean' },
};

/** What people type first. */
const spelledOut = (arg: string): string => (arg === '-h' ? '--help' : arg);

const text = (line: string): void => void process.stdout.write(line);

/** Takes flags apart. Unknown ones are a `ConfigError` with the nearest known one. */
function flagsOf(args: readonly string[], spec: FlagSpec): { readonly values: CommandFlags; readonly words: readonly string[] } {
  for (const arg of args) {
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (arg === '--') break;
    if (name === undefined || Object.hasOwn(spec, name)) continue;
    const meant = nearest(name, Object.keys(spec));
    throw new ConfigError([{ path: `--${name}`, message: `no such option${meant ? `; did you mean --${meant}?` : ''}` }]);
  }
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: spec as Record<string, { type: 'string' | 'boolean' }>,
      allowPositionals: true,
    });
    return { values: values as CommandFlags, words: positionals };
  } catch (error) {
    throw new ConfigError([{ path: 'arguments', message: error instanceof Error ? error.message : String(error) }]);
  }
}

function optionsOf(values: CommandFlags): ServerOptions {
  const flags: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(values)) if (typeof value === 'string') flags[name] = value;
  return readOptions({ flags, env: process.env, protocols: PROTOCOL_TABLE });
}

const showUsage = async (): Promise<void> => text((await import('./help.js')).usage());

function version(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version') text(`${version()}\n`);
  else if (name === undefined || name === '--help' || name === 'help') await showUsage();
  else if (name === 'serve') return serveCommand(rest);
  else return otherCommand(args);
  return name === undefined ? 2 : 0;
}

async function serveCommand(args: readonly string[]): Promise<number> {
  const { values, words } = flagsOf(args, SERVER_FLAGS);
  if (values['help'] === true) {
    text((await import('./help.js')).serveUsage());
    return 0;
  }
  if (words.length > 0) throw new ConfigError([{ path: 'arguments', message: `serve takes no ${JSON.stringify(words[0])}` }]);
  const { runServer } = await import('./run.js');
  return runServer(optionsOf(values));
}

/** What is wrong with words that begin no command. */
function unknownCommand([first = '', second]: readonly string[], table: readonly (readonly string[])[]): string {
  const below = table.flatMap(([word, verb]) => (word === first && verb !== undefined ? [verb] : []));
  if (below.length > 0) {
    const given = second === undefined || second.startsWith('-') ? first : `${first} ${second}`;
    return `no such command: ${given}; ${first} takes ${below.join(', ')}`;
  }
  const meant = nearest(first, ['serve', ...table.map(([word = '']) => word)]);
  return `no such command: ${first}${meant ? `; did you mean ${meant}?` : ''}`;
}

async function otherCommand(args: readonly string[]): Promise<number> {
  const { COMMAND_TABLE, runCommand } = await import('./commands.js');
  const command = COMMAND_TABLE.find(({ words }) => words.every((word, at) => args[at] === word));
  if (!command) {
    const table = COMMAND_TABLE.map(({ words }) => words);
    process.stderr.write(`entrepot: ${unknownCommand(args, table)}\n`);
    return 2;
  }
  const spec = { ...SERVER_FLAGS, json: { type: 'boolean' }, ...command.flags } as FlagSpec;
  const { values, words } = flagsOf(args.slice(command.words.length), spec);
  if (values['help'] === true) {
    await showUsage();
    return 0;
  }
  const code = await runCommand(command, optionsOf(values), values, words);
  await written(process.stdout);
  return code;
}

/** A pipe takes 64 KiB at once: whoever reads slowly would get that much of a list and no more, were the process to end now. */
const written = (stream: NodeJS.WriteStream): Promise<void> => new Promise((resolve) => stream.write('', () => resolve()));

// Five lines about next year's Node before every command on a bucket: the SDK's minor is pinned for that.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

// Whoever read our output may have gone: that is no reason to die.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

keepAliveDuring(() => main(process.argv.slice(2).map(spelledOut))).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`entrepot: ${sentence(error)}\n`);
    process.exit(1);
  },
);
