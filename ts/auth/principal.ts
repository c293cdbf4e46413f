import type { IAuthToken } from './provider.js';

/** What a request wants to do to a package. `create`: add what was not there; `overwrite`: change what is there; `admin`: owners, visibility. */
export type Action = 'read' | 'create' | 'overwrite' | 'delete' | 'admin';

export const ACTIONS: readonly Action[] = ['read', 'create', 'overwrite', 'delete', 'admin'];

/** One thing in a registry, as scopes name it. `repository` is the repository's name, `protocol` its protocol: a scope may give either first. */
export interface Resource {
  readonly repository: string;
  readonly protocol: string;
  /** `package`, `repository`, `crate`, `gem`, `artifact`. */
  readonly type: string;
  readonly name: string;
}

/** A caller who has proved who they are. */
export interface Principal {
  readonly userId: string;
  readonly readonly: boolean;
  readonly tokenId: string | undefined;
  /** What the provider said; handed back to it in `authorize`. */
  readonly token: IAuthToken;
}

/** What an organisation gives one of its members, or somebody else (`none`), on one package; each includes those before it. */
export type Rights = 'none' | 'read' | 'write' | 'admin';

export interface OrganisationRights {
  rightsOf(userId: string, resource: Pick<Resource, 'repository' | 'name'>): Rights;
}

/** The questions that the pipeline asks. `AuthManager` answers them; a provider that throws, hangs or lies means no. */
export interface Gate {
  /**
   * Who sent these headers? Undefined: no credentials. Throws `RegistryError('unauthenticated')` when there are credentials and they are no good.
   * Understands Bearer, Basic (token as password, or user and password), and bare tokens.
   */
  identify(headers: { get(name: string): string | undefined }, context: IdentifyContext): Promise<Principal | undefined>;
  /** May they? Anonymous is `undefined`. Does not know owners or visibility: those are the package's. */
  allows(principal: Principal | undefined, resource: Resource, action: Action): Promise<boolean>;
  /** The same caller with the most that another session of theirs could open; undefined: this is no session. */
  wider?(principal: Principal): Principal | undefined;
  /** True: `allows` would say yes to every name of this kind. False or absent: not known without asking about each. */
  allowsEvery?(principal: Principal | undefined, resource: Omit<Resource, 'name'>, action: Action): boolean;
  /** True: a one-time password of this caller, which is used up now. Throws `rate_limited` after too many wrong ones. Absent: nobody has any. */
  confirm?(principal: Principal, code: string): Promise<boolean>;
  /** The organisation that has this scope, as of now; undefined: none has it. */
  organisation?(name: string): Promise<OrganisationRights | undefined>;
  /** True when owners of an existing package are the only ones (beside admins) who may change it. */
  readonly enforceOwners: boolean;
}

export interface IdentifyContext {
  readonly protocol: string;
  readonly repository: string;
  /** Peer address, already resolved through trusted proxies; undefined when unknown. */
  readonly address: string | undefined;
  readonly signal: AbortSignal;
}
