import { RegistryError } from '../errors/registry-error.js';
import type { LoginSessions } from './login-sessions.js';
import type { NewToken } from './mint.js';
import type { Principal } from './principal.js';
import type { IUserProfile } from './provider.js';
import type { MadeToken } from './user-directory.js';
import type { TokenInfo } from './user-state.js';

export interface LoginOptions {
  readonly protocol: string;
  readonly email?: string;
  readonly readonly?: boolean;
}

export interface TokenRequest extends NewToken {
  /** The user's password, where the client asks for it again: the token is then independent of the presented one. */
  readonly password?: string;
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
  /** Throws `forbidden` when `old` is not the current password. */
  setPassword(principal: Principal, old: string, next: string): Promise<void>;
  setEmail(principal: Principal, email: string | undefined): Promise<void>;
  /** Undefined: not offered. */
  readonly loginSessions: LoginSessions | undefined;
  /** Approves a web login with a name and password, or with a token as `password`. Throws like `login` and `LoginSessions.approve`. */
  approveLogin(login: string, protocol: string, name: string, password: string): Promise<void>;
}

/** This registry's provider does not do that: a 404, on which clients fall back or tell the user. */
export const notOffered = (what: string): RegistryError =>
  new RegistryError('not_found', `${what} is not offered by this registry`, { code: 'not_offered' });
