import { describe, expect, it } from 'vitest';
import { AuthManager } from '../../ts/auth/auth-manager.js';
import { ProviderAccounts } from '../../ts/auth/provider-accounts.js';
import { StaticAuthProvider } from '../../ts/auth/providers/static.js';
import { context, headers, rig } from './rig.js';

const password = 'pass-Word-4711';

const scene = async (options: Parameters<typeof rig>[0] = {}) => {
  const all = await rig(options);
  const bob = await all.directory.addUser({ name: 'bob', password, email: 'bob@mail.example' });
  const as = async (token: string) => {
    const who = await all.manager.identify(headers(`Bearer ${token}`), context());
    if (!who) throw new Error('not identified');
    return who;
  };
  const login = async () => (await all.accounts.login('bob', password, { protocol: 'npm' })).token;
  return { ...all, bob, as, login };
};

describe('accounts', () => {
  it('npm 16: login gives a token for npm, logout ends it', async () => {
    const { accounts, manager, as, login, bob } = await scene();
    const token = await login();
    const me = await as(token);
    expect(await accounts.whoami(me)).toEqual({ name: 'bob', email: 'bob@mail.example' });
    expect(await manager.validateToken(token, 'npm')).toMatchObject({ userId: bob.id, protocol: 'npm' });
    await accounts.revokeToken(me, token);
    await expect(as(token)).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it('A11: login: unknown user, wrong password and disabled user are one answer', async () => {
    const { accounts, directory, dump } = await scene();
    await directory.setDisabled((await directory.addUser({ name: 'gone', password })).id, true);
    const before = await dump();
    for (const [name, given] of [
      ['nobody', password],
      ['bob', 'wrong-Word-4711'],
      ['gone', password],
      ['', ''],
      ['../bob', password],
    ] as const) {
      const error = await accounts
        .login(name, given, { protocol: 'npm', email: 'x@mail.example' })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ kind: 'unauthenticated', message: 'The name or the password is not right' });
    }
    expect(await dump()).toBe(before);
    expect(await directory.find('nobody')).toBeUndefined();
  });

  it('registers an unknown name only where that is on; a known name still needs its password', async () => {
    const { accounts, directory } = await scene({ selfRegistration: true });
    const made = await accounts.login('alice', password, { protocol: 'npm', email: 'a@mail.example' });
    expect(made.created).toBe(true);
    expect(await directory.find('alice')).toMatchObject({ name: 'alice', email: 'a@mail.example', admin: false });
    expect((await accounts.login('Alice', password, { protocol: 'npm' })).created).toBe(false);
    await expect(accounts.login('alice', 'wrong-Word-4711', { protocol: 'npm' })).rejects.toMatchObject({
      kind: 'unauthenticated',
    });
    await expect(accounts.login('admin:x', password, { protocol: 'npm' })).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('of two who register one name at once, one has it', async () => {
    const { another } = await scene();
    const instances = await Promise.all([another({ selfRegistration: true }), another({ selfRegistration: true })]);
    const tries = await Promise.allSettled(
      instances.map(({ accounts }, n) => accounts.login('alice', `pass-Word-${n}${n}${n}${n}`, { protocol: 'npm' })),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const one of tries) if (one.status === 'rejected') expect(one.reason).toMatchObject({ kind: 'unauthenticated' });
  });

  it('npm 17: create, list and revoke tokens; the list shows neither token nor hash', async () => {
    const { accounts, as, login, bob, directory } = await scene();
    const me = await as(await login());
    const made = await accounts.createToken(me, { name: 'ci', readonly: true, cidr: ['192.0.2.0/24'], password });
    expect(made.info).toMatchObject({ name: 'ci', readonly: true, cidr: ['192.0.2.0/24'] });
    const listed = await accounts.listTokens(me);
    expect(listed.map(({ name }) => name)).toEqual(['npm login', 'ci']);
    const hashes = [...((await directory.get(bob.id))?.tokens.values() ?? [])].map(({ hash }) => hash);
    for (const secret of [made.token.split('_')[2], ...hashes]) expect(JSON.stringify(listed)).not.toContain(secret);
    await accounts.revokeToken(me, made.info.id);
    await expect(accounts.revokeToken(me, made.info.id)).rejects.toMatchObject({ kind: 'not_found' });
    expect(await accounts.listTokens(me)).toHaveLength(1);
  });

  it('A5: a token made with a password outlives the login, one made without dies with it', async () => {
    const { accounts, as, login, manager } = await scene();
    const me = await as(await login());
    const alone = await accounts.createToken(me, { password, protocol: 'npm' });
    const child = await accounts.createToken(me, {});
    await expect(accounts.createToken(me, { password: 'wrong-Word-4711' })).rejects.toMatchObject({
      kind: 'unauthenticated',
      code: 'wrong_password',
    });
    await accounts.revokeToken(me, me.tokenId ?? '');
    expect(await manager.validateToken(alone.token, 'npm')).not.toBeNull();
    expect(await manager.validateToken(child.token, 'npm')).toBeNull();
  });

  it('A5: a narrow or a read-only token manages no account, but may end itself', async () => {
    const { accounts, as, bob, directory } = await scene();
    const other = await directory.createToken(bob.id);
    for (const asked of [
      { scopes: ['npm:package:x:write'] },
      { scopes: ['npm:*:*:read'] },
      { scopes: ['npm:package:*:*'] },
      { readonly: true },
    ]) {
      const { token, info } = await directory.createToken(bob.id, asked);
      const me = await as(token);
      await expect(accounts.createToken(me, {})).rejects.toMatchObject({ kind: 'forbidden' });
      await expect(accounts.createToken(me, { password })).rejects.toMatchObject({ kind: 'forbidden' });
      await expect(accounts.revokeToken(me, other.info.id)).rejects.toMatchObject({ kind: 'forbidden' });
      await expect(accounts.revokeToken(me, other.token)).rejects.toMatchObject({ kind: 'forbidden' });
      await expect(accounts.setPassword(me, password, 'another-Word-4711')).rejects.toMatchObject({ kind: 'forbidden' });
      await expect(accounts.setEmail(me, undefined)).rejects.toMatchObject({ kind: 'forbidden' });
      await accounts.revokeToken(me, info.id);
      await expect(as(token)).rejects.toMatchObject({ kind: 'unauthenticated' });
    }
  });

  it("Z4: nobody reaches another user's tokens, by id or by text", async () => {
    const { accounts, as, login, directory, manager } = await scene();
    const eve = await directory.addUser({ name: 'eve' });
    const hers = await directory.createToken(eve.id);
    const me = await as(await login());
    for (const what of [hers.info.id, hers.token, 'x', '', '__proto__']) {
      await expect(accounts.revokeToken(me, what)).rejects.toMatchObject({ kind: 'not_found' });
    }
    expect(await manager.validateToken(hers.token)).not.toBeNull();
    expect((await accounts.listTokens(me)).every(({ id }) => id !== hers.info.id)).toBe(true);
  });

  it('a password changes only for who knows the old one', async () => {
    const { accounts, as, login, provider } = await scene();
    const me = await as(await login());
    await expect(accounts.setPassword(me, 'wrong-Word-4711', 'another-Word-4711')).rejects.toMatchObject({
      kind: 'unauthenticated',
      code: 'wrong_password',
    });
    await expect(accounts.setPassword(me, password, 'short')).rejects.toMatchObject({ kind: 'invalid' });
    await accounts.setPassword(me, password, 'another-Word-4711');
    expect(await provider.authenticate({ username: 'bob', password })).toBeNull();
    expect(await provider.authenticate({ username: 'bob', password: 'another-Word-4711' })).toBe(me.userId);
  });

  it('a name is one user, whatever its case, and every user is listed', async () => {
    const { directory, another } = await scene();
    await expect(directory.addUser({ name: 'BOB' })).rejects.toMatchObject({ kind: 'conflict' });
    for (const name of ['', '-x', '.x', 'a b', 'a/b', 'a:b', '\u017f', '\u212a', 'x'.repeat(101), 'a\n', 'é']) {
      await expect(directory.addUser({ name })).rejects.toMatchObject({ kind: 'invalid' });
      expect(await directory.find(name)).toBeUndefined();
    }
    for (let n = 0; n < 12; n++) await directory.addUser({ name: `user-${String(n).padStart(2, '0')}`, admin: n === 0 });
    const { directory: other } = await another();
    expect((await other.list()).map(({ name }) => name)).toEqual([
      'bob',
      ...Array.from({ length: 12 }, (_, n) => `user-${String(n).padStart(2, '0')}`),
    ]);
  });

  it('has at most a thousand tokens a user', async () => {
    const { directory, bob } = await scene();
    const now = directory.runtime.clock.now();
    await directory.change(bob.id, () =>
      Array.from({ length: 1_000 }, (_, n) => ({
        type: 'token',
        by: 'x',
        token: { id: `t${n}`, hash: '', name: '', scopes: [], readonly: true, ...(n === 0 ? { expires: now + 60_000 } : {}) },
      })),
    );
    await expect(directory.createToken(bob.id)).rejects.toMatchObject({ kind: 'conflict' });
    await directory.revokeToken(bob.id, 't1');
    expect((await directory.createToken(bob.id)).token).toMatch(/^ent_/);
  });
});

describe('web login', () => {
  it('npm 16: pending until approved, then the token, once, whichever instance is asked', async () => {
    const { accounts, another, manager, bob, clock } = await scene();
    const other = await another();
    const { login, done, expiresAt } = await accounts.loginSessions.start('npm');
    expect(expiresAt - clock.now()).toBe(300_000);
    expect(`${login} ${done}`).toMatch(/^[a-z0-9-]+ [a-z0-9-]+$/);
    expect(await other.accounts.loginSessions.poll(done, 'npm')).toMatchObject({
      status: 'pending',
      retryAfter: expect.any(Number),
    });
    expect(await other.accounts.loginSessions.pending(login, 'npm')).toEqual({ expiresAt });
    await other.accounts.approveLogin(login, 'npm', { name: 'bob', password });
    const polled = await accounts.loginSessions.poll(done, 'npm');
    if (polled.status !== 'done') throw new Error('still pending');
    expect(await manager.validateToken(polled.token, 'npm')).toMatchObject({ userId: bob.id, protocol: 'npm' });
    for (const instance of [accounts, other.accounts])
      await expect(instance.loginSessions.poll(done, 'npm')).rejects.toMatchObject({ kind: 'not_found' });
  });

  it('A6: of sixteen polls at once on four instances, one gets the token', async () => {
    const { accounts, another, directory, bob } = await scene();
    const instances = await Promise.all(Array.from({ length: 4 }, () => another()));
    const { login, done } = await accounts.loginSessions.start('npm');
    await accounts.approveLogin(login, 'npm', { name: 'bob', password });
    const polls = await Promise.allSettled(
      Array.from({ length: 16 }, (_, n) => (instances[n % 4] as (typeof instances)[0]).accounts.loginSessions.poll(done, 'npm')),
    );
    expect(polls.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await directory.listTokens(bob.id)).toHaveLength(1);
  });

  it("the page's text fetches nothing, the client's approves nothing", async () => {
    const { accounts } = await scene();
    const { login, done } = await accounts.loginSessions.start('npm');
    await expect(accounts.approveLogin(done, 'npm', { name: 'bob', password })).rejects.toMatchObject({ kind: 'not_found' });
    await accounts.approveLogin(login, 'npm', { name: 'bob', password });
    await expect(accounts.loginSessions.poll(login, 'npm')).rejects.toMatchObject({ kind: 'not_found' });
    await expect(accounts.approveLogin(login, 'npm', { name: 'bob', password })).rejects.toMatchObject({ kind: 'conflict' });
    expect((await accounts.loginSessions.poll(done, 'npm')).status).toBe('done');
  });

  it('is over after five minutes, and forged, stretched or foreign sessions are unknown', async () => {
    const { accounts, another, clock, calls } = await scene();
    const { login, done } = await accounts.loginSessions.start('npm');
    const strangers = (await another({ secret: 'another-Secret-of-this-test-93715' })).accounts;
    const foreign = await strangers.loginSessions.start('npm');
    const stretched = done.replace(/^[0-9a-z]+/, (expires) => (Number.parseInt(expires, 36) + 1_000).toString(36));
    const before = calls();
    for (const bad of ['', 'x', 'a-b-c', stretched, done.slice(0, -1), `${done}a`, foreign.done, login]) {
      await expect(accounts.loginSessions.poll(bad, 'npm')).rejects.toMatchObject({ kind: 'not_found' });
    }
    await expect(accounts.loginSessions.poll(done, 'cargo')).rejects.toMatchObject({ kind: 'not_found' });
    expect(calls()).toBe(before);
    clock.time += 299_999;
    expect((await accounts.loginSessions.poll(done, 'npm')).status).toBe('pending');
    clock.time += 1;
    await expect(accounts.loginSessions.poll(done, 'npm')).rejects.toMatchObject({ kind: 'not_found' });
    await expect(accounts.approveLogin(login, 'npm', { name: 'bob', password })).rejects.toMatchObject({ kind: 'not_found' });
    expect(await accounts.loginSessions.pending(login, 'npm')).toBeUndefined();
  });

  it('wrong credentials approve nothing, and leave nothing in storage', async () => {
    const { accounts, dump } = await scene();
    const { login, done } = await accounts.loginSessions.start('npm');
    const before = await dump();
    for (const [name, given] of [
      ['bob', 'wrong-Word-4711'],
      ['nobody', password],
      ['bob', 'ent_x_y'],
    ] as const) {
      await expect(accounts.approveLogin(login, 'npm', { name, password: given })).rejects.toMatchObject({
        kind: 'unauthenticated',
      });
    }
    expect(await dump()).toBe(before);
    expect((await accounts.loginSessions.poll(done, 'npm')).status).toBe('pending');
  });

  it('A5: approved with a token, it gives no more than that token, and dies with it', async () => {
    const { accounts, directory, bob, manager } = await scene();
    const narrow = await directory.createToken(bob.id, { scopes: ['npm:package:x:write'], ttl: 600 });
    const { login, done } = await accounts.loginSessions.start('npm');
    await accounts.approveLogin(login, 'npm', { name: '', password: narrow.token });
    const polled = await accounts.loginSessions.poll(done, 'npm');
    if (polled.status !== 'done') throw new Error('still pending');
    expect(await manager.validateToken(polled.token)).toMatchObject({
      scopes: ['npm:package:x:write'],
      expiresAt: narrow.info.expires,
    });
    await directory.revokeToken(bob.id, narrow.info.id);
    expect(await manager.validateToken(polled.token)).toBeNull();
  });

  it('A17: a user disabled between approving and fetching gets nothing', async () => {
    const { accounts, directory, bob } = await scene();
    const { login, done } = await accounts.loginSessions.start('npm');
    await accounts.approveLogin(login, 'npm', { name: 'bob', password });
    await directory.setDisabled(bob.id, true);
    await expect(accounts.loginSessions.poll(done, 'npm')).rejects.toMatchObject({ kind: 'forbidden' });
    await directory.setDisabled(bob.id, false);
    expect(await directory.listTokens(bob.id)).toEqual([]);
  });
});

describe('accounts over a custom provider', () => {
  it('do what IAuthProvider can, and say of the rest that it is not offered', async () => {
    const { runtime } = await rig();
    const provider = new StaticAuthProvider({
      users: [
        { name: 'bob', password },
        { name: 'eve', password },
      ],
      runtime,
    });
    const manager = new AuthManager({ provider, runtime });
    const accounts = new ProviderAccounts(manager, provider);
    const { token } = await accounts.login('bob', password, { protocol: 'npm' });
    await expect(accounts.login('bob', 'wrong-Word-4711', { protocol: 'npm' })).rejects.toMatchObject({
      kind: 'unauthenticated',
    });
    const me = await manager.identify(headers(`Bearer ${token}`), context());
    if (!me) throw new Error('not identified');
    expect(await accounts.whoami(me)).toEqual({ name: 'bob' });
    expect(await accounts.findUser('eve')).toBe('eve');
    for (const missing of [
      accounts.createToken(),
      accounts.listTokens(),
      accounts.setPassword(),
      accounts.setEmail(),
      accounts.approveLogin(),
    ]) {
      await expect(missing).rejects.toMatchObject({ kind: 'not_found', code: 'not_offered' });
    }
    const hers = await provider.createToken('eve', 'npm');
    await expect(accounts.revokeToken(me, hers)).rejects.toMatchObject({ kind: 'not_found' });
    await accounts.revokeToken(me, token);
    expect(await manager.validateToken(token)).toBeNull();
    expect(await manager.validateToken(hers)).not.toBeNull();
  });
});
