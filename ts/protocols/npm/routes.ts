import { invalid } from '../../errors/registry-error.js';
import { json } from '../../http/reply.js';
import { type Param, type RequestBody, type Route, routesOf } from '../../http/route.js';
import type { Asked } from '../../lib/later.js';
import type * as Access from './access.js';
import { type AccountTables, accountRoutes } from './account-routes.js';
import type { AuditHandlers } from './audit.js';
import type { DocumentHandlers } from './documents-put.js';
import { jsonObject } from './fields.js';
import type * as Changes from './life-cycle.js';
import { MAX_TARBALL } from './limits.js';
import { fileParam, type NpmName, nameParam, revParam, selectorParam, specParam, textParam, userParam } from './names.js';
import { organisationRoutes } from './organisation-routes.js';
import type { OrganisationHandlers } from './organisations.js';
import type { PackageReads } from './read.js';
import type { SearchHandlers } from './search.js';
import type { NpmState } from './state.js';

const KiB = 1024;
const MiB = 1024 * KiB;
/** A tarball in base64, and room for the manifest. */
const MAX_PUBLISH = Math.ceil((MAX_TARBALL * 4) / 3) + 32 * MiB;

const route = routesOf<NpmState>();
const about = ({ name }: { readonly name: NpmName }): string => name.full;
const aboutSpec = ({ spec }: { readonly spec: { readonly name: NpmName } }): string => spec.name.full;

const jsonString = async (body: RequestBody): Promise<string> => {
  const value = await body.json();
  if (typeof value !== 'string') throw invalid('the body must be a JSON string');
  return value;
};

const jsonTags = async (body: RequestBody): Promise<ReadonlyMap<string, string>> => {
  const tags = new Map<string, string>();
  for (const [tag, version] of Object.entries(await jsonObject(body))) {
    if (typeof version !== 'string') throw invalid('the body must be an object of versions');
    tags.set(tag, version);
  }
  return tags;
};

export interface NpmHandlers extends AccountTables {
  readonly reads: Asked<PackageReads>;
  readonly puts: Asked<DocumentHandlers>;
  readonly changes: Asked<typeof Changes>;
  readonly access: Asked<typeof Access>;
  readonly organisations: Asked<OrganisationHandlers>;
  readonly search: Asked<SearchHandlers>;
  readonly audit: Asked<AuditHandlers>;
}

const name: Param<NpmName> = nameParam;

/** https://github.com/npm/registry/tree/main/docs, and what clients were seen to ask for. */
export const npmRoutes = ({
  reads,
  puts,
  changes,
  access,
  search,
  audit,
  organisations,
  ...tables
}: NpmHandlers): readonly Route[] => [
  ...registry({ search, audit, accounts: tables.accounts }),
  ...accountRoutes(tables),
  ...organisationRoutes(organisations),
  ...aboutPackages({ reads, changes, access }),
  ...stars(changes),
  ...documents({ reads, puts, changes }),
];

/** What is about the registry as a whole. */
const registry = ({ search, audit, accounts }: Pick<NpmHandlers, 'search' | 'audit' | 'accounts'>): readonly Route[] => [
  route({ id: 'ping', method: 'GET', path: '/-/ping', params: {}, access: 'public', handler: async () => json({}, 'no-store') }),
  route({ id: 'whoami', method: 'GET', path: '/-/whoami', params: {}, access: 'authenticated', handler: accounts.whoami }),
  route({ id: 'search', method: 'GET', path: '/-/v1/search', params: {}, access: 'filtered', handler: search.search }),
  route({
    id: 'starred',
    method: 'GET',
    path: '/-/_view/starredByUser',
    params: {},
    access: 'filtered',
    handler: search.starred,
  }),
  // pnpm's way to the same list.
  route({
    id: 'stars',
    method: 'GET',
    path: '/-/user/{user}/stars',
    params: { user: userParam },
    access: 'filtered',
    handler: search.stars,
  }),
  route({
    id: 'user-packages',
    method: 'GET',
    path: '/-/user/{user}/package',
    params: { user: userParam },
    access: 'filtered',
    handler: search.packagesOf,
  }),
  route({ id: 'keys', method: 'GET', path: '/-/npm/v1/keys', params: {}, access: 'public', handler: audit.keys }),
  route({
    id: 'advisories',
    method: 'POST',
    path: '/-/npm/v1/security/advisories/bulk',
    params: {},
    access: 'public',
    body: { max: 32 * MiB, codings: ['gzip'] },
    handler: audit.bulk,
  }),
  route({
    id: 'audit-quick',
    method: 'POST',
    path: '/-/npm/v1/security/audits/quick',
    params: {},
    access: 'public',
    body: { max: 32 * MiB, codings: ['gzip'] },
    handler: audit.report,
  }),
  route({
    id: 'audit',
    method: 'POST',
    path: '/-/npm/v1/security/audits',
    params: {},
    access: 'public',
    body: { max: 32 * MiB, codings: ['gzip'] },
    handler: audit.report,
  }),
];

