import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const HOSTS = join(ROOT, '.tools', 'hosts');
/** Milliseconds for a hook that may install the package: on a busy machine, through a slow line. */
export const SETUP_MS = 240_000;
const ATTEMPTS = 5;
const OLD_MS = 20 * 60 * 1000;

export type Host = 'express-4' | 'express-5' | 'hono' | 'bun' | 'deno';

/** For `describe.skipIf(…)`: true when the host is missing, with a printed reason. With `REQUIRE_CLIENTS=1` nothing is skipped, and the test fails. */
export function lacks(host: Host): boolean {
  if (existsSync(join(HOSTS, host, 'installed'))) return false;
  if (process.env['REQUIRE_CLIENTS'] === '1') return false;
  console.warn(`SKIPPED: ${host} is not installed; run .ci/install-hosts`);
  return true;
}

/** Of the machine's settings nothing but where programs are. */
export const bareEnv = (home: string): Record<string, string> => ({ PATH: process.env['PATH'] ?? '', HOME: home });

/** `npm pack` on what was built. Another run may put a new build in its place meanwhile: then once more. */
function pack(folder: string): string {
  const args = ['pack', ROOT, '--ignore-scripts', '--loglevel=error', '--pack-destination', folder];
  for (let attempt = 1; ; attempt++) {
    try {
      const env = { ...bareEnv(folder), npm_config_cache: join(folder, 'cache'), npm_config_update_notifier: 'false' };
      execFileSync('npm', args, { cwd: folder, env, stdio: 'pipe' });
      const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
      if (tarball === undefined) throw new Error('npm pack has left no tarball');
      return join(folder, tarball);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

let known: string | undefined;

/** The package as `npm pack` makes it, installed by npm into an empty folder: one folder for each content, shared by all tests. */
export function installed(): string {
  known ??= install();
  return known;
}

function install(): string {
  mkdirSync(HOSTS, { recursive: true });
  const draft = mkdtempSync(join(HOSTS, 'draft-'));
  const tools = mkdtempSync(join(tmpdir(), 'entrepot-pack-'));
  try {
    const tarball = pack(tools);
    const hash = createHash('sha256').update(readFileSync(tarball)).digest('hex').slice(0, 20);
    const folder = join(HOSTS, `installed-${hash}`);
    if (!existsSync(folder)) {
      writeFileSync(join(draft, 'package.json'), '{ "private": true, "type": "module" }');
      const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', tarball];
      execFileSync('npm', args, { cwd: draft, stdio: 'pipe' });
      forgetOld();
      settle(draft, folder);
    }
    // In use: too young to be forgotten by another run.
    utimesSync(folder, new Date(), new Date());
    return folder;
  } finally {
    rmSync(draft, { recursive: true, force: true });
    rmSync(tools, { recursive: true, force: true });
  }
}

function settle(draft: string, folder: string): void {
  try {
    renameSync(draft, folder);
  } catch (error) {
    // Another test file was faster.
    if (!existsSync(folder)) throw error;
  }
}

function forgetOld(): void {
  for (const name of readdirSync(HOSTS).filter((one) => /^(?:installed|draft)-/.test(one))) {
    const folder = join(HOSTS, name);
    const age = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY);
    if (age > OLD_MS) rmSync(folder, { recursive: true, force: true });
  }
}
