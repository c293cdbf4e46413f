import { closeSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './errors/config-error.js';
import type { Random } from './lib/clock.js';
import { randomId } from './lib/ids.js';

const FILE = 'secret';

/**
 * The folder's own secret. Made by whichever process comes first, whole or not at all: a complete file is linked to its name, which fails when somebody
 * else was faster; `fresh` makes one. Throws a `ConfigError` when it can be neither read nor made.
 */
export function folderSecret(
  folder: string,
  random: Random,
  fresh: () => string,
): { readonly secret: string; readonly path: string } {
  const path = join(folder, FILE);
  return { secret: readOrMake(folder, path, random, fresh), path };
}

function readOrMake(folder: string, name: string, random: Random, fresh: () => string): string {
  const known = readSecret(name);
  if (known !== undefined) return known;
  const draft = join(folder, `.${FILE}-${randomId(random)}`);
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeSync(file, `${fresh()}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    linkSync(draft, name);
    syncFolder(folder);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw failure(name, error);
  } finally {
    removeDraft(draft);
  }
  const made = readSecret(name);
  if (made === undefined) throw new ConfigError([{ path: 'storage.root', message: `${name} was removed while it was made` }]);
  return made;
}

function readSecret(name: string): string | undefined {
  try {
    return readFileSync(name, 'utf8').trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw failure(name, error);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function removeDraft(draft: string): void {
  try {
    unlinkSync(draft);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason');

const failure = (name: string, error: unknown): ConfigError =>
  new ConfigError([{ path: 'storage.root', message: `${name} cannot be read or made (${codeOf(error)})` }]);
