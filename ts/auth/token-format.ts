import { base32 } from '../lib/bytes.js';
import type { Random } from '../lib/clock.js';
import { nameHash } from '../storage/key.js';
import { hmac, type Keys, sameBytes } from './secret.js';

/**
 * `ent_<user id>_<secret><checksum>`: 32 characters of base 32 for the user, 32 (160 random bits) for the secret, 8 for a keyed checksum. The id finds the
 * user's log; the checksum refuses junk without a storage call (design §5).
 */
const SHAPE = /^ent_([a-z2-7]{32})_[a-z2-7]{32}([a-z2-7]{8})$/;
const CHECKSUM = 8;

/** User names: 1 to 100 characters of ASCII. Letters are the same in both cases. */
const USER_NAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$/;
export const USER_ID: RegExp = /^[a-z2-7]{32}$/;

/** The one spelling of a user's name (lower case); undefined when it cannot be one. */
export const userName = (text: string): string | undefined => (USER_NAME.test(text) ? text.toLowerCase() : undefined);

/** What stands for a user everywhere: in keys, entries and owner lists. `name` must have been through `userName`. */
export const userIdOf = (name: string): string => nameHash(name);

const checksum = (keys: Keys, body: string): string => base32(hmac(keys.checksum, body)).slice(0, CHECKSUM);

export function newToken(keys: Keys, userId: string, random: Random): string {
  const body = `ent_${userId}_${base32(random.bytes(20))}`;
  return body + checksum(keys, body);
}

/** The user that a token speaks of; undefined when no registry with this secret has made it. No storage is asked. */
export function tokenUser(keys: Keys, token: string): string | undefined {
  const match = SHAPE.exec(token);
  if (!match) return undefined;
  const expected = checksum(keys, token.slice(0, -CHECKSUM));
  return sameBytes(Buffer.from(expected), Buffer.from(match[2] as string)) ? match[1] : undefined;
}

/** Looks like a token of ours, made with whatever secret. */
export const looksLikeToken = (text: string): boolean => /^ent_/i.test(text);

export interface TokenDigest {
  /** Names the token in lists and logs: part of the digest, nothing of the token. */
  readonly id: string;
  /** Keyed, so that a copy of the storage says nothing even about a token that somebody chose. Base64url. */
  readonly hash: string;
}

export function digestToken(keys: Keys, token: string): TokenDigest {
  const digest = hmac(keys.token, token);
  return { id: base32(digest.subarray(0, 10)), hash: digest.subarray(10).toString('base64url') };
}
