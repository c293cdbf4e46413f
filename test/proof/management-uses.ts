import type { Need } from './oracle.js';
import type { Use } from './requests.js';

const ROOT = '/-/api/v1/repositories/npm/packages';
const ONE = `${ROOT}/{}`;
const VERSION = `${ONE}/versions/1.0.0`;

type Row = readonly [id: string, method: string, path: string, need: Need, ok: readonly number[], body?: unknown];

/** The house's own surface, told from the documentation: what each path asks of its caller, and what somebody hears who may. */
const ROWS: readonly Row[] = [
  ['root', 'GET', '/', 'nothing', [200]],
  ['health', 'GET', '/-/health', 'nothing', [200]],
  ['ready', 'GET', '/-/ready', 'nothing', [200]],
  ['metrics', 'GET', '/-/metrics', 'nothing', [200]],
  // with a slash behind it is the page
  ['ui', 'GET', '/-/ui', 'nothing', [308, 200]],
  ['ui-page', 'GET', '/-/ui/', 'nothing', [200]],
  ['ui-file', 'GET', '/-/ui/style.css', 'nothing', [200]],
  ['manage-repositories', 'GET', '/-/api/v1/repositories', 'a list of what they may read', [200]],
  ['manage-tokens', 'GET', '/-/api/v1/tokens', 'to look at the own account', [200]],
  ['manage-token-create', 'POST', '/-/api/v1/tokens', 'to change the own account', [201], {}],
  ['manage-token-revoke', 'DELETE', '/-/api/v1/tokens/junk', 'to change the own account', [404]],
  ['manage-gc', 'POST', '/-/api/v1/gc', 'to administer everything', [200], { dryRun: true }],
  ['manage-packages', 'GET', ROOT, 'a list of what they may read', [200]],
  ['manage-package', 'GET', ONE, 'to read', [200]],
  ['manage-history', 'GET', `${ONE}/history`, 'to read what has been', [200]],
  ['manage-yank', 'PUT', `${VERSION}/yank`, 'to change', [200], { reason: 'broken' }],
  ['manage-restore', 'DELETE', `${VERSION}/yank`, 'to change', [200]],
  ['manage-delete-version', 'DELETE', VERSION, 'to delete', [200]],
  ['manage-delete', 'DELETE', ONE, 'to delete', [200]],
  ['manage-visibility', 'PUT', `${ONE}/visibility`, 'to administer', [200], { visibility: 'public' }],
  ['manage-owners', 'PUT', `${ONE}/owners`, 'to administer', [200], { owners: ['owner', 'chief'] }],
];

export const MANAGEMENT_USES: readonly Use[] = ROWS.map(([id, method, path, , ok, body]) => ({
  id,
  method,
  path,
  about: path.includes('{}') ? 'package' : 'registry',
  ok,
  ...(body === undefined ? {} : { body: () => body }),
}));

export const MANAGEMENT_NEEDS: Readonly<Record<string, Need>> = Object.fromEntries(ROWS.map(([id, , , need]) => [id, need]));
