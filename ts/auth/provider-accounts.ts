import { RegistryError } from '../errors/registry-error.js';
import { type Accounts, codeNeeded, type LoginOptions, notOffered, wrongPassword } from './accounts.js';
import type { AuthManager } from './auth-manager.js';
import type { Principal } from './principal.js';
import type { IAuthProvider, IUserProfile } from './provider.js';

/** Accounts over a provider that the embedding application wrote: what `IAuthProvider` can do, and no more. */
export class ProviderAccounts implements Accounts {
  readonly loginSessions: undefined = undefined;
  readonly confirmSessions: undefined = undefined;
  readonly organisations: undefined = undefined;
  private readonly manager: AuthManager;
  private readonly provider: IAuthProvider;

  constructor(manager: AuthManager, provider: IAuthProvider) {
    this.manager = manager;
    this.provider = provider;
  }

  async whoami(principal: Principal): Promise<IUserProfile> {
    return (await this.profile(principal.userId)) ?? { name: principal.userId };
  }

  async profile(userId: string): Promise<IUserProfile | undefined> {
    return (await this.manager.profiles.profile(userId)) ?? undefined;
  }

  async findUser(name: string): Promise<string | undefined> {
    return (await this.manager.profiles.findUser(name)) ?? undefined;
  }

  async login(
    name: string,
    password: string,
    { protocol, readonly }: LoginOptions,
  ): Promise<{ token: string; created: boolean }> {
    const userId = await this.manager.authenticate({ username: name, password });
    if (userId === null) throw wrongPassword();
    const token = await this.provider.createToken(userId, protocol, readonly === undefined ? {} : { readonly });
    return { token, created: false };
  }

  async createToken(): Promise<never> {
    throw notOffered('Making tokens');
  }
  async listTokens(): Promise<never> {
    throw notOffered('Listing tokens');
  }

  /** By text only, and only when it is the caller's. */
  async revokeToken(principal: Principal, token: string): Promise<void> {
    const says = await this.manager.validateToken(token);
    if (says?.userId !== principal.userId) throw new RegistryError('not_found', 'Token not found');
    await this.manager.revokeToken(token);
  }

  async setPassword(): Promise<never> {
    throw notOffered('Changing a password');
  }
  async setEmail(): Promise<never> {
    throw notOffered('Changing an address');
  }
  async secondFactor(): Promise<undefined> {
    return undefined;
  }
  async changeSecondFactor(): Promise<never> {
    throw notOffered('Two-factor authentication');
  }
  async finishSecondFactor(): Promise<never> {
    throw notOffered('Two-factor authentication');
  }

  async confirm(principal: Principal, code: string | undefined): Promise<void> {
    if (principal.token.secondFactor === undefined) return;
    if (code === undefined || !(await this.manager.confirm(principal, code))) throw codeNeeded();
  }

  async approveLogin(): Promise<never> {
    throw notOffered('Web login');
  }
}
