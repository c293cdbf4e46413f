import { invalid, notFound, RegistryError, unavailable } from '../errors/registry-error.js';
import type { Runtime } from '../lib/clock.js';
import type { Json } from '../lib/json.js';
import { later } from '../lib/later.js';
import type { LogSpace, NewChange } from '../log/schema.js';
import { type Limits, limitsOf, type NewToken } from './mint.js';
import type { Passwords } from './passwords.js';
import type { IAuthToken } from './provider.js';
import { type Keys, sameBytes } from './secret.js';
import { digestToken, newToken, type TokenDigest, tokenUser, USER_ID, userIdOf, userName } from './token-format.js';
import { isLive, type TokenInfo, type TokenRecord, tokenInfo, type UserRecord, type UserState } from './user-state.js';
import { MAX_TOKENS } from './users.js';

/** Who changes something where no user does: the command line, the first start. */
export const SYSTEM = 'system';

export interface DirectoryOptions {
  /** The space `~users`, over `userSchema`, with `keyOf: userLogKey`. */
  readonly space: LogSpace<UserState>;
  readonly keys: Keys;
  readonly runtime: Runtime;
  readonly passwords?: Pick<Passwords, 'hash' | 'verify'>;
}

export interface NewUser {
  /** `[A-Za-z0-9][A-Za-z0-9._@+-]*`, at most 100; letters are the same in both cases. */
  readonly name: string;
  /** 8 to 1,024 bytes. Omitted: the user has tokens only. */
  readonly password?: string;
  readonly email?: string;
  readonly admin?: boolean;
}

export interface MadeToken {
  /** Shown this once; only its digest is kept. */
  readonly token: string;
  readonly info: TokenInfo;
}

/** One line of a list of users. */
export interface UserSummary {
  readonly id: string;
  readonly name: string;
  readonly admin: boolean;
  readonly disabled: boolean;
}

interface MintContext {
  /** Who does it; default: the user. */
  readonly by?: string;
  /** The token it is minted with; the new one is never more. */
  readonly presented?: IAuthToken;
}

const changed = (type: string, by: string, fields: Readonly<Record<string, unknown>> = {}): NewChange => ({
  ...(JSON.parse(JSON.stringify(fields)) as Readonly<Record<string, Json>>),
  type,
  by,
});

function checkedName(text: string): string {
  const name = userName(text);
  if (name === undefined) throw invalid('A user name has 1 to 100 characters: letters, digits and . _ @ + -');
  return name;
}

function checkedEmail(email: string): string {
  if (email.length > 254 || !/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u.test(email)) throw invalid('This is not an e-mail address');
  return email;
}

/** Users and their tokens, as logs. Knows no HTTP: the command line uses it as the server does, beside a running server. */
export class UserDirectory {
  readonly space: LogSpace<UserState>;
  readonly keys: Keys;
  readonly runtime: Runtime;
  readonly passwords: Pick<Passwords, 'hash' | 'verify'>;

  constructor(options: DirectoryOptions) {
    this.space = options.space;
    this.keys = options.keys;
    this.runtime = options.runtime;
    const { random } = options.runtime;
    this.passwords = options.passwords ?? later(async () => new (await import('./passwords.js')).Passwords({ random })).methods;
  }

  /** Fresh: what other instances have acknowledged is seen. Undefined for anything that is no user's id. */
  async get(userId: string): Promise<UserRecord | undefined> {
    if (!USER_ID.test(userId)) return undefined;
    const user = (await this.space.read(userId)).state.user;
    return user?.name === '' ? undefined : user;
  }

  async find(name: string): Promise<UserRecord | undefined> {
    const known = userName(name);
    return known === undefined ? undefined : this.get(userIdOf(known));
  }

  /** Throws `conflict` when the name is taken. */
  async addUser(wanted: NewUser, by: string = SYSTEM): Promise<UserRecord> {
    const name = checkedName(wanted.name);
    const email = wanted.email === undefined ? undefined : checkedEmail(wanted.email);
    const password = wanted.password === undefined ? undefined : await this.passwords.hash(wanted.password);
    const { snapshot } = await this.space.commit(userIdOf(name), ({ state }) => {
      if (state.user) throw new RegistryError('conflict', `User ${name} exists already`);
      return { changes: [changed('user', by, { name, email, password, admin: wanted.admin === true })], result: undefined };
    });
    return this.present(snapshot.state.user);
  }

  /** True for the user's current password. The same work whether the user exists, is disabled or has a password at all. */
  async checkPassword(name: string, password: string): Promise<UserRecord | undefined> {
    const user = await this.find(name);
    const right = await this.passwords.verify(password, user?.disabled ? undefined : user?.password);
    return right ? user : undefined;
  }

  async setPassword(userId: string, password: string, by: string = SYSTEM): Promise<void> {
    const record = await this.passwords.hash(password);
    await this.change(userId, () => [changed('password', by, { password: record })]);
  }

