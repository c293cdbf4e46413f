import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLIENTS = fileURLToPath(new URL('../../.tools/clients/', import.meta.url));
const OCI_CLIENTS = fileURLToPath(new URL('../../.tools/oci-clients/', import.meta.url));

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

/** A client that `.ci/install-oci-clients` has put in place, or one of the machine's own. */
export function ociProgram(name: string): string | undefined {
  const built = join(OCI_CLIENTS, name);
  return executable(built) ? built : onPath(name);
}

/** Which script puts a client in place. */
export type Installer = '.ci/install-clients' | '.ci/install-oci-clients';

/**
 * For `describe.skipIf(…)`: true when something is missing, with a printed reason. With `REQUIRE_CLIENTS=1` nothing is skipped: the tests then fail
 * and say what is missing.
 */
export function lacks(what: string, path: string | undefined, installer: Installer = '.ci/install-clients'): boolean {
  if (path !== undefined || process.env.REQUIRE_CLIENTS === '1') return false;
  console.warn(`SKIPPED: ${what} is not installed; run ${installer}`);
  return true;
}

/**
 * `lacks` for container clients. Some come with the machine, and that it happens to have one asks for nothing: they are driven where their script has been run.
 */
export function lacksOci(...names: readonly string[]): boolean {
  if (existsSync(OCI_CLIENTS)) return names.some((name) => lacks(name, ociProgram(name), '.ci/install-oci-clients'));
  return lacks('what drives container clients', undefined, '.ci/install-oci-clients');
}

export function required(what: string, path: string | undefined, installer: Installer = '.ci/install-clients'): string {
  if (path === undefined) throw new Error(`${what} is not installed; run ${installer}`);
  return path;
}
