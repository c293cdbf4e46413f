import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../ts/errors/config-error.js';
import { ociProtocol } from '../../ts/protocols/oci/protocol.js';
import type { Features } from '../../ts/protocols/protocol.js';
import { StaticUpstreamProvider } from '../../ts/upstream/provider.js';
import { validateConfig } from '../../ts/validate-config.js';

const available = new Map([['npm', {}]]);
const A = 'correct-horse-battery-staple-1-AZ9';
const B = 'another-horse-battery-staple-2-BY8';
const memory = { driver: 'memory' };

function problems(config: unknown): Record<string, string> {
  try {
    validateConfig(config, available);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return Object.fromEntries((error as ConfigError).problems.map(({ path, message }) => [path, message]));
  }
  return {};
}

describe('a good configuration', () => {
  it('answers the repositories with their defaults', () => {
    const plans = validateConfig(
      {
        storage: memory,
        npm: { enabled: true },
        repositories: [{ name: 'team', protocol: 'npm', enabled: true, registryUrl: 'https://packages.example/team/' }],
        anonymousRead: ['team'],
      },
      available,
    );
    expect(plans).toEqual([
      { name: 'npm', protocol: 'npm', basePath: '/npm', registryUrl: undefined, features: {}, anonymousRead: false, path: 'npm' },
      {
        name: 'team',
        protocol: 'npm',
        basePath: '/team',
        registryUrl: 'https://packages.example/team',
        features: {},
        anonymousRead: true,
        path: 'repositories[0]',
      },
    ]);
  });

  it('leaves out what is turned off, whatever the protocol', () => {
    expect(validateConfig({ storage: memory, npm: { enabled: false }, oci: { enabled: false } }, available)).toEqual([]);
  });

  it('takes S3 options and any object with the methods of a driver', () => {
    expect(problems({ storage: { bucketName: 'packages', endpoint: 's3.example', port: 443, useSsl: true } })).toEqual({});
    class Driver {
      name = 'mine';
      stat() {}
      read() {}
      write() {}
      delete() {}
      list() {}
    }
    expect(problems({ storage: new Driver() })).toEqual({});
  });

  it('mounts one repository at the root', () => {
    expect(validateConfig({ storage: memory, npm: { enabled: true, basePath: '/' } }, available)[0]?.basePath).toBe('');
  });
});

