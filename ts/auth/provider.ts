export interface IAuthCredentials {
  readonly username: string;
  readonly password: string;
}

/** What a valid token says. Scopes: `{protocol}:{type}:{name}:{action}`, see `scope.ts`. */
export interface IAuthToken {
  readonly userId: string;
  readonly scopes: readonly string[];
  /** True: no change of any kind is allowed with it. */
  readonly readonly?: boolean;
  /** Names the token in lists and audit; never the token itself. */
  readonly tokenId?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  /** Protocol that the token is for; absent: all. */
  readonly protocol?: string;
  /** Client addresses (CIDR) it may be used from; absent: any. */
  readonly cidr?: readonly string[];
  /**
   * Of a session: what the credentials open that it was made with, which is the most that another session could. Protocols whose clients can fetch a larger
   * one say so to a caller who lacks a right; absent: what it opens is all there is.
   */
  readonly ceiling?: readonly string[];
  /** Of a session: lists of names show what `ceiling` reads, whatever else the session opens. */
  readonly lists?: boolean;
  /** The user has a second factor, asked for at logins only or also with every change. What a code is worth, `confirm` says. Absent: none. */
  readonly secondFactor?: 'logins' | 'changes';
  /** Nobody is there to type a code: a token made for machines, or a build that has proved which one it is. Absent: a person's. */
  readonly unattended?: 'token' | 'workload';
}

export interface ITokenOptions {
  readonly scopes?: readonly string[];
  readonly readonly?: boolean;
  /** Seconds. */
  readonly ttl?: number;
  readonly name?: string;
  readonly cidr?: readonly string[];
  /** For a build that has proved which one it is (`createSession`). */
  readonly workload?: boolean;
  /** The session is to show names in lists (`IAuthToken.lists`). */
  readonly lists?: boolean;
  /** The token that asks for this one: what is made is never more, nor lives longer, and dies with it. */
  readonly presented?: IAuthToken;
}

export interface IUserProfile {
  readonly name: string;
  readonly email?: string;
}

/** What `{protocol}:{type}:{name}` does not say. */
export interface IAuthorizeContext {
  /** Name of the repository that is asked: several may speak one protocol. */
  readonly repository: string;
}

/** Users write this for LDAP, OAuth, SSO. Whatever throws, hangs past the deadline or answers something else than its type means: deny. */
export interface IAuthProvider {
  init?(): Promise<void>;
  authenticate(credentials: IAuthCredentials): Promise<string | null>;
  validateToken(token: string, protocol?: string): Promise<IAuthToken | null>;
  createToken(userId: string, protocol: string, options?: ITokenOptions): Promise<string>;
  revokeToken(token: string): Promise<void>;
  /** `resource` is `{protocol}:{type}:{name}`, `action` one of read, create, overwrite, delete, admin. A null token is the anonymous caller. */
  authorize(token: IAuthToken | null, resource: string, action: string, context?: IAuthorizeContext): Promise<boolean>;
  /**
   * True: `authorize` would allow the action on every name of `resource`, which is `{protocol}:{type}` here; lists are then filtered without asking name
   * by name. False, absent or anything else: each name is asked about.
   */
  authorizeEvery?(token: IAuthToken | null, resource: string, action: string, context?: IAuthorizeContext): boolean;
  /** True: the owner rule applies on top of `authorize`. The default provider sets it. */
  readonly enforceOwners?: boolean;
  /** A user's public name; default: the id itself. */
  profile?(userId: string): Promise<IUserProfile | null>;
  /** The id that belongs to a public name; default: the name itself. */
  findUser?(name: string): Promise<string | null>;
  /** What a caller who gave a password may do; default: read and write everything, administer nothing (`authorize` still has the last word). */
  defaultScopes?(userId: string): Promise<readonly string[] | null>;
  /** A short-lived token (seconds) that need not be stored: `docker login`'s. Default: `createToken` with that `ttl`. */
  createSession?(userId: string, protocol: string, options: ITokenOptions & { readonly ttl: number }): Promise<string>;
  /**
   * True: `code` is a one-time password of the token's user, and was not used before. Without this method nobody has a second factor, and what needs a code
   * is refused.
   */
  confirm?(token: IAuthToken, code: string): Promise<boolean>;
  /** Stops what goes on behind answers. */
  close?(): Promise<void>;
}
