import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { type Oci, registry } from './rig.js';

let oci: Oci;
beforeEach(async () => {
  oci = await registry({ anonymousRead: true });
});
afterEach(async () => {
  expect(oci.faults).toEqual([]);
  await oci.close();
});

const basic = (user: string, password: string): { authorization: string } => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const ask = (query: string, headers: Readonly<Record<string, string>> = {}) =>
  oci.get(`/v2/token?service=images.example${query}`, { token: null, headers });
const form = (fields: Record<string, string>) =>
  oci.request('POST', '/v2/token', {
    token: null,
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
const can = async (token: string, name: string): Promise<{ pull: boolean; push: boolean }> => ({
  pull: (await oci.get(`/v2/${name}/tags/list`, { token })).status === 200,
  push: (await oci.request('POST', `/v2/${name}/blobs/uploads/`, { token, body: new Uint8Array(0) })).status === 202,
});

describe('the challenge', () => {
  it('oci 1: /v2/ asks for credentials, and says where the tokens are', async () => {
    const asked = await oci.get('/v2/', { token: null });
    expect([asked.status, asked.code]).toEqual([401, 'UNAUTHORIZED']);
    expect(asked.headers['www-authenticate']).toBe('Bearer realm="https://images.example/v2/token",service="images.example"');
    for (const headers of [{}, basic('ann', 'correct horse')]) {
      const answer = await oci.get('/v2/', { token: 'authorization' in headers ? null : oci.token, headers });
      expect([answer.status, answer.headers['docker-distribution-api-version']]).toEqual([200, 'registry/2.0']);
    }
  });

  it('oci 39, 40: names the scope that would open the door; a bad token is told from none', async () => {
    const push = await oci.request('POST', '/v2/team/app/blobs/uploads/', { token: null, body: new Uint8Array(0) });
    expect(push.headers['www-authenticate']).toBe(
      'Bearer realm="https://images.example/v2/token",service="images.example",scope="repository:team/app:pull,push"',
    );
    const bad = await oci.get('/v2/team/app/manifests/v1', { token: `${oci.token}x` });
    expect(bad.status).toBe(401);
    expect(bad.headers['www-authenticate']).toContain('scope="repository:team/app:pull",error="invalid_token"');
    const mount = `/v2/team/app/blobs/uploads/?mount=sha256:${'0'.repeat(64)}&from=other/app`;
    const both = await oci.request('POST', mount, { token: null, body: new Uint8Array(0) });
    expect(both.headers['www-authenticate']).toContain('scope="repository:team/app:pull,push repository:other/app:pull"');
  });

  it('anonymous callers hear of an absent repository what they hear of a closed one', async () => {
    await oci.image('team/app', 'v1');
    expect((await oci.get('/v2/team/app/manifests/v1', { token: null })).status).toBe(200);
    const absent = await oci.get('/v2/team/none/manifests/v1', { token: null });
    expect([absent.status, absent.code]).toEqual([401, 'UNAUTHORIZED']);
  });
});

it('oci 39: an expired session is told the scope for the next one', async () => {
  const ahead = { by: 0 };
  const { clock } = systemRuntime;
  const late = { now: () => clock.now() + ahead.by, monotonic: () => clock.monotonic() + ahead.by };
  const closed = await registry({
    runtime: { ...systemRuntime, clock: { ...late, sleep: clock.sleep.bind(clock), after: clock.after.bind(clock) } },
  });
  await closed.image('team/app', 'v1');
  const fetched = async (): Promise<string> => {
    const path = '/v2/token?scope=repository:team/app:pull';
    return (await closed.get(path, { token: null, headers: basic('x', closed.token) })).json.token;
  };
  const token = await fetched();
  expect((await closed.get('/v2/team/app/manifests/v1', { token })).status).toBe(200);
  ahead.by = 2 * 60 * 60 * 1000;
  const expired = await closed.get('/v2/team/app/manifests/v1', { token });
  expect([expired.status, expired.code]).toEqual([401, 'UNAUTHORIZED']);
  expect(expired.headers['www-authenticate']).toContain('scope="repository:team/app:pull",error="invalid_token"');
  expect((await closed.get('/v2/team/app/manifests/v1', { token: await fetched() })).status).toBe(200);
  await closed.close();
});

describe('oci 39, 40: a session that opens less than its credentials', () => {
  const narrow = async (scope: string, token = oci.token): Promise<string> =>
    (await ask(`&scope=${scope}`, basic('x', token))).json.token;
  const scopeIn = (header: string | undefined): string => /scope="([^"]*)"/.exec(header ?? '')?.[1] ?? '';

  it.each([
    ['GET', '/v2/team/app/manifests/v1', 'repository:team/app:pull', 200],
    ['GET', '/v2/team/app/tags/list', 'repository:team/app:pull', 200],
    ['GET', '/v2/team/none/manifests/v1', 'repository:team/none:pull', 404],
    ['POST', '/v2/team/app/blobs/uploads/', 'repository:team/app:pull,push', 202],
    ['DELETE', '/v2/team/app/manifests/v1', 'repository:team/app:delete', 202],
    ['GET', '/v2/_catalog', 'registry:catalog:*', 200],
  ])('%s %s is answered with the scope to ask for, and that one opens it', async (method, path, scope, status) => {
    await oci.image('team/app', 'v1');
    const body = method === 'POST' ? { body: new Uint8Array(0) } : {};
    const refused = await oci.request(method, path, { token: await narrow('repository:other/app:pull'), ...body });
    expect([refused.status, refused.code]).toEqual([401, 'UNAUTHORIZED']);
    expect(refused.headers['www-authenticate']).toContain(',error="insufficient_scope"');
    expect(scopeIn(refused.headers['www-authenticate'])).toBe(scope);
    const wider = await oci.request(method, path, { token: await narrow(scope), ...body });
    expect(wider.status).toBe(status);
  });

  it('a mount names the source as well, and falls back to an upload once that has been asked for', async () => {
    const digest = await oci.blob('team/one', 'shared');
    const path = (from: string): string => `/v2/team/two/blobs/uploads/?mount=${digest}&from=${from}`;
    const post = (from: string, token: string) => oci.request('POST', path(from), { token, body: new Uint8Array(0) });
    const first = await post('team/one', await narrow('repository:team/two:pull,push'));
    const scope = scopeIn(first.headers['www-authenticate']);
    expect([first.status, scope]).toEqual([401, 'repository:team/two:pull,push repository:team/one:pull']);
    expect((await post('team/one', await narrow(encodeURIComponent(scope)))).status).toBe(201);
    const robot = await oci.user('ann', { scopes: ['oci:repository:team/two:pull', 'oci:repository:team/two:push'] });
    expect((await post('team/one', await narrow(encodeURIComponent(scope), robot))).status).toBe(202);
  });

  it('whom no other session would help hears DENIED, or what everybody hears of an absent repository', async () => {
    await oci.image('team/app', 'v1');
    const robot = await oci.user('ann', { scopes: ['oci:repository:other/app:pull'] });
    const token = await narrow('repository:team/app:pull,push,delete', robot);
    const push = await oci.request('POST', '/v2/team/app/blobs/uploads/', { token, body: new Uint8Array(0) });
    expect([push.status, push.code]).toEqual([403, 'DENIED']);
    expect((await oci.remove('/v2/team/app/manifests/v1', { token })).code).toBe('DENIED');
    for (const name of ['team/app', 'team/none']) {
      const { status, code } = await oci.get(`/v2/${name}/manifests/v1`, { token });
      expect([status, code]).toEqual([404, 'NAME_UNKNOWN']);
    }
    const stranger = await narrow('repository:team/app:push', await oci.user('bob'));
    const owned = await oci.request('POST', '/v2/team/app/blobs/uploads/', { token: stranger, body: new Uint8Array(0) });
    expect([owned.status, owned.code]).toEqual([403, 'DENIED']);
    const readonly = await narrow('repository:more/app:pull', await oci.user('ann', { readonly: true }));
    const never = await oci.request('POST', '/v2/team/app/blobs/uploads/', { token: readonly, body: new Uint8Array(0) });
    expect([never.status, never.code]).toEqual([403, 'DENIED']);
  });
});

