import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLIENTS = fileURLToPath(new URL('../../.tools/clients/', import.meta.url));

/** Folders of `.tools/clients/`, and what the program in each is called. */
const PROGRAMS = {
  'npm-9': 'npm',
  'npm-10': 'npm',
  'npm-11': 'npm',
  'pnpm-8': 'pnpm',
  'pnpm-9': 'pnpm',
  'pnpm-10': 'pnpm',
  'pnpm-12': 'pnpm',
  'yarn-1': 'yarn',
  'yarn-4': 'yarn',
  bun: 'bun',
  deno: 'deno',
} as const;

export type ClientName = keyof typeof PROGRAMS;

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A program of the machine's own. */
export function onPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return folders.map((folder) => join(folder, program)).find(executable);
}

/** A client that `.ci/install-clients` has put in place. */
export function clientProgram(name: ClientName): string | undefined {
  const path = join(CLIENTS, name, 'node_modules', '.bin', PROGRAMS[name]);
  return existsSync(path) ? path : undefined;
}

/**
 * For `describe.skipIf(…)`: true when something is missing, with a printed reason. With `REQUIRE_CLIENTS=1` nothing is skipped: the tests then fail
 * and say what is missing.
 */
export function lacks(what: string, path: string | undefined): boolean {
  if (path !== undefined || process.env.REQUIRE_CLIENTS === '1') return false;
  console.warn(`SKIPPED: ${what} is not installed; run .ci/install-clients`);
  return true;
}

export function required(what: string, path: string | undefined): string {
  if (path === undefined) throw new Error(`${what} is not installed; run .ci/install-clients`);
  return path;
}
