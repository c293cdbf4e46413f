import type { Accounts } from '../../auth/accounts.js';
import type { TrustedPublishers } from '../../auth/trusted-publishers.js';
import type { ProtocolInstance } from '../../http/plugin.js';
import type { Runtime } from '../../lib/clock.js';
import { later } from '../../lib/later.js';
import type { UpstreamDocuments } from '../../packages/upstream-format.js';
import { npmErrors } from './errors.js';
import { parseName } from './names.js';
import { NpmOneTimePasswords } from './one-time-password.js';
import { npmRoutes } from './routes.js';
import type { Signer } from './signer.js';

/** What npm needs from the house, and nothing else. */
export interface NpmOptions {
  readonly accounts: Accounts;
  /** The repository's name. */
  readonly repository: string;
  readonly runtime: Runtime;
  /** Signs what is published; absent: nothing is signed. */
  readonly signer?: Signer | undefined;
  /** Undefined: there are none. */
  readonly upstreams?: UpstreamDocuments | undefined;
  /** Undefined: none are configured. */
  readonly trustedPublishers?: TrustedPublishers | undefined;
  /** Bytes for rendered documents in memory. */
  readonly cacheBytes: number;
}

/** One npm repository: its routes and its voice. The packages it is given have `npmSchema`. */
export function npm(options: NpmOptions): ProtocolInstance {
  const { accounts, repository, trustedPublishers, upstreams, runtime, signer, cacheBytes } = options;
  const { people } = later(async () => ({ people: (await import('./people.js')).peopleOf(accounts) })).methods;
  const findUser = (name: string): Promise<string | undefined> => accounts.findUser(name);
  const oneTimePasswords = new NpmOneTimePasswords(accounts);
  const reads = later(async () => {
    const [{ PackageReads }, { PackageViews }] = await Promise.all([import('./read.js'), import('./views.js')]);
    const views = new PackageViews({ cacheBytes, people, runtime });
    return new PackageReads({ views, people, organisations: accounts.organisations, repository });
  });
  const puts = later(async () => new (await import('./documents-put.js')).DocumentHandlers({ signer, people, findUser }));
  const changes = later(() => import('./life-cycle.js'));
  const access = later(() => import('./access.js'));
  const search = later(async () => new (await import('./search.js')).SearchHandlers(people, findUser));
  const audit = later(async () => new (await import('./audit.js')).AuditHandlers(signer, upstreams));
  const users = later(async () => new (await import('./account.js')).AccountHandlers(accounts, oneTimePasswords));
  const confirmations = later(async () => new (await import('./confirmation.js')).ConfirmationHandlers(accounts));
  const profiles = later(async () => new (await import('./profile.js')).ProfileHandlers(accounts, oneTimePasswords));
  const organisations = later(async () => {
    const { OrganisationHandlers } = await import('./organisations.js');
    return new OrganisationHandlers({ accounts, people, otp: oneTimePasswords, repository });
  });
  const trusted = later(async () => {
    const { TrustedPublishingHandlers } = await import('./trusted-publishing.js');
    return new TrustedPublishingHandlers({ publishers: trustedPublishers, repository });
  });
  return {
    protocol: 'npm',
    resourceType: 'package',
    errors: npmErrors,
    oneTimePasswords,
    organisationOf: (name) => parseName(name).scope,
    putOff: [reads, puts, changes, access, search, audit, users, confirmations, profiles, organisations, trusted],
    routes: npmRoutes({
      reads: reads.methods,
      puts: puts.methods,
      changes: changes.methods,
      access: access.methods,
      accounts: users.methods,
      profiles: profiles.methods,
      confirmations: confirmations.methods,
      organisations: organisations.methods,
      trusted: trusted.methods,
      search: search.methods,
      audit: audit.methods,
    }),
  };
}
