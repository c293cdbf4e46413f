import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BASE, type Registry, registry } from './rig.js';

let npm: Registry;
beforeEach(async () => {
  npm = await registry();
});
afterEach(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

const whoami = async (token: string) => {
  const { status, json } = await npm.request('GET', '/-/whoami', { token });
  return status === 200 ? json.username : status;
};
const couch = (name: string, password: string, more: object = {}) =>
  npm.request('PUT', `/-/user/org.couchdb.user:${name}`, {
    token: 'an old token that is no good',
    body: { _id: `org.couchdb.user:${name}`, name, password, type: 'user', roles: [], date: '2030-01-01T00:00:00.000Z', ...more },
  });

describe('npm 16: login', () => {
  it('with a name and password gives a token that works', async () => {
    const answer = await couch('ann', 'correct horse');
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({ ok: true, id: 'org.couchdb.user:ann' });
    expect(await whoami(answer.json.token)).toBe('ann');
  });

  it('refuses a wrong password, an unknown user, and a body for somebody else', async () => {
    const wrong = await couch('ann', 'wrong');
    expect([wrong.status, wrong.json.error]).toEqual([401, 'The name or the password is not right']);
    // npm then prints "Incorrect or missing password"
    expect(wrong.headers['www-authenticate']).toMatch(/^Basic realm=/);
    expect((await npm.get('/-/whoami', { token: 'not-a-token' })).headers['www-authenticate']).toMatch(/^Bearer realm=/);
    expect((await couch('nobody', 'correct horse')).status).toBe(401);
    expect((await couch('ann', 'correct horse', { name: 'bob' })).status).toBe(400);
    expect((await couch('ann', 'correct horse', { password: null })).status).toBe(400);
  });

  it('adduser makes a user where users may register themselves', async () => {
    const open = await registry({ selfRegistration: true });
    const body = { name: 'new', password: 'a long password', email: 'new@mail.example', type: 'user', roles: [] };
    const answer = await open.request('PUT', '/-/user/org.couchdb.user:new', { body });
    expect(answer.status).toBe(201);
    expect((await open.request('GET', '/-/npm/v1/user', { token: answer.json.token })).json).toMatchObject({
      name: 'new',
      email: 'new@mail.example',
    });
    await open.close();
  });

  it('by browser: pending with Retry-After, then one token, once', async () => {
    const { loginUrl, doneUrl } = (await npm.request('POST', '/-/v1/login', { body: {} })).json;
    const [login, done] = [loginUrl, doneUrl].map((url: string) => url.slice(BASE.length)) as [string, string];
    const pending = await npm.request('GET', done);
    expect(pending.status).toBe(202);
    expect(Number(pending.headers['retry-after'])).toBeGreaterThan(0);
    expect(pending.json).toEqual({});
    const page = await npm.request('GET', login);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.headers['content-security-policy']).not.toContain('sandbox');
    expect(page.text).not.toMatch(/<script/i);
    const send = (password: string) =>
      npm.request('POST', login, {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ name: 'ann', password }).toString(),
      });
    expect((await send('wrong')).status).toBe(403);
    expect((await npm.request('GET', done)).status).toBe(202);
    expect((await send('correct horse')).status).toBe(200);
    // H8: it would take the token and show nothing.
    const head = await npm.request('HEAD', done);
    expect([head.status, head.headers['allow']]).toEqual([405, 'GET']);
    const finished = await npm.request('GET', done);
    expect(finished.status).toBe(200);
    expect(await whoami(finished.json.token)).toBe('ann');
    expect((await npm.request('GET', done)).status).toBe(404);
    expect((await send('correct horse')).status).toBe(409);
  });

  it('pages and polls of sessions that never were are 404', async () => {
    expect((await npm.request('GET', '/-/v1/login/made-up')).status).toBe(404);
    expect((await npm.request('GET', '/-/v1/done/made-up')).status).toBe(404);
  });

  it('logout takes the token away', async () => {
    const { token } = (await couch('ann', 'correct horse')).json;
    expect((await npm.request('DELETE', `/-/user/token/${token}`, { token })).status).toBe(200);
    expect(await whoami(token)).toBe(401);
    expect(await whoami(npm.token)).toBe('ann');
  });

  it('whoami is 401 without credentials', async () => {
    expect((await npm.request('GET', '/-/whoami')).status).toBe(401);
  });
});

