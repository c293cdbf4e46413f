import type { Accounts } from '../auth/accounts.js';
import type { Keys } from '../auth/secret.js';
import type { ProtocolInstance } from '../http/plugin.js';
import type { Runtime } from '../lib/clock.js';
import type { LogSchema, NewChange } from '../log/schema.js';
import type { Inventory } from '../packages/inventory.js';
import type { HookFile, Ruled } from '../packages/package-handle.js';
import type { StorageDriver } from '../storage/driver.js';

/** What the house lends to one repository of a protocol. */
export interface ProtocolContext {
  /** For signing keys below `keys/`. */
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  readonly keys: Keys;
  /** Users, logins and tokens, as far as the auth provider offers them. */
  readonly accounts: Accounts;
  readonly features: Readonly<Record<string, boolean>>;
  /** Bytes for rendered documents in memory. */
  readonly cacheBytes: number;
}

/** The life cycle of a package where the protocol's own clients lack a verb for it: what the management surface needs to know. All functions are pure. */
export interface LifeCycle<S extends Ruled> {
  /** The identity string behind a name as people write it; throws `invalid`. */
  identity(name: string): string;
  /** The canonical form of a version; throws `invalid`. */
  version(text: string): string;
  /** Versions that are there, in the order in which they were published. */
  versions(state: S): readonly VersionSummary[];
  /** Changes that take these versions away, tags moved on as the protocol wants it. */
  remove(state: S, versions: readonly string[], by: string, purge: boolean): readonly NewChange[];
  /** Files that belong to these versions, for storage hooks. */
  files(state: S, versions: readonly string[]): readonly HookFile[];
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
  /** What a package is called in scopes: `package`, `repository`, `crate`, … */
  readonly resourceType: string;
  readonly schema: LogSchema<S>;
  readonly lifeCycle: LifeCycle<S>;
  /** Which objects a state speaks of. */
  readonly inventory: Inventory<S>;
  /** One line for a shell that points the stock client at a repository. `$ENTREPOT_TOKEN` holds the token. `baseUrl` has no slash at its end. */
  setUp(baseUrl: string): string;
  create(context: ProtocolContext): ProtocolInstance;
}