describe('a refusal', () => {
  it('oci 40: says which right is missing, or that it belongs to others; what it says of what they may not read is the same', async () => {
    await oci.image('team/app', 'v1');
    const told = async (token: string, name: string, method = 'POST'): Promise<string> => {
      const path = method === 'POST' ? 'blobs/uploads/' : 'manifests/v1';
      const { status, json } = await oci.request(method, `/v2/${name}/${path}`, {
        token,
        ...(method === 'POST' ? { body: new Uint8Array(0) } : {}),
      });
      expect(status).toBe(403);
      return json.errors[0].message;
    };
    const robot = await oci.user('ann', { scopes: ['oci:repository:*:pull'] });
    const missing = 'access denied: with these credentials you may not';
    expect(await told(robot, 'team/app')).toBe(`${missing} create here`);
    expect(await told(robot, 'team/none')).toBe(`${missing} create here`);
    expect(await told(robot, 'team/app', 'DELETE')).toBe(`${missing} delete here`);
    const bob = await oci.user('bob');
    expect(await told(bob, 'team/app')).toBe('access denied: only an owner of it may create here');
    expect(await told(bob, 'team/app', 'DELETE')).toBe('access denied: only an owner of it may delete here');
    const blind = await oci.user('bob', { scopes: ['oci:repository:*:push'] });
    expect(await told(blind, 'team/app')).toBe(`${missing} create here`);
  });
});

