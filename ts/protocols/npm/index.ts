import type { Accounts } from '../../auth/accounts.js';
import type { TrustedPublishers } from '../../auth/trusted-publishers.js';
import type { ProtocolInstance } from '../../http/plugin.js';
import type { Runtime } from '../../lib/clock.js';
import { AccountHandlers } from './account.js';
import { AuditHandlers } from './audit.js';
import { DocumentHandlers } from './documents-put.js';
import { npmErrors } from './errors.js';
import { parseName } from './names.js';
import { OneTimePasswordHandlers } from './one-time-password.js';
import { OrganisationHandlers } from './organisations.js';
import { peopleOf } from './people.js';
import { ProfileHandlers } from './profile.js';
import { PackageReads } from './read.js';
import { npmRoutes } from './routes.js';
import { SearchHandlers } from './search.js';
import type { Signer } from './signer.js';
import { TrustedPublishingHandlers } from './trusted-publishing.js';
import { PackageViews } from './views.js';

/** What npm needs from the house, and nothing else. */
export interface NpmOptions {
  readonly accounts: Accounts;
  /** The repository's name. */
  readonly repository: string;
  readonly runtime: Runtime;
  /** Signs what is published; absent: nothing is signed. */
  readonly signer?: Signer | undefined;
  /** Undefined: none are configured. */
  readonly trustedPublishers?: TrustedPublishers | undefined;
  /** Bytes for rendered documents in memory. */
  readonly cacheBytes: number;
}

/** One npm repository: its routes and its voice. The packages it is given have `npmSchema`. */
export function npm({ accounts, repository, trustedPublishers, runtime, signer, cacheBytes }: NpmOptions): ProtocolInstance {
  const people = peopleOf(accounts);
  const findUser = (name: string): Promise<string | undefined> => accounts.findUser(name);
  const oneTimePasswords = new OneTimePasswordHandlers(accounts);
  const views = new PackageViews({ cacheBytes, people, runtime });
  return {
    protocol: 'npm',
    resourceType: 'package',
    errors: npmErrors,
    oneTimePasswords,
    organisationOf: (name) => parseName(name).scope,
    routes: npmRoutes({
      reads: new PackageReads({ views, people, organisations: accounts.organisations, repository }),
      puts: new DocumentHandlers({ signer, people, findUser }),
      accounts: new AccountHandlers(accounts, oneTimePasswords),
      profiles: new ProfileHandlers(accounts, oneTimePasswords),
      oneTimePasswords,
      organisations: new OrganisationHandlers({ accounts, people, otp: oneTimePasswords, repository }),
      trusted: new TrustedPublishingHandlers({ publishers: trustedPublishers, repository }),
      search: new SearchHandlers(people, findUser),
      audit: new AuditHandlers(signer),
    }),
  };
}
