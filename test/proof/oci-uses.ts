import { createHash } from 'node:crypto';
import type { Route } from '../../ts/http/route.js';

export const digestOf = (bytes: Uint8Array | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });

export const LAYER = Buffer.from('the layer of every image here');
export const SPARE = Buffer.from('a blob that nothing names');
export const SHARED = Buffer.from('a blob of another repository');
export const NEW = Buffer.from('a blob that is new');
export const IMAGES: readonly Buffer[] = ['one', 'two'].map((note) =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: IMAGE,
      config: descriptor(CONFIG, LAYER),
      layers: [],
      annotations: { note },
    }),
  ),
);
/** It names nothing, so it can be anywhere. */
const EMPTY_INDEX = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] }));
const [FIRST = Buffer.alloc(0), SECOND = Buffer.alloc(0)] = IMAGES;

/** One way to use a route. `{}` stands for the repository as it is spelled, `<>` for an upload under way. */
export interface Use {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly about: 'package' | 'registry';
  readonly body?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses of an answer to somebody who may. */
  readonly ok: readonly number[];
  /** Of an answer about what is not there. Default 404. */
  readonly missing?: readonly number[];
  /** A GET without a HEAD: what it answers is handed out once. */
  readonly once?: true;
}

const get = (id: string, path: string, more: Partial<Use> = {}): Use => ({
  id,
  method: 'GET',
  path,
  about: path.includes('{}') ? 'package' : 'registry',
  ok: [200],
  ...more,
});
const send = (id: string, method: string, path: string, ok: number, more: Partial<Use> = {}): Use => ({
  ...get(id, path),
  method,
  ok: [ok],
  ...more,
});

const blob = (bytes: Buffer): string => `/v2/{}/blobs/${digestOf(bytes)}`;
const UPLOADS = '/v2/{}/blobs/uploads/';
const NOTHING = { body: Buffer.alloc(0) };
const as = (type: string, body: Buffer): Partial<Use> => ({ body, headers: { 'content-type': type } });

/** Every route, by id, in every way that means something else. */
export const USES: readonly Use[] = [
  get('ping', '/v2/'),
  get('token', '/v2/token?service=images.example&scope=repository:acme/public:pull,push', { once: true }),
  send(
    'token-form',
    'POST',
    '/v2/token',
    401,
    as('application/x-www-form-urlencoded', Buffer.from('grant_type=refresh_token&refresh_token=junk')),
  ),
  get('catalog', '/v2/_catalog'),
  get('search', '/v1/search?q=acme'),
  get('extensions', '/v2/_oci/ext/discover'),
  get('extensions-for', '/v2/{}/_oci/ext/discover', { missing: [200, 404] }),
  get('blob', blob(LAYER)),
  get('manifest', '/v2/{}/manifests/v1'),
  get('manifest: by digest', `/v2/{}/manifests/${digestOf(FIRST)}`),
  get('tags', '/v2/{}/tags/list', { missing: [200, 404] }),
  get('referrers', `/v2/{}/referrers/${digestOf(FIRST)}`, { missing: [200, 404] }),
  send('upload-start', 'POST', UPLOADS, 202, NOTHING),
  send('upload-start: whole', 'POST', `${UPLOADS}?digest=${digestOf(NEW)}`, 201, { body: NEW }),
  send('upload-start: mount', 'POST', `${UPLOADS}?mount=${digestOf(SHARED)}&from=acme/source`, 201, {
    ...NOTHING,
    ok: [201, 202],
  }),
  send('upload-chunk', 'PATCH', `${UPLOADS}<>`, 202, { body: NEW }),
  send('upload-finish', 'PUT', `${UPLOADS}<>?digest=${digestOf(NEW)}`, 201, { body: NEW }),
  send('upload-status', 'GET', `${UPLOADS}<>`, 204),
  send('upload-cancel', 'DELETE', `${UPLOADS}<>`, 204),
  send('manifest-put: a new tag', 'PUT', '/v2/{}/manifests/new', 201, as(INDEX, EMPTY_INDEX)),
  send('manifest-put: by digest', 'PUT', `/v2/{}/manifests/${digestOf(EMPTY_INDEX)}`, 201, as(INDEX, EMPTY_INDEX)),
  send('manifest-put: a tag that moves', 'PUT', '/v2/{}/manifests/v1', 201, as(INDEX, EMPTY_INDEX)),
  send('manifest-delete: a tag', 'DELETE', '/v2/{}/manifests/v2', 202),
  send('manifest-delete: a digest', 'DELETE', `/v2/{}/manifests/${digestOf(SECOND)}`, 202),
  send('blob-delete', 'DELETE', blob(SPARE), 202),
];

