import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from './errors/config-error.js';
import type { Runtime } from './lib/clock.js';
import { FilesystemDriver } from './storage/drivers/filesystem.js';

/** Of the storage itself: password hashes, and packages that not everybody may read, lie in it. */
const PRIVATE = 0o700;

/** The driver of a folder, which is made where it is missing. Throws a `ConfigError` when it cannot be made or written. */
export function openFolder(root: string, runtime: Runtime): FilesystemDriver {
  makeFolder(root);
  return new FilesystemDriver(root, { runtime });
}

/** One level after the other: Node's own recursive way never ends where the system refuses with ENOENT. */
function makeFolder(root: string): void {
  const missing: string[] = [];
  try {
    for (let folder = resolve(root); !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
    for (const [at, folder] of missing.entries()) makeOne(folder, at === missing.length - 1 ? PRIVATE : 0o777);
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const message = `the folder ${root} cannot be made or written (${codeOf(error)})`;
    throw new ConfigError([{ path: 'storage.root', message }]);
  }
}

function makeOne(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason');
