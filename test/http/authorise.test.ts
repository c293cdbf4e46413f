import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../ts/errors/registry-error.js';
import type { RawResponse } from '../../ts/http/context.js';
import { boxOf, type Toy, textOf, toy, toyErrors } from './toy.js';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Everything that a client can see. */
const seen = async (answer: RawResponse) => ({
  status: answer.status,
  statusText: answer.statusText,
  headers: answer.headers,
  body: await textOf(answer),
});

const get = async (t: Toy, path: string, headers: Record<string, string> = {}) => seen(await t.ask({ path, headers }));

function stocked(errors = toyErrors): Toy {
  const t = toy({}, [], errors);
  t.source.boxes.set('open', boxOf('public'));
  t.source.boxes.set('secret', boxOf('restricted'));
  t.source.boxes.set('owned', boxOf('public', ['carol']));
  return t;
}

describe('credentials', () => {
  it('Z1: bad credentials are 401 with a challenge on every route but public ones', async () => {
    const t = stocked();
    for (const path of ['/open', '/-/all', '/-/whoami', '/secret', '/absent']) {
      const answer = await t.ask({ path, headers: bearer('forged') });
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers['WWW-Authenticate']).toContain('Toy realm="http://toys.example/toy"');
    }
    expect((await t.ask({ path: '/-/ping', headers: bearer('forged') })).status).toBe(200);
  });

  it('names what was wanted in the challenge', async () => {
    const t = stocked();
    t.source.anonymousRead = false;
    const answer = await t.ask({ path: '/secret' });
    expect(answer.headers['WWW-Authenticate']).toBe('Toy realm="http://toys.example/toy", scope="box:secret:read"');
  });

  it('authenticated routes refuse anonymous callers only', async () => {
    const t = stocked();
    expect((await t.ask({ path: '/-/whoami' })).status).toBe(401);
    expect(await textOf(await t.ask({ path: '/-/whoami', headers: bearer('nobody') }))).toBe('{"user":"nobody"}');
  });
});

describe('existence must not be learnt', () => {
  it('Z9: a closed repository answers anonymous callers 401, whether the package exists or not, and loads nothing', async () => {
    const t = stocked();
    t.source.anonymousRead = false;
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const ask = async (name: string) => {
        const answer = await seen(await t.ask({ method, path: `/${name}` }));
        return {
          ...answer,
          headers: { ...answer.headers, 'WWW-Authenticate': answer.headers['WWW-Authenticate']?.replace(name, '?') },
        };
      };
      const secret = await ask('secret');
      expect(secret.status).toBe(401);
      expect(await ask('absent')).toEqual(secret);
    }
    expect(t.source.opened).toEqual([]);
  });

  it('Z9: in an open repository a restricted package looks absent to anonymous callers, byte for byte', async () => {
    const t = stocked();
    for (const path of ['/secret', '/secret/-/x.bin', '/secret/owners']) {
      const denied = await get(t, path);
      t.source.floored.add('swept');
      const absent = await get(t, path.replace('secret', 'absent'));
      expect(await get(t, path.replace('secret', 'swept'))).toEqual(absent);
      expect(denied.status).toBe(404);
      expect(absent).toEqual(denied);
    }
    expect((await get(t, '/open')).status).toBe(200);
  });

  it('Z9: where the protocol asks anonymous callers for credentials, it does so for absent packages too', async () => {
    const t = stocked({ ...toyErrors, anonymousDenied: 'unauthenticated', challenge: () => 'Toy' });
    const denied = await get(t, '/secret');
    expect(denied.status).toBe(401);
    expect(await get(t, '/absent')).toEqual(denied);
  });

  it('Z9: a principal who may not read hears the same of what exists and of what does not', async () => {
    const t = stocked();
    t.gate.tokens.set('partial', { user: 'partial', may: (_, name) => name === 'open' || name === 'missing' });
    const denied = await get(t, '/secret', bearer('partial'));
    expect(denied.status).toBe(404);
    expect(await get(t, '/absent', bearer('partial'))).toEqual(denied);
    expect(await get(t, '/missing', bearer('partial'))).toEqual(denied);
    expect(t.source.opened).toEqual(['read missing']);
  });

  it('the protocol words the 404 of absent packages itself', async () => {
    const absentBox = (name: string) => new RegistryError('not_found', `no box ${name}`, { code: 'BOX_UNKNOWN' });
    const t = stocked({ ...toyErrors, absent: absentBox });
    const absent = JSON.parse((await get(t, '/absent')).body);
    expect(absent.toy).toMatchObject({ code: 'BOX_UNKNOWN', message: 'no box absent' });
  });

  it('a refused change is 403 with the same words for packages that exist and that do not', async () => {
    const t = stocked();
    const put = async (name: string) => seen(await t.ask({ method: 'PUT', path: `/${name}`, headers: bearer('reader') }));
    const refused = await put('secret');
    expect(refused.status).toBe(403);
    expect(await put('absent')).toEqual(refused);
  });

  it('an anonymous change is 401, whatever the package', async () => {
    const t = stocked();
    for (const name of ['open', 'secret', 'absent']) expect((await t.ask({ method: 'PUT', path: `/${name}` })).status).toBe(401);
  });
});

