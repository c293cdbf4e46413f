import { RegistryError } from '../../errors/registry-error.js';
import { type Asked, later } from '../../lib/later.js';
import { ADMIN_NAME } from '../admin.js';
import type { ConfirmSessions } from '../confirm-sessions.js';
import { ceiling, limitsOf } from '../mint.js';
import { ACTIONS, type Action } from '../principal.js';
import type { IAuthCredentials, IAuthorizeContext, IAuthProvider, IAuthToken, ITokenOptions, IUserProfile } from '../provider.js';
import { intersectScopes, parseResource, scopesAllow, scopesAllowEvery } from '../scope.js';
import type { SecondFactors } from '../second-factors.js';
import { hmac } from '../secret.js';
import { digestToken, looksLikeToken, type TokenDigest, tokenUser, userIdOf } from '../token-format.js';
import { TokenUse } from '../token-use.js';
import { type TokenOwner, type UserDirectory, userChange } from '../user-directory.js';
import { isLive, type TokenRecord, type UserRecord } from '../user-state.js';
import type { JwtClaims, Jwts } from './jwt.js';

export interface DefaultProviderOptions {
  readonly directory: UserDirectory;
  /** Audience of session tokens, so that those of another registry are refused. Default `entrepot`. */
  readonly service?: string;
  /** Seconds that clocks of instances may differ. Default 30. */
  readonly leeway?: number;
}

const CHECKED_FOR = 60_000;
const MAX_CHECKED = 1_000;
const MAX_SEEN = 1_000;
const ISSUER = 'entrepot';

interface Checked {
  readonly userId: string;
  /** Hash of the password record that was right: another record, another answer. */
  readonly record: string;
  readonly until: number;
}

interface SeenToken {
  readonly owner: string | undefined;
  readonly digest: TokenDigest;
}

const strings = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;

/** Users and tokens kept in the registry's own storage. */
export class DefaultAuthProvider implements IAuthProvider {
  readonly enforceOwners = true;
  readonly directory: UserDirectory;
  readonly secondFactors: Asked<SecondFactors>;
  readonly confirmSessions: Asked<ConfirmSessions>;
  /** Most registries never see one, and the library's many files are a good part of a start. */
  private readonly jwts: Asked<Jwts>;
  private readonly use: TokenUse;
  /** Right passwords of the last minute: a check costs tens of milliseconds, and Basic clients send theirs with every request. */
  private readonly checked = new Map<string, Checked>();
  private readonly checkedKey: Uint8Array;
  /** Whose token it is and what its record is found by: follows from its text alone, and costs three hashes. Only of tokens that were good once. */
  private readonly seen = new Map<string, SeenToken>();
  /** What a token's record says, as long as neither it nor its user has changed. */
  private readonly answers = new WeakMap<TokenRecord, { readonly user: UserRecord; readonly answer: IAuthToken }>();

  constructor({ directory, service = ISSUER, leeway = 30 }: DefaultProviderOptions) {
    const { runtime, keys } = directory;
    this.directory = directory;
    const factors = later(async () => new (await import('../second-factors.js')).SecondFactors(directory, service)).methods;
    this.secondFactors = factors;
    this.confirmSessions = later(
      async () => new (await import('../confirm-sessions.js')).ConfirmSessions(directory, factors),
    ).methods;
    const { clock, random } = runtime;
    const sessions = { key: keys.jwt, issuer: ISSUER, audience: service, clock, random, leeway };
    this.jwts = later(async () => new (await import('./jwt.js')).Jwts(sessions)).methods;
    this.use = new TokenUse(directory);
    this.checkedKey = runtime.random.bytes(32);
  }

  async authenticate({ username, password }: IAuthCredentials): Promise<string | null> {
    const now = this.directory.runtime.clock.now();
    const key = hmac(this.checkedKey, `${username.length}:${username}:${password}`).toString('base64');
    const known = this.checked.get(key);
    if (known) {
      const user = known.until > now ? await this.directory.get(known.userId) : undefined;
      if (user && !user.disabled && user.password?.hash === known.record) return user.id;
      this.checked.delete(key);
    }
    const user = await this.directory.checkPassword(username, password);
    if (!user) return null;
    const oldest = this.checked.size >= MAX_CHECKED ? this.checked.keys().next().value : undefined;
    if (oldest !== undefined) this.checked.delete(oldest);
    this.checked.set(key, { userId: user.id, record: user.password?.hash ?? '', until: now + CHECKED_FOR });
    return user.id;
  }

