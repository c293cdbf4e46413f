import type { ManagementNeed as Need } from './oci-oracle.js';
import type { Use } from './requests.js';

type Row = readonly [id: string, method: string, path: string, need: Need, ok: readonly number[], body?: unknown];

/** What a repository calls things here. */
interface Kind {
  readonly repository: string;
  readonly version: string;
  /** What somebody hears who may yank. */
  readonly yanked: number;
}

/** The house's own surface, told from the documentation: what each path asks of its caller, and what somebody hears who may. */
const rowsOf = ({
  root,
  one,
  version,
  yanked,
}: {
  root: string;
  one: string;
  version: string;
  yanked: number;
}): readonly Row[] => [
  ['root', 'GET', '/', 'nothing', [200]],
  ['health', 'GET', '/-/health', 'nothing', [200]],
  ['ready', 'GET', '/-/ready', 'nothing', [200]],
  ['metrics', 'GET', '/-/metrics', 'nothing', [200]],
  // with a slash behind it is the page
  ['ui', 'GET', '/-/ui', 'nothing', [308, 200]],
  ['ui-page', 'GET', '/-/ui/', 'nothing', [200]],
  ['ui-file', 'GET', '/-/ui/style.css', 'nothing', [200]],
  ['manage-repositories', 'GET', '/-/api/v1/repositories', 'a list of repositories', [200]],
  ['manage-tokens', 'GET', '/-/api/v1/tokens', 'to look at the own account', [200]],
  ['manage-token-create', 'POST', '/-/api/v1/tokens', 'to change the own account', [201], {}],
  ['manage-token-revoke', 'DELETE', '/-/api/v1/tokens/junk', 'to change the own account', [404]],
  ['manage-gc', 'POST', '/-/api/v1/gc', 'to administer everything', [200], { dryRun: true }],
  ['manage-packages', 'GET', root, 'a list of what they may read', [200]],
  ['manage-package', 'GET', one, 'to read', [200]],
  ['manage-history', 'GET', `${one}/history`, 'to read what has been', [200]],
  ['manage-yank', 'PUT', `${version}/yank`, 'to change', [yanked], { reason: 'broken' }],
  ['manage-restore', 'DELETE', `${version}/yank`, 'to change', [yanked]],
  ['manage-delete-version', 'DELETE', version, 'to delete', [200]],
  ['manage-delete', 'DELETE', one, 'to delete', [200]],
  ['manage-visibility', 'PUT', `${one}/visibility`, 'to administer', [200], { visibility: 'public' }],
  ['manage-owners', 'PUT', `${one}/owners`, 'to administer', [200], { owners: ['owner', 'chief'] }],
];

/** The surface with one repository on it: its uses, and what each asks of its caller. */
function managementOf({ repository, version, yanked }: Kind): {
  readonly uses: readonly Use[];
  readonly needs: Readonly<Record<string, Need>>;
} {
  const root = `/-/api/v1/repositories/${repository}/packages`;
  const rows = rowsOf({ root, one: `${root}/{}`, version: `${root}/{}/versions/${version}`, yanked });
  return {
    uses: rows.map(([id, method, path, , ok, body]) => ({
      id,
      method,
      path,
      about: path.includes('{}') ? 'package' : 'registry',
      ok,
      ...(body === undefined ? {} : { body: () => body }),
    })),
    needs: Object.fromEntries(rows.map(([id, , , need]) => [id, need])),
  };
}

export const PACKAGES = managementOf({ repository: 'npm', version: '1.0.0', yanked: 200 });
/** Images are not yanked: who may is told so. */
export const IMAGES = managementOf({ repository: 'oci', version: 'v1', yanked: 400 });
