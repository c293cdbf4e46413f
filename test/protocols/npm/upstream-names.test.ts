import { describe, expect, it } from 'vitest';
import { collectAll, verifyAll } from '../../../ts/server/house-keeping.js';
import { houseOver } from '../../server/house-over.js';
import { integrityOf } from '../../upstream/mock-registry.js';
import { publishBody } from './rig.js';
import { copies, jsonOf, type Proxying, type ProxyingOptions, proxying } from './upstream-house.js';

/** Every route that reads a package. */
const routesOf = (name: string): readonly (readonly [string, string])[] => {
  const escaped = name.replace('/', '%2f');
  const bare = name.split('/').at(-1);
  const read = [
    `/${escaped}`,
    `/${escaped}?write=true`,
    `/${escaped}/latest`,
    `/${escaped}/1.0.0`,
    `/${name}/-/${bare}-1.0.0.tgz`,
    `/-/package/${escaped}/dist-tags`,
    `/-/package/${escaped}/visibility`,
    `/-/package/${escaped}/collaborators`,
    `/-/npm/v1/attestations/${escaped}@1.0.0`,
    `/-/v1/search?text=${escaped}`,
  ];
  return read.flatMap((path) => [['GET', path] as const, ['HEAD', path] as const]);
};

/** All of it, and audits. Resolves with the statuses of what reads a package. */
async function everywhere(npm: Proxying, name: string, token: string | undefined = npm.token): Promise<Set<number>> {
  const statuses = new Set<number>();
  for (const [method, path] of routesOf(name)) {
    const { status } = await npm.house.ask(method, path, { token });
    if (!path.startsWith('/-/v1')) statuses.add(status);
  }
  for (const path of ['/-/npm/v1/security/advisories/bulk', '/-/npm/v1/security/audits/quick'])
    await npm.house.ask('POST', path, { token, body: { [name]: ['1.0.0'] } });
  return statuses;
}

async function withPackages(options: ProxyingOptions = {}): Promise<Proxying> {
  const npm = await proxying(options);
  for (const name of ['a', 'a-secret', '@acme/tool', '@ACME/tool', '@other/tool'])
    await npm.upstream.publish({ name, version: '1.0.0' });
  return npm;
}

describe('npm 38, Z9: who may not read causes no request upstream', () => {
  it('strangers in a closed registry', async () => {
    const npm = await withPackages();
    expect(await everywhere(npm, 'a', 'nonsense')).toEqual(new Set([401]));
    for (const [method, path] of routesOf('a')) expect((await npm.house.ask(method, path)).status, path).toBe(401);
    expect(npm.upstream.asked()).toEqual([]);
  });

  it('a token whose scopes are about something else: the same answer as for a name that is nowhere', async () => {
    const npm = await withPackages();
    const { directory } = npm.house.registry.parts.auth;
    const ann = await directory?.find('ann');
    const token = (await directory?.createToken(ann?.id ?? '', { scopes: ['npm:package:other:read'] }))?.token;
    const [a, nowhere] = [await npm.get('/a', { token }), await npm.get('/nowhere', { token })];
    expect([a.status, a.text, a.headers]).toEqual([nowhere.status, nowhere.text, nowhere.headers]);
    expect(await everywhere(npm, 'a', token)).toEqual(new Set([404]));
    expect(npm.upstream.asked()).toEqual([]);
  });

  it('in an open registry anybody may, and shared caches may keep it', async () => {
    const npm = await withPackages({ anonymousRead: true });
    const answer = await npm.house.ask('GET', '/a/-/a-1.0.0.tgz');
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'public, max-age=31536000, immutable']);
    expect((await npm.get('/a')).headers['cache-control']).toBe('public, no-cache');
    const [gone, never] = [await npm.house.ask('GET', '/b'), await npm.house.ask('GET', '/c')];
    expect([gone.status, gone.text]).toEqual([never.status, never.text]);
  });
});

