import type { IRegistryConfig } from './config.js';
import { ConfigError } from './errors/config-error.js';
import type { Random } from './lib/clock.js';

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
export async function operatorSecret(
  config: IRegistryConfig,
  folder: string | undefined,
  random: Random,
): Promise<OperatorSecret> {
  if (config.secret !== undefined) return { secret: config.secret, path: 'secret' };
  if (config.auth?.jwtSecret !== undefined) return { secret: config.auth.jwtSecret, path: 'auth.jwtSecret' };
  if (folder !== undefined)
    return (await import('./compose-folder-secret.js')).folderSecret(folder, random, () => freshSecret(random));
  if ('driver' in config.storage && config.storage.driver === 'memory') return { secret: freshSecret(random), path: 'secret' };
  const message =
    'is missing: this store keeps none of its own, and tokens cannot be made or checked without one (at least 32 bytes)';
  throw new ConfigError([{ path: 'secret', message }]);
}

const freshSecret = (random: Random): string => Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url');
