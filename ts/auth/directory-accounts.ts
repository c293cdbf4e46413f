import { forbidden, notFound, RegistryError } from '../errors/registry-error.js';
import { type Asked, later } from '../lib/later.js';
import {
  type Accounts,
  codeNeeded,
  type FactorRequest,
  type FactorStatus,
  type LoginCredentials,
  type LoginOptions,
  type TokenRequest,
  wrongPassword,
} from './accounts.js';
import type { ConfirmSessions } from './confirm-sessions.js';
import type { LoginSessions } from './login-sessions.js';
import type { Organisations } from './organisations.js';
import type { Principal } from './principal.js';
import type { IAuthToken, IUserProfile } from './provider.js';
import type { DefaultAuthProvider } from './providers/tokens.js';
import { parseScope, scopeAllows } from './scope.js';
import type { SecondFactors } from './second-factors.js';
import { digestToken, looksLikeToken } from './token-format.js';
import type { MadeToken, UserDirectory } from './user-directory.js';
import type { TokenInfo } from './user-state.js';

export interface DirectoryAccountsOptions {
  /** `npm adduser` with an unknown name makes a user. Default false. */
  readonly selfRegistration?: boolean;
}

const badCredentials = (): RegistryError => new RegistryError('unauthenticated', 'The credentials are not valid');

/**
 * May this token look after its user's account? It may when it opens everything of some protocol, as a login's does: a token for one package must not
 * list, make or revoke others.
 */
function managesAccount(token: IAuthToken): boolean {
  return token.scopes.some((text) => {
    const scope = parseScope(text);
    if (!scope) return false;
    return scopeAllows(scope, { protocol: scope.first, type: 'account', name: token.userId }, 'overwrite');
  });
}

/** Accounts over the registry's own users. */
export class DirectoryAccounts implements Accounts {
  readonly loginSessions: Asked<LoginSessions>;
  readonly confirmSessions: Asked<ConfirmSessions>;
  readonly organisations: Asked<Organisations>;
  private readonly factors: Asked<SecondFactors>;
  private readonly provider: DefaultAuthProvider;
  private readonly directory: UserDirectory;
  private readonly selfRegistration: boolean;

  constructor(provider: DefaultAuthProvider, { selfRegistration = false }: DirectoryAccountsOptions = {}) {
    this.provider = provider;
    this.directory = provider.directory;
    this.selfRegistration = selfRegistration;
    this.factors = provider.secondFactors;
    this.confirmSessions = provider.confirmSessions;
    const { directory } = provider;
    this.loginSessions = later(async () => new (await import('./login-sessions.js')).LoginSessions(directory)).methods;
    this.organisations = later(async () => new (await import('./organisations.js')).Organisations(directory)).methods;
  }

  async whoami(principal: Principal): Promise<IUserProfile> {
    const profile = await this.profile(principal.userId);
    if (!profile) throw badCredentials();
    return profile;
  }

  async profile(userId: string): Promise<IUserProfile | undefined> {
    return (await this.provider.profile(userId)) ?? undefined;
  }

  async findUser(name: string): Promise<string | undefined> {
    return (await this.provider.findUser(name)) ?? undefined;
  }

  async login(
    name: string,
    password: string,
    { protocol, email, readonly, code }: LoginOptions,
  ): Promise<{ token: string; created: boolean }> {
    const created = await this.register(name, password, email);
    const userId = created ?? (await this.provider.authenticate({ username: name, password }));
    if (userId === null) throw wrongPassword();
    await this.requireCode(userId, code);
    const asked = { name: `${protocol} login`, protocol, ...(readonly === undefined ? {} : { readonly }) };
    return { token: (await this.directory.createToken(userId, asked)).token, created: created !== undefined };
  }

  /** Undefined: not registered here and now. */
  private async register(name: string, password: string, email: string | undefined): Promise<string | undefined> {
    if (!this.selfRegistration || (await this.directory.find(name))) return undefined;
    try {
      return (await this.directory.addUser({ name, password, ...(email === undefined ? {} : { email }) }, 'registration')).id;
    } catch (error) {
      // Somebody was faster: then the password decides.
      if (error instanceof RegistryError && error.kind === 'conflict') return undefined;
      throw error;
    }
  }