describe('a wrong configuration', () => {
  it('names every problem at once, each with its path', () => {
    const found = problems({
      storage: { driver: 'filesystem' },
      secret: 'short',
      auth: { tokenStore: 'redis', adminToken: 'x', npmTokens: { enabled: 'yes' } },
      npm: { enabled: true, basePath: 'npm' },
      oci: { enabled: true },
      repositories: [{ name: 'Team_1', protocol: 'npn', enabled: true }],
      anonymousRead: ['nobody'],
      publicUrl: 'ftp://packages.example',
      trustProxy: ['10.0.0.0/33', '10.0.0.0/8'],
      maxStaleness: -1,
      cacheBytes: 0.5,
      singleWriter: 1,
    });
    expect(Object.keys(found).sort()).toEqual(
      [
        'anonymousRead[0]',
        'auth.adminToken',
        'auth.npmTokens.enabled',
        'auth.tokenStore',
        'cacheBytes',
        'maxStaleness',
        'npm.basePath',
        'oci',
        'publicUrl',
        'repositories[0].name',
        'repositories[0].protocol',
        'secret',
        'singleWriter',
        'storage.root',
        'trustProxy[0]',
      ].sort(),
    );
    expect(found['auth.tokenStore']).toMatch(/later release/);
    expect(found['oci']).toMatch(/not in this release/);
    expect(found['repositories[0].protocol']).toMatch(/did you mean npm/);
  });

  it.each([undefined, null, 'x', [], 7])('is an object, not %j', (config) => {
    expect(problems(config)).toEqual({ config: 'must be an object' });
  });

  it('suggests the option that was meant', () => {
    expect(problems({ storage: memory, anonymusRead: '*', npm: { enabled: true, basepath: '/x' } })).toEqual({
      anonymusRead: 'no such option; did you mean anonymousRead?',
      'npm.basepath': 'no such option; did you mean basePath?',
    });
  });

  it('never repeats a secret', () => {
    const text = JSON.stringify(
      problems({ storage: memory, secret: 'hunter2', auth: { jwtSecret: 'swordfish', adminToken: 'opensesame' } }),
    );
    expect(text).toContain('secret');
    expect(text).not.toMatch(/hunter2|swordfish|opensesame/);
  });

  it('takes an S3 endpoint that is one, and never repeats the credentials of one that has some', () => {
    const storage = (endpoint: string) => problems({ storage: { bucketName: 'packages', endpoint }, npm: { enabled: true } });
    for (const good of ['s3.example', 's3.example:9000', 'http://127.0.0.1:9000', 'https://s3.example/', '[::1]:9000'])
      expect(storage(good), good).toEqual({});
    for (const bad of ['http://', 'a b', 'ftp://s3.example', 's3.example:port', 'https://s3.example/?a=b'])
      expect(Object.keys(storage(bad)), bad).toEqual(['storage.endpoint']);
    const told = storage('http://key:hunter2@s3.example');
    expect(told).toHaveProperty(['storage.endpoint'], expect.stringMatching(/credentials/));
    expect(JSON.stringify(told)).not.toContain('hunter2');
  });

  it('knows every trusted address that it takes', () => {
    const trusted = (address: string) => problems({ storage: memory, npm: { enabled: true }, trustProxy: [address] });
    expect(trusted('fe80::1')).toEqual({});
    for (const bad of ['fe80::1%lo', '10.0.0.0/8/9', '10.0.0.0/', 'localhost', ''])
      expect(trusted(bad), bad).toHaveProperty(['trustProxy[0]']);
  });

  it('refuses two names for one secret that differ', () => {
    expect(problems({ storage: memory, secret: A, auth: { jwtSecret: B } })).toHaveProperty(['auth.jwtSecret']);
    expect(problems({ storage: memory, secret: A, auth: { jwtSecret: A } })).toEqual({});
  });

  it('counts the bytes of a secret, not its characters', () => {
    expect(problems({ storage: memory, secret: 'éíüßøåñçðþæœ÷×¿¡' })).toEqual({});
    expect(problems({ storage: memory, secret: 'abcdefghijklmnop0192837465zyxwv' })).toHaveProperty(['secret']);
  });

  it('refuses mounts and names that collide', () => {
    const entry = { name: 'npm', protocol: 'npm', enabled: true };
    expect(problems({ storage: memory, npm: { enabled: true }, repositories: [{ ...entry, basePath: '/npm/' }] })).toEqual({
      'repositories[0].name': 'npm is also the name of npm',
      'repositories[0].basePath': '/npm is also where npm is mounted',
    });
  });

  it.each(['/-/x', '/a//b', '/a/../b', '/a%2fb', '/é', '', 'npm', '/a?b', 5])('refuses the mount %j', (basePath) => {
    expect(problems({ storage: memory, npm: { enabled: true, basePath } })).toHaveProperty(['npm.basePath']);
  });

  it.each([
    [{ driver: 's4', bucketName: 'packages' }, 'storage.driver'],
    [{}, 'storage'],
    [undefined, 'storage'],
    ['memory', 'storage'],
    [{ driver: 'memory', root: '/x' }, 'storage.root'],
    [{ bucketName: 'Packages' }, 'storage.bucketName'],
    [{ bucketName: 'packages', accessKey: 'k' }, 'storage.accessSecret'],
    [{ bucketName: 'packages', prefix: '../x y' }, 'storage.prefix'],
    [{ bucketName: 'packages', port: 70_000 }, 'storage.port'],
    [{ name: 'half', read() {}, write() {} }, 'storage.stat'],
  ])('refuses the storage %j', (storage, path) => {
    expect(problems({ storage })).toHaveProperty([path]);
  });

  it('wants methods where methods are called', () => {
    const found = problems({
      storage: memory,
      authProvider: { authenticate() {} },
      storageHooks: { beforePut: true },
      runtime: {},
    });
    expect(found).toHaveProperty(['authProvider.validateToken']);
    expect(found).toHaveProperty(['storageHooks.beforePut']);
    expect(found).toHaveProperty(['runtime.clock']);
  });

  it('knows an upstream provider by its method, and looks into a static one', () => {
    expect(Object.keys(problems({ storage: memory, upstreamProvider: {} }))).toEqual(['upstreamProvider.upstreamsFor']);
    const upstreamProvider = new StaticUpstreamProvider({
      npm: { enabled: true, upstreams: [{ id: 'a', url: 'ftp://a.example' }] },
    });
    expect(Object.keys(problems({ storage: memory, upstreamProvider }))).toEqual(['upstreamProvider.npm.upstreams[0].url']);
  });
});

describe('features', () => {
  const spoken = new Map<string, { readonly features?: Features }>([
    ['npm', {}],
    ['oci', ociProtocol],
  ]);
  const found = (repositories: readonly unknown[]): readonly string[] => {
    try {
      validateConfig({ storage: memory, repositories }, spoken);
      return [];
    } catch (error) {
      return (error as ConfigError).problems.map(({ path, message }) => `${path}: ${message}`);
    }
  };
  const oci = (features: unknown) => ({ name: 'images', protocol: 'oci', enabled: true, basePath: '/oci', features });

  it('oci 36: those that a protocol has are good', () => {
    expect(found([oci({ delete: false, collectUntagged: true, restricted: true, immutableTags: true })])).toEqual([]);
    expect(found([oci({ 'immutableTags:v*': true, 'immutableTags:latest': false, 'immutableTags:*': true })])).toEqual([]);
  });

  it('a misspelled one, which would protect nothing, is refused, and so is every bad pattern, all at once', () => {
    const npm = { name: 'npm', protocol: 'npm', enabled: true, features: { immutableTags: true } };
    const bad = { immutableTag: true, deletes: false, 'immutableTags:': true, 'immutableTags:a*b*': true, restricted: 'yes' };
    expect(found([oci(bad), npm])).toEqual([
      'repositories[0].features.immutableTag: no such option; did you mean immutableTags?',
      'repositories[0].features.deletes: no such option; did you mean delete?',
      'repositories[0].features.immutableTags:: must be a pattern with at most one *',
      'repositories[0].features.immutableTags:a*b*: must be a pattern with at most one *',
      'repositories[0].features.restricted: must be true or false',
      'repositories[1].features.immutableTags: no such option',
    ]);
  });
});
