import { afterEach, beforeEach, expect, it } from 'vitest';
import type { IAuthProvider } from '../../ts/auth/provider.js';
import { MAX_OWNERS } from '../../ts/packages/policy.js';
import { SmartRegistry } from '../../ts/smart-registry.js';
import { answerOf, SECRET } from '../proof/house.js';
import { publishBody } from '../protocols/npm/rig.js';

/** Ids as long as a provider's may be: the owners of one package do not fit into a line of the feed. */
const idOf = (n: number): string => `uid=${n},${'ou=people,'.repeat(20)}dc=example`;
const IDS = Array.from({ length: MAX_OWNERS + 1 }, (_, n) => idOf(n));

const provider: IAuthProvider = {
  authenticate: async () => null,
  validateToken: async (token) => (IDS.includes(token) ? { userId: token, scopes: ['npm:*:*:*'] } : null),
  createToken: async (userId) => userId,
  revokeToken: async () => undefined,
  authorize: async (token) => token !== null,
  findUser: async (name) => (IDS.includes(name) ? name : null),
};

let registry: SmartRegistry;
beforeEach(async () => {
  registry = new SmartRegistry({
    storage: { driver: 'memory' },
    secret: SECRET,
    npm: { enabled: true },
    authProvider: provider,
  });
  await registry.init();
});
afterEach(() => registry.destroy());

async function ask(method: string, path: string, body?: unknown) {
  const raw = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers = { authorization: `Bearer ${idOf(0)}`, ...(raw ? { 'content-type': 'application/json' } : {}) };
  const [pathname = path, search = ''] = path.split('?');
  const query = Object.fromEntries(new URLSearchParams(search));
  const answer = await answerOf(await registry.handleRequest({ method, path: `/npm${pathname}`, headers, query, body: raw }));
  return { status: answer.status, json: JSON.parse(answer.text) };
}

const own = async (ids: readonly string[]) => {
  const { _id, _rev } = (await ask('GET', '/left')).json;
  return ask('PUT', `/left/-rev/${_rev}`, { _id, _rev, maintainers: ids.map((name) => ({ name, email: '' })) });
};

it('npm 14: a package may have many owners with long ids, and search and lists answer all the same', async () => {
  expect((await ask('PUT', '/left', await publishBody({ name: 'left', version: '1.0.0' }))).status).toBe(201);
  expect((await ask('PUT', '/right', await publishBody({ name: 'right', version: '1.0.0' }))).status).toBe(201);
  expect((await own(IDS)).status).toBe(400);
  expect((await own(IDS.slice(0, MAX_OWNERS))).status).toBe(201);
  expect((await ask('GET', '/left')).json.maintainers).toHaveLength(MAX_OWNERS);
  const search = await ask('GET', '/-/v1/search?text=left');
  expect([search.status, search.json.total, search.json.objects[0].package.maintainers]).toEqual([200, 1, []]);
  expect((await ask('GET', `/-/v1/search?text=maintainer:${encodeURIComponent(idOf(1))}`)).json.total).toBe(0);
  expect((await ask('GET', '/-/user/somebody/package')).status).toBe(404);
});
