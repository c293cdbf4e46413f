import { notFound, RegistryError } from '../errors/registry-error.js';
import { base32 } from '../lib/bytes.js';
import type { SecondFactors } from './second-factors.js';
import { hmac } from './secret.js';
import { readText, signText } from './signed-text.js';
import { type UserDirectory, userChange } from './user-directory.js';
import { confirmIdentity } from './users.js';

const LIFE = 5 * 60_000;
const RETRY = 2;

export interface StartedConfirmation {
  /** For the page on which the user gives a code. Whoever holds it can confirm with the user's code, not use the confirmation. */
  readonly page: string;
  /** For the client alone, and then the one-time password itself. */
  readonly done: string;
  readonly expiresAt: number;
}

export type ConfirmPoll =
  /** Ask again after this many seconds. */
  { readonly status: 'pending'; readonly retryAfter: number } | { readonly status: 'done'; readonly token: string };

interface Session {
  readonly userId: string;
  readonly value: string;
  readonly expiresAt: number;
}

/**
 * A one-time password by browser: the client shows a page, the user gives a code there, and what the client has in hand becomes a one-time password.
 * As with web logins, a session is two signed texts and nothing in storage until a code was right; using it commits "claimed", which works once.
 */
export class ConfirmSessions {
  private readonly directory: UserDirectory;
  private readonly factors: Pick<SecondFactors, 'use'>;

  constructor(directory: UserDirectory, factors: Pick<SecondFactors, 'use'>) {
    this.directory = directory;
    this.factors = factors;
  }

  async start(userId: string): Promise<StartedConfirmation> {
    const { keys, runtime } = this.directory;
    const expiresAt = runtime.clock.now() + LIFE;
    const secret = base32(runtime.random.bytes(20));
    return {
      page: signText(keys, 'confirm-page', expiresAt, [userId, this.idOf(secret)]),
      done: signText(keys, 'confirm-done', expiresAt, [userId, secret]),
      expiresAt,
    };
  }

  /** For the page: can this still be confirmed? */
  async pending(page: string): Promise<boolean> {
    const session = this.read('confirm-page', page);
    if (!session) return false;
    return (await this.directory.space.read(confirmIdentity(session.value))).state.login === undefined;
  }

  /** False for a wrong code. Throws `not_found` for a session that is unknown or over, `conflict` for one that was confirmed, and as `SecondFactors.use`. */
  async approve(page: string, code: string): Promise<boolean> {
    const session = this.read('confirm-page', page);
    if (!session) throw notFound('Confirmation');
    const { userId, expiresAt } = session;
    if (!(await this.factors.use(userId, code))) return false;
    await this.directory.space.commit(confirmIdentity(session.value), ({ state }) => {
      if (state.login) throw new RegistryError('conflict', 'This was confirmed already');
      return { changes: [userChange('login', userId, { user: userId, expires: expiresAt })], result: undefined };
    });
    return true;
  }

  /** Throws `not_found` for a session that is unknown, over, or used. */
  async poll(done: string): Promise<ConfirmPoll> {
    const session = this.read('confirm-done', done);
    if (!session) throw notFound('Confirmation');
    const { login } = (await this.directory.space.read(confirmIdentity(this.idOf(session.value)))).state;
    if (login?.claimed) throw notFound('Confirmation');
    return login ? { status: 'done', token: done } : { status: 'pending', retryAfter: RETRY };
  }

  /** True once, for the user who confirmed it. */
  async use(userId: string, done: string): Promise<boolean> {
    const session = this.read('confirm-done', done);
    if (session?.userId !== userId) return false;
    const identity = confirmIdentity(this.idOf(session.value));
    if (!(await this.directory.space.read(identity)).state.login) return false;
    const { result } = await this.directory.space.commit(
      identity,
      ({ state: { login } }) => {
        const good = login !== undefined && !login.claimed && login.user === userId;
        return { changes: good ? [userChange('claimed', userId)] : [], result: good };
      },
      { visible: 'named' },
    );
    return result;
  }

  private read(purpose: 'confirm-page' | 'confirm-done', text: string): Session | undefined {
    const { keys, runtime } = this.directory;
    const read = readText(keys, purpose, text, runtime.clock.now());
    const [userId, value, ...others] = read?.fields ?? [];
    return read && userId !== undefined && value !== undefined && others.length === 0
      ? { userId, value, expiresAt: read.expiresAt }
      : undefined;
  }

  private idOf(secret: string): string {
    return base32(hmac(this.directory.keys.login, `confirm:${secret}`).subarray(0, 20));
  }
}
