import type { Accounts } from '../../auth/accounts.js';
import { notFound, RegistryError } from '../../errors/registry-error.js';
import type { OneTimePasswords } from '../../http/plugin.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call, HeaderBag, RequestBody } from '../../http/route.js';
import { needsOtp } from './errors.js';
import { type CodeForm, codePage, fieldsOf, html } from './login-page.js';
import type { NpmState } from './state.js';

type Of<V, B = unknown> = Call<V, B, NpmState>;

const HEADER = 'npm-otp';

/** Who may be asked for a one-time password, and how the request can be answered. */
export interface Challenged {
  readonly userId: string;
  readonly headers: HeaderBag;
  readonly baseUrl: string;
}

export const codeOf = ({ headers }: { readonly headers: HeaderBag }): string | undefined => headers.get(HEADER) || undefined;

/** The one field of the confirmation page. */
export async function codeForm(body: RequestBody): Promise<CodeForm> {
  const code = (await fieldsOf(body))('code');
  return { code: typeof code === 'string' ? code : '' };
}

/** One-time passwords as npm brings them: in a header, typed at the terminal or fetched through a page (`--auth-type=web`, the default). */
export class OneTimePasswordHandlers implements OneTimePasswords {
  readonly header = HEADER;
  private readonly accounts: Accounts;

  constructor(accounts: Accounts) {
    this.accounts = accounts;
  }

  challenge = ({ userId, headers, baseUrl }: Challenged): RegistryError => {
    const { confirmSessions } = this.accounts;
    if (!confirmSessions || headers.get('npm-auth-type') !== 'web') return needsOtp();
    const { page, done } = confirmSessions.start(userId);
    return needsOtp({ authUrl: `${baseUrl}/-/v1/confirm/${page}`, doneUrl: `${baseUrl}/-/v1/confirmed/${done}` });
  };

  /** Runs a change of the caller's account; where it lacks a one-time password, the client is told how to bring one. */
  async asking<R>(call: Pick<Of<unknown>, 'principal' | 'headers' | 'baseUrl'>, change: () => Promise<R>): Promise<R> {
    try {
      return await change();
    } catch (error) {
      const { principal, headers, baseUrl } = call;
      if (!(error instanceof RegistryError) || error.code !== 'otp' || !principal) throw error;
      throw this.challenge({ userId: principal.userId, headers, baseUrl });
    }
  }

  page = async (call: Of<{ readonly session: string }>): Promise<Reply> =>
    (await this.sessions().pending(call.params.session)) ? html(200, codePage('ask')) : html(404, codePage('over'));

  confirm = async (call: Of<{ readonly session: string }, CodeForm>): Promise<Reply> => {
    try {
      const right = await this.sessions().approve(call.params.session, call.body.code);
      return right ? html(200, codePage('done')) : html(403, codePage('wrong'));
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.kind === 'rate_limited') return html(429, codePage('wait'), error.headers);
      if (error.kind === 'not_found') return html(404, codePage('over'));
      if (error.kind === 'conflict' || error.kind === 'forbidden') return html(409, codePage('over'));
      throw error;
    }
  };

  /** Without Retry-After the client would ask in a tight loop. */
  done = async (call: Of<{ readonly session: string }>): Promise<Reply> => {
    const poll = await this.sessions().poll(call.params.session);
    if (poll.status === 'done') return json({ token: poll.token }, 'no-store');
    return json({}, 'no-store', { status: 202, headers: { 'Retry-After': String(poll.retryAfter) } });
  };

  private sessions(): NonNullable<Accounts['confirmSessions']> {
    const { confirmSessions } = this.accounts;
    if (!confirmSessions) throw notFound('Confirmation');
    return confirmSessions;
  }
}
