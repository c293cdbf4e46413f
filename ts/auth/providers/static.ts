import { RegistryError } from '../../errors/registry-error.js';
import { base32 } from '../../lib/bytes.js';
import { type Runtime, systemRuntime } from '../../lib/clock.js';
import { limitsOf } from '../mint.js';
import { ACTIONS } from '../principal.js';
import type { IAuthCredentials, IAuthorizeContext, IAuthProvider, IAuthToken, ITokenOptions, IUserProfile } from '../provider.js';
import { ADMIN_SCOPES, intersectScopes, ORDINARY_SCOPES, parseResource, scopesAllow } from '../scope.js';
import { hmac, sameBytes } from '../secret.js';

export interface StaticToken {
  readonly token: string;
  /** Default: the user's own. */
  readonly scopes?: readonly string[];
  readonly readonly?: boolean;
  readonly protocol?: string;
  readonly cidr?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
}

export interface StaticUser {
  /** Public name, and the user's id. */
  readonly name: string;
  readonly email?: string;
  readonly password?: string;
  readonly admin?: boolean;
  /** Default: everything but administration; for an `admin` everything. */
  readonly scopes?: readonly string[];
  readonly tokens?: readonly StaticToken[];
}

export interface StaticProviderOptions {
  readonly users: readonly StaticUser[];
  readonly enforceOwners?: boolean;
  readonly runtime?: Runtime;
}

interface Held {
  readonly digest: Uint8Array;
  readonly token: IAuthToken;
}

/** Fixed users and tokens in this process's memory: for embedding and tests. What is created here is gone with the process. */
export class StaticAuthProvider implements IAuthProvider {
  readonly enforceOwners: boolean;
  private readonly runtime: Runtime;
  private readonly key: Uint8Array;
  private readonly users: ReadonlyMap<string, StaticUser>;
  private readonly passwords: readonly { readonly name: string; readonly digest: Uint8Array }[];
  private held: Held[] = [];
  private made = 0;

  constructor({ users, enforceOwners = true, runtime = systemRuntime }: StaticProviderOptions) {
    this.enforceOwners = enforceOwners;
    this.runtime = runtime;
    this.key = runtime.random.bytes(32);
    this.users = new Map(users.map((user) => [user.name, user]));
    this.passwords = users.flatMap(({ name, password }) =>
      password === undefined ? [] : [{ name, digest: this.pair(name, password) }],
    );
    for (const user of users) {
      for (const { token, ...limits } of user.tokens ?? [])
        this.hold(token, { scopes: this.scopesOf(user), ...limits, userId: user.name });
    }
  }

  private pair(name: string, password: string): Uint8Array {
    return hmac(this.key, `${name.length}:${name}:${password}`);
  }

  private scopesOf({ scopes, admin }: StaticUser): readonly string[] {
    return scopes ?? (admin ? ADMIN_SCOPES : ORDINARY_SCOPES);
  }

  private hold(token: string, says: IAuthToken): void {
    this.held.push({ digest: hmac(this.key, token), token: { ...says, tokenId: `static-${++this.made}` } });
  }

  /** Looks at every entry, so that the time says nothing about which one was near. */
  private find<T extends { readonly digest: Uint8Array }>(all: readonly T[], digest: Uint8Array): T | undefined {
    let found: T | undefined;
    for (const one of all) if (sameBytes(one.digest, digest)) found = one;
    return found;
  }

  async authenticate({ username, password }: IAuthCredentials): Promise<string | null> {
    return this.find(this.passwords, this.pair(username, password))?.name ?? null;
  }

  async validateToken(token: string, protocol?: string): Promise<IAuthToken | null> {
    const found = this.find(this.held, hmac(this.key, token))?.token;
    if (!found || (found.expiresAt !== undefined && found.expiresAt <= this.runtime.clock.now())) return null;
    return protocol !== undefined && found.protocol !== undefined && found.protocol !== protocol ? null : found;
  }

  async createToken(userId: string, protocol: string, options: ITokenOptions = {}): Promise<string> {
    return this.make(userId, this.scopesFor(userId), protocol, options, {});
  }

  async createSession(userId: string, protocol: string, options: ITokenOptions & { readonly ttl: number }): Promise<string> {
    const { lists = false, presented } = options;
    const own = this.scopesFor(userId);
    return this.make(userId, own, protocol, options, {
      lists,
      ceiling: presented ? intersectScopes(presented.scopes, own) : own,
    });
  }

  private scopesFor(userId: string): readonly string[] {
    const user = this.users.get(userId);
    if (!user) throw new RegistryError('not_found', 'User not found');
    return this.scopesOf(user);
  }

  private make(
    userId: string,
    own: readonly string[],
    protocol: string,
    { presented, lists: _lists, ...asked }: ITokenOptions,
    session: Pick<IAuthToken, 'ceiling' | 'lists'>,
  ): string {
    const now = this.runtime.clock.now();
    const wanted = { ...asked, protocol, empty: session.ceiling !== undefined };
    // The user's own scopes are a limit as a presented token is.
    const mine = limitsOf(wanted, { admin: true }, { userId, scopes: own }, now);
    const limits = presented ? limitsOf({ ...wanted, scopes: mine.scopes }, { admin: true }, presented, now) : mine;
    const { parent: _parent, expires, ...rest } = limits;
    const token = `static_${base32(this.runtime.random.bytes(20))}`;
    // Clients fetch a session for every command.
    this.held = this.held.filter(({ token: { expiresAt } }) => expiresAt === undefined || expiresAt > now);
    this.hold(token, { ...rest, ...session, userId, ...(expires === undefined ? {} : { expiresAt: expires }) });
    return token;
  }

  async revokeToken(token: string): Promise<void> {
    const found = this.find(this.held, hmac(this.key, token));
    this.held = this.held.filter((one) => one !== found);
  }

  async authorize(token: IAuthToken | null, resource: string, action: string, context?: IAuthorizeContext): Promise<boolean> {
    const known = ACTIONS.find((one) => one === action);
    const named = parseResource(resource);
    if (!known || !named) return false;
    if (token === null) return known === 'read';
    if (token.readonly && known !== 'read') return false;
    if (token.protocol !== undefined && token.protocol !== named.protocol) return false;
    return scopesAllow(token.scopes, { ...named, repository: context?.repository }, known);
  }

  async defaultScopes(userId: string): Promise<readonly string[] | null> {
    const user = this.users.get(userId);
    return user ? this.scopesOf(user) : null;
  }

  async profile(userId: string): Promise<IUserProfile | null> {
    const user = this.users.get(userId);
    return user ? { name: user.name, ...(user.email === undefined ? {} : { email: user.email }) } : null;
  }

  async findUser(name: string): Promise<string | null> {
    return this.users.has(name) ? name : null;
  }
}