  /** Undefined: no address. */
  async setEmail(userId: string, email: string | undefined, by: string = SYSTEM): Promise<void> {
    const checked = email === undefined ? null : checkedEmail(email);
    await this.change(userId, (user) => ((user.email ?? null) === checked ? [] : [changed('profile', by, { email: checked })]));
  }

  /** A disabled user's password and tokens are refused, on all instances, until enabled again. */
  async setDisabled(userId: string, disabled: boolean, by: string = SYSTEM): Promise<void> {
    await this.change(userId, (user) => (user.disabled === disabled ? [] : [changed('disabled', by, { disabled })]));
  }

  async setAdmin(userId: string, admin: boolean, by: string = SYSTEM): Promise<void> {
    await this.change(userId, (user) => (user.admin === admin ? [] : [changed('admin', by, { admin })]));
  }

  /** Throws `not_found` (no such user), `forbidden` (disabled, or nothing would be left of the scopes), `conflict` (1,000 tokens already). */
  async createToken(userId: string, asked: NewToken = {}, { by = userId, presented }: MintContext = {}): Promise<MadeToken> {
    const now = this.runtime.clock.now();
    const token = newToken(this.keys, userId, this.runtime.random);
    const digest = digestToken(this.keys, token);
    const committed = await this.change(userId, (user) => {
      const limits = this.limits(asked, user, presented, now);
      return [changed('token', by, { token: { ...digest, name: asked.name ?? '', ...limits } })];
    });
    const record = committed.tokens.get(digest.id);
    if (!record) throw unavailable('The token was revoked while it was made');
    return { token, info: tokenInfo(record) };
  }

  private limits(asked: NewToken, user: UserRecord, presented: IAuthToken | undefined, now: number): Limits {
    if (user.disabled) throw new RegistryError('forbidden', 'This user is disabled');
    const parent = presented?.tokenId === undefined ? undefined : user.tokens.get(presented.tokenId);
    if (presented?.tokenId !== undefined && !(parent && isLive(parent, now))) {
      throw new RegistryError('unauthenticated', 'The presented token is not valid any more');
    }
    const live = [...user.tokens.values()].filter((token) => isLive(token, now)).length;
    if (live >= MAX_TOKENS) throw new RegistryError('conflict', `A user has at most ${MAX_TOKENS} tokens; revoke some`);
    return limitsOf(asked, user, presented, now);
  }

  /** Oldest first, expired ones left out. */
  async listTokens(userId: string): Promise<readonly TokenInfo[]> {
    const now = this.runtime.clock.now();
    const user = this.present(await this.get(userId));
    return [...user.tokens.values()].filter((token) => isLive(token, now)).map(tokenInfo);
  }

  /** With all tokens that were made with it. False when there was none with this id. Gone on every instance when this resolves. */
  async revokeToken(userId: string, tokenId: string, by: string = SYSTEM): Promise<boolean> {
    if (!(await this.get(userId))) return false;
    const { result } = await this.space.commit(userId, ({ state }) => {
      const known = state.user?.tokens.has(tokenId) === true;
      return { changes: known ? [changed('untoken', by, { ids: [tokenId] })] : [], result: known };
    });
    return result;
  }

  /** The record behind a presented token; undefined when it is junk, unknown, revoked or expired, or the user is disabled. */
  async checkToken(
    token: string,
    owner: string | undefined = tokenUser(this.keys, token),
    digest: TokenDigest = digestToken(this.keys, token),
  ): Promise<TokenOwner | undefined> {
    if (owner === undefined) return undefined;
    const { id, hash } = digest;
    const user = await this.get(owner);
    const record = user?.tokens.get(id);
    if (!user || user.disabled || !record) return undefined;
    if (!sameBytes(Buffer.from(hash), Buffer.from(record.hash))) return undefined;
    return isLive(record, this.runtime.clock.now()) ? { user, record } : undefined;
  }

  /** Every user, by name. Reads each user's log. */
  async list(): Promise<readonly UserSummary[]> {
    const { items } = await this.space.names();
    const ids = [...items.values()].map((item) => item.identity).filter((identity) => USER_ID.test(identity));
    const users: UserSummary[] = [];
    const next = ids.values();
    const worker = async (): Promise<void> => {
      for (const id of next) {
        const user = await this.get(id);
        if (user) users.push({ id: user.id, name: user.name, admin: user.admin, disabled: user.disabled });
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    return users.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  private present(user: UserRecord | undefined): UserRecord {
    if (!user || user.name === '') throw notFound('User');
    return user;
  }

  /** Commits to the log of a user who exists. */
  async change(userId: string, decide: (user: UserRecord) => readonly NewChange[]): Promise<UserRecord> {
    if (!USER_ID.test(userId)) throw notFound('User');
    const { snapshot } = await this.space.commit(userId, ({ state }) => ({
      changes: decide(this.present(state.user)),
      result: undefined,
    }));
    return this.present(snapshot.state.user);
  }
}

export interface TokenOwner {
  readonly user: UserRecord;
  readonly record: TokenRecord;
}

export { changed as userChange };
