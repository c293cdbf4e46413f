import type { Accounts } from './auth/accounts.js';
import { type EnsuredAdmin, ensureAdmin } from './auth/admin.js';
import { AuthManager, type AuthManagerOptions, type TokenSwitch } from './auth/auth-manager.js';
import { DirectoryAccounts } from './auth/directory-accounts.js';
import { DefaultAuthProvider } from './auth/providers/tokens.js';
import { deriveKeys, type Keys } from './auth/secret.js';
import type { TrustedPublishers } from './auth/trusted-publishers.js';
import { UserDirectory } from './auth/user-directory.js';
import type { UserState } from './auth/user-state.js';
import { USERS_SPACE, userLogKey, userSchema } from './auth/users.js';
import { operatorSecret } from './compose-secret.js';
import { memoryDriver, type OpenStorage } from './compose-storage.js';
import type { IAuthConfig, IRegistryConfig } from './config.js';
import type { Runtime } from './lib/clock.js';
import { Space } from './log/space.js';
import type { StorageDriver } from './storage/driver.js';
import { PROTOCOLS } from './validate-config.js';

export interface AuthParts {
  readonly config: IRegistryConfig;
  readonly storage: OpenStorage;
  readonly runtime: Runtime;
  readonly maxStaleness: number;
  onFault(error: unknown, where: string): void;
}

export interface OpenAuth {
  readonly manager: AuthManager;
  /** Undefined: none are configured. */
  readonly trustedPublishers: TrustedPublishers | undefined;
  readonly keys: Keys;
  /** Logins, tokens and names, as protocols offer them. */
  readonly accounts: Accounts;
  /** Undefined where the application brought its own provider: users are its business. */
  readonly directory: UserDirectory | undefined;
  /** Undefined with the application's own provider, and with tokens that are kept in memory. */
  readonly space: Space<UserState> | undefined;
  /** Undefined with the application's own provider. */
  readonly admin: EnsuredAdmin | undefined;
  close(): Promise<void>;
}

const USER_CACHE_BYTES = 8 * 1024 * 1024;
/** Milliseconds for the house's own provider: longer than its storage takes to say that it does not answer, which is no answer about the caller. */
const OWN_DEADLINE = 20_000;

/** Users, tokens and the manager in front of them; or the application's own provider behind the same manager. Throws `ConfigError`s. */
export async function composeAuth(parts: AuthParts): Promise<OpenAuth> {
  const { config, storage, runtime } = parts;
  const { secret, path } = await operatorSecret(config, storage.folder, runtime.random);
  const keys = deriveKeys(secret, path);
  if (config.authProvider) {
    const manager = managerOf(parts, config.authProvider);
    await manager.init();
    const { ProviderAccounts } = await import('./auth/provider-accounts.js');
    const accounts = new ProviderAccounts(manager, config.authProvider);
    const trustedPublishers = await publishersOf(parts, manager);
    return {
      manager,
      trustedPublishers,
      accounts,
      keys,
      directory: undefined,
      space: undefined,
      admin: undefined,
      close: () => manager.close(),
    };
  }
  const inMemory = config.auth?.tokenStore === 'memory';
  const space = usersSpace(parts, inMemory ? await memoryDriver(runtime) : storage.driver);
  await space.open();
  const directory = new UserDirectory({ space, keys, runtime });
  const service = config.auth?.ociTokens?.service;
  const provider = new DefaultAuthProvider({ directory, ...(service === undefined ? {} : { service }) });
  const accounts = new DirectoryAccounts(provider, { selfRegistration: config.auth?.selfRegistration === true });
  const manager = managerOf(parts, provider, accounts.organisations);
  const close = async (): Promise<void> => {
    try {
      await manager.close();
    } finally {
      await space.close();
    }
  };
  try {
    await manager.init();
    const admin = await ensureAdmin(directory, config.auth?.adminToken);
    const trustedPublishers = await publishersOf(parts, manager);
    return { manager, trustedPublishers, accounts, keys, directory, space: inMemory ? undefined : space, admin, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function publishersOf({ config, runtime }: AuthParts, manager: AuthManager): Promise<TrustedPublishers | undefined> {
  const given = config.auth?.trustedPublishers ?? [];
  if (given.length === 0) return undefined;
  // Never from a request: whoever sends it would choose who its identity token was meant for.
  const audience = config.publicUrl === undefined ? '' : `npm:${new URL(config.publicUrl).hostname}`;
  const { TrustedPublishers } = await import('./auth/trusted-publishers.js');
  return new TrustedPublishers({ publishers: given.map((one) => ({ audience, ...one })), manager, clock: runtime.clock });
}

const usersSpace = ({ runtime, maxStaleness, onFault }: AuthParts, driver: StorageDriver): Space<UserState> =>
  new Space<UserState>({
    id: USERS_SPACE,
    driver,
    runtime,
    schema: userSchema,
    maxStaleness,
    cacheBytes: USER_CACHE_BYTES,
    keyOf: userLogKey,
    onFault,
  });

function managerOf(
  { config, runtime, onFault }: AuthParts,
  provider: ConstructorParameters<typeof AuthManager>[0]['provider'],
  organisations?: AuthManagerOptions['organisations'],
): AuthManager {
  return new AuthManager({
    provider,
    ...(provider === config.authProvider ? {} : { deadline: OWN_DEADLINE }),
    ...(organisations ? { organisations } : {}),
    runtime,
    tokens: tokenSwitches(config.auth ?? {}),
    onProblem: ({ error, call, problem }) =>
      onFault(error ?? new Error(`the auth provider ${problem}`), `auth provider: ${call} ${problem}`),
  });
}

/** By protocol, which token kinds are switched on or off. */
function tokenSwitches(auth: IAuthConfig): Readonly<Record<string, TokenSwitch | undefined>> {
  return Object.fromEntries(PROTOCOLS.map((protocol) => [protocol, auth[`${protocol}Tokens`]]));
}
