import type { Route } from '../../ts/http/route.js';
import { documentOf } from './documents.js';

/** One way to use a route. `{}` stands for the package as it is spelled; `[]` for its bare name, `<>` for its revision. */
export interface Use {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly about: 'package' | 'registry';
  readonly body?: (name: string, rev: string) => unknown;
  /** A GET without a HEAD: what it answers is handed out once. */
  readonly once?: true;
  /** Statuses of an answer to somebody who may. */
  readonly ok: readonly number[];
}

const get = (id: string, path: string, ok: readonly number[] = [200]): Use => ({
  id,
  method: 'GET',
  path,
  about: path.includes('{}') ? 'package' : 'registry',
  ok,
});
const send = (id: string, method: string, path: string, body: Use['body'] | undefined, ok: readonly number[]): Use => ({
  ...get(id, path, ok),
  method,
  ...(body ? { body } : {}),
});

const maintainers = [{ name: 'owner' }, { name: 'chief' }];

/** Every route, by id, in every way that means something else. */
export const USES: readonly Use[] = [
  get('ping', '/-/ping'),
  get('keys', '/-/npm/v1/keys'),
  send('advisories', 'POST', '/-/npm/v1/security/advisories/bulk', () => ({}), [200]),
  send('audit-quick', 'POST', '/-/npm/v1/security/audits/quick', () => ({}), [200, 404]),
  send('audit', 'POST', '/-/npm/v1/security/audits', () => ({}), [200, 404]),
  send('login-legacy', 'PUT', '/-/user/org.couchdb.user:ghost', () => ({ name: 'other' }), [400]),
  send('login-legacy-rev', 'PUT', '/-/user/org.couchdb.user:ghost/-rev/1', () => ({ name: 'other' }), [400]),
  send('login-web', 'POST', '/-/v1/login', () => ({}), [200, 404]),
  get('login-page', '/-/v1/login/junk', [404]),
  send('login-confirm', 'POST', '/-/v1/login/junk', () => ({}), [400, 404]),
  { ...get('login-done', '/-/v1/done/junk', [404]), once: true },
  get('confirm-page', '/-/v1/confirm/junk', [404]),
  send('confirm', 'POST', '/-/v1/confirm/junk', () => ({ code: '000000' }), [404]),
  send('oidc-exchange', 'POST', '/-/npm/v1/oidc/token/exchange/package/@acme%2fpublic', undefined, [404]),
  { ...get('confirm-done', '/-/v1/confirmed/junk', [404]), once: true },
  get('whoami', '/-/whoami'),
  get('user', '/-/user/org.couchdb.user:owner', [200, 404]),
  get('profile', '/-/npm/v1/user'),
  get('tokens', '/-/npm/v1/tokens'),
  send('logout', 'DELETE', '/-/user/token/junk', undefined, [404]),
  send('token-create', 'POST', '/-/npm/v1/tokens', () => ({}), [201]),
  send('token-revoke', 'DELETE', '/-/npm/v1/tokens/token/junk', undefined, [404]),
  send(
    'profile-change',
    'POST',
    '/-/npm/v1/user',
    () => ({ email: `me${Math.floor(performance.now() * 1e3)}@mail.example` }),
    [200],
  ),
  get('search', '/-/v1/search?text=acme'),
  get('starred', '/-/_view/starredByUser?key=%22owner%22'),
  get('stars', '/-/user/owner/stars'),
  send('star', 'PUT', '/-/user/package/{}/star', undefined, [200]),
  send('unstar', 'DELETE', '/-/user/package/{}/star', undefined, [200]),
  get('user-packages', '/-/user/owner/package'),
  get('org', '/-/org/guild/user'),
  get('org-packages', '/-/org/guild/package'),
  get('teams', '/-/org/guild/team?format=cli'),
  get('team-users', '/-/team/guild/crew/user'),
  get('team-packages', '/-/team/guild/crew/package'),
  send('org-set', 'PUT', '/-/org/guild/user', () => ({ user: 'former', role: 'developer' }), [200]),
  // The last owner stays, everybody is in `developers`, and so is that team: refused to those who may, for another reason.
  send('org-remove', 'DELETE', '/-/org/guild/user', () => ({ user: 'owner' }), [400]),
  send('team-create', 'PUT', '/-/org/guild/team', () => ({ name: 'builders' }), [201, 409]),
  send('team-destroy', 'DELETE', '/-/team/guild/developers', undefined, [400]),
  send('team-user-add', 'PUT', '/-/team/guild/crew/user', () => ({ user: 'former' }), [201]),
  send('team-user-remove', 'DELETE', '/-/team/guild/developers/user', () => ({ user: 'former' }), [400]),
  send('team-grant', 'PUT', '/-/team/guild/crew/package', () => ({ package: '@guild/tool', permissions: 'read-only' }), [201]),
  send('team-revoke', 'DELETE', '/-/team/guild/crew/package', () => ({ package: '@guild/tool' }), [204]),
  get('packument', '/{}'),
  get('manifest', '/{}/1.0.0'),
  get('tarball', '/{}/-/[]-1.0.0.tgz'),
  get('dist-tags', '/-/package/{}/dist-tags'),
  get('visibility', '/-/package/{}/visibility'),
  get('attestations', '/-/npm/v1/attestations/{}@1.0.0', [404]),
  get('collaborators', '/-/package/{}/collaborators'),
  send('publish: a version', 'PUT', '/{}', (name) => documentOf({ name, version: '2.0.0' }), [201]),
  send('publish: a deprecation', 'PUT', '/{}', () => ({ versions: { '1.0.0': { deprecated: 'old' } } }), [200]),
  send('publish: a star', 'PUT', '/{}', () => ({ users: { owner: true, chief: true } }), [200]),
  send('publish: owners', 'PUT', '/{}', (_name, _rev) => ({ _rev, maintainers }), [201]),
  send('dist-tags-replace', 'PUT', '/-/package/{}/dist-tags', () => ({ latest: '1.1.0' }), [200]),
  send('dist-tags-add', 'POST', '/-/package/{}/dist-tags', () => ({ beta: '1.0.0' }), [200]),
  send('dist-tag-put', 'PUT', '/-/package/{}/dist-tags/beta', () => '1.0.0', [201]),
  send('dist-tag-post', 'POST', '/-/package/{}/dist-tags/beta', () => '1.0.0', [201]),
  send('dist-tag-remove', 'DELETE', '/-/package/{}/dist-tags/next', undefined, [200]),
  send('document-revision: fewer versions', 'PUT', '/{}/-rev/<>', () => ({ versions: { '1.0.0': {} } }), [201]),
  send('document-revision: owners', 'PUT', '/{}/-rev/<>', () => ({ maintainers }), [201]),
  send('unpublish', 'DELETE', '/{}/-rev/<>', undefined, [200]),
  send('tarball-delete', 'DELETE', '/{}/-/[]-1.1.0.tgz/-rev/<>', undefined, [200]),
  send('access', 'POST', '/-/package/{}/access', () => ({ access: 'public' }), [200]),
];