/** What is about one package, below `/-/`. */
const aboutPackages = ({ reads: on, changes, access }: Pick<NpmHandlers, 'reads' | 'changes' | 'access'>): readonly Route[] => [
  route({
    id: 'dist-tags',
    method: 'GET',
    path: '/-/package/{name}/dist-tags',
    params: { name },
    access: 'read',
    package: about,
    handler: on.distTags,
  }),
  route({
    id: 'dist-tags-replace',
    method: 'PUT',
    path: '/-/package/{name}/dist-tags',
    params: { name },
    access: 'overwrite',
    package: about,
    body: { max: 256 * KiB, parse: jsonTags },
    handler: (call) => changes.setTags(call, true),
  }),
  route({
    id: 'dist-tags-add',
    method: 'POST',
    path: '/-/package/{name}/dist-tags',
    params: { name },
    access: 'overwrite',
    package: about,
    body: { max: 256 * KiB, parse: jsonTags },
    handler: (call) => changes.setTags(call, false),
  }),
  ...(['PUT', 'POST'] as const).map((method) =>
    route({
      id: `dist-tag-${method.toLowerCase()}`,
      method,
      path: '/-/package/{name}/dist-tags/{tag}',
      params: { name, tag: textParam },
      access: 'overwrite',
      package: about,
      body: { max: 4 * KiB, parse: jsonString },
      handler: changes.setTag,
    }),
  ),
  route({
    id: 'dist-tag-remove',
    method: 'DELETE',
    path: '/-/package/{name}/dist-tags/{tag}',
    params: { name, tag: textParam },
    access: 'overwrite',
    package: about,
    handler: changes.removeTag,
  }),
  route({
    id: 'visibility',
    method: 'GET',
    path: '/-/package/{name}/visibility',
    params: { name },
    access: 'read',
    package: about,
    handler: on.visibility,
  }),
  route({
    id: 'collaborators',
    method: 'GET',
    path: '/-/package/{name}/collaborators',
    params: { name },
    access: 'read',
    authenticated: true,
    package: about,
    handler: on.collaborators,
  }),
  route({
    id: 'access',
    method: 'POST',
    path: '/-/package/{name}/access',
    params: { name },
    access: 'admin',
    package: about,
    body: { max: 4 * KiB, parse: jsonObject },
    handler: access.setAccess,
  }),
  route({
    id: 'attestations',
    method: 'GET',
    path: '/-/npm/v1/attestations/{spec}',
    params: { spec: specParam },
    access: 'read',
    package: aboutSpec,
    handler: on.attestations,
  }),
];

/** pnpm's way to star a package: with npm's, the whole document comes back, to a path that is for those who may delete. */
const stars = (changes: NpmHandlers['changes']): readonly Route[] =>
  (['PUT', 'DELETE'] as const).map((method) =>
    route({
      id: method === 'PUT' ? 'star' : 'unstar',
      method,
      path: '/-/user/package/{name}/star',
      params: { name },
      access: 'read',
      authenticated: true,
      package: about,
      handler: (call) => changes.star(call, method === 'PUT'),
    }),
  );

/** Packages themselves: documents and tarballs. */
const documents = ({ reads, puts, changes }: Pick<NpmHandlers, 'reads' | 'puts' | 'changes'>): readonly Route[] => [
  route({
    id: 'tarball',
    method: 'GET',
    path: '/{name}/-/{file}',
    params: { name, file: fileParam },
    access: 'read',
    package: about,
    handler: reads.tarball,
  }),
  route({
    id: 'tarball-delete',
    method: 'DELETE',
    path: '/{name}/-/{file}/-rev/{rev}',
    params: { name, file: fileParam, rev: revParam },
    access: 'delete',
    package: about,
    handler: changes.deleteTarball,
  }),
  route({
    id: 'document-revision',
    method: 'PUT',
    path: '/{name}/-rev/{rev}',
    params: { name, rev: revParam },
    access: ['delete', 'admin'],
    package: about,
    body: { max: MAX_PUBLISH },
    handler: puts.putRevision,
  }),
  route({
    id: 'unpublish',
    method: 'DELETE',
    path: '/{name}/-rev/{rev}',
    params: { name, rev: revParam },
    access: 'delete',
    package: about,
    handler: changes.unpublishAll,
  }),
  route({
    id: 'packument',
    method: 'GET',
    path: '/{name}',
    params: { name },
    access: 'read',
    package: about,
    handler: reads.packument,
  }),
  route({
    id: 'publish',
    method: 'PUT',
    path: '/{name}',
    params: { name },
    access: ['create', 'overwrite', 'admin', 'read'],
    authenticated: true,
    package: about,
    body: { max: MAX_PUBLISH },
    handler: puts.put,
  }),
  route({
    id: 'manifest',
    method: 'GET',
    path: '/{name}/{selector}',
    params: { name, selector: selectorParam },
    access: 'read',
    package: about,
    handler: reads.manifest,
  }),
];
