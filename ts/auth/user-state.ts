import type { Organisation } from './organisation-state.js';
import type { PasswordRecord } from './passwords.js';
import type { FactorFields } from './second-factor-state.js';

/** A token as it is stored: never the token itself. Times are milliseconds since the epoch. */
export interface TokenRecord {
  readonly id: string;
  /** Rest of the keyed digest, base64url. */
  readonly hash: string;
  /** What the user calls it; may be empty. */
  readonly name: string;
  readonly scopes: readonly string[];
  readonly readonly: boolean;
  readonly cidr?: readonly string[];
  readonly protocol?: string;
  readonly created: number;
  readonly expires?: number;
  /** At most hourly, behind the answer, best effort. */
  readonly lastUsed?: number;
  /** The token that this one was made with; it dies with it. */
  readonly parent?: string;
  /** Given by the operator's configuration. */
  readonly operator?: true;
  /** For machines: changes of packages need no one-time password, changes of the account do. */
  readonly automation?: true;
}

export interface UserRecord extends FactorFields {
  /** `userIdOf(name)`. */
  readonly id: string;
  /** Empty after the person was erased. */
  readonly name: string;
  readonly email?: string;
  readonly admin: boolean;
  readonly disabled: boolean;
  readonly created: number;
  readonly password?: PasswordRecord;
  /** By token id, oldest first. */
  readonly tokens: ReadonlyMap<string, TokenRecord>;
  /** Revoked JWTs that have not expired yet: jti to expiry. */
  readonly revoked: ReadonlyMap<string, number>;
  /** JWTs issued up to this time are void. */
  readonly sessionsFrom: number;
}

/** What a person at the browser has approved, and whether the client has fetched it. */
export interface LoginRecord {
  readonly user: string;
  readonly expires: number;
  readonly claimed: boolean;
  readonly grant: LoginGrant;
}

/** Limits of the token that a login will get; absent fields are the user's own defaults. */
export interface LoginGrant {
  readonly scopes?: readonly string[];
  readonly readonly?: boolean;
  readonly cidr?: readonly string[];
  readonly expires?: number;
  readonly parent?: string;
}

/** State of one log of `~users`: a user's, an organisation's, or a web login's. */
export interface UserState {
  readonly identity: string;
  readonly user: UserRecord | undefined;
  readonly login: LoginRecord | undefined;
  readonly organisation?: Organisation;
}

/** A token as lists show it. */
export type TokenInfo = Omit<TokenRecord, 'hash'>;

export function tokenInfo({ hash: _hash, ...info }: TokenRecord): TokenInfo {
  return info;
}

export const isLive = (token: TokenRecord, now: number): boolean => token.expires === undefined || token.expires > now;