describe('GET', () => {
  it('oci 37: anonymous callers get a token that opens what needs none', async () => {
    await oci.image('team/app', 'v1');
    const { status, json } = await ask('&scope=repository:team/app:pull,push');
    expect(status).toBe(200);
    expect(json.token).toBe(json.access_token);
    expect(await can(json.token, 'team/app')).toEqual({ pull: true, push: false });
    expect((await oci.get('/v2/', { token: json.token })).status).toBe(200);
  });

  it('oci 37: what was asked for and what the caller has, no more', async () => {
    await oci.image('team/app', 'v1');
    const robot = await oci.user('ann', { scopes: ['oci:repository:team/app:pull'] });
    const wide = await ask('&scope=repository:team/app:pull,push&scope=repository:other/app:pull', basic('robot', robot));
    expect(wide.status).toBe(200);
    expect(wide.json.expires_in).toBeGreaterThanOrEqual(60);
    expect(wide.json.scope).toBe('repository:team/app:pull');
    expect(await can(wide.json.token, 'team/app')).toEqual({ pull: true, push: false });
    const narrow = await ask('&scope=repository:team/app:pull', basic('ann', 'correct horse'));
    expect(await can(narrow.json.token, 'team/app')).toEqual({ pull: true, push: false });
    const full = await ask('&scope=repository:team/app:pull,push repository:more/app:push', basic('ann', 'correct horse'));
    expect(await can(full.json.token, 'team/app')).toEqual({ pull: true, push: true });
    expect((await can(full.json.token, 'more/app')).push).toBe(true);
    expect((await can(full.json.token, 'third/app')).push).toBe(false);
  });

  it.each([
    '',
    '&scope=',
    '&scope=nonsense',
    '&scope=repository:UPPER:pull',
    '&scope=plugin:x:pull',
    '&scope=repository:a/b:frob',
  ])('A5: %s is a token that says who one is and opens nothing', async (query) => {
    const closed = await registry();
    await closed.image('a/b', 'v1');
    const { status, json } = await closed.get(`/v2/token?x=y${query}`, { token: null, headers: basic('x', closed.token) });
    expect([status, json.scope]).toEqual([200, '']);
    expect((await closed.get('/v2/', { token: json.token })).status).toBe(200);
    expect((await closed.get('/v2/a/b/manifests/v1', { token: json.token })).status).toBe(401);
    expect((await closed.get('/v2/_catalog', { token: json.token })).status).toBe(401);
    await closed.close();
  });

  it('oci 37: of everything, what the caller has is granted, and said', async () => {
    await oci.image('team/app', 'v1');
    const scope = '&scope=repository:team/app:*';
    const all = await ask(scope, basic('ann', 'correct horse'));
    expect(all.json.scope).toBe('repository:team/app:pull,push,delete');
    expect((await oci.remove('/v2/team/app/manifests/v1', { token: all.json.token })).status).toBe(202);
    const robot = await oci.user('ann', { scopes: ['oci:repository:team/app:pull', 'oci:repository:team/app:delete'] });
    expect((await ask(scope, basic('x', robot))).json.scope).toBe('repository:team/app:pull,delete');
    const chief = await oci.user('root', { admin: true });
    expect((await ask(scope, basic('x', chief))).json.scope).toBe('repository:team/app:*');
  });

  it('oci 37: a login goes on where no further token can be made: it has no refresh token then', async () => {
    const id = (await oci.directory.find('ann'))?.id ?? '';
    await Promise.all(Array.from({ length: 999 }, () => oci.directory.createToken(id)));
    const { status, json } = await ask('&scope=repository:team/app:pull&offline_token=true', basic('ann', 'correct horse'));
    expect([status, json.refresh_token, typeof json.token]).toEqual([200, undefined, 'string']);
  });

  it('oci 37: a name may have our host in front, and colons in it do no harm', async () => {
    await oci.image('team/app', 'v1');
    const login = basic('ann', 'correct horse');
    const hosted = await ask('&scope=repository:images.example/team/app:pull', login);
    expect(hosted.json.scope).toBe('repository:images.example/team/app:pull');
    expect(await can(hosted.json.token, 'team/app')).toEqual({ pull: true, push: false });
    for (const name of ['elsewhere.example:5000/team/app', 'images.example:5000/team/app', ':', 'a:b:c', 'images.example/']) {
      const { status, json } = await ask(`&scope=repository:${name}:pull`, login);
      expect([name, status, json.scope]).toEqual([name, 200, '']);
    }
  });

  it('oci 37: wrong credentials are 401, never an anonymous token', async () => {
    for (const headers of [basic('ann', 'wrong'), basic('nobody', 'x'), { authorization: 'Bearer nonsense' }]) {
      const answer = await ask('&scope=repository:team/app:pull', headers);
      expect([answer.status, answer.code]).toEqual([401, 'UNAUTHORIZED']);
    }
  });

  it('A5: a session ends with the token that it was made with', async () => {
    const robot = await oci.user('ann', { scopes: ['oci:repository:team/app:push'] });
    const { json } = await ask('&scope=repository:team/app:push', basic('x', robot));
    expect((await can(json.token, 'team/app')).push).toBe(true);
    await oci.gate.revokeToken(robot);
    const after = await oci.request('POST', '/v2/team/app/blobs/uploads/', { token: json.token, body: new Uint8Array(0) });
    expect(after.status).toBe(401);
  });

  it('oci 34: the catalog scope lists what one may read, and opens nothing of it', async () => {
    await oci.image('team/app', 'v1');
    await oci.image('other/app', 'v1');
    await oci.space.commit('team/app', () => ({
      changes: [{ type: 'visibility', by: 'x', visibility: 'restricted' }],
      result: undefined,
    }));
    const robot = await oci.user('ann', { scopes: ['oci:repository:team/*:pull'] });
    const { json } = await ask('&scope=registry:catalog:*', basic('x', robot));
    expect(json.scope).toBe('registry:catalog:*');
    expect((await oci.get('/v2/_catalog', { token: json.token })).json).toEqual({ repositories: ['team/app'] });
    expect((await oci.get('/v1/search?q=app', { token: json.token })).json.results).toMatchObject([{ name: 'team/app' }]);
    for (const name of ['team/app', 'other/app'])
      expect((await oci.get(`/v2/${name}/manifests/v1`, { token: json.token })).status).not.toBe(200);
  });

  it('oci 34: a session for something else is told which scope lists', async () => {
    const { json } = await ask('&scope=repository:team/app:pull', basic('x', oci.token));
    for (const path of ['/v2/_catalog', '/v1/search', '/v2/_oci/ext/discover']) {
      const { status, headers } = await oci.get(path, { token: json.token });
      expect([path, status]).toEqual([path, 401]);
      expect(headers['www-authenticate']).toContain('scope="registry:catalog:*",error="insufficient_scope"');
    }
  });
});

