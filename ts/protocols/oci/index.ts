import type { Accounts } from '../../auth/accounts.js';
import type { ProtocolInstance } from '../../http/plugin.js';
import type { Runtime } from '../../lib/clock.js';
import { UploadSessions } from '../../packages/upload-session.js';
import type { StorageDriver } from '../../storage/driver.js';
import { Blobs } from './blobs.js';
import { Catalog } from './catalog.js';
import { ociErrors } from './errors.js';
import { ManifestChanges } from './publish.js';
import { Manifests, Reads } from './read.js';
import { Referrers } from './referrers.js';
import { ociRoutes } from './routes.js';
import { rulesOf } from './rules.js';
import { type TokenParts, Tokens } from './tokens.js';
import { Uploads } from './uploads.js';

/** What a container registry needs from the house, and nothing else. */
export interface OciOptions {
  /** The repository's name, which is also its id. */
  readonly repository: string;
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  readonly accounts: Accounts;
  readonly manager: TokenParts['manager'];
  readonly features: Readonly<Record<string, boolean>>;
  /** Bytes for manifests in memory. */
  readonly cacheBytes: number;
  /** What challenges say; default: the host that was asked. */
  readonly realm?: string | undefined;
  readonly service?: string | undefined;
  readonly onFault: (error: unknown, where: string) => void;
}

/** One container registry: its routes and its voice. The packages it is given have `ociSchema`. */
export function oci(options: OciOptions): ProtocolInstance {
  const { repository, driver, runtime, accounts, manager, features, cacheBytes, realm, service, onFault } = options;
  const rules = rulesOf(features);
  const manifests = new Manifests(cacheBytes);
  return {
    protocol: 'oci',
    resourceType: 'repository',
    commonMount: '/v2',
    errors: ociErrors({ realm, service }),
    routes: ociRoutes({
      blobs: new Blobs(rules, runtime.clock),
      uploads: new Uploads(new UploadSessions({ repository, driver, runtime, onFault }), rules),
      changes: new ManifestChanges(rules),
      reads: new Reads(manifests),
      referrers: new Referrers(manifests),
      catalog: new Catalog(repository),
      tokens: new Tokens({ manager, accounts, repository, clock: runtime.clock }),
    }),
  };
}