describe('npm 38, Z10, X8: names that are ours', () => {
  it('names that rules leave out are never sent upstream, in any spelling', async () => {
    const scopeRules = [{ pattern: '@acme/*', action: 'exclude' } as const, { pattern: '*secret*', action: 'exclude' } as const];
    const npm = await withPackages({ described: { scopeRules } });
    for (const name of ['@acme/tool', '@ACME/tool', 'a-secret'])
      expect(await everywhere(npm, name), name).toEqual(new Set([404]));
    expect(npm.upstream.asked()).toEqual([]);
    expect((await npm.get('/@other%2ftool')).status).toBe(200);
  });

  it('with an include rule nothing else is', async () => {
    const npm = await withPackages({ described: { scopeRules: [{ pattern: '@other/*', action: 'include' }] } });
    expect(await everywhere(npm, 'a')).toEqual(new Set([404]));
    expect(npm.upstream.asked()).toEqual([]);
    expect((await npm.get('/@other%2ftool')).status).toBe(200);
  });

  it('names published here: what the upstream has under them is never seen, also when all versions are gone', async () => {
    const npm = await withPackages();
    for (const name of ['a', '@other/tool']) {
      const escaped = name.replace('/', '%2f');
      expect((await npm.publish({ name, version: '0.0.1' })).status).toBe(201);
      expect(Object.keys(jsonOf(await npm.get(`/${escaped}`)).versions)).toEqual(['0.0.1']);
      expect((await npm.get(`/${escaped}/1.0.0`)).status).toBe(404);
      const { _rev } = jsonOf(await npm.get(`/${escaped}?write=true`));
      expect((await npm.send('DELETE', `/${escaped}/-rev/${_rev}`)).status).toBe(200);
      expect(await everywhere(npm, name)).toEqual(new Set([404]));
      expect(await everywhere(await npm.another(), name)).toEqual(new Set([404]));
    }
    expect(npm.upstream.asked()).toEqual([]);
  });

  it('names in the scope of an organisation, in any spelling, although nothing is published in it', async () => {
    const npm = await withPackages();
    const root = await npm.house.user('root', true);
    const made = await npm.house.ask('PUT', '/-/org/acme/user', { token: root.token, body: { user: 'ann', role: 'owner' } });
    expect(made.status).toBe(200);
    for (const name of ['@acme/tool', '@ACME/tool', '@Acme/else'])
      expect(await everywhere(npm, name), name).toEqual(new Set([404]));
    expect(npm.upstream.asked()).toEqual([]);
    expect((await npm.get('/@other%2ftool')).status).toBe(200);
  });

  it('X8: storage that fails is 5xx; nobody is asked instead', async () => {
    const npm = await withPackages();
    await npm.publish({ name: 'a', version: '0.0.1' });
    let broken = /^nothing/;
    const { driver } = npm.house;
    const failing = new Proxy(driver, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: readonly unknown[]): unknown => {
          if (broken.test(String(args[0]))) throw new Error('the disk is on fire');
          return Reflect.apply(value, target, args);
        };
      },
    });
    const other = await proxying({ upstream: npm.upstream, driver: failing });
    for (const [what, name] of [
      [/^log.npm/, 'a'],
      [/^(?!.*~users)/, 'a'],
      [/^(?!.*~users)/, '@other/tool'],
    ] as const) {
      broken = what;
      const { status } = await other.get(`/${name.replace('/', '%2f')}`);
      expect(status, name).toBeGreaterThanOrEqual(500);
    }
    broken = /^nothing/;
    expect(npm.upstream.asked()).toEqual([]);
  });
});

