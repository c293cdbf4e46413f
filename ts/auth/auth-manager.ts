import { invalid, RegistryError } from '../errors/registry-error.js';
import type { Runtime } from '../lib/clock.js';
import { addressIn } from './cidr.js';
import { type Credentials, readAuthorization } from './credentials.js';
import { GuardedProvider, type ProviderProblem, type Waiting } from './guarded-provider.js';
import type { Action, Gate, IdentifyContext, OrganisationRights, Principal, Resource } from './principal.js';
import type { IAuthCredentials, IAuthProvider, IAuthToken, ITokenOptions } from './provider.js';
import { actionsOf, formatScopes, intersectScopes, MAX_SCOPES, parseScope } from './scope.js';

export interface TokenSwitch {
  readonly enabled: boolean;
  readonly defaultReadonly?: boolean;
}

export interface AuthManagerOptions {
  readonly provider: IAuthProvider;
  readonly runtime: Runtime;
  /** Milliseconds that one call of the provider may take. Default 5,000. */
  readonly deadline?: number;
  /** By protocol; absent: enabled. */
  readonly tokens?: Readonly<Record<string, TokenSwitch | undefined>>;
  /** Who may do what in the scopes of organisations; absent: there are none. */
  readonly organisations?: { rights(name: string): Promise<OrganisationRights | undefined> };
  /** Hears of a provider that throws, hangs or lies. */
  readonly onProblem?: (problem: ProviderProblem) => void;
}

/** A session token and what it turned out to be. */
export interface Session {
  readonly token: string;
  readonly scopes: readonly string[];
  /** Seconds from now. */
  readonly ttl: number;
}

/** What is left for those who may change nothing. */
const READING: readonly string[] = ['*:*:*:read'];

const wrong = (message: string, code?: string): RegistryError =>
  new RegistryError('unauthenticated', message, code === undefined ? {} : { code });

/** The one answer to any credentials that are no good: it must not say which part was wrong. */
const badCredentials = (): RegistryError => wrong('The credentials are not valid');

/** Whatever a provider decides, a token for one protocol opens no other. */
const fits = (token: IAuthToken | null, protocol: string): boolean =>
  token?.protocol === undefined || token.protocol === protocol;

/** Who is calling, and may they? Over any `IAuthProvider`; what that one throws, withholds or makes up means no. */
export class AuthManager implements Gate {
  private readonly guarded: GuardedProvider;
  private readonly options: AuthManagerOptions;
  readonly enforceOwners: boolean;

  constructor(options: AuthManagerOptions) {
    const { deadline, onProblem } = options;
    this.options = options;
    this.guarded = new GuardedProvider(options.provider, {
      clock: options.runtime.clock,
      ...(deadline === undefined ? {} : { deadline }),
      ...(onProblem === undefined ? {} : { onProblem }),
    });
    this.enforceOwners = options.provider.enforceOwners === true;
  }

  async init(): Promise<void> {
    await this.options.provider.init?.();
  }

  async close(): Promise<void> {
    await this.options.provider.close?.();
  }

  /** A user's id for the right password, else null. */
  async authenticate(credentials: IAuthCredentials): Promise<string | null> {
    const { username, password } = credentials;
    if (typeof username !== 'string' || typeof password !== 'string') return null;
    return this.guarded.authenticate({ username, password });
  }

  /** Null: junk, unknown, revoked, expired, another protocol's, or of a protocol whose tokens are switched off. */
  async validateToken(token: string, protocol?: string): Promise<IAuthToken | null> {
    return this.validate(token, protocol);
  }

  /**
   * `resource` is `{protocol}:{type}:{name}`; `action` any word of scopes, which must then be allowed whole. The token's text, what `validateToken` said
   * of it, or null for the anonymous caller. Never throws: a no is `false`.
   */
  async authorize(token: string | IAuthToken | null, resource: string, action: string): Promise<boolean> {
    const says = typeof token === 'string' ? await this.validate(token, undefined).catch(() => null) : token;
    if (typeof token === 'string' && says === null) return false;
    const actions = actionsOf(action);
    if (!actions || !fits(says, resource.slice(0, resource.indexOf(':')))) return false;
    for (const one of actions) {
      if (says?.readonly && one !== 'read') return false;
      if (!(await this.guarded.authorize(says, resource, one))) return false;
    }
    return true;
  }

