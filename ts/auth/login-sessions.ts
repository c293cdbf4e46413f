import { notFound, RegistryError } from '../errors/registry-error.js';
import { base32 } from '../lib/bytes.js';
import { limitsOf } from './mint.js';
import type { IAuthToken } from './provider.js';
import { hmac } from './secret.js';
import { readText, signText } from './signed-text.js';
import { type UserDirectory, userChange } from './user-directory.js';
import type { LoginGrant } from './user-state.js';
import { loginIdentity } from './users.js';

/** What a client gets when it wants to log in by browser. Both texts are `[a-z0-9-]`, good for one path segment. */
export interface StartedLogin {
  /** For the page where a person approves. Whoever holds it can approve, not fetch. */
  readonly login: string;
  /** For the client alone: whoever holds it gets the token. */
  readonly done: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export type LoginPoll =
  /** Ask again after this many seconds. */
  { readonly status: 'pending'; readonly retryAfter: number } | { readonly status: 'done'; readonly token: string };

/** How a person proves who they are on the page. A token limits what the client gets to what it opens itself. */
export type Approval = { readonly userId: string; readonly presented?: IAuthToken };

const LIFE = 5 * 60_000;
const RETRY = 2;

type Part = 'login' | 'done';

/**
 * Web login (`npm login`). A session is two signed texts and nothing in storage: the client's is 160 random bits, the page's a keyed digest of them.
 * Approving commits "this user says yes" to the session's own log; fetching commits "claimed" to it, which one poll alone can, on whatever instance,
 * and only then is the token made. So no token ever waits in storage, and none is told twice.
 */
export class LoginSessions {
  private readonly directory: UserDirectory;

  constructor(directory: UserDirectory) {
    this.directory = directory;
  }

  /** `protocol`: what the token will be for; the same must be given to `approve` and `poll`. */
  async start(protocol: string): Promise<StartedLogin> {
    const { clock, random } = this.directory.runtime;
    const expiresAt = clock.now() + LIFE;
    const secret = base32(random.bytes(20));
    return {
      login: this.sign('login', protocol, expiresAt, this.idOf(secret)),
      done: this.sign('done', protocol, expiresAt, secret),
      expiresAt,
    };
  }

  /** For the page: is this session one that can still be approved? */
  async pending(login: string, protocol: string): Promise<{ readonly expiresAt: number } | undefined> {
    const read = this.read('login', protocol, login);
    return read && { expiresAt: read.expiresAt };
  }

  /** Throws `not_found` for a session that is unknown or over, `conflict` for one that was approved already. */
  async approve(login: string, protocol: string, { userId, presented }: Approval): Promise<void> {
    const session = this.read('login', protocol, login);
    if (!session) throw notFound('Login session');
    const user = await this.directory.get(userId);
    if (!user || user.disabled) throw new RegistryError('unauthenticated', 'The credentials are not valid');
    const grant = this.grant(limitsOf({ protocol }, user, presented, this.directory.runtime.clock.now()), presented);
    await this.directory.space.commit(loginIdentity(session.value), ({ state }) => {
      if (state.login) throw new RegistryError('conflict', 'This login was approved already');
      return { changes: [userChange('login', userId, { user: userId, expires: session.expiresAt, grant })], result: undefined };
    });
  }

  private grant({ scopes, readonly, cidr, expires, parent }: LoginGrant, presented: IAuthToken | undefined): LoginGrant {
    // A password grants the user's own defaults, whatever they are when the token is made.
    if (!presented) return {};
    return JSON.parse(JSON.stringify({ scopes, readonly, cidr, expires, parent })) as LoginGrant;
  }

  /** The token, once. Throws `not_found` for a session that is unknown, over, or fetched already. */
  async poll(done: string, protocol: string): Promise<LoginPoll> {
    const session = this.read('done', protocol, done);
    if (!session) throw notFound('Login session');
    const identity = loginIdentity(this.idOf(session.value));
    if (!(await this.directory.space.read(identity)).state.login) return { status: 'pending', retryAfter: RETRY };
    const { result } = await this.directory.space.commit(identity, ({ state: { login } }) => {
      if (!login || login.claimed) throw notFound('Login session');
      return { changes: [userChange('claimed', login.user)], result: login };
    });
    const { user, grant } = result;
    const presented = Object.keys(grant).length === 0 ? undefined : this.asToken(user, grant);
    const made = await this.directory.createToken(user, { name: 'web login', protocol }, presented ? { presented } : {});
    return { status: 'done', token: made.token };
  }

  private asToken(userId: string, { scopes = [], readonly = true, cidr, expires, parent }: LoginGrant): IAuthToken {
    return {
      userId,
      scopes,
      readonly,
      ...(cidr === undefined ? {} : { cidr }),
      ...(expires === undefined ? {} : { expiresAt: expires }),
      ...(parent === undefined ? {} : { tokenId: parent }),
    };
  }

  private idOf(secret: string): string {
    return base32(hmac(this.directory.keys.login, `id:${secret}`).subarray(0, 20));
  }

  private sign(part: Part, protocol: string, expiresAt: number, value: string): string {
    return signText(this.directory.keys, `${part}:${protocol}`, expiresAt, [value]);
  }

  private read(part: Part, protocol: string, text: string): { readonly value: string; readonly expiresAt: number } | undefined {
    const { keys, runtime } = this.directory;
    const read = readText(keys, `${part}:${protocol}`, text, runtime.clock.now());
    const [value, ...others] = read?.fields ?? [];
    return read && value !== undefined && others.length === 0 ? { value, expiresAt: read.expiresAt } : undefined;
  }
}
