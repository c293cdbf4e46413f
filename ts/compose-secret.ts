import { closeSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { IRegistryConfig } from './config.js';
import { ConfigError } from './errors/config-error.js';
import type { Random } from './lib/clock.js';
import { randomId } from './lib/ids.js';

const FILE = 'secret';
const SECRET_BYTES = 48;

export interface OperatorSecret {
  readonly secret: string;
  /** Where it came from, for messages. */
  readonly path: string;
}

/**
 * The operator's secret: configured, or in a folder the file `secret` (mode 0600) that the first start makes, or random for a store that dies with the
 * process. Throws a `ConfigError` that says what is missing for any other store.
 */
export function operatorSecret(config: IRegistryConfig, folder: string | undefined, random: Random): OperatorSecret {
  if (config.secret !== undefined) return { secret: config.secret, path: 'secret' };
  if (config.auth?.jwtSecret !== undefined) return { secret: config.auth.jwtSecret, path: 'auth.jwtSecret' };
  if (folder !== undefined) return { secret: folderSecret(folder, random), path: join(folder, FILE) };
  if ('driver' in config.storage && config.storage.driver === 'memory') return { secret: newSecret(random), path: 'secret' };
  const message =
    'is missing: this store keeps none of its own, and tokens cannot be made or checked without one (at least 32 bytes)';
  throw new ConfigError([{ path: 'secret', message }]);
}

const newSecret = (random: Random): string => Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url');

/** Made by whichever process comes first, whole or not at all: a complete file is linked to its name, which fails when somebody else was faster. */
function folderSecret(folder: string, random: Random): string {
  const name = join(folder, FILE);
  const known = readSecret(name);
  if (known !== undefined) return known;
  const draft = join(folder, `.${FILE}-${randomId(random)}`);
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeSync(file, `${newSecret(random)}\n`);
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
