import assert from 'node:assert/strict';
import { ACTIONS } from '../auth/principal.js';
import type { IAuthProvider } from '../auth/provider.js';

/** A provider that knows at least this user, who may read and write (not necessarily administer) everything. Fresh for every case. */
export interface AuthProviderFixture {
  readonly provider: IAuthProvider;
  readonly username: string;
  readonly password: string;
  /** Lets this many milliseconds pass for the provider; leave out when it cannot be done, and what needs it is not tried. */
  readonly advance?: (milliseconds: number) => void;
  readonly close?: () => Promise<void>;
}

/** One rule of the contract of `IAuthProvider`. Run it with any test runner: `test(rule.name, () => rule.run(make))`; it throws when it is broken. */
export interface AuthProviderCase {
  readonly name: string;
  run(make: () => Promise<AuthProviderFixture>): Promise<void>;
}

interface Scene extends AuthProviderFixture {
  readonly userId: string;
}

const CHANGES = ACTIONS.filter((action) => action !== 'read');

function rule(name: string, check: (scene: Scene) => Promise<void>): AuthProviderCase {
  return {
    name,
    run: async (make) => {
      const fixture = await make();
      try {
        await fixture.provider.init?.();
        const userId = await fixture.provider.authenticate(fixture);
        assert.equal(typeof userId, 'string', 'the right password gives a user id');
        await check({ ...fixture, userId: String(userId) });
      } finally {
        await fixture.provider.close?.();
        await fixture.close?.();
      }
    },
  };
}

async function allows(scene: Scene, token: string | null, resource: string, action: string): Promise<boolean> {
  const says = token === null ? null : await scene.provider.validateToken(token);
  assert.ok(token === null || says, 'the token is valid');
  const answer: unknown = await scene.provider.authorize(says, resource, action);
  assert.equal(typeof answer, 'boolean', 'authorize answers true or false');
  return answer === true;
}

const passwords: readonly AuthProviderCase[] = [
  rule('authenticate: the same user has the same id each time', async ({ provider, userId, ...user }) => {
    assert.equal(await provider.authenticate(user), userId);
    assert.ok(userId.length > 0 && userId.length <= 256);
  }),
  rule('authenticate: wrong, empty, longer, cut and NUL-ended passwords are null', async ({ provider, username, password }) => {
    const half = password.slice(0, -1);
    for (const wrong of ['', half, `${password}x`, `${password}\0`, `\0${password}`, ` ${password}`, 'x'.repeat(100_000)]) {
      assert.equal(await provider.authenticate({ username, password: wrong }), null);
    }
  }),
  rule('authenticate: unknown, empty and hostile user names are null', async ({ provider, username, password }) => {
    for (const name of [
      '',
      'nobody-of-this-name',
      `${username}\0`,
      `${username}/..`,
      '__proto__',
      'constructor',
      '*',
      'x'.repeat(100_000),
    ]) {
      assert.equal(await provider.authenticate({ username: name, password }), null);
    }
  }),
];

