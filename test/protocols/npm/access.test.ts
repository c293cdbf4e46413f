import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Registry, registry } from './rig.js';

let npm: Registry;
beforeEach(async () => {
  npm = await registry({ anonymousRead: true });
});
afterEach(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

const visible = async (path: string, token?: string) =>
  (await npm.request('GET', path, token === undefined ? {} : { token })).status;
const ofPackage = (name: string) => [
  `/${name}`,
  `/${name}/1.0.0`,
  `/${name}/-/${name.split('/').at(-1)}-1.0.0.tgz`,
  `/-/package/${name}/dist-tags`,
  `/-/package/${name}/visibility`,
];

describe('npm 15: visibility', () => {
  it('new scoped packages are restricted unless said otherwise, unscoped ones public', async () => {
    await npm.publish({ name: 'open', version: '1.0.0' });
    await npm.publish({ name: '@t/shut', version: '1.0.0' });
    await npm.publish({ name: '@t/open', version: '1.0.0' }, { access: 'public' });
    await npm.publish({ name: 'shut', version: '1.0.0' }, { access: 'restricted' });
    for (const [name, open] of [
      ['open', true],
      ['@t/shut', false],
      ['@t/open', true],
      ['shut', false],
    ] as const) {
      expect((await npm.get(`/-/package/${name}/visibility`)).json).toEqual({ public: open });
      for (const path of ofPackage(name)) expect(await visible(path), path).toBe(open ? 200 : 404);
    }
  });

  it('npm 35, Z9: a restricted package looks to strangers exactly like one that is not there', async () => {
    await npm.publish({ name: '@t/shut', version: '1.0.0' });
    const one = ofPackage('@t/shut');
    const other = ofPackage('@t/none');
    for (const [at, path] of one.entries()) {
      const [there, absent] = [await npm.request('GET', path), await npm.request('GET', other[at] as string)];
      expect([there.status, there.text, there.headers]).toEqual([absent.status, absent.text, absent.headers]);
    }
    expect(await visible('/@t%2fshut', await npm.user('bob'))).toBe(200);
  });

  it('is changed by owners and administrators, by nobody else, and keeps versions', async () => {
    await npm.publish({ name: '@t/a', version: '1.0.0' });
    const set = (access: string, token?: string) =>
      npm.request('POST', '/-/package/@t%2fa/access', { ...(token === undefined ? {} : { token }), body: { access } });
    expect((await set('public')).status).toBe(401);
    expect((await set('public', await npm.user('bob'))).status).toBe(403);
    expect((await set('public', npm.token)).status).toBe(200);
    expect(await visible('/@t%2fa')).toBe(200);
    expect((await set('private', await npm.user('root', { admin: true }))).status).toBe(200);
    expect(await visible('/@t%2fa')).toBe(404);
    expect((await set('nonsense', npm.token)).status).toBe(400);
    const none = { token: await npm.user('root2', { admin: true }), body: { access: 'public' } };
    expect((await npm.request('POST', '/-/package/@t%2fnone/access', none)).status).toBe(404);
  });

  it('does not change with a later publish, and npm 36: the client is told', async () => {
    await npm.publish({ name: '@t/a', version: '1.0.0' });
    const again = await npm.publish({ name: '@t/a', version: '1.1.0' }, { access: 'public' });
    expect(again.status).toBe(201);
    expect(again.headers['npm-notice']).toMatch(/stays restricted/);
    expect(await visible('/@t%2fa')).toBe(404);
  });

  it('two-factor rules are set by those who have a second factor, and saying that none are wanted is fine', async () => {
    await npm.publish({ name: 'a', version: '1.0.0' });
    const mfa = (body: object) => npm.request('POST', '/-/package/a/access', { token: npm.token, body });
    expect((await mfa({ publish_requires_tfa: false })).status).toBe(200);
    expect((await mfa({ publish_requires_tfa: true, automation_token_overrides_tfa: false })).status).toBe(403);
  });
});

describe('npm 15: who may what', () => {
  it('collaborators are the owners; a user lists what is theirs', async () => {
    await npm.publish({ name: '@t/a', version: '1.0.0' });
    const bob = await npm.user('bob');
    await npm.publish({ name: 'b', version: '1.0.0' }, { token: bob });
    expect((await npm.get('/-/package/@t%2fa/collaborators')).json).toEqual({ ann: 'write' });
    expect((await npm.get('/-/package/@t%2fa/collaborators?user=bob')).json).toEqual({});
    expect(await visible('/-/package/b/collaborators')).toBe(401);
    expect((await npm.get('/-/user/ann/package')).json).toEqual({ '@t/a': 'write' });
    expect((await npm.request('GET', '/-/user/ann/package')).json).toEqual({});
    // Which names are users is not for strangers.
    expect((await npm.get('/-/user/nobody/package')).status).toBe(404);
    const stranger = await npm.request('GET', '/-/user/nobody/package');
    expect([stranger.status, stranger.json]).toEqual([200, {}]);
    expect((await npm.get('/-/org/ann/package')).status).toBe(404);
  });

  it('organisations and teams are not offered: 404, in JSON', async () => {
    for (const path of ['/-/org/t/user', '/-/org/t/team', '/-/team/t/dev/package', '/-/team/t/dev/user']) {
      const answer = await npm.get(path);
      expect([answer.status, answer.headers['content-type']]).toEqual([404, 'application/json']);
    }
  });

  it('npm 17: a read-only token reads and changes nothing', async () => {
    await npm.publish({ name: 'a', version: '1.0.0' });
    const { _rev } = (await npm.get('/a')).json;
    const token = await npm.user('rob', { readonly: true });
    expect(await visible('/a', token)).toBe(200);
    const attempts: [string, string, unknown][] = [
      ['PUT', '/-/package/a/dist-tags/next', '"1.0.0"'],
      ['DELETE', `/a/-rev/${_rev}`, undefined],
      ['PUT', `/a/-rev/${_rev}`, { maintainers: [{ name: 'rob' }] }],
      ['POST', '/-/package/a/access', { access: 'restricted' }],
    ];
    for (const [method, path, body] of attempts) {
      const answer = await npm.request(method, path, { token, ...(body === undefined ? {} : { body }) });
      expect(answer.status, `${method} ${path}`).toBe(403);
    }
    expect((await npm.publish({ name: 'new', version: '1.0.0' }, { token })).status).toBe(403);
    expect((await npm.driver.list('objects/')).objects).toHaveLength(1);
  });

  it('npm 17: a token used from the wrong address hears ipaddress', async () => {
    const token = await npm.user('far', { cidr: ['203.0.113.0/24'] });
    const answer = await npm.request('GET', '/-/whoami', { token });
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'ipaddress']);
  });

  it('npm 40: Basic works, with a password and with a token in its place', async () => {
    for (const secret of ['correct horse', npm.token]) {
      const authorization = `Basic ${Buffer.from(`ann:${secret}`).toString('base64')}`;
      expect((await npm.request('GET', '/-/whoami', { headers: { authorization } })).json).toEqual({ username: 'ann' });
    }
  });
});

it('Z3: what depends on the caller says so to caches', async () => {
  await npm.publish({ name: '@t/shut', version: '1.0.0' });
  await npm.publish({ name: 'open', version: '1.0.0' });
  const cache = async (path: string) => (await npm.get(path)).headers['cache-control'];
  expect(await cache('/@t%2fshut')).toBe('private, no-cache');
  expect(await cache('/@t/shut/-/shut-1.0.0.tgz')).toMatch(/^private/);
  expect(await cache('/open')).toBe('public, no-cache');
});
