import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { userIdOf } from '../../../ts/auth/token-format.js';
import type { IRegistryConfig } from '../../../ts/config.js';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { SmartRegistry } from '../../../ts/smart-registry.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';

const ADMIN = 'administrator-token-of-this-test-0123456789';
const HOST = 'https://images.example';
const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const digestOf = (bytes: string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

let open: SmartRegistry[] = [];
afterEach(async () => {
  for (const registry of open) await registry.destroy();
  open = [];
});

async function registryOf(mounts: readonly [name: string, basePath: string][], more: Partial<IRegistryConfig> = {}) {
  const registry = new SmartRegistry({
    storage: new SynchronousMemoryDriver({ runtime: systemRuntime }),
    secret: 'k3Xv9-qLw27-bTn8R-zYs6H-d1gUj-pW4cE',
    auth: { adminToken: ADMIN },
    maxStaleness: 0,
    repositories: mounts.map(([name, basePath]) => ({ enabled: true, protocol: 'oci', name, basePath })),
    ...more,
  });
  await registry.init();
  open.push(registry);
  const ask = (method: string, path: string, init: { body?: string; headers?: Record<string, string> } = {}) =>
    registry.fetch(
      new Request(`${HOST}${path}`, {
        method,
        headers: { authorization: `Bearer ${ADMIN}`, ...init.headers },
        ...(init.body === undefined ? {} : { body: init.body }),
      }),
    );
  const push = async (root: string, text: string): Promise<Response> => {
    const config = await ask('POST', `${root}/blobs/uploads/?digest=${digestOf('{}')}`, { body: '{}' });
    expect(config.status).toBe(201);
    const manifest = { schemaVersion: 2, config: { mediaType: text, digest: digestOf('{}'), size: 2 }, layers: [] };
    const body = JSON.stringify(manifest);
    return ask('PUT', `${root}/manifests/v1`, { body, headers: { 'content-type': IMAGE } });
  };
  const there = async (path: string): Promise<number> => (await ask('GET', path)).status;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  const json = async (path: string): Promise<any> => (await ask('GET', path)).json();
  return { ask, push, there, json };
}

describe('several image repositories at the root of one host', () => {
  let registry: Awaited<ReturnType<typeof registryOf>>;
  beforeEach(async () => {
    registry = await registryOf([
      ['first', '/oci'],
      ['team', '/team'],
      ['deep', '/deep/images'],
    ]);
  });

  it('a name begins with the mount of the repository that is meant; others belong to the first', async () => {
    const { push, there } = registry;
    expect((await push('/v2/team/app', 'text/a')).headers.get('location')).toMatch(/^\/v2\/team\/app\/manifests\/sha256:/);
    await push('/v2/deep/images/app/sub', 'text/b');
    await push('/v2/other/app', 'text/c');
    const paths = ['team/v2/app', 'team/app', 'deep/images/v2/app/sub', 'oci/other/app', 'v2/oci/other/app', 'v2/other/app'];
    for (const path of paths) expect([path, await there(`/${path}/manifests/v1`)]).toEqual([path, 200]);
    for (const path of ['oci/team/app', 'team/other/app', 'v2/app', 'v2/team/other/app', 'oci/app'])
      expect([path, await there(`/${path}/manifests/v1`)]).toEqual([path, 404]);
  });

  it('answers keep to the name that was asked', async () => {
    const { ask, push, json } = registry;
    await push('/v2/team/app', 'text/a');
    expect(await json('/v2/team/app/tags/list')).toEqual({ name: 'team/app', tags: ['v1'] });
    expect(await json('/team/v2/app/tags/list')).toEqual({ name: 'app', tags: ['v1'] });
    const upload = await ask('POST', '/v2/team/app/blobs/uploads/', { body: '' });
    expect(upload.headers.get('location')).toMatch(/^\/v2\/team\/app\/blobs\/uploads\/[a-z2-7]{26}$/);
    const done = await ask('PUT', `${upload.headers.get('location')}?digest=${digestOf('x')}`, { body: 'x' });
    expect([done.status, done.headers.get('location')]).toEqual([201, `/v2/team/app/blobs/${digestOf('x')}`]);
  });

  it('a name that is no more than a mount is a name like any other', async () => {
    const { push, there, json } = registry;
    await push('/v2/team', 'text/a');
    expect(await there('/oci/team/manifests/v1')).toBe(200);
    expect(await json('/v2/team/tags/list')).toEqual({ name: 'team', tags: ['v1'] });
  });

  it('oci 4: so do errors', async () => {
    const { push, json } = registry;
    await push('/v2/team/app', 'text/a');
    for (const [path, name] of [
      ['/v2/team/none/tags/list', 'team/none'],
      ['/v2/team/none/manifests/v1', 'team/none'],
      [`/v2/deep/images/none/blobs/${digestOf('x')}`, 'deep/images/none'],
      ['/v2/team/none/_oci/ext/discover', 'team/none'],
      ['/team/v2/none/tags/list', 'none'],
      ['/v2/none/tags/list', 'none'],
    ] as const)
      expect([path, (await json(path)).errors[0]]).toEqual([
        path,
        expect.objectContaining({ code: 'NAME_UNKNOWN', detail: { name } }),
      ]);
  });

  it('oci 4: whatever is asked below /v2/ is answered in the words that clients read, though hosts may have such paths of their own', async () => {
    const { ask } = registry;
    for (const [method, path, status] of [
      ['GET', '/v2/app/nothing', 404],
      ['GET', '/v2/app/tags/list/', 404],
      ['GET', '/v2/app/tags', 404],
      ['GET', '/v2/token/', 404],
      ['GET', '/%762/app/tags', 404],
      ['POST', '/v2/app/nothing', 404],
      ['GET', '/v2/team/nothing', 404],
      ['GET', `/v2/${'a/'.repeat(2_500)}tags/list`, 400],
      ['GET', '/v2/a%zz/tags/list', 400],
    ] as const) {
      const answer = await ask(method, path, { headers: { authorization: '' } });
      const { errors } = (await answer.json()) as { errors?: { code: string; message: string }[] };
      const said = [path, answer.status, answer.headers.get('content-type'), errors?.length];
      expect(said).toEqual([path, status, 'application/json', 1]);
      expect(errors?.[0]?.code).toBe(status === 404 ? 'UNSUPPORTED' : 'UNKNOWN');
      expect((await ask('HEAD', path)).status).toBe(method === 'GET' ? status : 404);
    }
    const [instance] = open;
    for (const path of ['/v2/app/nothing', '/v2/users', '/v2', '/v2/app/tags/list', '/v2x'])
      expect([path, instance?.handles(path)]).toEqual([path, path === '/v2' || path.endsWith('/list')]);
    expect(await (await ask('GET', '/v2x')).json()).toEqual({ error: { code: 'not_found', message: 'nothing is mounted here' } });
  });

  it('the challenge speaks of the outer name, and the one token endpoint understands it', async () => {
    const { ask, push } = registry;
    await push('/v2/team/app', 'text/a');
    await push('/v2/app', 'text/b');
    const login = { authorization: `Basic ${Buffer.from(`token:${ADMIN}`).toString('base64')}` };
    const refused = await ask('GET', '/v2/team/app/manifests/v1', { headers: { authorization: 'Bearer anonymous' } });
    expect(refused.headers.get('www-authenticate')).toBe(
      `Bearer realm="${HOST}/v2/token",service="images.example",scope="repository:team/app:pull"`,
    );
    const got = await ask('GET', '/v2/token?scope=repository:team/app:pull', { headers: login });
    const { token, scope } = (await got.json()) as { token: string; scope: string };
    expect(scope).toBe('repository:team/app:pull');
    const headers = { authorization: `Bearer ${token}` };
    expect((await ask('GET', '/v2/team/app/manifests/v1', { headers })).status).toBe(200);
    expect((await ask('GET', '/v2/other/manifests/v1', { headers })).status).toBe(401);
  });

  it('a robot of one repository opens that one only', async () => {
    const { ask, push } = registry;
    await push('/v2/team/app', 'text/a');
    await push('/v2/app', 'text/b');
    const manager = open[0]?.getAuthManager();
    const token = await manager?.createOciToken(userIdOf('admin'), ['team:repository:app:pull'], 3_600);
    const robot = { authorization: `Bearer ${token}` };
    expect((await ask('GET', '/v2/team/app/manifests/v1', { headers: robot })).status).toBe(200);
    expect((await ask('GET', '/v2/app/manifests/v1', { headers: robot })).status).not.toBe(200);
  });

  it('oci 34: lists and searches cover them all at the root, and one below its mount', async () => {
    const { push, json } = registry;
    await push('/v2/team/app', 'text/a');
    await push('/v2/deep/images/web', 'text/b');
    await push('/v2/web', 'text/c');
    expect(await json('/v2/_catalog')).toEqual({ repositories: ['deep/images/web', 'team/app', 'web'] });
    const page = await registry.ask('GET', '/v2/_catalog?n=1&last=deep/images/web');
    expect(await page.json()).toEqual({ repositories: ['team/app'] });
    expect(page.headers.get('link')).toBe('</v2/_catalog?n=1&last=team%2Fapp>; rel="next"');
    expect(await json('/team/v2/_catalog')).toEqual({ repositories: ['app'] });
    const found = await json('/v1/search?q=WEB&n=1&page=2');
    expect([found.num_results, found.num_pages, found.results]).toMatchObject([2, 2, [{ name: 'web' }]]);
  });

  it('oci 34: a name that means another repository is not listed as one of the first', async () => {
    const { push, json, ask } = registry;
    await push('/oci/team/app', 'text/a');
    await push('/oci/deep/images/x', 'text/b');
    await push('/oci/oci/y', 'text/c');
    expect(await json('/v2/_catalog')).toEqual({ repositories: [] });
    expect(await json('/oci/_catalog')).toEqual({ repositories: ['deep/images/x', 'oci/y', 'team/app'] });
    await push('/v2/team/app', 'text/d');
    expect(await json('/v2/_catalog')).toEqual({ repositories: ['team/app'] });
    expect((await ask('GET', '/v2/_catalog?n=1')).headers.get('link')).toBeNull();
    expect((await json('/v1/search?q=app')).num_results).toBe(1);
  });

  it('a mount of a blob stays within one repository; from another one it is an upload', async () => {
    const { ask, push } = registry;
    await push('/v2/team/app', 'text/a');
    const mount = async (to: string, from: string): Promise<number> =>
      (await ask('POST', `/v2/${to}/blobs/uploads/?mount=${digestOf('{}')}&from=${from}`, { body: '' })).status;
    expect(await mount('team/copy', 'team/app')).toBe(201);
    expect(await mount('elsewhere/copy', 'team/app')).toBe(202);
    expect(await mount('team/more', 'app')).toBe(202);
  });
});

describe('one image repository', () => {
  it.each(['/oci', '/v2', '/'])('mounted at %s answers /v2/ at the root', async (basePath) => {
    const { push, there, json } = await registryOf([['images', basePath]]);
    await push('/v2/team/app', 'text/a');
    expect(await there('/v2/team/app/manifests/v1')).toBe(200);
    expect(await json('/v2/_catalog')).toEqual({ repositories: ['team/app'] });
    expect((await json('/v2/team/app/tags/list')).name).toBe('team/app');
  });

  it('may itself be mounted below /v2/', async () => {
    const { ask, push, json } = await registryOf([
      ['first', '/oci'],
      ['team', '/v2/team'],
    ]);
    await push('/v2/team/app', 'text/a');
    expect(await json('/v2/_catalog')).toEqual({ repositories: ['team/app'] });
    expect((await json('/v2/team/app/tags/list')).name).toBe('team/app');
    const refused = await ask('GET', '/v2/team/app/manifests/v1', { headers: { authorization: 'Bearer anonymous' } });
    expect(refused.headers.get('www-authenticate')).toContain(`realm="${HOST}/v2/token"`);
    expect(refused.headers.get('www-authenticate')).toContain('scope="repository:team/app:pull"');
  });

  it.each(['/v2/v2/app', '/oci/v2/v2/app', '/v2/v2'])('oci 3: %s: no name begins with v2', async (path) => {
    const { ask } = await registryOf([['images', '/oci']]);
    const answer = await ask('GET', `${path}/manifests/v1`);
    const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
    expect([answer.status, errors[0]?.code]).toEqual([400, 'NAME_INVALID']);
  });

  it.each([
    ['what a trusted proxy says', { trustProxy: ['192.0.2.0/24'] }, 'https://images.example/v2/token'],
    ['the configured address', { publicUrl: 'https://public.example:8443/below' }, 'https://public.example:8443/v2/token'],
    ['the request, where the proxy is nobody', {}, 'http://127.0.0.1:8080/v2/token'],
  ])('oci 45: behind a proxy the realm comes from %s, and links stay on the path', async (_from, config, realm) => {
    await registryOf([['images', '/oci']], config);
    const ask = (method: string, path: string, authorization: string) =>
      open[0]?.handleRequest({
        method,
        path,
        query: {},
        headers: {
          host: '127.0.0.1:8080',
          'x-forwarded-proto': 'https',
          'x-forwarded-host': 'images.example',
          ...(authorization === '' ? {} : { authorization }),
        },
        peer: { address: '192.0.2.1' },
      });
    expect((await ask('GET', '/v2/', ''))?.headers['WWW-Authenticate']).toContain(`realm="${realm}"`);
    const opened = await ask('POST', '/v2/team/app/blobs/uploads/', `Bearer ${ADMIN}`);
    expect(opened?.headers['Location']).toMatch(/^\/v2\/team\/app\/blobs\/uploads\//);
  });

  it('oci 1: the realm and the service of challenges are those of the configuration, where it has any', async () => {
    const realm = 'https://login.example/token';
    const ociTokens = { enabled: true, realm, service: 'the images' };
    const { ask } = await registryOf([['images', '/oci']], { auth: { adminToken: ADMIN, ociTokens } });
    for (const [path, scope] of [
      ['/v2/', ''],
      ['/v2/team/app/tags/list', ',scope="repository:team/app:pull"'],
    ] as const) {
      const refused = await ask('GET', path, { headers: { authorization: '' } });
      const challenge = `Bearer realm="${realm}",service="the images"${scope}`;
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, challenge]);
    }
  });

  it.each(['/v2', '/oci/v2', '/oci'])(
    'links and realms lead to the form with v2 of the mount that was asked: %s',
    async (root) => {
      const { ask, push, there } = await registryOf([['images', '/oci']]);
      const outer = root === '/v2' ? '/v2' : '/oci/v2';
      expect((await push(`${root}/team/app`, 'text/a')).headers.get('location')).toMatch(
        new RegExp(`^${outer}/team/app/manifests/`),
      );
      const opened = await ask('POST', `${root}/team/app/blobs/uploads/`, { body: '' });
      const location = opened.headers.get('location') ?? '';
      expect(location.startsWith(`${outer}/team/app/blobs/uploads/`)).toBe(true);
      expect(await there(location)).toBe(204);
      const paged = await ask('GET', `${root}/_catalog?n=0`);
      expect([paged.status, paged.headers.get('link')]).toEqual([200, null]);
      await push(`${root}/team/more`, 'text/a');
      const link = (await ask('GET', `${root}/_catalog?n=1`)).headers.get('link');
      expect(link).toBe(`<${outer}/_catalog?n=1&last=team%2Fapp>; rel="next"`);
      const refused = await ask('GET', `${root}/team/app/tags/list`, { headers: { authorization: '' } });
      expect(refused.headers.get('www-authenticate')).toContain(`realm="${HOST}${outer}/token"`);
      const token = await ask('GET', `${outer}/token?scope=repository:team/app:pull`);
      expect(((await token.json()) as { scope: string }).scope).toBe('repository:team/app:pull');
    },
  );

  it('oci 1: where sessions are switched off clients are asked for Basic, which works, and not sent where no tokens are', async () => {
    const { ask } = await registryOf([['images', '/oci']], { auth: { adminToken: ADMIN, ociTokens: { enabled: false } } });
    for (const path of ['/v2/', '/v2/team/app/tags/list']) {
      const refused = await ask('GET', path, { headers: { authorization: '' } });
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="images.example"']);
    }
    const authorization = `Basic ${Buffer.from(`token:${ADMIN}`).toString('base64')}`;
    expect((await ask('GET', '/v2/', { headers: { authorization } })).status).toBe(200);
    const opened = await ask('POST', '/v2/team/app/blobs/uploads/', { body: '', headers: { authorization } });
    expect(opened.status).toBe(202);
    expect((await ask('GET', '/v2/token', { headers: { authorization } })).status).toBe(404);
  });

  it('oci 37: a scope may have host and port in front of the name', async () => {
    const { ask, push } = await registryOf([['images', '/oci']]);
    await push('/v2/team/app', 'text/a');
    const host = 'images.example:5000';
    const asked = async (name: string) => {
      const answer = await open[0]?.fetch(
        new Request(`https://${host}/v2/token?scope=repository:${name}:pull`, { headers: { authorization: `Bearer ${ADMIN}` } }),
      );
      return (await answer?.json()) as { token: string; scope: string };
    };
    const { token, scope } = await asked(`${host}/team/app`);
    expect(scope).toBe(`repository:${host}/team/app:pull`);
    const headers = { authorization: `Bearer ${token}` };
    expect((await ask('GET', '/v2/team/app/manifests/v1', { headers })).status).toBe(200);
    for (const name of ['images.example:5001/team/app', 'images.example/team/app:5000'])
      expect((await asked(name)).scope).toBe('');
  });

  it('says which extensions there are', async () => {
    const { ask, push, json } = await registryOf([['images', '/oci']]);
    await push('/v2/team/app', 'text/a');
    for (const path of ['/v2/_oci/ext/discover', '/v2/team/app/_oci/ext/discover'])
      expect((await json(path)).extensions).toMatchObject([{ name: '_oci', endpoints: ['_oci/ext/discover'] }]);
    const absent = await ask('GET', '/v2/team/none/_oci/ext/discover');
    expect([absent.status, ((await absent.json()) as { errors: { code: string }[] }).errors[0]?.code]).toEqual([
      404,
      'NAME_UNKNOWN',
    ]);
  });
});