  async validateToken(token: string, protocol?: string): Promise<IAuthToken | null> {
    const found = token.startsWith('eyJ') && token.includes('.') ? await this.session(token) : await this.stored(token);
    if (!found) return null;
    return protocol !== undefined && found.protocol !== undefined && found.protocol !== protocol ? null : found;
  }

  private async stored(token: string): Promise<IAuthToken | null> {
    const known = this.seen.get(token) ?? { owner: this.ownerOf(token), digest: digestToken(this.directory.keys, token) };
    const found = await this.directory.checkToken(token, known.owner, known.digest);
    if (!found) return null;
    if (this.seen.size >= MAX_SEEN) this.seen.clear();
    this.seen.set(token, known);
    this.use.note(found.user.id, found.record);
    return this.answerOf(found);
  }

  private answerOf({ user, record }: TokenOwner): IAuthToken {
    const known = this.answers.get(record);
    if (known?.user === user) return known.answer;
    const answer: IAuthToken = {
      userId: user.id,
      tokenId: record.id,
      scopes: intersectScopes(record.scopes, ceiling(user)),
      readonly: record.readonly,
      ...(record.protocol === undefined ? {} : { protocol: record.protocol }),
      ...(record.cidr === undefined ? {} : { cidr: record.cidr }),
      ...(record.expires === undefined ? {} : { expiresAt: record.expires }),
      ...factorOf(user),
      ...(record.automation ? { unattended: 'token' as const } : {}),
    };
    this.answers.set(record, { user, answer });
    return answer;
  }

  /** A token without our shape can only be the one that the operator chose for the first administrator. */
  private ownerOf(token: string): string | undefined {
    if (looksLikeToken(token)) return tokenUser(this.directory.keys, token);
    return /^[\x21-\x7e]{32,512}$/.test(token) ? userIdOf(ADMIN_NAME) : undefined;
  }

  private async session(token: string): Promise<IAuthToken | null> {
    const claims = await this.jwts.verify(token);
    const scopes = strings(claims?.['scp']);
    const protocol = claims?.['prt'];
    if (!claims || !scopes || typeof protocol !== 'string') return null;
    const user = await this.directory.get(claims.sub);
    if (!user || user.disabled || user.revoked.has(claims.jti) || !issuedAfter(claims, user)) return null;
    const parent = this.parentOf(user, claims);
    if (parent === null) return null;
    const unattended = claims['wl'] === true ? 'workload' : parent?.automation ? 'token' : undefined;
    const most = parent ? intersectScopes(parent.scopes, ceiling(user)) : ceiling(user);
    return {
      userId: user.id,
      tokenId: `jwt-${claims.jti}`,
      scopes: intersectScopes(scopes, most),
      ceiling: most,
      ...(claims['lst'] === true ? { lists: true } : {}),
      readonly: claims['ro'] === true || parent?.readonly === true,
      protocol,
      expiresAt: Math.min(claims.exp * 1_000, parent?.expires ?? Number.POSITIVE_INFINITY),
      ...(parent?.cidr === undefined ? {} : { cidr: parent.cidr }),
      ...factorOf(user),
      ...(unattended === undefined ? {} : { unattended }),
    };
  }

  /** The token that a session was made with; undefined: it was made with a password; null: it is gone, and the session with it. */
  private parentOf(user: UserRecord, claims: JwtClaims): TokenRecord | undefined | null {
    if (claims['par'] === undefined) return undefined;
    const parent = user.tokens.get(String(claims['par']));
    return parent && isLive(parent, this.directory.runtime.clock.now()) ? parent : null;
  }

  async createToken(
    userId: string,
    protocol: string,
    { presented, workload: _, ...options }: ITokenOptions = {},
  ): Promise<string> {
    const made = await this.directory.createToken(userId, { ...options, protocol }, presented ? { presented } : {});
    return made.token;
  }