describe('npm 38: packages of an upstream are not ours', () => {
  it('a publish makes the name ours, with the right to publish; then the upstream is not asked any more', async () => {
    const npm = await withPackages();
    await npm.get('/a');
    const { directory } = npm.house.registry.parts.auth;
    const ann = await directory?.find('ann');
    const reader = (await directory?.createToken(ann?.id ?? '', { scopes: ['npm:package:*:read'] }))?.token;
    const body = await publishBody({ name: 'a', version: '9.0.0' });
    expect((await npm.house.ask('PUT', '/a', { token: reader, body })).status).toBe(403);
    expect(Object.keys(jsonOf(await npm.get('/a')).versions)).toEqual(['1.0.0']);
    expect((await npm.send('PUT', '/a', body)).status).toBe(201);
    npm.upstream.asked();
    for (const reads of [npm, await npm.another()]) {
      const shown = jsonOf(await reads.get('/a'));
      expect([Object.keys(shown.versions), shown['dist-tags'], shown.maintainers.length]).toEqual([
        ['9.0.0'],
        { latest: '9.0.0' },
        1,
      ]);
      expect((await reads.get('/a/-/a-1.0.0.tgz')).status).toBe(404);
    }
    npm.later(86_400);
    await npm.get('/a');
    expect(npm.upstream.asked()).toEqual([]);
  });

  it('nothing else changes them: a clear no that says why, and everything as before', async () => {
    const npm = await withPackages();
    const before = await npm.get('/a');
    const document = jsonOf(await npm.get('/a?write=true'));
    expect((await npm.get('/a?write=true')).headers['cache-control']).toBe('no-store');
    const { _rev: rev, versions } = document;
    const { _attachments, ...rest } = document;
    const uses: readonly (readonly [string, string, string, unknown?])[] = [
      ['deprecate', 'PUT', '/a', { ...rest, versions: { '1.0.0': { ...versions['1.0.0'], deprecated: 'no' } } }],
      ['dist-tag add', 'PUT', '/-/package/a/dist-tags/beta', '"1.0.0"'],
      ['dist-tags', 'POST', '/-/package/a/dist-tags', { beta: '1.0.0' }],
      ['dist-tag rm', 'DELETE', '/-/package/a/dist-tags/beta'],
      ['unpublish one', 'PUT', `/a/-rev/${rev}`, { ...rest, versions: {} }],
      ['unpublish another', 'PUT', `/a/-rev/${rev}`, { ...rest }],
      ['unpublish a file', 'DELETE', `/a/-/a-1.0.0.tgz/-rev/${rev}`],
      ['unpublish all', 'DELETE', `/a/-rev/${rev}`],
      ['owner', 'PUT', `/a/-rev/${rev}`, { _id: 'a', _rev: rev, maintainers: [{ name: 'ann', email: '' }] }],
      ['star', 'PUT', '/a', { _id: 'a', _rev: rev, users: { ann: true } }],
      ['access', 'POST', '/-/package/a/access', { access: 'restricted' }],
    ];
    const said = new Map<string, string>();
    for (const [what, method, path, body] of uses) {
      const headers = { 'content-type': 'application/json' };
      const answer = await npm.house.ask(method, path, { token: npm.token, body, headers });
      expect([403, 400], what).toContain(answer.status);
      said.set(what, jsonOf(answer).error);
    }
    const admin = (await npm.house.user('root', true)).token;
    const restricted = await npm.house.ask('POST', '/-/package/a/access', { token: admin, body: { access: 'restricted' } });
    expect([restricted.status, jsonOf(restricted).error]).toEqual([403, said.get('dist-tag add')]);
    for (const what of ['deprecate', 'dist-tag add', 'dist-tags', 'dist-tag rm', 'unpublish another', 'unpublish all', 'star'])
      expect(said.get(what), what).toMatch(/another registry/);
    const after = await npm.get('/a');
    expect([after.text, after.headers['etag']]).toEqual([before.text, before.headers['etag']]);
    expect(npm.upstream.heard.every(({ method }) => method === 'GET')).toBe(true);
  });

  it('search and the lists of packages do not have them, the history has what was seen', async () => {
    const npm = await withPackages();
    await npm.get('/a');
    await npm.get('/a/-/a-1.0.0.tgz');
    expect(jsonOf(await npm.get('/-/v1/search?text=a')).total).toBe(0);
    const { repositories } = npm.house.registry.parts;
    const { items } = await (repositories[0]?.repository.list(new AbortController().signal) ?? { items: [] });
    expect(items).toEqual([]);
    npm.upstream.asked();
    const manage = houseOver(npm.house.registry, npm.token);
    const administer = houseOver(npm.house.registry, (await npm.house.user('root', true)).token);
    for (const name of ['a', 'a-secret'])
      for (const path of ['', '/history'])
        expect((await manage('GET', `/-/api/v1/repositories/npm/packages/${name}${path}`)).status).toBe(404);
    expect((await administer('GET', '/-/api/v1/repositories/npm/packages/a')).status).toBe(404);
    expect((await administer('GET', '/-/api/v1/repositories/npm/packages/a/history')).status).toBe(200);
    expect((await administer('DELETE', '/-/api/v1/repositories/npm/packages/a')).status).toBe(404);
    expect(npm.upstream.asked()).toEqual([]);
    const texts: string[] = [];
    for (const key of (await npm.house.keys()).filter((one) => one.startsWith('log/npm/'))) {
      const body = (await npm.house.driver.read(key))?.body;
      texts.push(Buffer.from(body instanceof Uint8Array ? body : await new Response(body as ReadableStream).bytes()).toString());
    }
    const bytes = npm.upstream.files.get('/a/-/a-1.0.0.tgz') ?? new Uint8Array();
    const [line] = texts
      .join('\n')
      .split('\n')
      .filter((one) => one.includes('"shown"'));
    const [change] = JSON.parse(line ?? '{}').changes;
    expect(texts).toHaveLength(1);
    expect(change).toMatchObject({ type: 'shown', upstream: 'main' });
    expect(change.files[0][0]).toBe('a-1.0.0.tgz');
    expect(`sha512-${Buffer.from(change.files[0][1].sha512, 'hex').toString('base64')}`).toBe(integrityOf(bytes));
  });

  it('gc, verify and verify --repair find all in order, with the copies and without', async () => {
    const npm = await withPackages();
    await npm.publish({ name: 'own', version: '1.0.0' });
    await npm.get('/a/-/a-1.0.0.tgz');
    await npm.get('/@other%2ftool');
    const check = async (one: Proxying): Promise<void> => {
      const { parts } = one.house.registry;
      expect((await collectAll(parts, { dryRun: false })).map(({ condemned }) => condemned)).toEqual([0]);
      for (const repair of [false, true]) {
        const findings: unknown[] = [];
        await verifyAll(parts, { repair, onFinding: (finding) => findings.push(finding) });
        expect(findings).toEqual([]);
      }
      for (const path of ['/a/-/a-1.0.0.tgz', '/own/-/own-1.0.0.tgz']) expect((await one.get(path)).status).toBe(200);
    };
    await check(npm);
    await npm.house.driver.delete([...(await copies(npm))]);
    await check(await npm.another());
  });
});
