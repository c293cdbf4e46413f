import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IAuthProvider, IAuthToken } from '../../ts/auth/provider.js';
import { SmartRegistry } from '../../ts/smart-registry.js';
import { type Answer, answerOf, SECRET } from '../proof/house.js';
import { shownBy } from '../protocols/npm/authenticator.js';
import { publishBody } from '../protocols/npm/rig.js';

const PASSWORD = 'a password of some length';
let registry: SmartRegistry;
let told: string[] = [];
afterEach(() => registry.destroy());

async function open(authProvider?: IAuthProvider): Promise<void> {
  told = [];
  registry = new SmartRegistry({
    storage: { driver: 'memory' },
    secret: SECRET,
    npm: { enabled: true },
    oci: { enabled: true },
    // Providers that fail on purpose are told of.
    onFault: (_, where) => told.push(where),
    ...(authProvider ? { authProvider } : {}),
  });
  await registry.init();
}

async function ask(method: string, path: string, authorization: string, body?: unknown, more: object = {}): Promise<Answer> {
  const raw = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers = { host: 'registry.example', authorization, ...(raw ? { 'content-type': 'application/json' } : {}), ...more };
  return answerOf(await registry.handleRequest({ method, path, rawUrl: path, headers, query: {}, body: raw }));
}

const basic = (name: string, password: string): string => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

describe('npm 18: a second factor, in protocols whose clients cannot send a code', () => {
  let id = '';
  let token = '';
  beforeEach(async () => {
    await open();
    const { directory } = registry.parts.auth;
    if (!directory) throw new Error('no directory');
    ({ id } = await directory.addUser({ name: 'ann', password: PASSWORD }));
    ({ token } = await directory.createToken(id));
  });

  async function enable(mode: string): Promise<void> {
    const begun = await ask('POST', '/npm/-/npm/v1/user', `Bearer ${token}`, { tfa: { password: PASSWORD, mode } });
    const { tfa } = JSON.parse(begun.text) as { tfa: string };
    const done = await ask('POST', '/npm/-/npm/v1/user', `Bearer ${token}`, { tfa: [shownBy(tfa, Date.now())] });
    expect(done.status, done.text).toBe(200);
  }
  const push = async (authorization: string): Promise<number> =>
    (await ask('POST', '/oci/v2/team/app/blobs/uploads/', authorization)).status;
  const session = async (authorization: string): Promise<string> => {
    const scope = encodeURIComponent('repository:team/app:pull,push');
    const answer = await ask('GET', `/oci/v2/token?service=registry.example&scope=${scope}`, authorization);
    return answer.status === 200 ? `Bearer ${(JSON.parse(answer.text) as { token: string }).token}` : String(answer.status);
  };

  it('auth-and-writes: changes are refused, not let through; a token for machines changes, and so does its session', async () => {
    expect(await push(`Bearer ${token}`)).toBe(202);
    await enable('auth-and-writes');
    expect(await push(`Bearer ${token}`)).toBe(403);
    expect(await push(await session(basic('ann', token)))).toBe(403);
    expect(await push(await session(basic('ann', PASSWORD)))).toBe(401);
    const machine = await registry.parts.auth.directory?.createToken(id, { automation: true });
    expect(await push(`Bearer ${machine?.token}`)).toBe(202);
    expect(await push(await session(basic('ann', machine?.token ?? '')))).toBe(202);
  });

  it('auth-only: changes go on, a password by itself opens nothing', async () => {
    await enable('auth-only');
    expect(await push(`Bearer ${token}`)).toBe(202);
    expect(await push(basic('ann', PASSWORD))).toBe(401);
  });
});

describe('npm 18: a provider of the application', () => {
  const provider = (more: Partial<IAuthProvider>, says: Partial<IAuthToken> = {}): IAuthProvider => ({
    authenticate: async () => null,
    validateToken: async (text) => (text === 'good' ? { userId: 'zoe', scopes: ['*:*:*:*'], ...says } : null),
    createToken: async () => 'good',
    revokeToken: async () => undefined,
    authorize: async (token) => token !== null,
    ...more,
  });
  const publish = async (name: string, code?: string): Promise<Answer> =>
    ask(
      'PUT',
      `/npm/${name}`,
      'Bearer good',
      await publishBody({ name, version: '1.0.0' }),
      code === undefined ? {} : { 'npm-otp': code },
    );

  it('says who has a second factor and what a code is worth', async () => {
    await open(provider({ confirm: async (_, code) => code === '123456' }, { secondFactor: 'changes' }));
    const refused = await publish('one');
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'OTP']);
    expect((await publish('one', '000000')).status).toBe(401);
    expect((await publish('one', '123456')).status).toBe(201);
  });

  it.each([
    ['cannot', {}],
    ['throws', { confirm: () => Promise.reject(new Error('down')) }],
    ['answers something else', { confirm: async () => 'yes' as unknown as boolean }],
  ])('that %s confirms nothing', async (_, more: Partial<IAuthProvider>) => {
    await open(provider(more, { secondFactor: 'changes' }));
    expect((await publish('one', '123456')).status).toBe(401);
    expect(told.every((where) => where.startsWith('auth provider: confirm'))).toBe(true);
  });

  it('that makes up a second factor is not believed', async () => {
    await open(provider({}, { secondFactor: 'sometimes' as 'changes' }));
    expect((await publish('one')).status).toBe(401);
  });
});