  async revokeToken(token: string): Promise<void> {
    await this.options.provider.revokeToken(token);
  }

  async createNpmToken(userId: string, readonly?: boolean): Promise<string> {
    return this.create(userId, 'npm', readonly);
  }
  async createPypiToken(userId: string, readonly?: boolean): Promise<string> {
    return this.create(userId, 'pypi', readonly);
  }
  async createCargoToken(userId: string, readonly?: boolean): Promise<string> {
    return this.create(userId, 'cargo', readonly);
  }
  async createComposerToken(userId: string, readonly?: boolean): Promise<string> {
    return this.create(userId, 'composer', readonly);
  }
  async createRubyGemsToken(userId: string, readonly?: boolean): Promise<string> {
    return this.create(userId, 'rubygems', readonly);
  }
  async createMavenToken(userId: string, readonly?: boolean): Promise<string> {
    return this.create(userId, 'maven', readonly);
  }
  async createZigToken(userId: string, readonly?: boolean): Promise<string> {
    return this.create(userId, 'zig', readonly);
  }

  /** A JWT for `ttlSeconds` (at most a day) with those of `scopes` that the user may have. */
  async createOciToken(userId: string, scopes: readonly string[], ttlSeconds: number): Promise<string> {
    return this.session(userId, 'oci', { scopes, ttl: ttlSeconds });
  }

  /**
   * A session token for a caller who has proved who they are: opens what was asked for and their credentials open, no more and no longer. Throws
   * `forbidden` where nothing of it may be granted; with `empty`, such a token says who it is and opens nothing. `lists`: lists of names show what the
   * credentials read.
   */
  async exchange(
    principal: Principal,
    protocol: string,
    scopes: readonly string[],
    ttlSeconds: number,
    { empty = false, lists = false }: { readonly empty?: boolean; readonly lists?: boolean } = {},
  ): Promise<Session> {
    const all = await this.granted(principal, scopes);
    const granted = principal.readonly ? intersectScopes(all, READING) : all;
    const left = Math.floor(((principal.token.expiresAt ?? Number.POSITIVE_INFINITY) - this.options.runtime.clock.now()) / 1_000);
    const ttl = Math.min(ttlSeconds, left);
    if ((granted.length === 0 && !empty) || ttl < 1)
      throw new RegistryError('forbidden', 'Nothing of what was asked for may be granted');
    const options = { scopes: granted, ttl, readonly: principal.readonly, lists, presented: principal.token };
    return { token: await this.session(principal.userId, protocol, options), scopes: granted, ttl };
  }

  /** A provider without sessions of its own may decide by user and not by scope: then it is asked about each scope that was asked for. */
  private async granted(principal: Principal, scopes: readonly string[]): Promise<string[]> {
    if (this.options.provider.createSession) return intersectScopes(scopes, principal.token.scopes);
    const granted: string[] = [];
    for (const scope of scopes.slice(0, MAX_SCOPES).map(parseScope)) {
      if (!scope) continue;
      const resource = { repository: scope.first, protocol: scope.first, type: scope.type, name: scope.name };
      const actions: Action[] = [];
      for (const action of scope.actions) if (await this.allows(principal, resource, action)) actions.push(action);
      granted.push(...formatScopes(scope.first, scope.type, scope.name, actions));
    }
    return granted;
  }

  /** A session of a build that has proved which one it is: opens these scopes as far as the user does, for `ttlSeconds`. */
  async createWorkloadToken(userId: string, protocol: string, scopes: readonly string[], ttlSeconds: number): Promise<string> {
    return this.session(userId, protocol, { scopes, ttl: ttlSeconds, workload: true });
  }

