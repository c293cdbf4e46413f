import type { Accounts } from '../../auth/accounts.js';
import type { ProtocolInstance } from '../../http/plugin.js';
import type { Runtime } from '../../lib/clock.js';
import { AccountHandlers } from './account.js';
import { AuditHandlers } from './audit.js';
import { DocumentHandlers } from './documents-put.js';
import { npmErrors } from './errors.js';
import { peopleOf } from './people.js';
import { PackageReads } from './read.js';
import { npmRoutes } from './routes.js';
import { SearchHandlers } from './search.js';
import type { Signer } from './signer.js';
import { PackageViews } from './views.js';

/** What npm needs from the house, and nothing else. */
export interface NpmOptions {
  readonly accounts: Accounts;
  readonly runtime: Runtime;
  /** Signs what is published; absent: nothing is signed. */
  readonly signer?: Signer | undefined;
  /** Bytes for rendered documents in memory. */
  readonly cacheBytes: number;
}

/** One npm repository: its routes and its voice. The packages it is given have `npmSchema`. */
export function npm({ accounts, runtime, signer, cacheBytes }: NpmOptions): ProtocolInstance {
  const people = peopleOf(accounts);
  const findUser = (name: string): Promise<string | undefined> => accounts.findUser(name);
  const views = new PackageViews({ cacheBytes, people, runtime });
  return {
    protocol: 'npm',
    resourceType: 'package',
    errors: npmErrors,
    routes: npmRoutes({
      reads: new PackageReads(views, people),
      puts: new DocumentHandlers({ signer, people, findUser }),
      accounts: new AccountHandlers(accounts),
      search: new SearchHandlers(people, findUser),
      audit: new AuditHandlers(signer),
    }),
  };
}
