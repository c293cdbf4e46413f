import { describe, expect, it } from 'vitest';
import { AuthManager } from '../../ts/auth/auth-manager.js';
import type { ProviderProblem } from '../../ts/auth/guarded-provider.js';
import { ACTIONS } from '../../ts/auth/principal.js';
import type { IAuthProvider, IAuthToken } from '../../ts/auth/provider.js';
import { RegistryError } from '../../ts/errors/registry-error.js';
import { basic, context, headers, rig } from './rig.js';

const PACKAGE = { repository: 'npm', protocol: 'npm', type: 'package', name: 'x' };
const denied = { kind: 'unauthenticated', message: 'The credentials are not valid' };

describe('identify', () => {
  const scene = async () => {
    const all = await rig();
    const password = 'pass-Word-4711:with:colons';
    const user = await all.directory.addUser({ name: 'bob', password });
    const { token, info } = await all.directory.createToken(user.id, { scopes: ['npm:package:x:read'] });
    return { ...all, user, password, token, info };
  };

  it('A12: a token is the same token in every slot: same user, same scopes, same limits', async () => {
    const { manager, user, token, info } = await scene();
    const slots = [
      `Bearer ${token}`,
      `bearer ${token}`,
      `BEARER   ${token} `,
      basic('bob', token),
      basic('__token__', token),
      basic('', token),
      basic(token, ''),
      basic(token, 'x-oauth-basic'),
      token,
    ];
    for (const slot of slots) {
      const who = await manager.identify(headers(slot), context());
      expect(who).toMatchObject({ userId: user.id, tokenId: info.id, readonly: false });
      for (const action of ACTIONS) expect(await manager.allows(who, PACKAGE, action)).toBe(action === 'read');
      expect(await manager.allows(who, { ...PACKAGE, name: 'y' }, 'read')).toBe(false);
    }
  });

  it('A12: a revoked, expired, foreign or address-bound token is refused in every slot', async () => {
    const { manager, directory, user, clock } = await scene();
    const revoked = await directory.createToken(user.id);
    await directory.revokeToken(user.id, revoked.info.id);
    const expired = await directory.createToken(user.id, { ttl: 1 });
    const foreign = await directory.createToken(user.id, { protocol: 'cargo' });
    const bound = await directory.createToken(user.id, { cidr: ['198.51.100.0/24'] });
    clock.time += 1_000;
    for (const { token } of [revoked, expired, foreign, bound]) {
      for (const slot of [`Bearer ${token}`, basic('bob', token), basic(token, ''), basic(token, 'x-oauth-basic'), token]) {
        await expect(manager.identify(headers(slot), context())).rejects.toMatchObject({ kind: 'unauthenticated' });
      }
    }
  });

  it('A12: other headers, and what looks like an identity in them, are no credentials', async () => {
    const { manager, token } = await scene();
    const asked: string[] = [];
    const bag = {
      'x-nuget-apikey': token,
      cookie: `token=${token}`,
      'x-forwarded-user': 'bob',
      'x-remote-user': 'bob',
      'proxy-authorization': `Bearer ${token}`,
    };
    const get = (name: string) => {
      asked.push(name);
      return (bag as Record<string, string>)[name.toLowerCase()];
    };
    expect(await manager.identify({ get }, context())).toBeUndefined();
    expect(new Set(asked)).toEqual(new Set(['authorization']));
  });

  it("user and password: the user's default scopes, administration excepted", async () => {
    const { manager, user, password } = await scene();
    const who = await manager.identify(headers(basic('bob', password)), context());
    expect(who).toMatchObject({ userId: user.id, tokenId: undefined });
    expect(await manager.allows(who, PACKAGE, 'create')).toBe(true);
    expect(await manager.allows(who, PACKAGE, 'admin')).toBe(false);
  });

  it('no header, an empty one, and an empty user with an empty password are nobody', async () => {
    const { manager } = await scene();
    for (const header of [undefined, '', '   ', basic('', '')])
      expect(await manager.identify(headers(header), context())).toBeUndefined();
  });

  it('A11 A16: whatever else is in the header is refused with one and the same answer', async () => {
    const { manager, token, password } = await scene();
    const bad = [
      'Bearer',
      'Basic',
      'Bearer ',
      'Bearer undefined',
      `Bearer ${token} ${token}`,
      `Bearer ${token}, Bearer ${token}`,
      `Digest ${token}`,
      `Token ${token}`,
      `Bearer: ${token}`,
      `Bearer\t${token}`,
      'Basic !!!!',
      `Basic ${Buffer.from('nocolon').toString('base64')}`,
      basic('bob', 'wrong'),
      basic('nobody', password),
      basic('bob', ''),
      basic('bob', 'x-oauth-basic'),
      basic('bob', `${password}\0`),
      `Bearer ${'x'.repeat(8_192)}`,
      `Basic ${'QUFB'.repeat(4_000)}`,
      `${token}\u0000`,
      `Bearer ${token}\u00e9`,
      'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.',
    ];
    for (const header of bad) {
      const error = await manager.identify(headers(header), context()).catch((thrown: unknown) => thrown);
      expect([header, error]).toEqual([header, expect.objectContaining(denied)]);
      expect(error).toMatchObject({ code: undefined, detail: undefined, headers: {} });
    }
  });

  it('npm 17: a token bound to addresses works from them, v4-mapped ones too, and elsewhere says why', async () => {
    const { manager, directory, user } = await scene();
    const { token } = await directory.createToken(user.id, { cidr: ['192.0.2.0/24', '2001:db8::/32'] });
    for (const address of ['192.0.2.1', '192.0.2.255', '::ffff:192.0.2.9', '2001:db8:1::1']) {
      expect(await manager.identify(headers(`Bearer ${token}`), context('npm', address))).toMatchObject({ userId: user.id });
    }
    for (const address of ['192.0.3.1', '::ffff:192.0.3.1', '2001:db9::1', '', 'localhost', '192.0.2.1, 10.0.0.1', undefined]) {
      const where = { ...context(), address };
      await expect(manager.identify(headers(`Bearer ${token}`), where)).rejects.toMatchObject({
        kind: 'unauthenticated',
        code: 'ipaddress',
      });
    }
  });

  it('npm 17: a read-only token reads, and nothing else', async () => {
    const { manager, directory, user } = await scene();
    const { token } = await directory.createToken(user.id, { readonly: true });
    const who = await manager.identify(headers(`Bearer ${token}`), context());
    for (const action of ACTIONS) {
      expect(await manager.allows(who, PACKAGE, action)).toBe(action === 'read');
      expect(await manager.authorize(token, 'npm:package:x', action)).toBe(action === 'read');
    }
    expect(await manager.authorize(token, 'npm:package:x', 'write')).toBe(false);
    expect(await manager.authorize(token, 'npm:package:x', '*')).toBe(false);
  });

  it('a repository named in a scope is that repository alone', async () => {
    const { manager, directory, user } = await scene();
    const { token } = await directory.createToken(user.id, { scopes: ['team:package:*:write'] });
    const who = await manager.identify(headers(token), context());
    expect(await manager.allows(who, { ...PACKAGE, repository: 'team' }, 'create')).toBe(true);
    expect(await manager.allows(who, PACKAGE, 'create')).toBe(false);
  });

  it('a protocol whose tokens are switched off has none, made or shown', async () => {
    const { manager, directory, provider, runtime, user } = await scene();
    const { token } = await directory.createToken(user.id, { protocol: 'npm' });
    const off = new AuthManager({
      provider,
      runtime,
      tokens: { npm: { enabled: false }, cargo: { enabled: true, defaultReadonly: true } },
    });
    expect(await manager.validateToken(token)).not.toBeNull();
    expect(await off.validateToken(token)).toBeNull();
    await expect(off.createNpmToken(user.id)).rejects.toMatchObject({ kind: 'not_found' });
    expect((await off.validateToken(await off.createCargoToken(user.id)))?.readonly).toBe(true);
    expect((await off.validateToken(await off.createCargoToken(user.id, false)))?.readonly).toBe(false);
  });
});

