import { RegistryError } from '../errors/registry-error.js';
import type { Asked } from '../lib/later.js';
import type { ConfirmSessions } from './confirm-sessions.js';
import type { LoginSessions } from './login-sessions.js';
import type { NewToken } from './mint.js';
import type { Organisations } from './organisations.js';
import type { Principal } from './principal.js';
import type { IUserProfile } from './provider.js';
import type { FactorMode } from './second-factor-state.js';
import type { MadeToken } from './user-directory.js';
import type { TokenInfo } from './user-state.js';

export interface LoginOptions {
  readonly protocol: string;
  readonly email?: string;
  readonly readonly?: boolean;
  /** One-time password, of users who have a second factor. */
  readonly code?: string | undefined;
}

/** A user's second factor; `pending`: shown to them, and not in force yet. */
export interface FactorStatus {
  readonly mode: FactorMode;
  readonly pending: boolean;
}

export interface FactorRequest {
  readonly password: string;
  readonly mode: FactorMode | 'disable';
  /** One-time password: needed where a factor is in force. */
  readonly code?: string | undefined;
}

export interface LoginCredentials {
  readonly name: string;
  readonly password: string;
  readonly code?: string | undefined;
}

export interface TokenRequest extends NewToken {
  /** The user's password, where the client asks for it again: the token is then independent of the presented one. */
  readonly password?: string;
  /** One-time password: needed with a password, and for `automation`, by users who have a second factor. */
  readonly code?: string | undefined;
}

/** What protocols offer of accounts (`npm login`, `whoami`, `token`, `profile`). What a provider cannot do throws `notOffered`. */
export interface Accounts {
  whoami(principal: Principal): Promise<IUserProfile>;
  /** Public name and address of a user; undefined when unknown. */
  profile(userId: string): Promise<IUserProfile | undefined>;
  /** The id that belongs to a public name. */
  findUser(name: string): Promise<string | undefined>;
  /** A token for the right password; where users may register themselves, an unknown name becomes a user. Throws `unauthenticated`. */
  login(name: string, password: string, options: LoginOptions): Promise<{ readonly token: string; readonly created: boolean }>;
  createToken(principal: Principal, request: TokenRequest): Promise<MadeToken>;
  /** The caller's own, oldest first. */
  listTokens(principal: Principal): Promise<readonly TokenInfo[]>;
  /** One of the caller's own, by id or as text. Throws `not_found`. Logging out is revoking the token one came with. */
  revokeToken(principal: Principal, idOrToken: string): Promise<void>;
  /** Throws `unauthenticated` when `old` is not the current password. */
  setPassword(principal: Principal, old: string, next: string): Promise<void>;
  setEmail(principal: Principal, email: string | undefined): Promise<void>;
  /** Undefined: the caller has none. */
  secondFactor(principal: Principal): Promise<FactorStatus | undefined>;
  /**
   * Begins a second factor (answers the `otpauth:` URL to show), changes the mode of the one in force, or ends it. Throws `unauthenticated` for a wrong
   * password, with the code `otp` where a one-time password is missing or wrong, `rate_limited` after too many wrong ones.
   */
  changeSecondFactor(principal: Principal, request: FactorRequest): Promise<string | undefined>;
  /** Puts the begun factor in force with its first code; answers the recovery codes, this once. Throws `invalid` for a wrong code. */
  finishSecondFactor(principal: Principal, code: string): Promise<readonly string[]>;
  /** For changes of the account: asks a caller who has a second factor for a one-time password. Throws like `changeSecondFactor`. */
  confirm(principal: Principal, code: string | undefined): Promise<void>;
  /** One-time passwords by browser. Undefined: not offered. */
  readonly confirmSessions: Asked<ConfirmSessions> | undefined;
  /** Undefined: not offered. */
  readonly organisations: Asked<Organisations> | undefined;
  /** Undefined: not offered. */
  readonly loginSessions: Asked<LoginSessions> | undefined;
  /**
   * Approves a web login with a name and password, or with a token as `password`; `code` for who has a second factor. Throws like `login` and
   * `LoginSessions.approve`.
   */
  approveLogin(login: string, protocol: string, credentials: LoginCredentials): Promise<void>;
}

/** A login that failed: what was typed is wrong, not what the client holds. Protocols tell that apart in their challenges by the code. */
export const wrongPassword = (): RegistryError =>
  new RegistryError('unauthenticated', 'The name or the password is not right', { code: 'wrong_password' });

/** The 401 that asks for a one-time password: none was given, or a wrong one. Protocols put it in their own words. */
export const codeNeeded = (): RegistryError =>
  new RegistryError('unauthenticated', 'This operation needs a one-time password', { code: 'otp' });

/** This registry's provider does not do that: a 404, on which clients fall back or tell the user. */
export const notOffered = (what: string): RegistryError =>
  new RegistryError('not_found', `${what} is not offered by this registry`, { code: 'not_offered' });
