import type { Action, Resource } from '../auth/principal.js';
import type { RegistryError } from '../errors/registry-error.js';
import type { Later } from '../lib/later.js';
import type { HeaderBag, Route } from './route.js';

/** What a refused request wanted, for challenges that name it, in the client's own words. */
export interface WantedAccess extends Resource {
  /** A list of names, not any one of them. */
  readonly list?: true;
  /** Any of these would have opened the door. */
  readonly actions: readonly Action[];
}

/** A protocol's voice for errors: the same failure, in its own wire format. */
export interface ErrorFormat {
  readonly mediaType: string;
  body(error: RegistryError, status: number): string;
  /** Value of WWW-Authenticate for a 401. `error` is what it is about: codes such as `ipaddress` may want words of their own. */
  challenge(baseUrl: string, wanted: readonly WantedAccess[], error?: RegistryError): string;
  /** Its clients print the reason phrase and the body's text one behind the other: the phrase is HTTP's own. Absent: it is the text, which others show alone. */
  readonly plainReason?: true;
  /** Where a protocol departs from HTTP_STATUS. */
  status?(error: RegistryError): number | undefined;
  /**
   * The 404 for a package that does not exist, and for one whose existence this caller must not learn: the pipeline puts it in the place of whatever
   * 404 a reading handler throws for an absent package, so that the two cannot be told apart. `name`: as the caller writes it. Default: `package not found`.
   */
  absent?(name: string): RegistryError;
  /**
   * What the holder of a session hears who lacks a right that another session of theirs would have: `unauthenticated` with code `insufficient_scope`,
   * whose challenge names what to ask for. Default: what everybody hears who may not.
   */
  readonly narrowDenied?: 'unauthenticated';
  /**
   * What anonymous callers hear, in a repository that is open to them, of a package that they may not read, and of an absent one.
   * `unauthenticated` makes clients ask for credentials. Default: `not_found`.
   */
  readonly anonymousDenied?: 'not_found' | 'unauthenticated';
}

/** How the clients of a protocol bring a one-time password. */
export interface OneTimePasswords {
  /** Header that holds one. */
  readonly header: string;
  /** The refusal that asks for one: none came, or a wrong one. `unauthenticated`, with the code `otp`. */
  challenge(about: { readonly userId: string; readonly headers: HeaderBag; readonly baseUrl: string }): Promise<RegistryError>;
}

/** One repository as the pipeline sees it: a table of routes and a voice. */
export interface ProtocolInstance {
  /** `npm`, `oci`, … */
  readonly protocol: string;
  /** What a package is called in scopes: `package`, `repository`, `crate`, … */
  readonly resourceType: string;
  /** Absent: its clients cannot bring one. */
  readonly oneTimePasswords?: OneTimePasswords;
  /** The organisation that has a package's scope; undefined: the name has none. Absent: the protocol knows no scopes. */
  organisationOf?(name: string): string | undefined;
  readonly routes: readonly Route[];
  /** Handlers that are not loaded yet: by whoever asks first, or behind the start of a server. */
  readonly putOff?: readonly Later<unknown>[];
  readonly errors: ErrorFormat;
  /**
   * Clients can name no mount: all repositories answer below this path at the root of the host as well. The first components of a name are then the
   * mount of the repository that is meant (`/v2/team/app/…` is `app` at `/team`); what names none belongs to the first, whose routes with `root` also
   * answer there for all of them.
   */
  readonly commonMount?: string;
}