const tokens: readonly AuthProviderCase[] = [
  rule('createToken: gives a token of its user, another one each time', async ({ provider, userId }) => {
    const [one, two] = [await provider.createToken(userId, 'npm'), await provider.createToken(userId, 'npm')];
    assert.notEqual(one, two);
    assert.ok(one.length >= 32 && one.length <= 8_192 && /^[\x21-\x7e]+$/.test(one), 'fits an Authorization header');
    for (const token of [one, two]) assert.equal((await provider.validateToken(token, 'npm'))?.userId, userId);
  }),
  rule('validateToken: what nobody issued is null', async ({ provider, userId, password }) => {
    const token = await provider.createToken(userId, 'npm');
    const junk = [
      '',
      ' ',
      'undefined',
      'null',
      userId,
      password,
      token.slice(0, -1),
      `${token}x`,
      ` ${token}`,
      `${token}\n`,
      'a.b.c',
      'eyJhbGciOiJub25lIn0.e30.',
    ];
    for (const text of [...junk, 'x'.repeat(100_000)]) assert.equal(await provider.validateToken(text, 'npm'), null);
  }),
  rule('validateToken: a token is for its protocol alone', async ({ provider, userId }) => {
    const token = await provider.createToken(userId, 'npm');
    assert.equal(await provider.validateToken(token, 'oci'), null);
  }),
  rule('validateToken: scopes are texts, flags are flags', async ({ provider, userId }) => {
    const says = await provider.validateToken(await provider.createToken(userId, 'npm', { readonly: true }), 'npm');
    assert.ok(says?.scopes.every((scope) => typeof scope === 'string'));
    assert.equal(says?.readonly, true);
  }),
  rule('createToken: with a life ends with it', async ({ provider, userId, advance }) => {
    const token = await provider.createToken(userId, 'npm', { ttl: 60 });
    assert.notEqual(await provider.validateToken(token, 'npm'), null);
    advance?.(61_000);
    if (advance) assert.equal(await provider.validateToken(token, 'npm'), null);
  }),
  rule('revokeToken: ends that token and no other', async ({ provider, userId }) => {
    const [kept, gone] = [await provider.createToken(userId, 'npm'), await provider.createToken(userId, 'npm')];
    await provider.revokeToken(gone);
    assert.equal(await provider.validateToken(gone, 'npm'), null);
    assert.equal((await provider.validateToken(kept, 'npm'))?.userId, userId);
  }),
  rule('revokeToken: twice, and of junk, is no error', async ({ provider, userId }) => {
    const token = await provider.createToken(userId, 'npm');
    for (const text of [token, token, 'junk', '']) await provider.revokeToken(text);
    assert.equal(await provider.validateToken(token, 'npm'), null);
  }),
];

const decisions: readonly AuthProviderCase[] = [
  rule('authorize: an ordinary token reads and writes', async (scene) => {
    const token = await scene.provider.createToken(scene.userId, 'npm');
    for (const action of ['read', 'create', 'overwrite', 'delete']) {
      assert.equal(await allows(scene, token, 'npm:package:left-pad', action), true, action);
    }
  }),
  rule('authorize: a read-only token changes nothing', async (scene) => {
    const token = await scene.provider.createToken(scene.userId, 'npm', { readonly: true });
    for (const action of CHANGES) assert.equal(await allows(scene, token, 'npm:package:left-pad', action), false, action);
  }),
  rule('authorize: scopes are a limit in every part', async (scene) => {
    const token = await scene.provider.createToken(scene.userId, 'npm', { scopes: ['npm:package:@team/a:read'] });
    assert.equal(await allows(scene, token, 'npm:package:@team/a', 'read'), true);
    for (const other of [
      'npm:package:@team/ab',
      'npm:package:@team',
      'npm:package:@team/',
      'npm:gem:@team/a',
      'oci:package:@team/a',
    ]) {
      assert.equal(await allows(scene, token, other, 'read'), false, other);
    }
    for (const action of CHANGES) assert.equal(await allows(scene, token, 'npm:package:@team/a', action), false, action);
  }),
  rule('authorize: nobody changes anything', async (scene) => {
    for (const action of CHANGES) assert.equal(await allows(scene, null, 'npm:package:left-pad', action), false, action);
    await allows(scene, null, 'npm:package:left-pad', 'read');
  }),
  rule('authorize: an action or a resource that does not exist is a no', async (scene) => {
    const token = await scene.provider.createToken(scene.userId, 'npm');
    for (const action of ['', '*', 'write', 'READ', 'constructor']) {
      assert.equal(await allows(scene, token, 'npm:package:left-pad', action), false, action);
    }
    for (const resource of ['', 'npm', 'npm:package', 'npm:package:', '::', '*']) {
      assert.equal(await allows(scene, token, resource, 'create'), false, resource);
    }
  }),
  rule('profile and findUser: agree with each other, and know nobody else', async ({ provider, userId }) => {
    const profile = await provider.profile?.(userId);
    if (provider.profile) assert.equal(typeof profile?.name, 'string');
    if (profile && provider.findUser) {
      assert.equal(await provider.findUser(profile.name), userId);
      assert.equal(await provider.findUser('nobody-of-this-name'), null);
    }
  }),
];

/** What every `IAuthProvider` must do so that the registry's promises hold. */
export const authProviderCases: readonly AuthProviderCase[] = [...passwords, ...tokens, ...decisions];
