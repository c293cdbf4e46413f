import { describe, expect, it } from 'vitest';
import { AuthManager } from '../../ts/auth/auth-manager.js';
import type { Action, Principal } from '../../ts/auth/principal.js';
import type { IAuthProvider } from '../../ts/auth/provider.js';
import { context, headers, rig } from './rig.js';

const NPM = { repository: 'npm', protocol: 'npm', type: 'package' };

/** A user's token with these scopes, presented. */
async function presented(scopes: readonly string[], more: { readonly readonly?: boolean } = {}) {
  const { directory, manager } = await rig();
  const user = await directory.addUser({ name: 'ann', admin: true });
  const { token } = await directory.createToken(user.id, { scopes, ...more });
  return { manager, principal: (await manager.identify(headers(`Bearer ${token}`), context())) as Principal };
}

describe('asking about every name at once', () => {
  it.each<[readonly string[], Action, boolean]>([
    [['*:*:*:*'], 'read', true],
    [['npm:package:*:read'], 'read', true],
    [['npm:package:*:read'], 'create', false],
    [['npm:package:a*:read'], 'read', false],
    [['npm:package:a:read', 'npm:package:b:read'], 'read', false],
    [['pypi:package:*:read'], 'read', false],
    [['npm:repository:*:read'], 'read', false],
  ])('%j opens %s: %s', async (scopes, action, every) => {
    const { manager, principal } = await presented(scopes);
    expect(manager.allowsEvery(principal, NPM, action)).toBe(every);
  });

  it('a yes is a yes for each name', async () => {
    const { manager, principal } = await presented(['npm:package:*:read']);
    for (const name of ['a', '@s/b', 'x'.repeat(200), '*'])
      expect(await manager.allows(principal, { ...NPM, name }, 'read')).toBe(true);
  });

  it('a read-only token changes nothing', async () => {
    const { manager, principal } = await presented(['*:*:*:*'], { readonly: true });
    expect(manager.allowsEvery(principal, NPM, 'create')).toBe(false);
    expect(manager.allowsEvery(principal, NPM, 'read')).toBe(true);
  });

  it.each<[string, IAuthProvider['authorizeEvery'] | undefined]>([
    ['has no such method', undefined],
    ['throws', () => assertNever()],
    ['answers with something true that is not true', (() => 'yes') as unknown as IAuthProvider['authorizeEvery']],
    ['answers with a promise', (() => Promise.resolve(true)) as unknown as IAuthProvider['authorizeEvery']],
  ])('a provider that %s has said nothing', async (_, authorizeEvery) => {
    const { provider, runtime } = await rig();
    const own: IAuthProvider = Object.create(provider);
    Object.defineProperty(own, 'authorizeEvery', { value: authorizeEvery });
    expect(new AuthManager({ provider: own, runtime }).allowsEvery(undefined, NPM, 'read')).toBe(false);
    expect(new AuthManager({ provider, runtime }).allowsEvery(undefined, NPM, 'read')).toBe(true);
  });
});

describe('what is remembered of a token', () => {
  it('ends with the token, with its user, and with a change of either', async () => {
    const { directory, manager } = await rig();
    const user = await directory.addUser({ name: 'ann', admin: true });
    const { token, info } = await directory.createToken(user.id, { scopes: ['*:*:*:*'] });
    const ask = () => manager.validateToken(token, 'npm');
    expect((await ask())?.scopes).toEqual(['*:*:*:*']);
    await directory.setAdmin(user.id, false);
    expect((await ask())?.scopes).toEqual(['*:*:*:read', '*:*:*:write']);
    await directory.setDisabled(user.id, true);
    expect(await ask()).toBeNull();
    await directory.setDisabled(user.id, false);
    expect(await ask()).not.toBeNull();
    await directory.revokeToken(user.id, info.id);
    expect(await ask()).toBeNull();
  });
});

function assertNever(): never {
  throw new Error('a provider that fails');
}