describe('owners and grants', () => {
  it('only owners and administrators change what is owned', async () => {
    const t = stocked();
    t.gate.tokens.set('writer', { user: 'writer', may: (action) => action !== 'admin' });
    t.gate.tokens.set('carol', { user: 'carol', may: (action) => action !== 'admin' });
    const remove = async (token: string) => (await t.ask({ method: 'DELETE', path: '/owned', headers: bearer(token) })).status;
    expect(await remove('writer')).toBe(403);
    expect(await remove('carol')).toBe(204);
    expect(await remove('alice')).toBe(204);
    t.gate.enforceOwners = false;
    expect(await remove('writer')).toBe(204);
  });

  it('a refusal never rests on a state that may be behind: the log is asked once more', async () => {
    const t = stocked();
    t.gate.tokens.set('dave', { user: 'dave', may: (action) => action !== 'admin' });
    t.source.boxes.set('owned', boxOf('public', ['carol', 'dave']));
    t.source.stale.set('owned', boxOf('public', ['carol']));
    expect((await t.ask({ method: 'DELETE', path: '/owned', headers: bearer('dave') })).status).toBe(204);
    expect(t.source.opened).toEqual(['change owned', 'strong owned']);
  });

  it('any of the actions of a route opens its door', async () => {
    const t = stocked();
    t.gate.tokens.set('creator', { user: 'creator', may: (action) => action === 'create' });
    const body = { body: {}, headers: { ...bearer('creator'), 'content-length': '2' } };
    expect((await t.ask({ method: 'PUT', path: '/new', ...body })).status).toBe(201);
    expect((await t.ask({ method: 'DELETE', path: '/new', headers: bearer('creator') })).status).toBe(403);
  });

  it('reading what only administrators may see: 403 for readers, 404 for others', async () => {
    const t = stocked();
    expect((await get(t, '/secret/owners', bearer('reader'))).status).toBe(403);
    expect((await get(t, '/secret/owners', bearer('nobody'))).status).toBe(404);
    expect((await get(t, '/secret/owners', bearer('alice'))).status).toBe(200);
  });

  it('the provider is asked once per action and request', async () => {
    const t = stocked();
    await get(t, '/open', bearer('reader'));
    const own = t.gate.asked.filter((question) => question.startsWith('reader'));
    expect(own).toEqual(['reader box:open:read']);
  });

  it('packages behind the first are sources: left out where the caller may not read them', async () => {
    const t = stocked();
    t.gate.tokens.set('mounter', { user: 'mounter', may: (_, name) => name !== 'secret' });
    const mount = async (from: string) =>
      JSON.parse(
        await textOf(await t.ask({ method: 'POST', path: '/new/mount', rawQuery: `from=${from}`, headers: bearer('mounter') })),
      );
    expect(await mount('open')).toEqual(['new', 'open']);
    expect(await mount('secret')).toEqual(['new']);
    expect(t.source.opened).not.toContain('read secret');
  });
});

describe('lists', () => {
  it('Z2: a list shows what the caller may read, and says whether that is all', async () => {
    const t = stocked();
    const list = async (headers = {}) => JSON.parse((await get(t, '/-/all', headers)).body);
    expect(await list()).toEqual({ names: ['open', 'owned'], complete: false });
    expect(await list(bearer('reader'))).toEqual({ names: ['open', 'secret', 'owned'], complete: true });
    expect(await list(bearer('nobody'))).toEqual({ names: [], complete: false });
  });

  it('anonymous callers get no list of a closed repository', async () => {
    const t = stocked();
    t.source.anonymousRead = false;
    expect((await get(t, '/-/all')).status).toBe(401);
  });

  it('Z3: answers that depend on the caller are private or vary, answers for everyone are public', async () => {
    const t = stocked();
    const cache = async (path: string, headers = {}) => (await get(t, path, headers)).headers['Cache-Control'];
    expect(await cache('/open')).toBe('public, no-cache');
    expect(await cache('/open', bearer('reader'))).toBe('public, no-cache');
    expect(await cache('/secret', bearer('reader'))).toBe('private, no-cache');
    expect(await cache('/open/-/x', bearer('reader'))).toBe('public, max-age=31536000, immutable');
    expect(await cache('/secret/-/x', bearer('reader'))).toBe('private, max-age=31536000, immutable');
    expect(await cache('/-/all', bearer('reader'))).toBe('private, no-cache');
    expect(await cache('/-/whoami', bearer('reader'))).toBe('private, no-cache');
    expect((await get(t, '/-/all')).headers['Vary']).toContain('Authorization');
    t.source.anonymousRead = false;
    expect(await cache('/open', bearer('reader'))).toBe('private, no-cache');
  });
});
