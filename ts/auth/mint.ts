import { forbidden, invalid } from '../errors/registry-error.js';
import { isCidr, rangesWithin } from './cidr.js';
import type { IAuthToken } from './provider.js';
import { ADMIN_SCOPES, intersectScopes, MAX_SCOPES, ORDINARY_SCOPES, parseScope } from './scope.js';
import type { LoginGrant, UserRecord } from './user-state.js';

/** What somebody asks a new token to be. Omitted: the user's own defaults. */
export interface NewToken {
  readonly name?: string;
  readonly scopes?: readonly string[];
  readonly readonly?: boolean;
  readonly cidr?: readonly string[];
  /** Seconds from now. */
  readonly ttl?: number;
  readonly protocol?: string;
  /** For machines: see `TokenRecord.automation`. */
  readonly automation?: boolean;
  /** It may turn out to open nothing: sessions that only say who somebody is. */
  readonly empty?: boolean;
}

/** A token's limits, all settled. `expires`: milliseconds since the epoch. */
export interface Limits extends LoginGrant {
  readonly scopes: readonly string[];
  readonly readonly: boolean;
  readonly protocol?: string;
  readonly automation?: true;
}

const LONGEST_TTL = 10 * 366 * 86_400;
const MAX_RANGES = 32;

/** The most that a token of this user may open, now. */
export const ceiling = (user: Pick<UserRecord, 'admin'>): readonly string[] => (user.admin ? ADMIN_SCOPES : ORDINARY_SCOPES);

function checkAsked({ scopes, cidr, ttl, name, protocol, empty }: NewToken): void {
  if (scopes && ((scopes.length === 0 && !empty) || scopes.length > MAX_SCOPES || !scopes.every((scope) => parseScope(scope)))) {
    throw invalid(`Scopes are 1 to ${MAX_SCOPES} of the form {protocol}:{type}:{name}:{action}`);
  }
  if (cidr && (cidr.length > MAX_RANGES || !cidr.every(isCidr)))
    throw invalid(`At most ${MAX_RANGES} address ranges, in CIDR form`);
  if (ttl !== undefined && !(Number.isSafeInteger(ttl) && ttl > 0 && ttl <= LONGEST_TTL)) {
    throw invalid('The life of a token is a whole number of seconds, at most ten years');
  }
  if (name !== undefined && (name.length > 200 || /\p{Cc}/u.test(name)))
    throw invalid('The name of a token has at most 200 characters');
  if (protocol !== undefined && !/^[a-z][a-z0-9-]{0,59}$/.test(protocol)) throw invalid('Unknown protocol');
}

function cidrWithin(asked: readonly string[] | undefined, held: readonly string[] | undefined): readonly string[] | undefined {
  if (!held || held.length === 0) return asked && asked.length > 0 ? asked : undefined;
  if (!asked || asked.length === 0) return held;
  const both = rangesWithin(asked, held);
  if (both.length === 0) throw forbidden('The presented token may not be used from these addresses');
  return both;
}

/**
 * What a new token may be: what was asked, within what the user may do and within the token it is asked with (`presented`; absent when the user gave a
 * password). Never later, wider or more than that token. Throws `invalid` for nonsense and `forbidden` when nothing is left.
 */
export function limitsOf(
  asked: NewToken,
  user: Pick<UserRecord, 'admin'>,
  presented: IAuthToken | undefined,
  now: number,
): Limits {
  checkAsked(asked);
  const mine = ceiling(user);
  const held = presented ? intersectScopes(presented.scopes, mine) : mine;
  const scopes = asked.scopes ? intersectScopes(asked.scopes, held) : held;
  if (scopes.length === 0 && !asked.empty) throw forbidden('Nothing of what was asked for may be granted');
  if (scopes.length > 4 * MAX_SCOPES) throw invalid('Too many scopes');
  if (presented?.protocol !== undefined && asked.protocol !== undefined && asked.protocol !== presented.protocol) {
    throw forbidden('The presented token is for another protocol');
  }
  const protocol = presented?.protocol ?? asked.protocol;
  const cidr = cidrWithin(asked.cidr, presented?.cidr);
  const ends = [asked.ttl === undefined ? undefined : now + asked.ttl * 1_000, presented?.expiresAt].filter(
    (end) => end !== undefined,
  );
  return {
    scopes,
    readonly: asked.readonly === true || presented?.readonly === true,
    ...(asked.automation ? { automation: true } : {}),
    ...(protocol === undefined ? {} : { protocol }),
    ...(cidr === undefined ? {} : { cidr }),
    ...(ends.length === 0 ? {} : { expires: Math.min(...ends) }),
    ...(presented?.tokenId === undefined ? {} : { parent: presented.tokenId }),
  };
}
