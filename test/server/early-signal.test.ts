import { describe, expect, it } from 'vitest';
import { launch } from './launch.js';

const module = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`;

/** Node reads the program's first file, says so when that asks for the next one, and never gets it. */
const NEVER_READ = module(`
  import { writeSync } from 'node:fs';
  export async function resolve(name, context, next) {
    if (!name.endsWith('/program.js')) return next(name, context);
    writeSync(1, '{"message":"reading"}\\n');
    return new Promise(() => setInterval(() => undefined, 1000));
  }`);
const PRELOAD = module(`import { register } from 'node:module'; register(${JSON.stringify(NEVER_READ)});`);

const told = async (args: readonly string[], signal: 'SIGTERM' | 'SIGINT') => {
  const { child, exited, line } = launch(args, { NODE_OPTIONS: `--import ${PRELOAD}` });
  await line(({ message }) => message === 'reading');
  child.kill(signal);
  const code = await exited;
  return { code, signal: child.signalCode };
};

describe('a program that is told to stop before it has been read', () => {
  it('exits 0 as a server', async () => {
    expect(await told(['serve', '--storage', 'memory:'], 'SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await told(['serve', '--storage', 'memory:'], 'SIGINT')).toEqual({ code: 0, signal: null });
  });

  it('is ended by the signal as any other command, whose work has not been done', async () => {
    expect(await told(['gc'], 'SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
  });
});
