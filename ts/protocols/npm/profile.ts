import type { Accounts } from '../../auth/accounts.js';
import type { Principal } from '../../auth/principal.js';
import { invalid } from '../../errors/registry-error.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import { emailOf, principalOf } from './account.js';
import { type Fields, isFields } from './fields.js';
import { codeOf, type NpmOneTimePasswords } from './one-time-password.js';
import type { NpmState } from './state.js';

type Plain<B = unknown> = Call<Record<never, never>, B, NpmState>;

const MODES = ['auth-only', 'auth-and-writes', 'disable'] as const;

/** `npm profile`. https://github.com/npm/npm-profile#-profileset */
export class ProfileHandlers {
  private readonly accounts: Accounts;
  private readonly otp: NpmOneTimePasswords;

  constructor(accounts: Accounts, otp: NpmOneTimePasswords) {
    this.accounts = accounts;
    this.otp = otp;
  }

  get = async (call: Plain): Promise<Reply> => json(await this.profileOf(principalOf(call)), 'no-store');

  /** One of three things: the second factor, the password, or fields; npm sends all fields that it knows, those that are not set as null. */
  change = async (call: Plain<Fields>): Promise<Reply> => {
    const { tfa } = call.body;
    if (Array.isArray(tfa)) return this.finish(call, tfa);
    if (isFields(tfa)) return this.otp.asking(call, () => this.changeFactor(call, tfa));
    if (tfa !== undefined && tfa !== null && tfa !== false) throw invalid('tfa must be an object or a list');
    return this.otp.asking(call, () => this.changeFields(call));
  };

  private async changeFactor(call: Plain<Fields>, { password, mode }: Fields): Promise<Reply> {
    const principal = principalOf(call);
    const wanted = MODES.find((one) => one === mode);
    if (wanted === undefined || typeof password !== 'string')
      throw invalid(`tfa needs password and a mode of ${MODES.join(', ')}`);
    const url = await this.accounts.changeSecondFactor(principal, { password, mode: wanted, code: codeOf(call) });
    return json({ ...(await this.profileOf(principal)), ...(url === undefined ? {} : { tfa: url }) }, 'no-store');
  }

  /** `tfa: ["123456"]`: the first code; answers the recovery codes. */
  private async finish(call: Plain<Fields>, [code]: readonly unknown[]): Promise<Reply> {
    if (typeof code !== 'string') throw invalid('tfa must be a list with a one-time password');
    return json({ tfa: await this.accounts.finishSecondFactor(principalOf(call), code) }, 'no-store');
  }

  private async changeFields(call: Plain<Fields>): Promise<Reply> {
    const principal = principalOf(call);
    const { email, password, tfa: _tfa, ...others } = call.body;
    const other = Object.entries(others).find(([, value]) => value !== null && value !== '');
    if (other) throw invalid(`this registry does not keep ${other[0].slice(0, 40)}`);
    const before = (await this.accounts.whoami(principal)).email;
    const mail = email === undefined ? before : emailOf(email);
    if (isFields(password) || mail !== before) await this.accounts.confirm(principal, codeOf(call));
    if (isFields(password)) {
      const { old, new: next } = password;
      if (typeof old !== 'string' || typeof next !== 'string') throw invalid('password needs old and new');
      await this.accounts.setPassword(principal, old, next);
    }
    if (mail !== before) await this.accounts.setEmail(principal, mail);
    return json(await this.profileOf(principal), 'no-store');
  }

  private async profileOf(principal: Principal): Promise<Fields> {
    const { name, email = '' } = await this.accounts.whoami(principal);
    const factor = await this.accounts.secondFactor(principal);
    return { name, email, email_verified: false, tfa: factor ? { ...factor } : false };
  }
}
