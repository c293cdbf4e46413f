import type { Accounts } from '../../auth/accounts.js';
import { RegistryError } from '../../errors/registry-error.js';
import type { OneTimePasswords } from '../../http/plugin.js';
import type { Call, HeaderBag } from '../../http/route.js';
import { needsOtp } from './errors.js';
import type { NpmState } from './state.js';

const HEADER = 'npm-otp';

/** Who may be asked for a one-time password, and how the request can be answered. */
export interface Challenged {
  readonly userId: string;
  readonly headers: HeaderBag;
  readonly baseUrl: string;
}

export const codeOf = ({ headers }: { readonly headers: HeaderBag }): string | undefined => headers.get(HEADER) || undefined;

/** One-time passwords as npm brings them: in a header, typed at the terminal or fetched through a page (`--auth-type=web`, the default). */
export class NpmOneTimePasswords implements OneTimePasswords {
  readonly header = HEADER;
  private readonly accounts: Accounts;

  constructor(accounts: Accounts) {
    this.accounts = accounts;
  }

  challenge = async ({ userId, headers, baseUrl }: Challenged): Promise<RegistryError> => {
    const { confirmSessions } = this.accounts;
    if (!confirmSessions || headers.get('npm-auth-type') !== 'web') return needsOtp();
    const { page, done } = await confirmSessions.start(userId);
    return needsOtp({ authUrl: `${baseUrl}/-/v1/confirm/${page}`, doneUrl: `${baseUrl}/-/v1/confirmed/${done}` });
  };

  /** Runs a change of the caller's account; where it lacks a one-time password, the client is told how to bring one. */
  async asking<R>(
    call: Pick<Call<unknown, unknown, NpmState>, 'principal' | 'headers' | 'baseUrl'>,
    change: () => Promise<R>,
  ): Promise<R> {
    try {
      return await change();
    } catch (error) {
      const { principal, headers, baseUrl } = call;
      if (!(error instanceof RegistryError) || error.code !== 'otp' || !principal) throw error;
      throw await this.challenge({ userId: principal.userId, headers, baseUrl });
    }
  }
}
