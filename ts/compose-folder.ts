import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from './errors/config-error.js';
import type { Runtime } from './lib/clock.js';
import { FilesystemDriver } from './storage/drivers/filesystem.js';

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
    for (const folder of missing) makeOne(folder);
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const message = `the folder ${root} cannot be made or written (${codeOf(error)})`;
    throw new ConfigError([{ path: 'storage.root', message }]);
  }
}

function makeOne(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason');
