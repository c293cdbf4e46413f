import type { Accounts } from '../../auth/accounts.js';
import { notFound, RegistryError } from '../../errors/registry-error.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call, RequestBody } from '../../http/route.js';
import { type CodeForm, codePage, fieldsOf, html } from './login-page.js';
import type { NpmState } from './state.js';

type Of<V, B = unknown> = Call<V, B, NpmState>;

/** The one field of the confirmation page. */
async function codeForm(body: RequestBody): Promise<CodeForm> {
  const code = (await fieldsOf(body))('code');
  return { code: typeof code === 'string' ? code : '' };
}

/** The page on which a one-time password is typed (`--auth-type=web`), and what the client waits for meanwhile. */
export class ConfirmationHandlers {
  private readonly accounts: Accounts;

  constructor(accounts: Accounts) {
    this.accounts = accounts;
  }

  page = async (call: Of<{ readonly session: string }>): Promise<Reply> =>
    (await this.sessions().pending(call.params.session)) ? html(200, codePage('ask')) : html(404, codePage('over'));

  confirm = async (call: Of<{ readonly session: string }, RequestBody>): Promise<Reply> => {
    const { code } = await codeForm(call.body);
    try {
      const right = await this.sessions().approve(call.params.session, code);
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
