import type { Gate, Principal } from '../auth/principal.js';
import type { OneTimePasswords } from './plugin.js';
import type { HeaderBag } from './route.js';

export interface Asking {
  readonly gate: Gate;
  readonly principal: Principal | undefined;
  readonly headers: HeaderBag;
  readonly baseUrl: string;
  readonly passwords: OneTimePasswords | undefined;
}

/**
 * A question for the request's one-time password, asked at most once however often it is needed, because a code is used up. Undefined where nobody could
 * answer it.
 */
export function askOnce({ gate, principal, headers, baseUrl, passwords }: Asking): (() => Promise<void>) | undefined {
  if (!principal || !passwords) return undefined;
  let asked: Promise<void> | undefined;
  const ask = async (): Promise<void> => {
    const code = headers.get(passwords.header);
    if (code !== undefined && code !== '' && (await gate.confirm?.(principal, code)) === true) return;
    throw await passwords.challenge({ userId: principal.userId, headers, baseUrl });
  };
  return () => {
    asked ??= ask();
    return asked;
  };
}
