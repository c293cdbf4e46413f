export interface Slot {
  readonly title: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const DIGEST = `sha256:${'0'.repeat(64)}`;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const IMAGE = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

/** The places of OCI requests where people put secrets; `admin` opens everything. */
export function ociSlots(secret: string, admin: Readonly<Record<string, string>>): readonly Slot[] {
  const engine = Buffer.from(JSON.stringify({ username: 'ann', password: secret })).toString('base64');
  const tokens: readonly (readonly [string, string])[] = [
    ['password', `grant_type=password&username=ann&password=${secret}`],
    ['password of nobody', `grant_type=password&username=${secret}&password=${secret}`],
    ['password and scope', `grant_type=password&username=admin&password=${secret}&scope=repository:team/app:pull&service=x`],
    ['refresh token', `grant_type=refresh_token&refresh_token=${secret}`],
    ['client', `grant_type=refresh_token&refresh_token=x&client_id=${secret}`],
    ['unknown grant', `grant_type=${secret}&password=${secret}`],
    ['no form', `{"password":"${secret}"}`],
    ['malformed form', `%%${secret}&&==${secret}`],
  ];
  return [
    { title: 'OCI: ping, Bearer', path: '/v2/', headers: { authorization: `Bearer ${secret}` } },
    { title: 'OCI: ping, Basic', path: '/v2/', headers: { authorization: basic(`user:${secret}`) } },
    { title: 'OCI: ping, malformed', path: '/v2/', headers: { authorization: `Bearer ${secret} ${secret}` } },
    { title: 'OCI: ping, Host', path: '/v2/', headers: { host: `user:${secret}@images.example` } },
    { title: 'OCI: ping, forwarded', path: '/v2/', headers: { 'x-forwarded-host': `user:${secret}@images.example` } },
    { title: 'OCI: ping, query', path: `/v2/?token=${secret}` },
    { title: 'OCI: token, Basic', path: '/v2/token?service=x', headers: { authorization: basic(`ann:${secret}`) } },
    { title: 'OCI: token, Basic with a secret as the user', path: '/v2/token', headers: { authorization: basic(`${secret}:x`) } },
    { title: 'OCI: token, query', path: `/v2/token?account=ann&password=${secret}&refresh_token=${secret}` },
    {
      title: 'OCI: token, below the mount',
      path: `/oci/token?password=${secret}`,
      headers: { authorization: basic(`a:${secret}`) },
    },
    ...tokens.map(([title, body]) => ({
      title: `OCI: token form, ${title}`,
      method: 'POST',
      path: '/v2/token',
      body,
      headers: FORM,
    })),
    { title: 'OCI: pull', path: '/v2/team/app/manifests/v1', headers: { authorization: `Bearer ${secret}` } },
    { title: "OCI: the engine's header", path: '/v2/team/app/manifests/v1', headers: { ...admin, 'x-registry-auth': engine } },
    { title: 'OCI: pull, query', path: `/v2/team/app/blobs/${DIGEST}?token=${secret}&_auth=${secret}`, headers: admin },
    {
      title: 'OCI: upload, query and cookie',
      method: 'POST',
      path: `/v2/team/app/blobs/uploads/?token=${secret}`,
      headers: { ...admin, cookie: `session=${secret}`, 'content-length': '0' },
    },
    {
      title: 'OCI: mount, query',
      method: 'POST',
      path: `/v2/team/app/blobs/uploads/?mount=${DIGEST}&from=team/other&token=${secret}`,
      headers: { ...admin, 'content-length': '0', 'proxy-authorization': basic(`user:${secret}`) },
    },
    {
      title: 'OCI: a digest that is a secret',
      method: 'POST',
      path: `/v2/team/app/blobs/uploads/?digest=sha256:x&password=${secret}`,
      body: secret,
      headers: admin,
    },
    {
      title: 'OCI: a chunk of no upload',
      method: 'PATCH',
      path: `/v2/team/app/blobs/uploads/${'a'.repeat(26)}?token=${secret}`,
      body: secret,
      headers: { ...admin, 'x-registry-auth': engine },
    },
    {
      title: 'OCI: a manifest that is none',
      method: 'PUT',
      path: '/v2/team/app/manifests/v1',
      body: `{"auths":{"images.example":{"auth":"${secret}"}}`,
      headers: { ...admin, ...IMAGE },
    },
    {
      title: "OCI: a client's settings as a manifest",
      method: 'PUT',
      path: '/v2/team/app/manifests/v1',
      body: { auths: { 'images.example': { auth: secret } } },
      headers: { ...admin, ...IMAGE },
    },
    { title: 'OCI: a manifest, nobody', method: 'PUT', path: '/v2/team/app/manifests/v1', body: secret, headers: IMAGE },
    { title: 'OCI: catalog', path: `/v2/_catalog?token=${secret}`, headers: { authorization: basic(`x:${secret}`) } },
    { title: 'OCI: search', path: `/v1/search?q=x&token=${secret}`, headers: { authorization: `Bearer ${secret}` } },
    { title: 'OCI: deletion, query', method: 'DELETE', path: `/v2/team/app/manifests/v1?token=${secret}`, headers: admin },
    { title: 'OCI: no route', method: 'PUT', path: `/v2/team/app/nowhere?token=${secret}`, body: secret, headers: admin },
  ];
}
