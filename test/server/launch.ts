import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NewToken } from '../../ts/auth/mint.js';
import { PROTOCOL_TABLE } from '../../ts/protocols/index.js';
import { readOptions, type ServerOptions } from '../../ts/server/options.js';
import { type RunningServer, serve } from '../../ts/server/serve.js';
import { SmartRegistry } from '../../ts/smart-registry.js';
import { afterEveryTest } from '../leftovers.js';

export const CLI = fileURLToPath(new URL('../../dist/server/cli.js', import.meta.url));

const started = new Set<ChildProcess>();
const here = new Set<RunningServer>();
const folders: string[] = [];

afterEveryTest(async () => {
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
  started.clear();
  for (const running of here) await running.stop();
  here.clear();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-server-'));
  folders.push(folder);
  return folder;
}

/** Only what a program needs: no setting of the machine's own reaches the tests. */
const clean = (env: Readonly<Record<string, string>>): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: tmpdir(),
  ...env,
});

export interface Launched {
  readonly child: ChildProcess;
  readonly exited: Promise<number>;
  out(): string;
  err(): string;
  /** Log lines and announcements so far. */
  lines(): readonly Record<string, unknown>[];
  /** Resolves with the first line for which `test` holds. Fails when the program ends before. */
  line(test: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
}

export function launch(args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): Launched {
  const child = spawn(process.execPath, [CLI, ...args], { env: clean(env), stdio: ['pipe', 'pipe', 'pipe'] });
  started.add(child);
  let [out, err] = ['', ''];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const one of waiting) one();
  };
  child.stdout?.on('data', (chunk) => {
    out += String(chunk);
    wake();
  });
  child.stderr?.on('data', (chunk) => {
    err += String(chunk);
  });
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const exited = new Promise<number>((resolve) => {
    child.once('close', (code) => {
      resolve(code ?? -1);
      wake();
    });
  });
  const lines = (): readonly Record<string, unknown>[] =>
    out
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const line: Launched['line'] = (test) =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = lines().find(test);
        if (!found && child.exitCode === null && child.signalCode === null) return;
        waiting.delete(look);
        if (found) resolve(found);
        else reject(new Error(`the program ended: ${out}${err}`));
      };
      waiting.add(look);
      look();
    });
  return { child, exited, out: () => out, err: () => err, lines, line };
}

/** Runs a command to its end. */
export async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const launched = launch(args, env, input);
  const code = await launched.exited;
  return { code, out: launched.out(), err: launched.err() };
}

export interface Serving extends Launched {
  readonly url: string;
  /** Of the administrator; empty unless this start made one. */
  readonly token: string;
}

/** A server that listens. */
export async function startServer(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Serving> {
  const launched = launch(['serve', '--port', '0', ...args], env);
  const { url } = await launched.line(({ message }) => message === 'listening');
  await launched.line(({ message }) => message === 'set up');
  const token = /ent_[a-z0-9_]+/.exec(launched.out())?.[0] ?? '';
  return { ...launched, url: String(url), token };
}

function optionsOf(flags: Readonly<Record<string, string>>): ServerOptions {
  return readOptions({ flags, env: {}, protocols: PROTOCOL_TABLE });
}

export interface ServingHere {
  readonly url: string;
  /** Of the administrator. */
  readonly token: string;
  /** Log lines so far. */
  lines(): readonly Record<string, unknown>[];
}

/**
 * A server like that of `startServer`, in the process of the test, for tests of what it answers: a process for each would cost more than most of them do.
 * `flags`: those of the command line, without their dashes. It makes its administrator; it is stopped after the test.
 */
export async function serveHere(flags: Readonly<Record<string, string>>): Promise<ServingHere> {
  const lines: Record<string, unknown>[] = [];
  const running = await serve(optionsOf({ port: '0', 'log-format': 'json', ...flags }), {
    write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  });
  here.add(running);
  return { url: running.url, token: running.registry.parts.auth.admin?.token ?? '', lines: () => lines };
}

/** A token of a user, who is made unless known: as `user add` and `token create` do beside the server, but without a process for each. */
export async function member(storage: string, name: string, asked: NewToken = {}): Promise<string> {
  const { registry: config } = optionsOf({ storage });
  const registry = new SmartRegistry(config);
  await registry.init();
  try {
    const { directory } = registry.parts.auth;
    if (!directory) throw new Error('this storage keeps no users');
    const { id } = (await directory.find(name)) ?? (await directory.addUser({ name }));
    return (await directory.createToken(id, asked)).token;
  } finally {
    await registry.destroy();
  }
}

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
