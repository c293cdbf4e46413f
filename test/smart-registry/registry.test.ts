import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../ts/errors/config-error.js';
import { type IRegistryConfig, SmartRegistry, streamToJson } from '../../ts/index.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { publishBody } from '../server/publish.js';

const SECRET = 'correct-horse-battery-staple-1-AZ9';
const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';
const open: SmartRegistry[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const registry of open.splice(0)) await registry.destroy();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-registry-'));
  folders.push(folder);
  return folder;
}

async function start(config: Partial<IRegistryConfig> = {}): Promise<SmartRegistry> {
  const registry = new SmartRegistry({
    storage: { driver: 'memory' },
    npm: { enabled: true },
    auth: { adminToken: TOKEN },
    ...config,
  });
  open.push(registry);
  await registry.init();
  return registry;
}

async function ask(registry: SmartRegistry, method: string, path: string, body?: string, headers: Record<string, string> = {}) {
  const response = await registry.handleRequest({
    method,
    path,
    rawUrl: path,
    headers: { host: 'packages.example', authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
    query: {},
    ...(body === undefined ? {} : { body }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: await streamToJson<Record<string, unknown>>(response.body).catch((): Record<string, unknown> => ({})),
  };
}

const publish = (registry: SmartRegistry, mount: string, name: string) =>
  ask(registry, 'PUT', `${mount}/${encodeURIComponent(name)}`, publishBody(name, '1.0.0'));

describe('a registry', () => {
  it('is made by a good configuration only', () => {
    expect(() => new SmartRegistry({ storage: { driver: 'memory' }, maven: { enabled: true } })).toThrow(ConfigError);
  });

  it('answers 503 before init and after destroy, and says so', async () => {
    const registry = new SmartRegistry({ storage: { driver: 'memory' }, npm: { enabled: true } });
    expect(registry.isInitialized()).toBe(false);
    expect(() => registry.getStorage()).toThrow(/init\(\)/);
    expect((await ask(registry, 'GET', '/npm/-/ping')).status).toBe(503);
    await Promise.all([registry.init(), registry.init()]);
    expect(registry.isInitialized()).toBe(true);
    expect((await ask(registry, 'GET', '/npm/-/ping')).status).toBe(200);
    await Promise.all([registry.destroy(), registry.destroy()]);
    expect(registry.isInitialized()).toBe(false);
    expect((await ask(registry, 'GET', '/npm/-/ping')).status).toBe(503);
  });

  it('gives access to its storage, its auth manager and its repositories', async () => {
    const registry = await start();
    expect((await registry.getStorage().list('')).objects.map(({ key }) => key)).toContain('entrepot.json');
    const auth = registry.getAuthManager();
    const token = await auth.validateToken(TOKEN);
    expect(token?.userId).toBeTypeOf('string');
    const npm = registry.getRegistry('npm');
    expect(npm).toMatchObject({ name: 'npm', protocol: 'npm', basePath: '/npm' });
    const response = await npm?.handleRequest({ method: 'GET', path: '/-/ping', headers: {}, query: {} });
    expect(response?.status).toBe(200);
    expect(registry.getRegistry('cargo')).toBeUndefined();
  });

  it('speaks fetch, unbound', async () => {
    const { fetch } = await start();
    const response = await fetch(
      new Request('http://packages.example/npm/-/whoami', { headers: { authorization: `Bearer ${TOKEN}` } }),
    );
    expect([response.status, await response.json()]).toEqual([200, { username: 'admin' }]);
    // Deno gives nothing to a handler that says it takes nothing
    expect(fetch).toHaveLength(1);
  });

  it('never rejects, whatever it is asked', async () => {
    const registry = await start();
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/npm/%zz'],
      ['GET', '/npm/../x'],
      ['NONSENSE', '/npm/x'],
      ['GET', '/nothing'],
      ['GET', '//npm/x'],
      ['HEAD', '/nothing'],
    ] as const) {
      const { status } = await ask(registry, method, path);
      expect([path, status >= 400 && status < 500]).toEqual([path, true]);
    }
    const bad = await ask(registry, 'GET', '/npm/x', undefined, { host: 'a b' });
    expect(bad).toMatchObject({ status: 400, body: { error: { code: 'invalid' } } });
  });

  it('may be started twice in one process, on one storage, and both see what either did', async () => {
    const storage: StorageDriver = new SynchronousMemoryDriver();
    const [one, two] = [await start({ storage, secret: SECRET }), await start({ storage, secret: SECRET })];
    expect((await publish(one, '/npm', 'shared')).status).toBe(201);
    expect((await ask(two, 'GET', '/npm/shared')).status).toBe(200);
    await one.destroy();
    expect((await ask(two, 'GET', '/npm/shared')).status).toBe(200);
  });
});

describe('mounts', () => {
  const repositories: IRegistryConfig['repositories'] = [
    { name: 'team', protocol: 'npm', enabled: true },
    { name: 'deep', protocol: 'npm', enabled: true, basePath: '/team/deep/' },
    { name: 'root', protocol: 'npm', enabled: true, basePath: '/' },
  ];

  it('are picked by the longest prefix, at segment boundaries, on the undecoded path', async () => {
    const registry = await start({ repositories });
    const places: [string, string][] = [
      ['/npm', 'a'],
      ['/team', 'b'],
      ['/team/deep', 'c'],
      ['', 'd'],
    ];
    for (const [mount, name] of places) expect((await publish(registry, mount, name)).status).toBe(201);
    for (const [mount, name] of places) {
      const { status, body } = await ask(registry, 'GET', `${mount}/${name}`);
      expect([mount, status]).toEqual([mount, 200]);
      const { dist } = (body['versions'] as Record<string, { dist: { tarball: string } }>)['1.0.0'] ?? {};
      expect(dist?.tarball).toBe(`http://packages.example${mount}/${name}/-/${name}-1.0.0.tgz`);
    }
    expect((await ask(registry, 'GET', '/team/c')).status).toBe(404);
    expect((await ask(registry, 'GET', '/te%61m/b')).status).toBe(200);
    // One segment: the repository at the root is asked for a package of an impossible name.
    expect((await ask(registry, 'GET', '/team%2fb')).status).toBe(400);
    expect(registry.handles('/anything')).toBe(true);
    expect((await start()).handles('/anything')).toBe(false);
  });

  it('keep repositories apart', async () => {
    const registry = await start({ repositories: [{ name: 'other', protocol: 'npm', enabled: true }], anonymousRead: ['other'] });
    await publish(registry, '/npm', 'x');
    expect((await ask(registry, 'GET', '/other/x')).status).toBe(404);
    expect((await ask(registry, 'GET', '/npm/x', undefined, { authorization: '' })).status).toBe(401);
    expect((await ask(registry, 'GET', '/other/x', undefined, { authorization: '' })).status).toBe(404);
  });

  it('put what the host has cut off in front of links, unless told', async () => {
    const inside = await start();
    await publish(inside, '/npm', 'x');
    const context = {
      method: 'GET',
      path: '/npm/x',
      rawUrl: '/registry/npm/x',
      headers: { host: 'packages.example', authorization: `Bearer ${TOKEN}` },
      query: {},
    };
    const link = async (registry: SmartRegistry) => {
      const { body } = await registry.handleRequest(context);
      const { versions } = await streamToJson<{ versions: Record<string, { dist: { tarball: string } }> }>(body);
      return versions['1.0.0']?.dist.tarball;
    };
    expect(await link(inside)).toBe('http://packages.example/registry/npm/x/-/x-1.0.0.tgz');
    const told = await start({ publicUrl: 'https://public.example/' });
    await publish(told, '/npm', 'x');
    expect(await link(told)).toBe('https://public.example/npm/x/-/x-1.0.0.tgz');
    const own = await start({ publicUrl: 'https://public.example', npm: { enabled: true, registryUrl: 'https://npm.example/' } });
    await publish(own, '/npm', 'x');
    expect(await link(own)).toBe('https://npm.example/x/-/x-1.0.0.tgz');
  });
});

describe('storage', () => {
  it('is recorded: a repository never changes its protocol, nor comes back once deleted', async () => {
    const storage: StorageDriver = new SynchronousMemoryDriver();
    const registry = await start({ storage, secret: SECRET });
    const [record] = (await registry.getStorage().list('log/~repositories/npm/')).objects;
    expect(record?.key).toBe('log/~repositories/npm/0000000000.jsonl');
    await registry.destroy();
    const again = await start({ storage, secret: SECRET });
    expect((await again.getStorage().list('log/~repositories/')).objects).toHaveLength(1);
  });

  it('is refused when a newer program wrote it, or its mark is damaged', async () => {
    for (const mark of ['{"format": 2}', '{"format": "1"}', 'nonsense']) {
      const root = scratch();
      writeFileSync(join(root, 'entrepot.json'), mark);
      const registry = new SmartRegistry({ storage: { driver: 'filesystem', root }, npm: { enabled: true } });
      await expect(registry.init()).rejects.toThrow(ConfigError);
      expect(registry.isInitialized()).toBe(false);
      writeFileSync(join(root, 'entrepot.json'), '{"format": 1}');
      await registry.init();
      await registry.destroy();
    }
  });

  it('of any other kind needs a secret, and says which option is missing', async () => {
    const registry = new SmartRegistry({ storage: new SynchronousMemoryDriver(), npm: { enabled: true } });
    await expect(registry.init()).rejects.toThrow(/^secret: is missing/);
  });

  it('in a folder gets one secret, whoever races for it, that nobody else may read', async () => {
    const root = scratch();
    const storage = { driver: 'filesystem', root } as const;
    const registries = await Promise.all(Array.from({ length: 4 }, () => start({ storage, auth: {} })));
    const secret = readFileSync(join(root, 'secret'), 'utf8').trim();
    expect(secret.length).toBeGreaterThanOrEqual(32);
    expect(statSync(join(root, 'secret')).mode & 0o777).toBe(0o600);
    expect(readdirSync(root).filter((name) => name.startsWith('.secret'))).toEqual([]);
    const shown = registries.map((registry) => registry.parts.auth.admin?.token).filter((token) => token !== undefined);
    expect(shown).toHaveLength(1);
    for (const registry of registries) expect(await registry.getAuthManager().validateToken(shown[0] as string)).not.toBeNull();
  });

  it('keeps tokens in memory only, when told', async () => {
    const storage: StorageDriver = new SynchronousMemoryDriver();
    const registry = await start({ storage, secret: SECRET, auth: { tokenStore: 'memory', adminToken: TOKEN } });
    expect((await ask(registry, 'GET', '/npm/-/whoami')).status).toBe(200);
    expect((await storage.list('log/~users/')).objects).toEqual([]);
  });
});

describe("an application's own parts", () => {
  it('provider decides who is who and who may what', async () => {
    const registry = await start({
      authProvider: {
        authenticate: async () => null,
        validateToken: async (token) => (token === 'good' ? { userId: 'u1', scopes: [] } : null),
        createToken: async () => 'good',
        revokeToken: async () => undefined,
        authorize: async (token, resource, action) =>
          token?.userId === 'u1' && (action === 'read' || resource === 'npm:package:mine'),
      },
    });
    const as = { authorization: 'Bearer good' };
    expect((await ask(registry, 'PUT', '/npm/mine', publishBody('mine', '1.0.0'), as)).status).toBe(201);
    expect((await ask(registry, 'PUT', '/npm/other', publishBody('other', '1.0.0'), as)).status).toBe(403);
    expect((await ask(registry, 'GET', '/npm/mine', undefined, as)).status).toBe(200);
    expect((await ask(registry, 'GET', '/npm/mine')).status).toBe(401);
  });

  it('hooks may veto, with their reason', async () => {
    const seen: string[] = [];
    const registry = await start({
      storageHooks: {
        beforePut: async ({ key }) => {
          seen.push(key);
          return { allowed: !key.includes('secret'), reason: 'quota' };
        },
      },
    });
    expect((await publish(registry, '/npm', 'fine')).status).toBe(201);
    expect(await publish(registry, '/npm', 'secret')).toMatchObject({ status: 403, body: { error: 'quota' } });
    expect(seen).toEqual(['npm/fine/fine-1.0.0.tgz', 'npm/secret/secret-1.0.0.tgz']);
  });

  it('listener hears of faults that no client is told about', async () => {
    const faults: string[] = [];
    const driver = new SynchronousMemoryDriver();
    let broken = false;
    const storage = new Proxy(driver, {
      get: (target, name) => {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (broken && name === 'read') throw new TypeError('the disk is on fire');
          return Reflect.apply(value, target, args);
        };
      },
    });
    const registry = await start({
      storage,
      secret: SECRET,
      onFault: (error, where) => faults.push(`${where}: ${String(error)}`),
    });
    await publish(registry, '/npm', 'x');
    await registry.destroy();
    await registry.init();
    broken = true;
    const answer = await ask(registry, 'GET', '/npm/x');
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer)).not.toContain('fire');
    expect(faults.join()).toContain('the disk is on fire');
    broken = false;
  });
});
