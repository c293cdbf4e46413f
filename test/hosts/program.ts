import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEveryTest } from '../leftovers.js';
import { bareEnv, HOSTS } from './installed.js';
import { scratch } from './project.js';

export type Runner = 'node' | 'bun' | 'deno';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Program {
  readonly pid: number;
  /** Where it listens: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Asks it to end, and waits until it has ended by itself: a timer that is left keeps it alive, and is killed with a failure. */
  stop(): Promise<Ended>;
}

const PATIENCE_MS = 20_000;
const running = new Set<ChildProcess>();

afterEveryTest(async () => {
  for (const child of running) {
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
  }
});

function command(runner: Runner): readonly [string, ...string[]] {
  if (runner === 'node') return [process.execPath];
  const program = join(HOSTS, runner, 'node_modules', '.bin', runner);
  return runner === 'bun' ? [program] : [program, 'run', '--allow-all', '--no-prompt', '--node-modules-dir=manual'];
}

interface Watched {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly listening: Promise<string>;
}

function watch(runner: Runner, file: string, env: Readonly<Record<string, string>>): Watched {
  const [program, ...args] = command(runner);
  const child = spawn(program, [...args, file], {
    cwd: scratch(),
    env: { ...bareEnv(scratch()), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let [out, err] = ['', ''];
  let heard: (url: string) => void = () => undefined;
  const port = new Promise<string>((resolve) => {
    heard = resolve;
  });
  child.stdout?.on('data', (chunk) => {
    out += String(chunk);
    const [, found] = /^listening (\d+)\n/m.exec(out) ?? [];
    if (found !== undefined) heard(`http://127.0.0.1:${found}`);
  });
  child.stderr?.on('data', (chunk) => {
    err += String(chunk);
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code, out, err });
    });
  });
  const early = ended.then((end) => {
    throw new Error(`the program ended with ${end.code}:\n${end.out}${end.err}`);
  });
  const listening = Promise.race([port, early]);
  // Programs that only run are not asked where they listen.
  listening.catch(() => undefined);
  return { child, ended, listening };
}

/** Resolves when the program has ended by itself; one that does not is killed. */
async function end({ child, ended }: Pick<Watched, 'child' | 'ended'>): Promise<Ended> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, PATIENCE_MS);
  const result = await ended;
  clearTimeout(timer);
  if (late) throw new Error(`the program does not end:\n${result.out}${result.err}`);
  return result;
}

/** Starts a program that prints `listening PORT`. */
export async function start(runner: Runner, file: string, env: Readonly<Record<string, string>> = {}): Promise<Program> {
  const watched = watch(runner, file, env);
  const url = await watched.listening;
  const stop = (): Promise<Ended> => {
    watched.child.kill('SIGTERM');
    return end(watched);
  };
  return { pid: watched.child.pid ?? -1, url, stop };
}

/** Runs a program to its end. */
export const run = (runner: Runner, file: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  end(watch(runner, file, env));

/** How many files below `folder` the process holds open (Linux). */
export function openFiles(pid: number, folder: string): number {
  let count = 0;
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${name}`).startsWith(folder)) count++;
    } catch {
      // Closed between the list and the look.
    }
  }
  return count;
}