export const routeId = (id: string): string => id.replace(/:.*/, '');

/** `plain` first. `loose`: what is no spelling of the same path; it may answer the same, or be no path at all. */
export interface Spelling {
  readonly title: string;
  readonly loose: boolean;
  spell(path: string): string;
}

const split = (path: string): readonly [string, string] => {
  const at = path.indexOf('?');
  return at < 0 ? [path, ''] : [path.slice(0, at), path.slice(at)];
};
const onPath =
  (change: (path: string) => string) =>
  (whole: string): string => {
    const [path, query] = split(whole);
    return `${change(path)}${query}`;
  };
const escaped = (char: string): string => `%${char.charCodeAt(0).toString(16)}`;
/** Three characters of the path that mean themselves, as escapes; slashes stay. */
const encoded = (hex: (text: string) => string) => (path: string) => {
  const places = [...path.matchAll(/[a-z]/g)].map(({ index }) => index);
  const chosen = new Set([places.at(1), places.at(Math.floor(places.length / 2)), places.at(-1)]);
  return [...path].map((char, index) => (chosen.has(index) ? hex(escaped(char)) : char)).join('');
};

export const SPELLINGS: readonly Spelling[] = [
  { title: 'plain', loose: false, spell: (path) => path },
  {
    title: 'oci 41: with parameters that nobody knows',
    loose: false,
    spell: (path) => `${path}${path.includes('?') ? '&' : '?'}ns=x&zz=1`,
  },
  { title: 'N8: %3A in digests', loose: false, spell: onPath((path) => path.replace(/sha256:/g, 'sha256%3A')) },
  { title: 'N8: letters as escapes', loose: false, spell: onPath(encoded((text) => text)) },
  { title: 'N8: letters as upper-case escapes', loose: false, spell: onPath(encoded((text) => text.toUpperCase())) },
  { title: 'GHSA-9rqp: below the mount', loose: false, spell: (path) => (path.startsWith('/v2') ? `/oci${path}` : path) },
  { title: 'GHSA-9rqp: below the mount, without /v2', loose: true, spell: (path) => path.replace(/^\/v2/, '/oci') },
  { title: 'N16: slashes of the name as escapes', loose: true, spell: onPath((path) => path.replace('acme/', 'acme%2F')) },
  { title: 'N10: two slashes in front', loose: true, spell: (path) => `/${path}` },
  { title: 'N10: two slashes within', loose: true, spell: onPath((path) => path.replace(/(.)\//, '$1//')) },
  { title: 'N10: a slash behind', loose: true, spell: onPath((path) => `${path}/`) },
  { title: 'N2: a name in upper case', loose: true, spell: onPath((path) => path.replace('acme/', 'ACME/')) },
];

/** A GET in all its forms. */
export const FORMS = [
  { title: 'GET', method: 'GET', headers: {} },
  { title: 'H8: HEAD', method: 'HEAD', headers: {} },
  { title: 'Range', method: 'GET', headers: { range: 'bytes=0-3' } },
  { title: 'conditional', method: 'GET', headers: { 'if-none-match': '*' } },
] as const;

/** Routes that nothing here uses, and uses of routes that are not there. */
export const strangers = (routes: readonly Route[]): readonly string[] => {
  const known = new Set(USES.map(({ id }) => routeId(id)));
  const there = new Set(routes.map(({ id }) => id));
  return [...[...there].filter((id) => !known.has(id)), ...[...known].filter((id) => !there.has(id))];
};
