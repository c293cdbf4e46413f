import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEveryFile } from '../leftovers.js';
import { HOSTS, type Host, installed, ROOT } from './installed.js';

const SAMPLES = fileURLToPath(new URL('samples', import.meta.url));

const folders: string[] = [];
afterEveryFile(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the tests of this file. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-hosts-'));
  folders.push(folder);
  return folder;
}

/** Links what `from/node_modules` holds into `into`, scopes by their packages. What is there stays. */
function link(from: string, into: string): void {
  mkdirSync(into, { recursive: true });
  for (const name of existsSync(from) ? readdirSync(from) : []) {
    if (name.startsWith('.')) continue;
    if (name.startsWith('@')) link(join(from, name), join(into, name));
    else if (!existsSync(join(into, name))) symlinkSync(join(from, name), join(into, name));
  }
}

export interface CompileOptions {
  /** Type libraries: with or without the browser's. */
  readonly lib?: readonly string[];
}

export interface Project {
  readonly folder: string;
  /** Compiles these samples as a strict user would, `skipLibCheck` off. Fails with the compiler's words. Answers the folder of the programs. */
  compile(samples: readonly string[], options?: CompileOptions): string;
}

/** A project of somebody who has installed the package, and this host beside it. */
export function project(host?: Host): Project {
  const folder = scratch();
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  symlinkSync(join(installed(), 'node_modules', 'entrepot'), join(modules, 'entrepot'));
  if (host) link(join(HOSTS, host, 'node_modules'), modules);
  // The host's own types of Node where it brings some, else ours.
  link(join(ROOT, 'node_modules', '@types'), join(modules, '@types'));
  cpSync(SAMPLES, join(folder, 'src'), { recursive: true });
  return { folder, compile: (samples, options) => compile(folder, samples, options) };
}

function compile(folder: string, samples: readonly string[], { lib = ['ES2022'] }: CompileOptions = {}): string {
  const out = join(folder, 'out');
  const compilerOptions = {
    target: 'ES2022',
    module: 'NodeNext',
    lib,
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    rootDir: 'src',
    outDir: out,
  };
  const files = samples.map((name) => `src/${name}.ts`);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`the samples do not compile:\n${stdout}${stderr}`);
  return out;
}