describe('npm 17: tokens', () => {
  const create = (body: object) => npm.request('POST', '/-/npm/v1/tokens', { token: npm.token, body });

  it('are made, listed without their text, and revoked', async () => {
    const made = await create({ password: 'correct horse', name: 'ci', cidr_whitelist: ['192.0.2.0/24'], expires: 7 });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({ name: 'ci', readonly: false, cidr_whitelist: ['192.0.2.0/24'] });
    expect(await whoami(made.json.token)).toBe('ann');
    const { objects, total, urls } = (await npm.get('/-/npm/v1/tokens')).json;
    expect([objects.length, total, urls]).toEqual([2, 2, { next: null }]);
    expect(JSON.stringify(objects)).not.toContain(made.json.token);
    const { key, expires } = objects.find(({ name }: { name: string }) => name === 'ci');
    expect(key).toBe(made.json.key);
    expect(new Date(expires).getTime()).toBeGreaterThan(0);
    expect((await npm.request('DELETE', `/-/npm/v1/tokens/token/${key}`, { token: npm.token })).status).toBe(204);
    expect(await whoami(made.json.token)).toBe(401);
    expect((await npm.request('DELETE', '/-/npm/v1/tokens/token/nope', { token: npm.token })).status).toBe(404);
  });

  it('can be read-only, or for some packages only', async () => {
    const readonly = (await create({ password: 'correct horse', readonly: true })).json.token;
    expect((await npm.publish({ name: 'a', version: '1.0.0' }, { token: readonly })).status).toBe(403);
    const some = await create({
      password: 'correct horse',
      packages: ['mine'],
      scopes: ['@team'],
      packages_and_scopes_permission: 'read-write',
    });
    expect(some.status).toBe(201);
    const { token } = some.json;
    expect((await npm.publish({ name: 'mine', version: '1.0.0' }, { token })).status).toBe(201);
    expect((await npm.publish({ name: '@team/a', version: '1.0.0' }, { token })).status).toBe(201);
    expect((await npm.publish({ name: 'other', version: '1.0.0' }, { token })).status).toBe(403);
    const reading = (await create({ password: 'correct horse', packages: ['mine'] })).json.token;
    expect((await npm.get('/mine', { token: reading })).status).toBe(200);
    expect((await npm.publish({ name: 'mine', version: '1.0.1' }, { token: reading })).status).toBe(403);
  });

  it('are not made with a wrong password or for nonsense', async () => {
    expect((await create({ password: 'wrong' })).status).toBe(401);
    expect((await create({ password: 'correct horse', cidr_whitelist: ['nonsense'] })).status).toBe(400);
    expect((await create({ password: 'correct horse', expires: -1 })).status).toBe(400);
  });

  it('npm 17: for all packages without saying what for only read, like those for some', async () => {
    const made = (await create({ password: 'correct horse', packages_all: true })).json;
    expect(made.readonly).toBe(true);
    expect((await npm.publish({ name: 'a', version: '1.0.0' }, { token: made.token })).status).toBe(403);
    const writing = { password: 'correct horse', packages_all: true, packages_and_scopes_permission: 'read-write' };
    const { token } = (await create(writing)).json;
    expect((await npm.publish({ name: 'a', version: '1.0.0' }, { token })).status).toBe(201);
  });

  it('npm 17: limits of another kind than they should be are refused, not passed over', async () => {
    for (const limit of [
      { readonly: 'true' },
      { readonly: 1 },
      { packages_all: 'yes' },
      { bypass_2fa: 'true' },
      { packages_and_scopes_permission: ['read-only'] },
      { orgs_permission: 5 },
      { cidr_whitelist: '192.0.2.0/24' },
      { packages: 'mine' },
    ])
      expect((await create({ password: 'correct horse', ...limit })).status, JSON.stringify(limit)).toBe(400);
  });

  it('that would open more than was asked for are not made', async () => {
    for (const limit of [{ orgs: ['x'] }, { orgs_permission: 'read-only' }, { packages_and_scopes_permission: 'no-access' }]) {
      const answer = await create({ password: 'correct horse', ...limit });
      expect([answer.status, answer.json.error], JSON.stringify(limit)).toEqual([
        400,
        expect.stringMatching(/^a token cannot|^packages_and_scopes_permission/),
      ]);
    }
  });
});

describe('profile', () => {
  it('shows and changes what is kept', async () => {
    expect((await npm.get('/-/npm/v1/user')).json).toEqual({
      name: 'ann',
      email: 'ann@mail.example',
      email_verified: false,
      tfa: false,
    });
    const set = (body: object) => npm.request('POST', '/-/npm/v1/user', { token: npm.token, body });
    expect((await set({ email: 'other@mail.example', fullname: null })).json.email).toBe('other@mail.example');
    expect((await set({ email: 'other@mail.example', password: { old: 'wrong', new: 'new password' } })).status).toBe(401);
    expect((await set({ email: 'other@mail.example', password: { old: 'correct horse', new: 'a new password' } })).status).toBe(
      200,
    );
    expect((await couch('ann', 'correct horse')).status).toBe(401);
    expect((await couch('ann', 'a new password')).status).toBe(201);
    expect((await set({ homepage: 'https://me.example' })).status).toBe(400);
    expect((await set({ tfa: 'auth-only' })).status).toBe(400);
  });
});