describe('POST', () => {
  it('oci 38: password, then the refresh token it gave', async () => {
    const scope = 'repository:team/app:pull,push';
    const first = await form({
      grant_type: 'password',
      username: 'ann',
      password: 'correct horse',
      scope,
      access_type: 'offline',
    });
    expect(first.status).toBe(200);
    expect((await can(first.json.access_token, 'team/app')).push).toBe(true);
    const second = await form({ grant_type: 'refresh_token', refresh_token: first.json.refresh_token, scope });
    expect(second.json.refresh_token).toBe(first.json.refresh_token);
    expect((await can(second.json.access_token, 'team/app')).push).toBe(true);
    const plain = await form({ grant_type: 'password', username: 'ann', password: 'correct horse', scope });
    expect(plain.json.refresh_token).toBeUndefined();
  });

  it('oci 38: what it does not know is 400, wrong credentials are 401', async () => {
    for (const fields of [{}, { grant_type: 'authorization_code' }, { grant_type: 'password' }, { grant_type: 'refresh_token' }])
      expect((await form(fields as Record<string, string>)).status).toBe(400);
    expect((await form({ grant_type: 'password', username: 'ann', password: 'wrong' })).status).toBe(401);
    expect((await form({ grant_type: 'refresh_token', refresh_token: 'ent_nonsense' })).status).toBe(401);
  });
});
