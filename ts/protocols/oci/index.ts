import type { Accounts } from '../../auth/accounts.js';
import type { ProtocolInstance } from '../../http/plugin.js';
import type { Runtime } from '../../lib/clock.js';
import { later } from '../../lib/later.js';
import type { StorageDriver } from '../../storage/driver.js';
import { ociErrors } from './errors.js';
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
  const blobs = later(async () => new (await import('./blobs.js')).Blobs(rules, runtime.clock));
  const manifests = later(async () => new (await import('./read.js')).Manifests(cacheBytes));
  const reads = later(async () => new (await import('./read.js')).Reads(await manifests.load()));
  const changes = later(async () => new (await import('./publish.js')).ManifestChanges(rules));
  const referrers = later(async () => new (await import('./referrers.js')).Referrers(await manifests.load()));
  const catalog = later(async () => new (await import('./catalog.js')).Catalog(repository));
  const extensions = later(() => import('./extensions.js'));
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
    putOff: [tokens, blobs, reads, uploads, changes, referrers, catalog, extensions],
    errors: ociErrors({ realm, service, sessions: options.sessions }),
    routes: ociRoutes({
      blobs: blobs.methods,
      uploads: uploads.methods,
      changes: changes.methods,
      reads: reads.methods,
      referrers: referrers.methods,
      catalog: catalog.methods,
      extensions: extensions.methods,
      tokens: tokens.methods,
    }),
  };
}