export const routeId = (id: string): string => id.replace(/:.*/, '');

/** `plain` first. `loose`: what is no spelling of the same path; it may answer the same, or be no path at all. */
export interface Spelling {
  readonly title: string;
  readonly loose: boolean;
  spell(use: Use, name: string, rev: string): string;
}

const fill = ({ path }: Use, spelled: string, name: string, rev: string): string =>
  path.replaceAll('{}', spelled).replaceAll('[]', name.replace(/^.*\//, '')).replaceAll('<>', encodeURIComponent(rev));

const plain = (use: Use, name: string, rev: string): string => fill(use, name.replace('/', '%2f'), name, rev);

/** The last letter before the query, and one in the middle, as escapes. */
function encoded(path: string, hex: (code: string) => string): string {
  const [before = '', ...query] = path.split('?');
  const letters = [...before.matchAll(/[A-Za-z0-9](?![0-9A-Fa-f]?%)/g)].filter(
    ({ index }) => before[index - 1] !== '%' && before[index - 2] !== '%',
  );
  const chosen = new Set([letters[0]?.index, letters[Math.floor(letters.length / 2)]?.index, letters.at(-1)?.index]);
  const spelled = [...before]
    .map((char, index) => (chosen.has(index) ? `%${hex(char.charCodeAt(0).toString(16))}` : char))
    .join('');
  return [spelled, ...query].join('?');
}

export const SPELLINGS: readonly Spelling[] = [
  { title: 'plain', loose: false, spell: plain },
  { title: 'N16: a slash', loose: false, spell: (use, name, rev) => fill(use, name, name, rev) },
  {
    title: 'N16: %40 and %2F',
    loose: false,
    spell: (use, name, rev) => fill(use, name.replace('@', '%40').replace('/', '%2F'), name, rev),
  },
  { title: 'N8: letters as escapes', loose: false, spell: (use, name, rev) => encoded(plain(use, name, rev), (hex) => hex) },
  {
    title: 'N8: letters as upper-case escapes',
    loose: false,
    spell: (use, name, rev) => encoded(plain(use, name, rev), (hex) => hex.toUpperCase()),
  },
  { title: 'N10: two slashes in front', loose: true, spell: (use, name, rev) => `/${plain(use, name, rev)}` },
  { title: 'N10: two slashes within', loose: true, spell: (use, name, rev) => plain(use, name, rev).replace(/(.)\//, '$1//') },
  {
    title: 'N10: a slash behind',
    loose: true,
    spell: (use, name, rev) => plain(use, name, rev).replace(/(\?|$)/, '/$1'),
  },
];

/** A GET in all its forms. */
export const FORMS = [
  { title: 'GET', method: 'GET', headers: {} },
  { title: 'H8: HEAD', method: 'HEAD', headers: {} },
  { title: 'Range', method: 'GET', headers: { range: 'bytes=0-3' } },
  { title: 'conditional', method: 'GET', headers: { 'if-none-match': '*' } },
] as const;

export const formsOf = (
  use: Use,
): readonly { readonly title: string; readonly method: string; readonly headers: Readonly<Record<string, string>> }[] =>
  use.method === 'GET'
    ? FORMS.filter(({ method }) => method === 'GET' || !use.once)
    : [{ title: use.method, method: use.method, headers: {} }];

/** Routes that nothing here uses, and uses of routes that are not there. */
export const strangers = (routes: readonly Route[]): readonly string[] => {
  const known = new Set(USES.map((use) => routeId(use.id)));
  const there = new Set(routes.map((route) => route.id));
  return [...[...there].filter((id) => !known.has(id)), ...[...known].filter((id) => !there.has(id))];
};
