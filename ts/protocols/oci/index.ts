import type { Accounts } from '../../auth/accounts.js';
import type { ProtocolInstance } from '../../http/plugin.js';
import type { Runtime } from '../../lib/clock.js';
import { later } from '../../lib/later.js';
import type { StorageDriver } from '../../storage/driver.js';
import { Blobs } from './blobs.js';
import { ociErrors } from './errors.js';
import { Manifests, Reads } from './read.js';
import { ociRoutes } from './routes.js';
import { rulesOf } from './rules.js';
import type { TokenParts } from './tokens.js';

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
  /** False: nobody is given any, and challenges ask for Basic. */
  readonly sessions?: boolean | undefined;
  readonly onFault: (error: unknown, where: string) => void;
}

/** One container registry: its routes and its voice. The packages it is given have `ociSchema`. */
export function oci(options: OciOptions): ProtocolInstance {
  const { repository, driver, runtime, accounts, manager, features, cacheBytes, realm, service, onFault } = options;
  const rules = rulesOf(features);
  const manifests = new Manifests(cacheBytes);
  const changes = later(async () => new (await import('./publish.js')).ManifestChanges(rules));
  const referrers = later(async () => new (await import('./referrers.js')).Referrers(manifests));
  const catalog = later(async () => new (await import('./catalog.js')).Catalog(repository));
  const uploads = later(async () => {
    const [{ Uploads }, { UploadSessions }] = await Promise.all([
      import('./uploads.js'),
      import('../../packages/upload-session.js'),
    ]);
    return new Uploads(new UploadSessions({ repository, driver, runtime, onFault }), rules);
  });
  const tokens = later(async () => {
    const { Tokens } = await import('./tokens.js');
    return new Tokens({ manager, accounts, repository, clock: runtime.clock });
  });
  return {
    protocol: 'oci',
    resourceType: 'repository',
    commonMount: '/v2',
    putOff: [tokens, uploads, changes, referrers, catalog],
    errors: ociErrors({ realm, service, sessions: options.sessions }),
    routes: ociRoutes({
      blobs: new Blobs(rules, runtime.clock),
      uploads: uploads.methods,
      changes: changes.methods,
      reads: new Reads(manifests),
      referrers: referrers.methods,
      catalog: catalog.methods,
      tokens: tokens.methods,
    }),
  };
}
