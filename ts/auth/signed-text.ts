import { base32 } from '../lib/bytes.js';
import { hmac, type Keys, sameBytes } from './secret.js';

/** 32 characters of base 32: 160 bits, a user's id or a random text. */
const FIELD = /^[a-z2-7]{32}$/;

const macOf = (keys: Keys, purpose: string, expires: string, fields: readonly string[]): string =>
  base32(hmac(keys.login, [purpose, expires, ...fields].join(':')).subarray(0, 20));

/** `<expiry in base 36>-<fields>-<keyed digest>`, good for one path segment. What it is for is part of the digest. */
export function signText(keys: Keys, purpose: string, expiresAt: number, fields: readonly string[]): string {
  const expires = expiresAt.toString(36);
  return [expires, ...fields, macOf(keys, purpose, expires, fields)].join('-');
}

/** Undefined: not ours, for something else, with another number of fields, or over. */
export function readText(
  keys: Keys,
  purpose: string,
  text: string,
  now: number,
): { readonly fields: readonly string[]; readonly expiresAt: number } | undefined {
  if (text.length > 200) return undefined;
  const [expires = '', ...rest] = text.split('-');
  const mac = rest.pop() ?? '';
  if (!/^[0-9a-z]{1,11}$/.test(expires) || !FIELD.test(mac) || !rest.every((field) => FIELD.test(field))) return undefined;
  if (!sameBytes(Buffer.from(mac), Buffer.from(macOf(keys, purpose, expires, rest)))) return undefined;
  const expiresAt = Number.parseInt(expires, 36);
  return expiresAt > now ? { fields: rest, expiresAt } : undefined;
}
