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
const [LOOK_MS, PATIENCE_MS] = [100, 90_000];
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

/** A hash of all that `npm pack` may take, without starting npm. */
function contents(): string {
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: readonly string[] };
  const hash = createHash('sha256');
  for (const entry of ['package.json', ...files]) {
    const whole = statSync(join(ROOT, entry)).isDirectory();
    const names = whole ? readdirSync(join(ROOT, entry), { recursive: true, encoding: 'utf8' }).sort() : [''];
    for (const path of names.map((name) => join(entry, name)))
      if (statSync(join(ROOT, path)).isFile()) hash.update(`${path}\0`).update(readFileSync(join(ROOT, path)));
  }
  return hash.digest('hex').slice(0, 20);
}

/** `npm pack` on what was built: the tarball, and the hash of what it was made of. Another run may put a new build in its place meanwhile: then once more. */
function pack(folder: string): readonly [tarball: string, hash: string] {
  const args = ['pack', ROOT, '--ignore-scripts', '--loglevel=error', '--pack-destination', folder];
  const env = { ...bareEnv(folder), npm_config_cache: join(folder, 'cache'), npm_config_update_notifier: 'false' };
  for (let attempt = 1; ; attempt++) {
    try {
      const hash = contents();
      execFileSync('npm', args, { cwd: folder, env, stdio: 'pipe' });
      const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
      if (tarball === undefined) throw new Error('npm pack has left no tarball');
      if (contents() !== hash) throw new Error('npm pack was given a new build meanwhile');
      return [join(folder, tarball), hash];
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

let known: string | undefined;

/** The package as `npm pack` makes it, installed by npm into an empty folder: one folder for each content, shared by all tests, which leave it as it is. */
export function installed(): string {
  known ??= install();
  // In use: too young to be forgotten by another run.
  utimesSync(known, new Date(), new Date());
  return known;
}

const folderOf = (hash: string): string => join(HOSTS, `installed-${hash}`);

/** Installs, unless that content is there. While one process does it, the others wait: npm has more work with it than most tests. One that was killed at it is not waited for for ever. */
function install(): string {
  const there = folderOf(contents());
  mkdirSync(HOSTS, { recursive: true });
  const turn = `${there}.turn`;
  for (let waited = 0; waited < PATIENCE_MS && !existsSync(there); waited += LOOK_MS) {
    try {
      mkdirSync(turn);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
    }
  }
  try {
    return existsSync(there) ? there : installAnew();
  } finally {
    rmSync(turn, { recursive: true, force: true });
  }
}

function installAnew(): string {
  const draft = mkdtempSync(join(HOSTS, 'draft-'));
  const tools = mkdtempSync(join(tmpdir(), 'entrepot-pack-'));
  try {
    const [tarball, hash] = pack(tools);
    writeFileSync(join(draft, 'package.json'), '{ "private": true, "type": "module" }');
    const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', tarball];
    execFileSync('npm', args, { cwd: draft, stdio: 'pipe' });
    forgetOld();
    settle(draft, folderOf(hash));
    return folderOf(hash);
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