  async createToken(principal: Principal, { password, code, ...asked }: TokenRequest): Promise<MadeToken> {
    this.requireAccount(principal);
    if (password !== undefined) await this.requirePassword(principal, password);
    if (asked.automation && !(await this.factorInForce(principal.userId)))
      throw forbidden('A token that bypasses two-factor authentication can be made only by who has it');
    // One that is made with another is no more than that one, and dies with it.
    if (password !== undefined || asked.automation) await this.requireCode(principal.userId, code);
    const alone = password !== undefined || principal.tokenId === undefined;
    return this.directory.createToken(principal.userId, asked, alone ? {} : { presented: principal.token });
  }

  async listTokens(principal: Principal): Promise<readonly TokenInfo[]> {
    this.requireAccount(principal, true);
    return this.directory.listTokens(principal.userId);
  }

  async revokeToken(principal: Principal, idOrToken: string): Promise<void> {
    const id = looksLikeToken(idOrToken) ? digestToken(this.directory.keys, idOrToken).id : idOrToken;
    if (id !== principal.tokenId) this.requireAccount(principal);
    if (!(await this.directory.revokeToken(principal.userId, id, principal.userId))) throw notFound('Token');
  }

  async setPassword(principal: Principal, old: string, next: string): Promise<void> {
    this.requireAccount(principal);
    await this.requirePassword(principal, old);
    await this.directory.setPassword(principal.userId, next, principal.userId);
  }

  async setEmail(principal: Principal, email: string | undefined): Promise<void> {
    this.requireAccount(principal);
    await this.directory.setEmail(principal.userId, email, principal.userId);
  }

  async secondFactor({ userId }: Principal): Promise<FactorStatus | undefined> {
    const user = await this.directory.get(userId);
    const known = user?.secondFactor ?? user?.pendingFactor;
    return known && { mode: known.mode, pending: user?.secondFactor === undefined };
  }

  async changeSecondFactor(principal: Principal, { password, mode, code }: FactorRequest): Promise<string | undefined> {
    const { userId } = principal;
    this.requireAccount(principal);
    await this.requirePassword(principal, password);
    if (mode !== 'disable' && !(await this.factorInForce(userId))) return this.factors.begin(userId, mode);
    await this.requireCode(userId, code);
    if (mode === 'disable') await this.factors.disable(userId);
    else await this.factors.setMode(userId, mode);
    return undefined;
  }

  async finishSecondFactor(principal: Principal, code: string): Promise<readonly string[]> {
    this.requireAccount(principal);
    return this.factors.finish(principal.userId, code);
  }

  async confirm(principal: Principal, code: string | undefined): Promise<void> {
    this.requireAccount(principal);
    await this.requireCode(principal.userId, code);
  }

  private async factorInForce(userId: string): Promise<boolean> {
    return (await this.directory.get(userId))?.secondFactor !== undefined;
  }

  private async requireCode(userId: string, code: string | undefined): Promise<void> {
    if (!(await this.factorInForce(userId))) return;
    if (code === undefined || !(await this.provider.confirm({ userId, scopes: [] }, code))) throw codeNeeded();
  }

  async approveLogin(login: string, protocol: string, { name, password, code }: LoginCredentials): Promise<void> {
    const presented = await this.provider.validateToken(password, protocol);
    if (presented) {
      if (presented.cidr || presented.tokenId?.startsWith('jwt-')) throw badCredentials();
      await this.requireCode(presented.userId, code);
      return this.loginSessions.approve(login, protocol, { userId: presented.userId, presented });
    }
    const userId = await this.provider.authenticate({ username: name, password });
    if (userId === null) throw badCredentials();
    await this.requireCode(userId, code);
    return this.loginSessions.approve(login, protocol, { userId });
  }

  private requireAccount({ token, readonly }: Principal, reading = false): void {
    if (readonly && !reading) throw forbidden('This token is read-only');
    if (!managesAccount(token)) throw forbidden('This token may not manage its account');
  }

  private async requirePassword(principal: Principal, password: string): Promise<void> {
    const profile = await this.whoami(principal);
    const userId = await this.provider.authenticate({ username: profile.name, password });
    if (userId !== principal.userId) throw wrongPassword();
  }
}
