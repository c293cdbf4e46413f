import { type Param, type Route, routesOf } from '../../http/route.js';
import type { Asked } from '../../lib/later.js';
import type { Blobs } from './blobs.js';
import type { Catalog } from './catalog.js';
import type * as Extensions from './extensions.js';
import { MAX_BLOB, MAX_MANIFEST } from './limits.js';
import { bareNameParam, digestParam, knownReferenceParam, mountSource, nameParam, referenceParam, uploadParam } from './names.js';
import type { ManifestChanges } from './publish.js';
import type { Reads } from './read.js';
import type { Referrers } from './referrers.js';
import type { OciState } from './state.js';
import type { Tokens } from './tokens.js';
import type { Uploads } from './uploads.js';

export interface OciHandlers {
  readonly blobs: Asked<Blobs>;
  readonly uploads: Asked<Uploads>;
  readonly changes: Asked<ManifestChanges>;
  readonly reads: Asked<Reads>;
  readonly referrers: Asked<Referrers>;
  readonly catalog: Asked<Catalog>;
  readonly extensions: Asked<typeof Extensions>;
  readonly tokens: Asked<Tokens>;
}

const route = routesOf<OciState>();
const about = ({ name }: { readonly name: string }): string => name;
const BLOB_BODY = { max: MAX_BLOB, byteExact: true } as const;

/**
 * The whole surface (distribution-spec 1.1, endpoints): `/v2/…`, which is all that stock clients can say and which also answers at the root of the host,
 * and the same paths without `/v2` below the repository's own mount.
 */
export const ociRoutes = (on: OciHandlers): readonly Route[] => [
  ...general(on, '/v2', true),
  ...blobRoutes(on, '/v2', true, nameParam),
  ...uploads(on, '/v2', true, nameParam),
  ...manifests(on, '/v2', true, nameParam),
  searching(on),
  ...general(on, '', false),
  ...blobRoutes(on, '', false, bareNameParam),
  ...uploads(on, '', false, bareNameParam),
  ...manifests(on, '', false, bareNameParam),
];

const general = ({ tokens, catalog, extensions }: OciHandlers, base: '/v2' | '', root: boolean): readonly Route[] => [
  ...(['/', ''] as const)
    .filter((end) => base !== '' || end !== '')
    .map((end) =>
      route({ id: 'ping', method: 'GET', root, path: `${base}${end}`, params: {}, access: 'public', handler: tokens.ping }),
    ),
  route({
    id: 'token',
    method: 'GET',
    once: true,
    root,
    path: `${base}/token`,
    params: {},
    access: 'public',
    handler: tokens.get,
  }),
  route({
    id: 'token-form',
    method: 'POST',
    root,
    path: `${base}/token`,
    params: {},
    access: 'public',
    body: { max: 64 * 1024 },
    handler: tokens.post,
  }),
  route({ id: 'catalog', method: 'GET', root, path: `${base}/_catalog`, params: {}, access: 'filtered', handler: catalog.list }),
  route({
    id: 'extensions',
    method: 'GET',
    root,
    path: `${base}/_oci/ext/discover`,
    params: {},
    access: 'filtered',
    handler: extensions.discoverAll,
  }),
];

const searching = ({ catalog }: OciHandlers): Route =>
  route({ id: 'search', method: 'GET', root: true, path: '/v1/search', params: {}, access: 'filtered', handler: catalog.search });

const blobRoutes = ({ blobs }: OciHandlers, base: '/v2' | '', root: boolean, name: Param<string>): readonly Route[] => [
  route({
    id: 'blob',
    method: 'GET',
    root,
    path: `${base}/{name}/blobs/{digest}`,
    params: { name, digest: digestParam },
    access: 'read',
    package: about,
    handler: blobs.get,
  }),
  route({
    id: 'blob-delete',
    method: 'DELETE',
    root,
    path: `${base}/{name}/blobs/{digest}`,
    params: { name, digest: digestParam },
    access: 'delete',
    package: about,
    handler: blobs.remove,
  }),
];

const uploads = (on: OciHandlers, base: '/v2' | '', root: boolean, name: Param<string>): readonly Route[] => [
  ...(['/', ''] as const).map((end) =>
    route({
      id: 'upload-start',
      method: 'POST',
      root,
      path: `${base}/{name}/blobs/uploads${end}`,
      params: { name },
      access: 'create',
      package: (values, query, prefix) => {
        const source = mountSource(query, prefix);
        return source === undefined ? values.name : [values.name, source];
      },
      body: BLOB_BODY,
      handler: on.uploads.start,
    }),
  ),
  ...sessions(on, base, root, name),
];

const sessions = (on: OciHandlers, base: '/v2' | '', root: boolean, name: Param<string>): readonly Route[] => {
  const path = `${base}/{name}/blobs/uploads/{id}` as const;
  const params = { name, id: uploadParam };
  const shared = { root, path, params, access: 'create', package: about } as const;
  return [
    route({ id: 'upload-chunk', method: 'PATCH', ...shared, body: BLOB_BODY, handler: on.uploads.append }),
    route({ id: 'upload-finish', method: 'PUT', ...shared, body: BLOB_BODY, handler: on.uploads.finish }),
    route({ id: 'upload-status', method: 'GET', ...shared, handler: on.uploads.status }),
    route({ id: 'upload-cancel', method: 'DELETE', ...shared, handler: on.uploads.cancel }),
  ];
};

const manifests = (on: OciHandlers, base: '/v2' | '', root: boolean, name: Param<string>): readonly Route[] => [
  route({
    id: 'tags',
    method: 'GET',
    root,
    path: `${base}/{name}/tags/list`,
    params: { name },
    access: 'read',
    package: about,
    handler: on.reads.tags,
  }),
  route({
    id: 'extensions-for',
    method: 'GET',
    root,
    path: `${base}/{name}/_oci/ext/discover`,
    params: { name },
    access: 'read',
    package: about,
    handler: on.extensions.discoverFor,
  }),
  route({
    id: 'referrers',
    method: 'GET',
    root,
    path: `${base}/{name}/referrers/{digest}`,
    params: { name, digest: digestParam },
    access: 'read',
    package: about,
    handler: on.referrers.list,
  }),
  route({
    id: 'manifest',
    method: 'GET',
    root,
    path: `${base}/{name}/manifests/{reference}`,
    params: { name, reference: knownReferenceParam },
    access: 'read',
    package: about,
    handler: on.reads.manifest,
  }),
  route({
    id: 'manifest-put',
    method: 'PUT',
    root,
    path: `${base}/{name}/manifests/{reference}`,
    params: { name, reference: referenceParam },
    access: ['create', 'overwrite'],
    package: about,
    body: { max: MAX_MANIFEST, byteExact: true },
    handler: on.changes.put,
  }),
  route({
    id: 'manifest-delete',
    method: 'DELETE',
    root,
    path: `${base}/{name}/manifests/{reference}`,
    params: { name, reference: knownReferenceParam },
    access: 'delete',
    package: about,
    handler: on.changes.remove,
  }),
];
