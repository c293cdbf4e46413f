import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { ConfigError } from '../errors/config-error.js';
import { utf8 } from '../lib/bytes.js';
import { type Random, systemRuntime } from '../lib/clock.js';

/** Everything that is derived from the operator's one secret. Another secret makes all tokens, sessions and wrapped keys void. */
export interface Keys {
  /** HS256 key of the registry's own JWTs. */
  readonly jwt: KeyObject;
  /** Checksum at the end of tokens. */
  readonly checksum: KeyObject;
  /** Hash under which tokens are stored. */
  readonly token: KeyObject;
  /** Signs web login sessions. */
  readonly login: KeyObject;
  /** Wraps private keys in `keys/`. */
  readonly wrapping: KeyObject;
}

const MINIMUM = 32;
const KNOWN =
  /changeme|changethis|replaceme|replacethis|your(?:own|super|jwt|very|app)?secret|supersecret|jwtsecretkey|defaultsecret|placeholder|insecuresecret|notasecret|0123456789abcdef0123|01234567890123456789|abcdefghijklmnopqrst/;

/** True when `value` is one short piece over and over again. */
function repeats(value: string): boolean {
  for (let period = 1; period <= Math.min(16, value.length / 2); period++) {
    if (value.slice(period) === value.slice(0, -period)) return true;
  }
  return false;
}

/** Why this cannot be the operator's secret; undefined when it can. Never repeats the secret itself. */
export function secretProblem(secret: string | Uint8Array): string | undefined {
  const bytes = typeof secret === 'string' ? utf8(secret) : secret;
  const latin = Buffer.from(bytes).toString('latin1');
  if (typeof secret === 'string' && /^\s|\s$/.test(secret)) return 'must not begin or end with white space';
  if (latin.replace(/\s/g, '').length < MINIMUM) return `must have at least ${MINIMUM} bytes, white space not counted`;
  if (new Set(latin).size < 8 || repeats(latin)) return 'must be random, not repeated characters';
  if (KNOWN.test(latin.toLowerCase().replace(/[^a-z0-9]/g, ''))) return 'must be random, not a well-known example';
  return undefined;
}

/** Throws a ConfigError (at `path`) for a secret that is short, blank, repeated or a known example. */
export function deriveKeys(secret: string | Uint8Array, path = 'secret'): Keys {
  const problem = secretProblem(secret);
  if (problem) throw new ConfigError([{ path, message: problem }]);
  const key = (purpose: string): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, 'entrepot', `entrepot/${purpose}/1`, 32)));
  return {
    jwt: key('jwt'),
    checksum: key('token-checksum'),
    token: key('token-hash'),
    login: key('login'),
    wrapping: key('wrapping'),
  };
}

/** HMAC-SHA-256. */
export const hmac = (key: KeyObject | Uint8Array, data: string | Uint8Array): Buffer =>
  createHmac('sha256', key).update(data).digest();

/** Compares in a time that depends on the lengths alone. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}

/** A private key at rest: AES-256-GCM, base64url fields. The purpose is authenticated with it. */
export interface WrappedKey {
  readonly v: 1;
  readonly alg: 'A256GCM';
  readonly iv: string;
  readonly data: string;
  readonly tag: string;
}

const aad = (purpose: string): Buffer => Buffer.from(`entrepot/wrap/1:${purpose}`);

/** For the body of a file below `keys/<purpose>/`. */
export function wrapKey(keys: Keys, purpose: string, plain: Uint8Array, random: Random = systemRuntime.random): WrappedKey {
  const iv = random.bytes(12);
  const cipher = createCipheriv('aes-256-gcm', keys.wrapping, iv).setAAD(aad(purpose));
  const data = Buffer.concat([cipher.update(plain), cipher.final()]);
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
  return { v: 1, alg: 'A256GCM', iv: text(iv), data: text(data), tag: text(cipher.getAuthTag()) };
}

/** Undefined: damaged, of another purpose, or wrapped under another secret. */
export function unwrapKey(keys: Keys, purpose: string, wrapped: WrappedKey): Uint8Array | undefined {
  const [iv, data, tag] = [wrapped.iv, wrapped.data, wrapped.tag].map((part) => Buffer.from(String(part), 'base64url'));
  if (wrapped.v !== 1 || wrapped.alg !== 'A256GCM' || iv?.byteLength !== 12 || tag?.byteLength !== 16 || !data) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', keys.wrapping, iv, { authTagLength: 16 }).setAAD(aad(purpose)).setAuthTag(tag);
  try {
    return new Uint8Array(Buffer.concat([decipher.update(data), decipher.final()]));
  } catch {
    return undefined;
  }
}