describe('a provider that cannot be relied on', () => {
  const token: IAuthToken = { userId: 'u', scopes: ['*:*:*:*'] };
  const good: IAuthProvider = {
    authenticate: async () => 'u',
    validateToken: async () => token,
    createToken: async () => 'a-token',
    revokeToken: async () => undefined,
    authorize: async () => true,
  };
  const never = () => new Promise<never>(() => undefined);
  const fails = async (): Promise<never> => {
    throw new Error('canary-detail');
  };
  const throws = (): never => {
    throw new Error('canary-detail');
  };
  const liar = {
    get userId(): string {
      throw new Error('canary-detail');
    },
  };

  const over = async (provider: Partial<IAuthProvider>) => {
    const { runtime, clock } = await rig();
    const idle = clock.waiting;
    const problems: ProviderProblem[] = [];
    const manager = new AuthManager({
      provider: { ...good, ...provider },
      runtime,
      onProblem: (problem) => problems.push(problem),
    });
    /** Lets the deadline pass for whatever is being waited for. */
    const within = async <T>(work: Promise<T>): Promise<T> => {
      for (let turn = 0; turn < 5; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
        clock.advance(5_000);
      }
      return work;
    };
    return { manager, within, problems, clock, waiting: () => clock.waiting - idle };
  };

  it('the good one is let through: these tests can fail', async () => {
    const { manager, problems, waiting } = await over({});
    const who = await manager.identify(headers('Bearer t'), context());
    expect(who).toMatchObject({ userId: 'u', readonly: false });
    expect(await manager.allows(who, PACKAGE, 'admin')).toBe(true);
    expect(await manager.authorize('t', 'npm:package:x', '*')).toBe(true);
    expect(problems).toEqual([]);
    expect(waiting()).toBe(0);
  });

  it.each([
    ['rejects', fails],
    ['throws', throws],
    ['hangs', never],
    ['says yes', async () => 'yes'],
    ['says 1', async () => 1],
    ['says {}', async () => ({})],
    ['says [true]', async () => [true]],
    ['says new Boolean(true)', async () => new Boolean(true)],
    ['says null', async () => null],
    ['says nothing', async () => undefined],
    ['is no promise but text', () => 'true'],
    ['says false', async () => false],
  ])('A15: authorize %s: denied', async (_, authorize) => {
    const { manager, within } = await over({ authorize: authorize as unknown as IAuthProvider['authorize'] });
    const who = await manager.identify(headers('Bearer t'), context());
    for (const action of ACTIONS) {
      expect(await within(manager.allows(who, PACKAGE, action))).toBe(false);
      expect(await within(manager.allows(undefined, PACKAGE, action))).toBe(false);
    }
    expect(await within(manager.authorize('t', 'npm:package:x', 'read'))).toBe(false);
  });

  it.each([
    ['rejects', fails],
    ['throws', throws],
    ['hangs', never],
    ['says true', async () => true],
    ['says text', async () => 'u'],
    ['says {}', async () => ({})],
    ['says a list', async () => []],
    ['has no scopes', async () => ({ userId: 'u' })],
    ['has scopes as text', async () => ({ userId: 'u', scopes: '*:*:*:*' })],
    ['has scopes of numbers', async () => ({ userId: 'u', scopes: [1] })],
    ['has an empty user', async () => ({ userId: '', scopes: [] })],
    ['has a user as a number', async () => ({ userId: 7, scopes: [] })],
    ['has readonly as text', async () => ({ ...token, readonly: 'false' })],
    ['has expired', async () => ({ ...token, expiresAt: 1 })],
    ['expires at NaN', async () => ({ ...token, expiresAt: Number.NaN })],
    ['expires at a text', async () => ({ ...token, expiresAt: '2100' })],
    ['is for another protocol', async () => ({ ...token, protocol: 'oci' })],
    ['has addresses that are none', async () => ({ ...token, cidr: ['everywhere'] })],
    ['has addresses as text', async () => ({ ...token, cidr: '0.0.0.0/0' })],
    ['has a getter that throws', async () => liar],
  ])('A15: validateToken %s: refused', async (_, validateToken) => {
    const { manager, within } = await over({ validateToken: validateToken as unknown as IAuthProvider['validateToken'] });
    await expect(
      within(manager.identify(headers('Bearer t'), context()).catch((error: unknown) => error)),
    ).resolves.toMatchObject(denied);
    expect(await within(manager.validateToken('t', 'npm'))).toBeNull();
    expect(await within(manager.authorize('t', 'npm:package:x', 'read'))).toBe(false);
  });

  it.each([
    ['rejects', fails],
    ['throws', throws],
    ['hangs', never],
    ['says true', async () => true],
    ['says {}', async () => ({ id: 'u' })],
    ['says an empty text', async () => ''],
    ['says nothing', async () => undefined],
  ])('A15: authenticate %s: refused', async (_, authenticate) => {
    const { manager, within } = await over({
      validateToken: async () => null,
      authenticate: authenticate as unknown as IAuthProvider['authenticate'],
    });
    await expect(
      within(manager.identify(headers(basic('u', 'p')), context()).catch((error: unknown) => error)),
    ).resolves.toMatchObject(denied);
    expect(await within(manager.authenticate({ username: 'u', password: 'p' }))).toBeNull();
  });

  it('A15: the operator hears of it, the client does not', async () => {
    const { manager, within, problems } = await over({ validateToken: fails, authorize: never });
    const error = await manager.identify(headers('Bearer t'), context()).catch((thrown: unknown) => thrown);
    expect(JSON.stringify([error, String(error), (error as RegistryError).cause])).not.toContain('canary');
    expect(await within(manager.allows(undefined, PACKAGE, 'read'))).toBe(false);
    expect(problems.map(({ call, problem }) => `${call} ${problem}`)).toEqual(['validateToken threw', 'authorize hung']);
    expect(JSON.stringify(problems)).not.toContain('Bearer');
  });

  it('A15: what it says too late is not heard', async () => {
    let answer: (yes: boolean) => void = () => undefined;
    const { manager, within } = await over({ authorize: () => new Promise((resolve) => (answer = resolve)) });
    const asked = manager.allows(undefined, PACKAGE, 'read');
    expect(await within(asked)).toBe(false);
    answer(true);
    expect(await asked).toBe(false);
  });

  it('A15: a client that has gone is no reason to go on waiting', async () => {
    const { manager, waiting, clock } = await over({ validateToken: never });
    const gone = new AbortController();
    const asked = manager.identify(headers('Bearer t'), { ...context(), signal: gone.signal }).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    // The first moment is waited for without a look at the client.
    clock.advance(20);
    expect(waiting()).toBe(1);
    gone.abort();
    expect(await asked).toMatchObject(denied);
    expect(waiting()).toBe(0);
  });

  it('"not now" from the provider is neither yes nor a wrong password', async () => {
    const { manager } = await over({ validateToken: () => Promise.reject(new RegistryError('unavailable', 'later')) });
    await expect(manager.identify(headers('Bearer t'), context())).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await manager.authorize('t', 'npm:package:x', 'read')).toBe(false);
  });

  it('A15: nobody never changes anything, whatever the provider says, and a read-only token neither', async () => {
    const { manager } = await over({ validateToken: async () => ({ ...token, readonly: true }) });
    const who = await manager.identify(headers('Bearer t'), context());
    for (const action of ACTIONS) {
      expect(await manager.allows(undefined, PACKAGE, action)).toBe(action === 'read');
      expect(await manager.allows(who, PACKAGE, action)).toBe(action === 'read');
    }
  });

  it("a password gives a custom provider's user everything but administration, unless the provider says otherwise", async () => {
    const base = { validateToken: async () => null };
    const plain = await (await over(base)).manager.identify(headers(basic('u', 'p')), context());
    expect(plain?.token.scopes).toEqual(['*:*:*:read', '*:*:*:write']);
    const narrow = await over({ ...base, defaultScopes: async () => ['npm:package:x:read'] });
    expect((await narrow.manager.identify(headers(basic('u', 'p')), context()))?.token.scopes).toEqual(['npm:package:x:read']);
    const broken = await over({ ...base, defaultScopes: fails });
    await expect(broken.manager.identify(headers(basic('u', 'p')), context())).rejects.toMatchObject(denied);
  });

  it('A5: a session over a custom provider opens what the provider says of each scope, and no more', async () => {
    const asked: unknown[] = [];
    const { manager } = await over({
      authorize: async (_token, resource, action) => resource === 'oci:repository:team/x' && action === 'read',
      createToken: async (_userId, protocol, options) => {
        asked.push(protocol, options?.scopes, options?.ttl);
        return 'a-token';
      },
    });
    const who = await manager.identify(headers('Bearer t'), context('oci'));
    if (!who) throw new Error('not identified');
    const wanted = ['oci:repository:team/x:*', 'oci:repository:y:pull', 'oci:repository:*:pull', 'nonsense'];
    expect(await manager.exchange(who, 'oci', wanted, 300)).toEqual({
      token: 'a-token',
      scopes: ['oci:repository:team/x:read'],
      ttl: 300,
    });
    expect(asked).toEqual(['oci', ['oci:repository:team/x:read'], 300]);
    await expect(manager.exchange(who, 'oci', ['oci:repository:y:pull'], 300)).rejects.toMatchObject({ kind: 'forbidden' });
  });

  it('createToken that gives no text is an error without details', async () => {
    const { manager } = await over({ createToken: (async () => 42) as unknown as IAuthProvider['createToken'] });
    await expect(manager.createNpmToken('u', false)).rejects.toMatchObject({ kind: 'internal' });
  });
});
