import { forbidden, invalid, RegistryError } from '../errors/registry-error.js';
import { hex } from '../lib/bytes.js';
import type { NewChange } from '../log/schema.js';
import type { FactorMode, SecondFactor, WrongCodes } from './second-factor-state.js';
import { hmac, unwrapKey, type WrappedKey, wrapKey } from './secret.js';
import { otpauthUrl, SECRET_BYTES, stepOfCode } from './totp.js';
import { type UserDirectory, userChange } from './user-directory.js';
import type { UserRecord } from './user-state.js';

const RECOVERY_CODES = 10;
/** 256 random bits in hex: beside digits, npm's prompt takes nothing else. */
const RECOVERY = /^[0-9a-f]{64}$/;
/** Wrong codes that are forgiven; behind them each costs a wait that doubles. */
const FREE_TRIES = 5;
const FIRST_WAIT = 30_000;
const LONGEST_WAIT = 3_600_000;

/** When the next code may be tried, milliseconds since the epoch. */
function nextTry(wrong: WrongCodes | undefined): number {
  if (!wrong || wrong.count < FREE_TRIES) return 0;
  return wrong.last + Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(20, wrong.count - FREE_TRIES));
}

function refuseHaste(user: UserRecord, now: number): void {
  const wait = Math.ceil((nextTry(user.wrongCodes) - now) / 1_000);
  if (wait <= 0) return;
  throw new RegistryError('rate_limited', `Too many wrong one-time passwords: try again in ${wait} seconds`, {
    code: 'otp_wait',
    headers: { 'Retry-After': String(wait) },
  });
}

const purposeOf = (userId: string): string => `second-factor:${userId}`;

/**
 * One-time passwords of the registry's own users (TOTP, RFC 6238). What a code means is decided in the commit that uses it up: one code works once, on
 * whatever instance, and wrong ones are counted for all of them.
 */
export class SecondFactors {
  private readonly directory: UserDirectory;
  private readonly issuer: string;

  constructor(directory: UserDirectory, issuer: string) {
    this.directory = directory;
    this.issuer = issuer;
  }

  /** The secret to show, as an `otpauth:` URL: in force once `finish` has seen a code of it. Throws `conflict` where a factor is in force. */
  async begin(userId: string, mode: FactorMode): Promise<string> {
    const { keys, runtime } = this.directory;
    const secret = runtime.random.bytes(SECRET_BYTES);
    const wrapped = wrapKey(keys, purposeOf(userId), secret, runtime.random);
    const user = await this.directory.change(userId, ({ secondFactor }) => {
      if (secondFactor) throw new RegistryError('conflict', 'Two-factor authentication is on already');
      return [userChange('factor-begin', userId, { mode, secret: wrapped })];
    });
    return otpauthUrl(this.issuer, user.name, secret);
  }

  /** Puts the begun factor in force; answers the recovery codes, this once. Throws `invalid` for a wrong code, or where nothing was begun. */
  async finish(userId: string, code: string): Promise<readonly string[]> {
    const now = this.directory.runtime.clock.now();
    const codes = Array.from({ length: RECOVERY_CODES }, () => this.recoveryCode());
    const recovery = codes.map((one) => this.digest(userId, one));
    const result = await this.decide(
      userId,
      (user) => {
        const { pendingFactor } = user;
        if (!pendingFactor) throw invalid('Two-factor authentication was not begun');
        refuseHaste(user, now);
        const step = stepOfCode(this.secretOf(userId, pendingFactor.secret), code, now, -1);
        if (step === undefined) return { changes: [userChange('factor-wrong', userId)], result: false };
        return { changes: [userChange('factor-on', userId, { step, recovery })], result: true };
      },
      'listed',
    );
    if (!result) throw invalid('The one-time password is not right');
    return codes;
  }

  /** Throws `not_found` where no factor is in force. */
  async setMode(userId: string, mode: FactorMode): Promise<void> {
    await this.directory.change(userId, ({ secondFactor }) => {
      if (!secondFactor) throw invalid('Two-factor authentication is not on');
      return secondFactor.mode === mode ? [] : [userChange('factor-mode', userId, { mode })];
    });
  }

  /** Also of one that was only begun. Nothing where there is none. */
  async disable(userId: string, by: string = userId): Promise<boolean> {
    let was = false;
    await this.directory.change(userId, ({ secondFactor, pendingFactor }) => {
      was = secondFactor !== undefined || pendingFactor !== undefined;
      return was ? [userChange('factor-off', by)] : [];
    });
    return was;
  }

  /**
   * Uses up a code: six digits of the app, or a recovery code. False when it is wrong or was used before. Throws `rate_limited` after too many wrong ones,
   * `forbidden` where no factor is in force.
   */
  async use(userId: string, given: string): Promise<boolean> {
    const code = given.trim().toLowerCase();
    if (!/^\d{6}$/.test(code) && !RECOVERY.test(code)) return false;
    const now = this.directory.runtime.clock.now();
    return this.decide(userId, (user) => {
      const { secondFactor } = user;
      if (!secondFactor) throw forbidden('Two-factor authentication is not on');
      refuseHaste(user, now);
      const right = this.useOf(userId, secondFactor, code, now);
      return { changes: [right ?? userChange('factor-wrong', userId)], result: right !== undefined };
    });
  }

  private useOf(
    userId: string,
    { secret, step: last, recovery }: SecondFactor,
    code: string,
    now: number,
  ): NewChange | undefined {
    if (RECOVERY.test(code)) {
      const digest = this.digest(userId, code);
      return recovery.includes(digest) ? userChange('factor-used', userId, { recovery: digest }) : undefined;
    }
    const step = stepOfCode(this.secretOf(userId, secret), code, now, last);
    return step === undefined ? undefined : userChange('factor-used', userId, { step });
  }

  private async decide(
    userId: string,
    decide: (user: UserRecord) => { readonly changes: readonly NewChange[]; readonly result: boolean },
    // The create itself proves that a code was not used before: nobody has to wait until others see it.
    visible: 'named' | 'listed' = 'named',
  ): Promise<boolean> {
    const committed = await this.directory.space.commit(
      userId,
      ({ state: { user } }) => {
        if (!user || user.disabled) throw forbidden('There is no such user');
        return decide(user);
      },
      { visible },
    );
    return committed.result;
  }

  private secretOf(userId: string, wrapped: WrappedKey): Uint8Array {
    const secret = unwrapKey(this.directory.keys, purposeOf(userId), wrapped);
    if (!secret) throw new RegistryError('unavailable', 'the second factor in storage was made under another secret');
    return secret;
  }

  private recoveryCode(): string {
    return hex(this.directory.runtime.random.bytes(32));
  }

  /** Keyed: a copy of the storage says nothing. */
  private digest(userId: string, code: string): string {
    return hmac(this.directory.keys.token, `recovery:${userId}:${code}`).toString('base64url');
  }
}
