import { type ChildProcess, spawn } from 'node:child_process';

export interface Finished {
  /** Undefined: ended by a signal. */
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
  /** Both, and what was run: for messages. */
  readonly all: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly seconds?: number;
}

const LIMIT_SECONDS = 120;
const MAX_OUTPUT = 8 * 1024 * 1024;

/** Runs a program to its end. One that takes longer than its limit is killed, and that is an error. */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  const { cwd, env, input = '', seconds = LIMIT_SECONDS } = options;
  const child = spawn(program, [...args], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const shown = `$ ${[program.split('/').at(-1), ...args].join(' ')}`;
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out = (out + String(chunk)).slice(-MAX_OUTPUT);
  });
  child.stderr.on('data', (chunk) => {
    err = (err + String(chunk)).slice(-MAX_OUTPUT);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${shown}\ndid not end within ${seconds} s\n${out}\n${err}`));
    }, seconds * 1_000);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? undefined, out, err, all: `${shown}\n${out}\n${err}` });
    });
  });
}

/** What came out of a run that must have worked. */
export function worked(finished: Finished): Finished {
  if (finished.code !== 0) throw new Error(`ended with ${finished.code}:\n${finished.all}`);
  return finished;
}

/** What came out of a run that must have been refused. */
export function refused(finished: Finished): Finished {
  if (finished.code === 0) throw new Error(`should have failed:\n${finished.all}`);
  return finished;
}

/** Stops by pid: politely, then for good. Resolves with the exit code. */
export async function end(child: ChildProcess, seconds = 40): Promise<number | undefined> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? undefined;
  const gone = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1_000);
  const code = await gone;
  clearTimeout(timer);
  return code ?? undefined;
}
