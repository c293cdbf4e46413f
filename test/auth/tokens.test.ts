import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adminTokenProblem, ensureAdmin } from '../../ts/auth/admin.js';
import { ACTIONS, type Action } from '../../ts/auth/principal.js';
import { type ScopedResource, scopesAllow } from '../../ts/auth/scope.js';
import { base32 } from '../../ts/lib/bytes.js';
import { basic, context, headers, rig, SECRET } from './rig.js';

const HOUR = 3_600_000;

describe('tokens', () => {
  it('A9: have the shape ent_<user>_<160 bits><checksum> and open what their user may', async () => {
    const { directory, provider, manager } = await rig();
    const user = await directory.addUser({ name: 'Bob' });
    const { token, info } = await directory.createToken(user.id, { name: 'laptop' });
    expect(token).toMatch(new RegExp(`^ent_${user.id}_[a-z2-7]{40}$`));
    expect(user.name).toBe('bob');
    const says = await provider.validateToken(token, 'npm');
    expect(says).toMatchObject({ userId: user.id, tokenId: info.id, readonly: false });
    expect(await manager.authorize(token, 'npm:package:x', 'write')).toBe(true);
    expect(await manager.authorize(token, 'npm:package:x', 'admin')).toBe(false);
  });

  it('A9: no two are alike', async () => {
    const { directory } = await rig();
    const { id } = await directory.addUser({ name: 'bob' });
    const made = new Set<string>();
    for (let n = 0; n < 50; n++) made.add((await directory.createToken(id)).token);
    expect(made.size).toBe(50);
    expect(await directory.listTokens(id)).toHaveLength(50);
  });

  it("A9 L1: nothing secret lies in storage: tokens, passwords, the operator's token and secret", async () => {
    const { directory, provider, accounts, manager, dump, clock } = await rig();
    const planted = ['pass-Word-4711-canary', 'other-Word-0815-canary'];
    const operator = 'Operator-Token-canary-19283746-zyxw';
    await ensureAdmin(directory, operator);
    const bob = await directory.addUser({ name: 'bob', password: planted[0] ?? '', email: 'bob@mail.example' });
    const secrets = [SECRET, operator, ...planted];
    secrets.push((await directory.createToken(bob.id)).token);
    secrets.push((await accounts.login('bob', planted[0] ?? '', { protocol: 'npm' })).token);
    secrets.push(await manager.createOciToken(bob.id, ['oci:repository:x:pull'], 300));
    const { login, done } = await accounts.loginSessions.start('npm');
    await accounts.approveLogin(login, 'npm', { name: 'bob', password: planted[0] ?? '' });
    const polled = await accounts.loginSessions.poll(done, 'npm');
    if (polled.status === 'done') secrets.push(polled.token);
    await directory.setPassword(bob.id, planted[1] ?? '');
    for (const secret of secrets.slice(4, 6)) expect(await provider.validateToken(secret)).not.toBeNull();
    clock.advance(60_000);
    await provider.close();
    const stored = await dump();
    expect(stored).toContain(bob.id);
    expect(stored).toContain('"used"');
    expect(secrets).toHaveLength(8);
    for (const secret of secrets) {
      for (const form of [
        secret,
        Buffer.from(secret).toString('base64'),
        secret.split('_')[2],
        secret.split('.')[2],
        done.split('-')[1],
      ]) {
        // a cut at a sign that base 64 has too may leave a few letters, which anything contains
        if (form && form.length >= 16) expect(stored.includes(form)).toBe(false);
      }
    }
  });

  it('keys and feed hold no name and no address: they could not be erased', async () => {
    const { directory, dump, driver, space } = await rig();
    const { id } = await directory.addUser({ name: 'marguerite', email: 'm@mail.example', password: 'pass-Word-4711' });
    await directory.createToken(id, { name: 'marguerites-laptop' });
    expect(await dump()).toContain('marguerite');
    for (const n of [0, 1]) await space.erase(id, n, 'system');
    for (const { key } of (await driver.list('derived/')).objects) await driver.delete([key]);
    const left = await dump();
    expect(left).not.toMatch(/marguerite|mail\.example/);
    expect(await directory.get(id)).toBeUndefined();
  });

  it('junk is refused without a storage call', async () => {
    const { directory, provider, another, calls } = await rig();
    const { id } = await directory.addUser({ name: 'bob' });
    const { token } = await directory.createToken(id);
    const elsewhere = await another({ secret: `${SECRET}-another` });
    const foreign = (await elsewhere.directory.createToken(id)).token;
    const last = token.at(-1) === 'a' ? 'b' : 'a';
    const before = calls();
    for (const junk of [
      '',
      'x',
      'ent_',
      `ent_${id}_${'a'.repeat(40)}`,
      token.slice(0, -1),
      token.slice(0, -1) + last,
      ` ${token}`,
      token.toUpperCase(),
      `${token}a`,
      foreign,
      'x'.repeat(20),
      'eyJ.eyJ.x',
    ]) {
      expect(await provider.validateToken(junk)).toBeNull();
    }
    expect(calls()).toBe(before);
    expect(await provider.validateToken(token)).not.toBeNull();
  });

  it('A9: a forged token with a right checksum but an unknown secret is refused', async () => {
    const { directory, provider, another, keys } = await rig();
    const { id } = await directory.addUser({ name: 'bob' });
    const { newToken } = await import('../../ts/auth/token-format.js');
    const forged = newToken(keys, id, { bytes: (count) => new Uint8Array(count), fraction: () => 0 });
    expect(forged).toContain(base32(new Uint8Array(20)));
    expect(await provider.validateToken(forged)).toBeNull();
    expect(await (await another()).provider.validateToken(forged)).toBeNull();
  });

  it('A17: a revoked token, a disabled user and a demoted administrator lose their rights on every instance at once', async () => {
    const { directory, provider, another } = await rig();
    const other = await another();
    const { id } = await directory.addUser({ name: 'bob', admin: true });
    const { token, info } = await directory.createToken(id);
    expect((await other.provider.validateToken(token))?.scopes).toEqual(['*:*:*:*']);
    await directory.setAdmin(id, false);
    expect((await other.provider.validateToken(token))?.scopes).not.toContain('*:*:*:*');
    expect(await other.manager.authorize(token, 'npm:package:x', 'admin')).toBe(false);
    await directory.setDisabled(id, true);
    expect(await other.provider.validateToken(token)).toBeNull();
    await directory.setDisabled(id, false);
    expect(await other.provider.validateToken(token)).not.toBeNull();
    expect(await other.directory.revokeToken(id, info.id)).toBe(true);
    expect(await provider.validateToken(token)).toBeNull();
    expect(await other.directory.revokeToken(id, info.id)).toBe(false);
    expect(await directory.listTokens(id)).toEqual([]);
  });

  it('A7: a token is good until its very last millisecond and never after', async () => {
    const { directory, provider, clock } = await rig();
    const { id } = await directory.addUser({ name: 'bob' });
    const { token, info } = await directory.createToken(id, { ttl: 60 });
    expect(info.expires).toBe(clock.now() + 60_000);
    clock.time += 59_999;
    expect(await provider.validateToken(token)).not.toBeNull();
    clock.time += 1;
    expect(await provider.validateToken(token)).toBeNull();
    clock.time -= HOUR;
    expect(await provider.validateToken(token)).not.toBeNull();
  });

  it('A8: a token of another protocol is refused', async () => {
    const { provider, manager } = await rig();
    const { id } = await provider.directory.addUser({ name: 'bob' });
    const token = await manager.createNpmToken(id, false);
    expect(await manager.validateToken(token, 'npm')).toMatchObject({ userId: id, protocol: 'npm' });
    expect(await manager.validateToken(token, 'oci')).toBeNull();
    expect(await manager.authorize(token, 'npm:package:x', 'read')).toBe(true);
    expect(await manager.authorize(token, 'oci:repository:x', 'read')).toBe(false);
    await expect(manager.identify(headers(`Bearer ${token}`), context('cargo'))).rejects.toMatchObject({
      kind: 'unauthenticated',
    });
  });

  it('is written down as used at most hourly, behind the answer, by one commit', async () => {
    const { directory, provider, clock, another } = await rig();
    const other = await another();
    const { id } = await directory.addUser({ name: 'bob' });
    const { token } = await directory.createToken(id);
    const used = async () => {
      const all = [];
      for await (const entry of directory.space.history(id))
        all.push(...entry.changes.filter((change) => change.type === 'used'));
      return all.length;
    };
    const settle = async () => {
      clock.advance(60_000);
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    for (let n = 0; n < 20; n++) await Promise.all([provider.validateToken(token), other.provider.validateToken(token)]);
    expect(await used()).toBe(0);
    await settle();
    expect(await used()).toBe(1);
    await provider.validateToken(token);
    await settle();
    expect(await used()).toBe(1);
    expect((await directory.listTokens(id))[0]?.lastUsed).toBeGreaterThan(0);
    clock.time += HOUR;
    await other.provider.validateToken(token);
    await settle();
    expect(await used()).toBe(2);
  });
});

describe('minting', () => {
  const SCOPES = [
    'npm:package:a:read',
    'npm:package:a*:write',
    'npm:*:*:*',
    '*:*:*:read',
    'oci:repository:x/*:push',
    'team:package:b:write',
    '*:*:*:*',
  ];
  const RESOURCES: ScopedResource[] = ['a', 'ab', 'b', 'x/y'].flatMap((name) => [
    { protocol: 'npm', repository: 'npm', type: 'package', name },
    { protocol: 'npm', repository: 'team', type: 'package', name },
    { protocol: 'oci', repository: 'oci', type: 'repository', name },
  ]);
  const opens = (scopes: readonly string[]) =>
    new Set(
      RESOURCES.flatMap((where) =>
        ACTIONS.filter((action: Action) => scopesAllow(scopes, where, action)).map(
          (action) => `${where.repository} ${where.name} ${action}`,
        ),
      ),
    );

  it('A5: what is minted with a token is never more than that token and never more than was asked', async () => {
    const { directory, provider } = await rig();
    const { id } = await directory.addUser({ name: 'bob', admin: true });
    const some = fc.subarray(SCOPES, { minLength: 1, maxLength: 3 });
    let minted = 0;
    await fc.assert(
      fc.asyncProperty(
        some,
        some,
        fc.boolean(),
        fc.option(fc.integer({ min: 1, max: 1_000 })),
        async (held, asked, readonly, ttl) => {
          const parent = await directory.createToken(id, { scopes: held, readonly, ttl: 500 });
          const presented = await provider.validateToken(parent.token);
          if (!presented) throw new Error('the parent is not valid');
          const making = directory.createToken(id, { scopes: asked, ...(ttl === null ? {} : { ttl }) }, { presented });
          const child = await making.catch((error: { kind?: string }) => error);
          if ('kind' in child) {
            expect(child.kind).toBe('forbidden');
          } else {
            const says = await provider.validateToken((child as { token: string }).token);
            const [has, parentHas, wanted] = [opens(says?.scopes ?? []), opens(held), opens(asked)];
            for (const right of has) expect(parentHas.has(right) && wanted.has(right)).toBe(true);
            expect(says?.expiresAt).toBeLessThanOrEqual(presented.expiresAt ?? 0);
            expect(says?.readonly).toBe(readonly);
            minted++;
          }
          await directory.revokeToken(id, parent.info.id);
        },
      ),
      { numRuns: 150 },
    );
    expect(minted).toBeGreaterThan(50);
    // Every child died with its parent.
    expect(await directory.listTokens(id)).toEqual([]);
  });

  it("A5: an ordinary user cannot mint an administrator's token", async () => {
    const { directory, provider } = await rig();
    const { id } = await directory.addUser({ name: 'bob' });
    await expect(directory.createToken(id, { scopes: ['*:*:*:admin'] })).rejects.toMatchObject({ kind: 'forbidden' });
    const { token } = await directory.createToken(id, { scopes: ['npm:*:*:*'] });
    expect((await provider.validateToken(token))?.scopes).toEqual(['npm:*:*:read', 'npm:*:*:write']);
  });

  it('A5: addresses and protocol are inherited and cannot be widened', async () => {
    const { directory, provider } = await rig();
    const { id } = await directory.addUser({ name: 'bob' });
    const parent = await directory.createToken(id, { cidr: ['10.0.0.0/8', '2001:db8::/32'], protocol: 'npm' });
    const presented = (await provider.validateToken(parent.token)) ?? undefined;
    if (!presented) throw new Error('the parent is not valid');
    const mint = (cidr?: string[], protocol?: string) =>
      directory.createToken(id, { ...(cidr ? { cidr } : {}), ...(protocol ? { protocol } : {}) }, { presented });
    expect((await mint()).info).toMatchObject({ cidr: ['10.0.0.0/8', '2001:db8::/32'], protocol: 'npm' });
    expect((await mint(['10.1.0.0/16', '192.0.2.0/24'])).info.cidr).toEqual(['10.1.0.0/16']);
    await expect(mint(['0.0.0.0/0'])).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(mint(undefined, 'oci')).rejects.toMatchObject({ kind: 'forbidden' });
  });

  it('A5: nothing is minted with a token that was revoked meanwhile', async () => {
    const { directory, provider } = await rig();
    const { id } = await directory.addUser({ name: 'bob' });
    const parent = await directory.createToken(id);
    const presented = await provider.validateToken(parent.token);
    if (!presented) throw new Error('the parent is not valid');
    await directory.revokeToken(id, parent.info.id);
    await expect(directory.createToken(id, {}, { presented })).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it.each([
    { scopes: [] },
    { scopes: ['nonsense'] },
    { scopes: Array.from({ length: 101 }, (_, n) => `npm:package:p${n}:read`) },
    { ttl: 0 },
    { ttl: 1.5 },
    { ttl: Number.NaN },
    { ttl: 1e12 },
    { cidr: ['10.0.0.0/33'] },
    { cidr: ['localhost'] },
    { cidr: ['010.0.0.1'] },
    { name: 'x'.repeat(201) },
    { name: 'a\nb' },
    { protocol: '../x' },
  ])('refuses %j', async (asked) => {
    const { directory } = await rig();
    const { id } = await directory.addUser({ name: 'bob' });
    await expect(directory.createToken(id, asked)).rejects.toMatchObject({ kind: 'invalid' });
    expect(await directory.listTokens(id)).toEqual([]);
  });
});

describe('the first administrator', () => {
  it('is made once, and the token is told once', async () => {
    const { directory, provider, another } = await rig();
    const made = await ensureAdmin(directory);
    expect(made.token).toBeDefined();
    expect((await provider.validateToken(made.token ?? ''))?.scopes).toEqual(['*:*:*:*']);
    expect(await ensureAdmin(directory)).toEqual({ userId: made.userId });
    expect(await ensureAdmin((await another()).directory)).toEqual({ userId: made.userId });
  });

  it('of instances that start at once exactly one has a token, and it works', async () => {
    for (let round = 0; round < 10; round++) {
      const { provider, another } = await rig();
      const starters = await Promise.all(Array.from({ length: 4 }, () => another()));
      const made = await Promise.all(starters.map(({ directory }) => ensureAdmin(directory)));
      const tokens = made.flatMap(({ token }) => (token === undefined ? [] : [token]));
      expect(tokens).toHaveLength(1);
      expect(await provider.validateToken(tokens[0] ?? '')).not.toBeNull();
      expect(await starters[0]?.directory.listTokens(made[0]?.userId ?? '')).toHaveLength(1);
    }
  });

  it("takes the operator's own token in every slot, and a new one in its place", async () => {
    const { directory, manager } = await rig();
    const [first, second] = ['Operators-first-token-8ab3c1d9e7f2', 'Operators-second-token-55c0ffee9182'];
    await ensureAdmin(directory, first);
    await ensureAdmin(directory, first);
    for (const header of [`Bearer ${first}`, basic('anyone', first), basic(first, ''), first]) {
      const who = await manager.identify(headers(header), context('oci'));
      expect(await manager.allows(who, { repository: 'r', protocol: 'oci', type: 'repository', name: 'x' }, 'admin')).toBe(true);
    }
    await ensureAdmin(directory, second);
    expect(await manager.validateToken(first)).toBeNull();
    expect(await manager.validateToken(second)).not.toBeNull();
    expect(await ensureAdmin(directory)).not.toHaveProperty('token');
  });

  it.each([
    'short',
    'x'.repeat(40),
    'with space in it 0123456789 abcdefgh',
    'changeme-changeme-Changeme-3141592',
    'ümlaut-ümlaut-ümlaut-ümlaut-92817',
  ])("A3: %j is no operator's token", async (token) => {
    const { directory } = await rig();
    expect(adminTokenProblem(token)).toBeDefined();
    await expect(ensureAdmin(directory, token)).rejects.toMatchObject({ name: 'ConfigError' });
  });
});
