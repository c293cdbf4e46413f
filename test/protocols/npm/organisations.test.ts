import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Registry, registry } from './rig.js';

let npm: Registry;
let root = '';
let [bob, carol, dan, eve] = ['', '', '', ''];
beforeEach(async () => {
  npm = await registry({ anonymousRead: true });
  root = await npm.user('root', { admin: true });
  [bob, carol, dan, eve] = [await npm.user('bob'), await npm.user('carol'), await npm.user('dan'), await npm.user('eve')];
});
afterEach(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

const ask = async (method: string, path: string, token: string, body?: object) => {
  const { status, json } = await npm.request(method, path, { token, ...(body ? { body } : {}) }).then((answer) => ({
    status: answer.status,
    json: answer.text === '' ? undefined : answer.json,
  }));
  return { status, json };
};
const member = (token: string, user: string, role?: string, org = 'acme') =>
  ask('PUT', `/-/org/${org}/user`, token, { user, ...(role === undefined ? {} : { role }) });
const roster = (token: string) => ask('GET', '/-/org/acme/user', token);
const grant = (token: string, team: string, name: string, permissions: string) =>
  ask('PUT', `/-/team/acme/${team}/package`, token, { package: name, permissions });
const revoke = (token: string, team: string, name: string) =>
  ask('DELETE', `/-/team/acme/${team}/package`, token, { package: name });
const publish = async (token: string, name: string, version: string, access?: string) =>
  (await npm.publish({ name, version }, { token, ...(access ? { access } : {}) })).status;
const reads = async (token: string, name: string) => (await npm.request('GET', `/${name}`, { token })).status;

/** ann owns the organisation acme, bob is its admin, carol a developer; dan and eve are nobody there. */
async function found(): Promise<void> {
  expect((await member(root, 'ann', 'owner')).status).toBe(200);
  expect((await member(npm.token, 'bob', 'admin')).json).toEqual({ org: { name: 'acme', size: 2 }, user: 'bob', role: 'admin' });
  expect((await member(npm.token, 'carol')).json.role).toBe('developer');
}

describe('npm 15: organisations', () => {
  it('are founded by an administrator, or by whoever owns every package of the scope', async () => {
    expect((await member(bob, 'bob', 'owner')).status).toBe(403);
    expect((await member(root, 'bob', 'developer')).status).toBe(400);
    expect((await member(root, 'nobody', 'owner')).status).toBe(404);
    expect(await publish(bob, '@acme/one', '1.0.0')).toBe(201);
    expect(await publish(carol, '@acme/two', '1.0.0')).toBe(201);
    expect((await member(bob, 'bob', 'owner')).status).toBe(403);
    expect(await publish(dan, '@shop/one', '1.0.0')).toBe(201);
    expect((await member(dan, 'dan', 'owner', 'shop')).status).toBe(200);
    expect((await member(root, 'ann', 'owner')).status).toBe(200);
    expect((await member(bob, 'bob', 'owner')).status).toBe(404);
  });

  it('members: roles are set and taken by those above; one owner stays', async () => {
    await found();
    expect((await roster(carol)).json).toEqual({ ann: 'owner', bob: 'admin', carol: 'developer' });
    for (const token of [dan, eve]) expect((await roster(token)).status).toBe(404);
    expect((await roster(root)).status).toBe(200);
    expect((await member(carol, 'dan')).status).toBe(403);
    expect((await member(dan, 'dan')).status).toBe(404);
    expect((await member(bob, 'dan')).status).toBe(200);
    expect((await member(bob, 'dan', 'owner')).status).toBe(403);
    expect((await member(bob, 'ann', 'developer')).status).toBe(403);
    expect((await member(npm.token, 'ann', 'developer')).status).toBe(400);
    expect((await member(npm.token, 'dan', 'king')).status).toBe(400);
    const remove = (token: string, user: string) => ask('DELETE', '/-/org/acme/user', token, { user });
    expect((await remove(npm.token, 'ann')).status).toBe(400);
    expect((await remove(bob, 'ann')).status).toBe(403);
    expect((await remove(bob, 'dan')).status).toBe(204);
    expect((await remove(bob, 'dan')).status).toBe(404);
    expect((await member(npm.token, 'bob', 'owner')).status).toBe(200);
    expect((await remove(bob, 'ann')).status).toBe(204);
    expect((await roster(bob)).json).toEqual({ bob: 'owner', carol: 'developer' });
  });

  it('a token that is limited to packages, or to reading, changes nothing', async () => {
    await found();
    const narrow = (
      await ask('POST', '/-/npm/v1/tokens', npm.token, { packages: ['@acme/one'], packages_and_scopes_permission: 'read-write' })
    ).json.token;
    expect((await member(narrow, 'dan')).status).toBe(404);
    const readonly = (await ask('POST', '/-/npm/v1/tokens', npm.token, { readonly: true })).json.token;
    expect((await member(readonly, 'dan')).status).toBe(403);
    expect((await roster(readonly)).status).toBe(200);
  });

  it('teams are made and unmade; `developers` is everybody and stays', async () => {
    await found();
    const create = (token: string, name: string) => ask('PUT', '/-/org/acme/team', token, { name, description: null });
    const teams = async () => (await ask('GET', '/-/org/acme/team?format=cli', carol)).json;
    const users = async (team: string) => (await ask('GET', `/-/team/acme/${team}/user?format=cli`, carol)).json;
    const add = (token: string, user: string, team = 'crew') => ask('PUT', `/-/team/acme/${team}/user`, token, { user });
    expect((await create(carol, 'crew')).status).toBe(403);
    expect((await create(bob, 'Crew!')).status).toBe(400);
    expect((await create(bob, 'crew')).status).toBe(201);
    expect((await create(bob, 'crew')).status).toBe(409);
    expect(await teams()).toEqual(['acme:crew', 'acme:developers']);
    expect((await add(bob, 'carol')).status).toBe(201);
    expect((await add(bob, 'dan')).status).toBe(400);
    expect((await add(bob, 'carol', 'none')).status).toBe(404);
    expect((await add(bob, 'carol', 'developers')).status).toBe(400);
    expect(await users('crew')).toEqual(['carol']);
    expect(await users('developers')).toEqual(['ann', 'bob', 'carol']);
    expect((await ask('DELETE', '/-/org/acme/user', bob, { user: 'carol' })).status).toBe(204);
    expect((await member(bob, 'carol')).status).toBe(200);
    expect(await users('crew')).toEqual([]);
    expect((await ask('DELETE', '/-/team/acme/developers', bob)).status).toBe(400);
    expect((await ask('DELETE', '/-/team/acme/crew', bob)).status).toBe(204);
    expect((await ask('DELETE', '/-/team/acme/crew', bob)).status).toBe(404);
    expect(await teams()).toEqual(['acme:developers']);
  });
});

describe('npm 15: what organisations and teams decide', () => {
  it('the scope is for members: nobody else publishes new names in it, owners and admins change everything', async () => {
    expect(await publish(eve, '@acme/old', '1.0.0')).toBe(201);
    await found();
    expect(await publish(dan, '@acme/new', '1.0.0')).toBe(403);
    expect(await publish(carol, '@acme/new', '1.0.0')).toBe(201);
    expect(await publish(bob, '@acme/new', '1.1.0')).toBe(201);
    // Who owned a package before still does.
    expect(await publish(eve, '@acme/old', '1.1.0')).toBe(201);
    expect(await publish(npm.token, '@acme/old', '1.2.0')).toBe(201);
    expect(await publish(dan, '@other/new', '1.0.0')).toBe(201);
    expect(await publish(npm.token, '@other/new', '1.1.0')).toBe(403);
    const access = (token: string) => ask('POST', '/-/package/@acme%2fnew/access', token, { access: 'public' });
    expect((await access(dan)).status).toBe(403);
    expect((await access(bob)).status).toBe(200);
  });

  it('teams: read-only reads, read-write changes, nothing is nothing; revoking works at once', async () => {
    await found();
    await member(npm.token, 'dan');
    await member(npm.token, 'eve');
    expect(await publish(bob, '@acme/secret', '1.0.0')).toBe(201);
    expect(await publish(eve, '@acme/secret', '1.0.1')).toBe(201);
    expect((await revoke(bob, 'developers', '@acme/secret')).status).toBe(204);
    for (const team of ['readers', 'writers']) await ask('PUT', '/-/org/acme/team', bob, { name: team });
    await ask('PUT', '/-/team/acme/readers/user', bob, { user: 'dan' });
    await ask('PUT', '/-/team/acme/writers/user', bob, { user: 'carol' });
    expect((await grant(bob, 'readers', '@acme/secret', 'read-only')).status).toBe(201);
    expect((await grant(bob, 'writers', '@acme/secret', 'read-write')).status).toBe(201);
    expect((await grant(bob, 'writers', '@acme/none', 'read-write')).status).toBe(404);
    expect((await grant(bob, 'writers', '@other/x', 'read-write')).status).toBe(400);
    expect((await grant(carol, 'writers', '@acme/secret', 'read-only')).status).toBe(403);
    const stranger = await npm.user('stranger');
    expect(
      await Promise.all([npm.token, bob, carol, dan, eve, stranger, root].map((token) => reads(token, '@acme%2fsecret'))),
    ).toEqual([200, 200, 200, 200, 404, 404, 200]);
    expect([await publish(carol, '@acme/secret', '1.1.0'), await publish(dan, '@acme/secret', '1.2.0')]).toEqual([201, 403]);
    // To whom it is hidden it does not exist, in whatever way they ask.
    for (const path of ['/@acme%2fsecret/1.0.0', '/@acme/secret/-/secret-1.0.0.tgz', '/-/package/@acme%2fsecret/dist-tags'])
      expect((await npm.request('GET', path, { token: eve })).status).toBe(404);
    const found_ = async (token: string) =>
      (await npm.request('GET', '/-/v1/search?text=secret', { token })).json.objects.map(
        (one: { package: { name: string } }) => one.package.name,
      );
    expect([await found_(dan), await found_(eve), await found_(stranger)]).toEqual([['@acme/secret'], [], []]);
    expect((await npm.get('/-/package/@acme%2fsecret/collaborators')).json).toEqual({
      ann: 'write',
      bob: 'write',
      carol: 'write',
      dan: 'read',
    });
    expect((await ask('GET', '/-/team/acme/readers/package', dan)).json).toEqual({ '@acme/secret': 'read' });
    expect((await ask('GET', '/-/org/acme/package', carol)).json).toEqual({ '@acme/secret': 'write' });
    expect((await ask('GET', '/-/org/acme/package', dan)).json).toEqual({ '@acme/secret': 'read' });
    expect((await revoke(bob, 'writers', '@acme/secret')).status).toBe(204);
    expect([await reads(carol, '@acme%2fsecret'), await publish(carol, '@acme/secret', '1.3.0')]).toEqual([404, 403]);
    await ask('DELETE', '/-/team/acme/readers/user', bob, { user: 'dan' });
    expect(await reads(dan, '@acme%2fsecret')).toBe(404);
    await ask('DELETE', '/-/org/acme/user', npm.token, { user: 'bob' });
    // bob published it first and is still its owner.
    expect(await publish(bob, '@acme/secret', '1.4.0')).toBe(201);
  });

  it('public packages of the scope are read by everybody, restricted ones of other scopes by all who have a token', async () => {
    await found();
    expect(await publish(bob, '@acme/open', '1.0.0', 'public')).toBe(201);
    expect((await npm.request('GET', '/@acme%2fopen')).status).toBe(200);
    expect(await reads(eve, '@acme%2fopen')).toBe(200);
    expect(await publish(bob, '@free/shut', '1.0.0')).toBe(201);
    expect(await reads(eve, '@free%2fshut')).toBe(200);
  });

  it('membership and grants outlive a checkpoint', async () => {
    await found();
    await member(npm.token, 'dan');
    await publish(bob, '@acme/kept', '1.0.0');
    await revoke(bob, 'developers', '@acme/kept');
    const again = await registry({ driver: npm.driver });
    expect((await again.request('GET', '/@acme%2fkept', { token: dan })).status).toBe(404);
    expect((await again.request('GET', '/-/org/acme/user', { token: dan })).json).toMatchObject({
      ann: 'owner',
      dan: 'developer',
    });
    await again.close();
  });
});
