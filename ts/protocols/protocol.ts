import type { Accounts } from '../auth/accounts.js';
import type { AuthManager } from '../auth/auth-manager.js';
import type { Keys } from '../auth/secret.js';
import type { TrustedPublishers } from '../auth/trusted-publishers.js';
import type { ProtocolInstance } from '../http/plugin.js';
import type { Runtime } from '../lib/clock.js';
import type { LogSchema, NewChange } from '../log/schema.js';
import type { Space } from '../log/space.js';
import type { Inventory } from '../packages/inventory.js';
import type { HookFile, Ruled, StoredFile } from '../packages/package-handle.js';
import type { UpstreamDocuments, UpstreamFormat } from '../packages/upstream-format.js';
import type { StorageDriver } from '../storage/driver.js';

/** What the house lends to one repository of a protocol. */
export interface ProtocolContext {
  /** The repository's name, which is also its id. */
  readonly repository: string;
  /** For signing keys below `keys/`, and for uploads in pieces. */
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  readonly keys: Keys;
  /** Users, logins and tokens, as far as the auth provider offers them. */
  readonly accounts: Accounts;
  /** Mints sessions, for protocols that exchange credentials for them. */
  readonly manager: Pick<AuthManager, 'exchange' | 'identify'>;
  /** Builds that publish without a stored token; undefined: none are configured. */
  readonly trustedPublishers?: TrustedPublishers | undefined;
  /** Of its upstreams, what is about no package; undefined: it has none. */
  readonly upstreams?: UpstreamDocuments | undefined;
  /** What challenges of a token service say of it; absent: taken from the request. */
  readonly realm?: string | undefined;
  readonly service?: string | undefined;
  /** False: its token service is switched off. */
  readonly sessions?: boolean | undefined;
  readonly features: Readonly<Record<string, boolean>>;
  /** Bytes for rendered documents in memory. */
  readonly cacheBytes: number;
  onFault(error: unknown, where: string): void;
}

/** Names of switches. A misspelled one would protect nothing, and nobody would hear of it. */
export interface Features {
  readonly names: readonly string[];
  /** Names that begin so go on with a text of the operator's own; `wrong` says what is wrong with one. */
  readonly open?: { readonly prefix: string; wrong(rest: string): string | undefined };
}

/** What a protocol is given to let go of what its packages no longer need. */
export interface TidyWork<S extends Ruled> {
  readonly driver: StorageDriver;
  readonly space: Space<S>;
  readonly features: Readonly<Record<string, boolean>>;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onCondemned?: (key: string) => void;
  readonly onFault: (fault: { readonly where: string; readonly error: unknown }) => void;
}

/** The life cycle of a package where the protocol's own clients lack a verb for it: what the management surface needs to know. All functions are pure. */
export interface LifeCycle<S extends Ruled> {
  /** The identity string behind a name as people write it; throws `invalid`. */
  identity(name: string): string;
  /** The canonical form of a version; throws `invalid`. */
  version(text: string): string;
  /** Every name that `has` knows. Nothing: the package is not there. */
  units(state: S): Iterable<string>;
  /** Whether this version is there. */
  has(state: S, version: string): boolean;
  /**
   * At most `limit` versions, the newest before `before` (default: of all), in the order in which they were published; undefined: `before` is none of them.
   * Nothing is made of older ones: there may be very many.
   */
  newest(state: S, limit: number, before: string | undefined): VersionPage | undefined;
  /** Changes that take these versions away, tags moved on as the protocol wants it. */
  remove(state: S, versions: readonly string[], by: string, purge: boolean): readonly NewChange[];
  /** Why the repository's rules keep these versions, whoever asks; undefined: they may go. Absent: there are no such rules. */
  keeps?(state: S, versions: readonly string[], features: Readonly<Record<string, boolean>>): string | undefined;
  /** Files that belong to these versions, for storage hooks. */
  files(state: S, versions: readonly string[]): readonly HookFile[];
  /** False: a version is there or deleted, and nothing in between. Absent: it can be yanked. */
  readonly yanks?: false;
  /** What people read about a package. Absent: the protocol's packages say nothing about themselves. */
  about?(state: S): About;
}

/** In the words of whoever published it, and no more to be trusted than they are. Each field is bounded. */
export interface About {
  readonly description?: string;
  readonly homepage?: string;
  readonly repository?: string;
  readonly license?: string;
  readonly author?: string;
  readonly keywords?: readonly string[];
  /** Markdown or plain text; a stored file where it is too long for the state. */
  readonly readme?: string | StoredFile;
}

export interface VersionPage {
  readonly versions: readonly VersionSummary[];
  /** There are older ones. */
  readonly more: boolean;
  /** How many there are in all. */
  readonly total: number;
}

export interface VersionSummary {
  readonly version: string;
  readonly status: string;
  readonly reason: string | undefined;
  /** Milliseconds since the epoch. */
  readonly publishedAt: number;
  readonly publishedBy: string;
  /** Bytes of all its files. */
  readonly size: number;
  readonly tags: readonly string[];
}

/** One protocol, as the table in `index.ts` names it. */
export interface Protocol<S extends Ruled> {
  readonly name: string;
  /** What an operator may switch for one repository (`features`). Absent: nothing. */
  readonly features?: Features;
  /** What a package is called in scopes: `package`, `repository`, `crate`, … */
  readonly resourceType: string;
  readonly schema: LogSchema<S>;
  lifeCycle(): Promise<LifeCycle<S>>;
  /** Which objects a state speaks of. */
  readonly inventory: Inventory<S>;
  /** One line for a shell that points the stock client at a repository. `$ENTREPOT_TOKEN` holds the token. `baseUrl` has no slash at its end. */
  setUp(baseUrl: string): string;
  create(context: ProtocolContext): ProtocolInstance;
  /** How registries of this kind are asked for what is not here. Absent: packages of other registries cannot be served. */
  upstream?(): Promise<UpstreamFormat<S>>;
  /** Runs before orphans are collected: commits that things are no longer wanted, so that their bytes become orphans. */
  tidy?(work: TidyWork<S>): Promise<void>;
}
