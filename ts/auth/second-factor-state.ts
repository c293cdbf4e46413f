import type { Change } from '../log/schema.js';
import type { WrappedKey } from './secret.js';

/** `auth-only`: a code to log in and to change the account. `auth-and-writes`: also for every change of a package. */
export type FactorMode = 'auth-only' | 'auth-and-writes';

/** A user's second factor, as it is stored: the secret is wrapped under the operator's. */
export interface SecondFactor {
  readonly mode: FactorMode;
  readonly secret: WrappedKey;
  /** Time step of the last code that was used: it and all before it are void. */
  readonly step: number;
  /** Keyed digests of the recovery codes that are left. */
  readonly recovery: readonly string[];
}

/** Shown to the user, who has not yet proved to have it in an app. */
export interface PendingFactor {
  readonly mode: FactorMode;
  readonly secret: WrappedKey;
}

/** Wrong codes since the last right one. */
export interface WrongCodes {
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly last: number;
}

export interface FactorFields {
  readonly secondFactor?: SecondFactor;
  readonly pendingFactor?: PendingFactor;
  readonly wrongCodes?: WrongCodes;
}

const isMode = (value: unknown): value is FactorMode => value === 'auth-only' || value === 'auth-and-writes';

function begun({ mode, secret }: Change): PendingFactor | undefined {
  // Erased: the secret is gone, and with it what the change meant.
  return isMode(mode) && secret !== undefined ? { mode, secret: secret as unknown as WrappedKey } : undefined;
}

function used(factor: SecondFactor, { step, recovery }: Change): SecondFactor {
  return {
    ...factor,
    step: typeof step === 'number' ? Math.max(step, factor.step) : factor.step,
    recovery: factor.recovery.filter((digest) => digest !== recovery),
  };
}

/**
 * The part of a user that the `factor-…` changes are about; undefined for any other change.
 *
 *     factor-begin {mode, secret}          a new secret, not in force yet
 *     factor-on    {step, recovery}        the first code was right
 *     factor-mode  {mode}                  factor-off {}
 *     factor-used  {step} | {recovery}     factor-wrong {}
 */
export function applyFactor(user: FactorFields, change: Change): FactorFields | undefined {
  const { secondFactor, pendingFactor, wrongCodes } = user;
  switch (change.type) {
    case 'factor-begin': {
      const pending = begun(change);
      return pending && { ...(secondFactor && { secondFactor }), ...(wrongCodes && { wrongCodes }), pendingFactor: pending };
    }
    case 'factor-on': {
      const { step, recovery } = change as unknown as { readonly step: number; readonly recovery?: readonly string[] };
      return pendingFactor ? { secondFactor: { ...pendingFactor, step, recovery: recovery ?? [] } } : {};
    }
    case 'factor-mode':
      return secondFactor && isMode(change['mode']) ? { ...user, secondFactor: { ...secondFactor, mode: change['mode'] } } : user;
    case 'factor-off':
      return {};
    case 'factor-used':
      return secondFactor ? { secondFactor: used(secondFactor, change) } : {};
    case 'factor-wrong':
      return { ...user, wrongCodes: { count: (wrongCodes?.count ?? 0) + 1, last: change.at } };
    default:
      return undefined;
  }
}
