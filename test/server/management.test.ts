import { describe, expect, it } from 'vitest';
import type { NewToken } from '../../ts/auth/mint.js';
import { bearer, member, scratch, serveHere } from './launch.js';
import { publish } from './publish.js';

const API = '/-/api/v1';

async function server() {
  const storage = `file:${scratch()}`;
  const serving = await serveHere({ storage });
  const ask = async (method: string, path: string, token: string | undefined, body?: unknown) => {
    const response = await fetch(serving.url + API + path, {
      method,
      headers: token === undefined ? {} : bearer(token),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const user = (name: string, asked?: NewToken): Promise<string> => member(storage, name, asked);
  return { ...serving, ask, user };
}

describe('the management surface', () => {
  it('shows what is there to those who may read it, in pages', async () => {
    const { url, token, ask } = await server();
    const { host } = new URL(url);
    for (const name of ['alpha', 'beta', '@acme/gamma']) await publish(`${url}/npm`, token, name, '1.0.0');
    expect((await ask('GET', '/repositories', token)).body).toEqual({
      repositories: [
        {
          name: 'oci',
          protocol: 'oci',
          path: '/oci/',
          anonymousRead: false,
          setUp: `echo "$ENTREPOT_TOKEN" | docker login ${host} --username token --password-stdin`,
        },
        {
          name: 'npm',
          protocol: 'npm',
          path: '/npm/',
          anonymousRead: false,
          setUp: `npm config set registry=${url}/npm/ //${host}/npm/:_authToken=$ENTREPOT_TOKEN`,
        },
      ],
    });
    const page = await ask('GET', '/repositories/npm/packages?limit=2', token);
    expect(page.body).toEqual({ packages: [{ name: '@acme/gamma' }, { name: 'alpha' }], next: 'alpha' });
    expect((await ask('GET', '/repositories/npm/packages?limit=2&after=alpha', token)).body).toEqual({
      packages: [{ name: 'beta' }],
    });
    expect((await ask('GET', '/repositories/npm/packages?q=GAM', token)).body).toEqual({ packages: [{ name: '@acme/gamma' }] });
    const shown = await ask('GET', '/repositories/npm/packages/%40acme%2fgamma', token);
    expect(shown.body).toMatchObject({
      name: '@acme/gamma',
      versions: [{ version: '1.0.0', status: 'published', tags: ['latest'] }],
    });
    expect((await ask('GET', '/repositories/npm/packages?limit=0', token)).status).toBe(400);
    expect((await ask('GET', '/repositories/nothing/packages', token)).status).toBe(404);
    expect((await ask('GET', '/repositories/npm/packages/nothing', token)).status).toBe(404);
  });

  it('yanks, restores and deletes as the command line does', async () => {
    const { url, token, ask } = await server();
    for (const version of ['1.0.0', '2.0.0']) await publish(`${url}/npm`, token, 'tool', version);
    const one = '/repositories/npm/packages/tool/versions/1.0.0';
    const status = async () =>
      ((await ask('GET', '/repositories/npm/packages/tool', token)).body['versions'] as Record<string, string>[]).map(
        (v) => v['status'],
      );
    // N5: whoever installs is shown it.
    expect((await ask('PUT', `${one}/yank`, token, { reason: '\u001b[31mbroken' })).status).toBe(400);
    expect((await ask('PUT', `${one}/yank`, token, { reason: 'broken' })).status).toBe(200);
    expect(await status()).toEqual(['yanked', 'published']);
    expect((await ask('DELETE', `${one}/yank`, token)).status).toBe(200);
    expect((await ask('PUT', `${one}/yank`, token)).status).toBe(200);
    expect(await status()).toEqual(['yanked', 'published']);
    expect((await ask('DELETE', one, token)).status).toBe(200);
    expect((await ask('DELETE', one, token)).status).toBe(404);
    expect((await ask('PUT', `${one}/yank`, token)).status).toBe(404);
    const { body } = await ask('GET', '/repositories/npm/packages/tool/history', token);
    expect((body['history'] as { type: string }[]).map(({ type }) => type)).toEqual([
      'publish',
      'visibility',
      'publish',
      'status',
      'status',
      'status',
      'delete',
    ]);
    const older = '/repositories/npm/packages/tool/history?limit=2&before=';
    const types = ({ body: page }: { body: Record<string, unknown> }) => [
      ...(page['history'] as { type: string }[]).map(({ type }) => type),
      page['before'],
    ];
    expect(body['before']).toBeUndefined();
    expect(types(await ask('GET', older.replace('&before=', ''), token))).toEqual(['status', 'delete', 4]);
    expect(types(await ask('GET', `${older}4`, token))).toEqual(['status', 'status', 2]);
    // a publish is one commit with what it says of visibility
    expect(types(await ask('GET', `${older}1`, token))).toEqual(['publish', 'visibility', undefined]);
    expect(types(await ask('GET', `${older}0`, token))).toEqual([undefined]);
    expect((await ask('GET', `${older}x`, token)).status).toBe(400);
    expect((await ask('GET', older.replace('&before=', '000'), token)).status).toBe(400);
    expect((await ask('DELETE', '/repositories/npm/packages/tool?purge=true', token)).status).toBe(200);
    expect((await ask('GET', '/repositories/npm/packages/tool', token)).status).toBe(404);
  });

  it('asks the same rules as the protocol does', async () => {
    const { url, token, ask, user } = await server();
    await publish(`${url}/npm`, token, 'mine', '1.0.0');
    const other = await user('mallory');
    const reader = await user('reader', { readonly: true });
    const one = '/repositories/npm/packages/mine/versions/1.0.0';
    for (const [method, path] of [
      ['PUT', `${one}/yank`],
      ['DELETE', `${one}/yank`],
      ['DELETE', one],
      ['DELETE', '/repositories/npm/packages/mine'],
      ['POST', '/gc'],
    ] as const) {
      expect([path, (await ask(method, path, undefined)).status]).toEqual([path, 401]);
      expect([path, (await ask(method, path, 'ent_nonsense')).status]).toEqual([path, 401]);
      expect([path, (await ask(method, path, other)).status]).toEqual([path, 403]);
      expect([path, (await ask(method, path, reader)).status]).toEqual([path, 403]);
    }
    for (const path of [
      '/repositories',
      '/repositories/npm/packages',
      '/repositories/npm/packages/mine',
      '/repositories/npm/packages/mine/history',
      '/tokens',
    ])
      expect([path, (await ask('GET', path, undefined)).status]).toEqual([path, 401]);
    expect((await ask('GET', '/repositories/npm/packages/mine', token)).body).toMatchObject({
      versions: [{ status: 'published' }],
    });
  });

  it("makes, lists and revokes the caller's own tokens, never with more rights than the caller's", async () => {
    const { url, ask, user } = await server();
    const bob = await user('bob');
    const scoped = await user('ci', { scopes: ['npm:package:*:read'] });
    const made = await ask('POST', '/tokens', bob, { name: 'ci', scopes: ['npm:package:*:read', '*:*:*:admin'] });
    expect(made).toMatchObject({ status: 201, body: { name: 'ci', scopes: ['npm:package:*:read'] } });
    const own = String(made.body['token']);
    await expect(publish(`${url}/npm`, own, 'x', '1.0.0')).rejects.toThrow(/^publish: 403/);
    const listed = (await ask('GET', '/tokens', bob)).body['tokens'] as { id: string; name: string }[];
    expect(listed.map(({ name }) => name)).toEqual(['', 'ci']);
    expect(JSON.stringify(listed)).not.toContain(own);
    expect((await ask('POST', '/tokens', scoped, { name: 'more' })).status).toBe(403);
    expect((await ask('DELETE', `/tokens/${made.body['id']}`, scoped)).status).toBe(403);
    expect((await ask('DELETE', `/tokens/${made.body['id']}`, bob)).status).toBe(200);
    expect((await ask('GET', '/tokens', own)).status).toBe(401);
    expect((await ask('DELETE', '/tokens/nothing', bob)).status).toBe(404);
    expect((await ask('POST', '/tokens', bob, { admin: true })).status).toBe(400);
  });

  it('refuses bodies that are no JSON objects, or too large', async () => {
    const { url, token } = await server();
    await publish(`${url}/npm`, token, 'tool', '1.0.0');
    const put = async (body: string) =>
      (
        await fetch(`${url}${API}/repositories/npm/packages/tool/versions/1.0.0/yank`, {
          method: 'PUT',
          headers: bearer(token),
          body,
        })
      ).status;
    expect(await put('[]')).toBe(400);
    expect(await put('{"reason": 7}')).toBe(400);
    expect(await put('{"__proto__": {}}')).toBe(400);
    expect(await put('{')).toBe(400);
    expect(await put(JSON.stringify({ reason: 'x'.repeat(70_000) }))).toBe(413);
    expect(await put(JSON.stringify({ reason: 'x'.repeat(5_000) }))).toBe(400);
  });

  it('collects garbage for administrators', async () => {
    const { token, ask } = await server();
    expect((await ask('POST', '/gc', token, { dryRun: true })).body).toMatchObject({
      dryRun: true,
      repositories: [
        { repository: 'oci', condemned: 0 },
        { repository: 'npm', condemned: 0 },
      ],
    });
  });

  it('a collection that was meant to be tried, and is not asked for so, is refused', async () => {
    const { token, ask } = await server();
    for (const body of [{ dryrun: true }, { dryRun: true, dry_run: true }, { dryRun: 'true' }])
      expect((await ask('POST', '/gc', token, body)).status).toBe(400);
    expect((await ask('POST', '/gc?dryRun=true', token)).status).toBe(400);
    expect((await ask('POST', '/gc', token)).body).toMatchObject({ dryRun: false });
  });
});