  /** A JWT, at most a day. Ends with its user, with the token it was made with, or when it is revoked. */
  async createSession(userId: string, protocol: string, options: ITokenOptions & { readonly ttl: number }): Promise<string> {
    const { presented, lists, workload, ...asked } = options;
    const now = this.directory.runtime.clock.now();
    const user = await this.directory.get(userId);
    if (!user || user.disabled) throw new RegistryError('unauthenticated', 'Unknown user');
    const parent = presented?.tokenId === undefined ? undefined : user.tokens.get(presented.tokenId);
    if (presented?.tokenId !== undefined && !(parent && isLive(parent, now))) {
      throw new RegistryError('unauthenticated', 'The presented token cannot make another');
    }
    const limits = limitsOf({ ...asked, protocol, empty: asked.scopes?.length === 0 }, user, presented, now);
    const seconds = Math.min(options.ttl, 86_400, Math.floor(((limits.expires ?? now + options.ttl * 1_000) - now) / 1_000));
    if (seconds < 1) throw new RegistryError('unauthenticated', 'The presented token is about to expire');
    return this.jwts.sign(userId, seconds, {
      scp: limits.scopes,
      prt: protocol,
      ims: now,
      ...(limits.readonly ? { ro: true } : {}),
      ...(lists ? { lst: true } : {}),
      ...(workload ? { wl: true } : {}),
      ...(limits.parent === undefined ? {} : { par: limits.parent }),
    });
  }

  /** Nothing happens for a token that is not valid. */
  async revokeToken(token: string): Promise<void> {
    const claims = token.startsWith('eyJ') ? await this.jwts.verify(token) : undefined;
    if (claims) {
      const { jti, exp, sub } = claims;
      if (!(await this.directory.get(sub))) return;
      await this.directory.change(sub, (user) =>
        user.revoked.has(jti) ? [] : [userChange('unjwt', sub, { jti, expires: (exp + 60) * 1_000 })],
      );
      return;
    }
    const found = await this.directory.checkToken(token, this.ownerOf(token));
    if (found) await this.directory.revokeToken(found.user.id, found.record.id, found.user.id);
  }

  async authorize(token: IAuthToken | null, resource: string, action: string, context?: IAuthorizeContext): Promise<boolean> {
    const known = ACTIONS.find((one) => one === action);
    if (known === undefined) return false;
    if (token === null) return known === 'read';
    if (token.expiresAt !== undefined && token.expiresAt <= this.directory.runtime.clock.now()) return false;
    return allowed(token, resource, known, context);
  }

  authorizeEvery(token: IAuthToken | null, resource: string, action: string, context?: IAuthorizeContext): boolean {
    const known = ACTIONS.find((one) => one === action);
    if (known === undefined) return false;
    if (token === null) return known === 'read';
    const expired = token.expiresAt !== undefined && token.expiresAt <= this.directory.runtime.clock.now();
    const colon = resource.indexOf(':');
    if (colon < 0) return false;
    const [protocol, type] = [resource.slice(0, colon), resource.slice(colon + 1)];
    if (expired || (token.readonly && known !== 'read') || (token.protocol !== undefined && token.protocol !== protocol))
      return false;
    return scopesAllowEvery(token.scopes, { protocol, type, repository: context?.repository }, known);
  }

  /** Nothing for who has a second factor: a password by itself is no login then, in whatever protocol. */
  async defaultScopes(userId: string): Promise<readonly string[] | null> {
    const user = await this.directory.get(userId);
    return user && !user.disabled && !user.secondFactor ? ceiling(user) : null;
  }

  /** Six digits, a recovery code, or what a confirmation by browser left in the client's hands. */
  async confirm({ userId }: IAuthToken, code: string): Promise<boolean> {
    const user = await this.directory.get(userId);
    if (!user?.secondFactor || user.disabled) return false;
    return (await this.confirmSessions.use(userId, code)) || this.secondFactors.use(userId, code);
  }

  async profile(userId: string): Promise<IUserProfile | null> {
    const user = await this.directory.get(userId);
    return user ? { name: user.name, ...(user.email === undefined ? {} : { email: user.email }) } : null;
  }

  async findUser(name: string): Promise<string | null> {
    return (await this.directory.find(name))?.id ?? null;
  }

  /** Writes down when tokens were last used. */
  async close(): Promise<void> {
    await this.use.close();
  }
}

const factorOf = ({ secondFactor }: UserRecord): Pick<IAuthToken, 'secondFactor'> =>
  secondFactor ? { secondFactor: secondFactor.mode === 'auth-only' ? 'logins' : 'changes' } : {};

/** `ims` is `iat` in milliseconds: within one second, a session may be older or younger than a new password. */
const issuedAfter = ({ ims }: JwtClaims, user: UserRecord): boolean => typeof ims === 'number' && ims >= user.sessionsFrom;

function allowed(token: IAuthToken, resource: string, action: Action, context: IAuthorizeContext | undefined): boolean {
  if (token.readonly && action !== 'read') return false;
  const named = parseResource(resource);
  if (named === undefined || (token.protocol !== undefined && token.protocol !== named.protocol)) return false;
  return scopesAllow(token.scopes, { ...named, repository: context?.repository }, action);
}