  async identify(headers: { get(name: string): string | undefined }, context: IdentifyContext): Promise<Principal | undefined> {
    const credentials = readAuthorization(headers.get('authorization'));
    if (credentials === undefined) return undefined;
    if (credentials === 'malformed') throw badCredentials();
    let token: IAuthToken | null | undefined;
    for (const text of credentials.tokens) token ??= await this.validate(text, context.protocol, context);
    token ??= await this.byPassword(credentials, context);
    if (!token) throw badCredentials();
    if (token.cidr && token.cidr.length > 0 && !addressIn(token.cidr, context.address)) {
      throw wrong('This token may not be used from this address', 'ipaddress');
    }
    return { userId: token.userId, readonly: token.readonly === true, tokenId: token.tokenId, token };
  }

  async allows(principal: Principal | undefined, resource: Resource, action: Action): Promise<boolean> {
    if (!principal) return action === 'read' && this.ask(null, resource, action);
    if ((principal.readonly && action !== 'read') || !fits(principal.token, resource.protocol)) return false;
    return this.ask(principal.token, resource, action);
  }

  wider(principal: Principal): Principal | undefined {
    const { ceiling, lists: _lists, ...token } = principal.token;
    return ceiling && { ...principal, token: { ...token, scopes: ceiling } };
  }

  allowsEvery(principal: Principal | undefined, resource: Omit<Resource, 'name'>, action: Action): boolean {
    if (principal ? !fits(principal.token, resource.protocol) || (principal.readonly && action !== 'read') : action !== 'read')
      return false;
    const { protocol, type, repository } = resource;
    return this.guarded.authorizeEvery(principal?.token ?? null, `${protocol}:${type}`, action, repository);
  }

  async confirm(principal: Principal, code: string): Promise<boolean> {
    return code.length <= 512 && this.guarded.confirm(principal.token, code);
  }

  async organisation(name: string): Promise<OrganisationRights | undefined> {
    return this.options.organisations?.rights(name);
  }

  /** A user's public name and address; null when the provider knows none. */
  get profiles(): Pick<GuardedProvider, 'profile' | 'findUser'> {
    return this.guarded;
  }

  private ask(token: IAuthToken | null, { protocol, type, name, repository }: Resource, action: Action): Promise<boolean> {
    return this.guarded.authorize(token, `${protocol}:${type}:${name}`, action, repository);
  }

  private async byPassword({ login }: Credentials, waiting: Waiting): Promise<IAuthToken | undefined> {
    if (!login) return undefined;
    const userId = await this.guarded.authenticate(login, waiting);
    if (userId === null) return undefined;
    const scopes = await this.guarded.defaultScopes(userId, waiting);
    return scopes === null ? undefined : { userId, scopes };
  }

  private async validate(token: string, protocol: string | undefined, waiting?: Waiting): Promise<IAuthToken | null> {
    if (typeof token !== 'string' || token.length === 0 || token.length > 8_192) return null;
    const found = await this.guarded.validateToken(token, protocol, waiting);
    return found?.protocol !== undefined && !this.enabled(found.protocol) ? null : found;
  }

  private enabled(protocol: string): boolean {
    return this.options.tokens?.[protocol]?.enabled !== false;
  }

  private requireEnabled(protocol: string): void {
    if (!this.enabled(protocol)) throw new RegistryError('not_found', `Tokens for ${protocol} are switched off`);
  }

  private async create(
    userId: string,
    protocol: string,
    readonly = this.options.tokens?.[protocol]?.defaultReadonly === true,
  ): Promise<string> {
    this.requireEnabled(protocol);
    return this.made(await this.options.provider.createToken(userId, protocol, { readonly }));
  }

  private async session(userId: string, protocol: string, options: ITokenOptions & { readonly ttl: number }): Promise<string> {
    const { provider } = this.options;
    if (!(Number.isSafeInteger(options.ttl) && options.ttl > 0))
      throw invalid('The life of a token is a whole number of seconds');
    this.requireEnabled(protocol);
    const making = provider.createSession?.(userId, protocol, options) ?? provider.createToken(userId, protocol, options);
    return this.made(await making);
  }

  private made(token: unknown): string {
    if (typeof token === 'string' && token.length > 0 && token.length <= 8_192) return token;
    this.options.onProblem?.({ call: 'createToken', problem: 'garbage' });
    throw new RegistryError('internal', 'No token could be made');
  }
}
