import { describe, expect, it } from 'vitest';
import type { IAuthProvider } from '../../ts/auth/provider.js';
import { StaticAuthProvider } from '../../ts/auth/providers/static.js';
import { type AuthProviderFixture, authProviderCases } from '../../ts/testing/auth-provider.js';
import { rig } from '../auth/rig.js';

const user = { username: 'bob', password: 'pass-Word-4711' };

const providers: Record<string, () => Promise<AuthProviderFixture>> = {
  default: async () => {
    const { directory, provider, clock, space } = await rig();
    await directory.addUser({ name: user.username, password: user.password });
    return { provider, ...user, advance: (milliseconds) => clock.advance(milliseconds), close: () => space.close() };
  },
  static: async () => {
    const { runtime, clock } = await rig();
    const provider = new StaticAuthProvider({ users: [{ name: user.username, password: user.password }], runtime });
    return { provider, ...user, advance: (milliseconds) => clock.advance(milliseconds) };
  },
};

describe.each(Object.entries(providers))('the %s provider', (_, make) => {
  it.each(authProviderCases)('$name', ({ run }) => run(make));
});

describe('the suite', () => {
  it('sees: each way to break a provider breaks at least one case', async () => {
    const breaks: Record<string, (good: IAuthProvider) => Partial<IAuthProvider>> = {
      'any password': () => ({ authenticate: async () => 'bob' }),
      'no password': () => ({ authenticate: async () => null }),
      'any token': (good) => ({
        validateToken: async (token, protocol) => (await good.validateToken(token, protocol)) ?? { userId: 'bob', scopes: [] },
      }),
      'protocol ignored': (good) => ({ validateToken: (token) => good.validateToken(token) }),
      'revocation forgotten': () => ({ revokeToken: async () => undefined }),
      'revocation throws': (good) => ({
        revokeToken: async (token) => {
          if (!(await good.validateToken(token))) throw new Error('unknown');
          await good.revokeToken(token);
        },
      }),
      'the sample: anybody reads, users do all': () => ({
        authorize: async (token, _resource, action) => token !== null || action === 'read',
      }),
      'anonymous writes': (good) => ({
        authorize: async (token, resource, action) => token === null || good.authorize(token, resource, action),
      }),
      'truthy answers': (good) => ({
        authorize: async (...args) => ((await good.authorize(...args)) ? 'yes' : '') as unknown as boolean,
      }),
      'scopes ignored': (good) => ({
        createToken: (id, protocol, { scopes: _, ...rest } = {}) => good.createToken(id, protocol, rest),
      }),
      'readonly ignored': (good) => ({
        createToken: (id, protocol, { readonly: _, ...rest } = {}) => good.createToken(id, protocol, rest),
      }),
      'life ignored': (good) => ({
        createToken: (id, protocol, { ttl: _, ...rest } = {}) => good.createToken(id, protocol, rest),
      }),
      'one token for all': () => {
        let one: string | undefined;
        return {
          createToken: async (id: string, protocol: string): Promise<string> => {
            one ??= `static-token-of-${id}-for-${protocol}-and-everything`;
            return one;
          },
        };
      },
      'knows everybody': () => ({ findUser: async () => 'bob' }),
    };
    for (const [name, broken] of Object.entries(breaks)) {
      const make = async (): Promise<AuthProviderFixture> => {
        const fixture = await (providers['static'] as () => Promise<AuthProviderFixture>)();
        const good = fixture.provider;
        const all = Object.getOwnPropertyNames(Object.getPrototypeOf(good)).filter((key) => key !== 'constructor');
        const bound = Object.fromEntries(
          all.map((key) => [
            key,
            (...args: unknown[]) => (Reflect.get(good, key) as (...args: unknown[]) => unknown).apply(good, args),
          ]),
        );
        return { ...fixture, provider: { ...bound, ...broken(good) } as unknown as IAuthProvider };
      };
      const results = await Promise.allSettled(authProviderCases.map((rule) => rule.run(make)));
      expect([name, results.some((result) => result.status === 'rejected')]).toEqual([name, true]);
    }
  });
});
