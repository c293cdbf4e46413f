import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { end, type Finished, run } from './processes.js';

/** The program under test: what is built in the checkout, or the one that `ENTREPOT_CLI` names. */
export const CLI = process.env.ENTREPOT_CLI ?? fileURLToPath(new URL('../../dist/server/cli.js', import.meta.url));

/** A request as the server's log told it. */
export interface RequestLine {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly route?: string;
  readonly user?: string;
  /** Which of the set-up's servers. */
  readonly server: number;
}

export interface Server {
  /** Without a slash at its end. */
  readonly url: string;
  readonly pid: number;
  /** Shown on the start that made it. */
  readonly token: string | undefined;
  readonly requests: readonly RequestLine[];
  /** Every line of the log, as it was written. */
  readonly lines: readonly string[];
  /** Resolves with the exit code. */
  stop(): Promise<number | undefined>;
}

export interface ServerOptions {
  readonly storage: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its number in the set-up. */
  readonly number?: number;
}

const START_SECONDS = 120;

const environment = (env: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  NO_COLOR: '1',
  ...env,
});

/** Starts `entrepot serve` on a free port and waits until it listens. */
export function startServer({ storage, args = [], env = {}, number = 0 }: ServerOptions): Promise<Server> {
  const serve = [CLI, 'serve', '--port', '0', '--storage', storage, '--log-format', 'json', ...args];
  const child = spawn(process.execPath, serve, { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
  const [lines, requests]: [string[], RequestLine[]] = [[], []];
  let token: string | undefined;
  return new Promise((resolve, reject) => {
    const failed = (why: string): void => reject(new Error(`the server ${why}:\n${lines.join('\n')}`));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      failed('does not listen');
    }, START_SECONDS * 1_000);
    child.once('exit', () => failed('ended'));
    child.stderr.on('data', (chunk) => lines.push(String(chunk)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const { message, run: setUp, url, ...rest } = JSON.parse(line) as Record<string, string>;
      if (message === 'request') requests.push({ ...(rest as unknown as RequestLine), server: number });
      if (message === "the administrator's token, shown this once") token = setUp?.replace(/^.*=/, '');
      if (message !== 'listening' || url === undefined) return;
      clearTimeout(timer);
      resolve({ url, pid: child.pid ?? -1, token, requests, lines, stop: () => end(child) });
    });
  });
}

/** Runs another command of the program, beside the servers on the same storage. */
export function command(
  storage: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<Finished> {
  return run(process.execPath, [CLI, ...args, '--storage', storage], { cwd: '/', env: environment(env), input });
}

/** Resident memory of a process now, and the most it has had since the last `resetPeak`; in bytes. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  return { now: kilobytes('VmRSS'), peak: kilobytes('VmHWM') };
}

/** From here on a process's peak is counted anew (Linux: clear_refs 5). */
export const resetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');
