import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Registry, registry } from './rig.js';

const ABBREVIATED = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*';
const INSTALL_FIELDS = new Set(
  (
    'name version deprecated dependencies acceptDependencies optionalDependencies devDependencies bundleDependencies peerDependencies ' +
    'peerDependenciesMeta bin directories dist engines _hasShrinkwrap hasInstallScript funding cpu os libc'
  ).split(' '),
);

let npm: Registry;
const rich = {
  name: '@team/tool',
  version: '1.0.0',
  description: 'a tool',
  license: 'MIT',
  keywords: ['one', 'two'],
  author: { name: 'Ann' },
  repository: { type: 'git', url: 'git+https://git.example/tool.git' },
  dependencies: { a: '^1.0.0' },
  devDependencies: { b: '^1.0.0' },
  optionalDependencies: { c: '1' },
  peerDependencies: { d: '*' },
  peerDependenciesMeta: { d: { optional: true } },
  bundleDependencies: ['a'],
  bin: { tool: 'cli.js' },
  engines: { node: '>=18' },
  os: ['linux'],
  cpu: ['x64'],
  libc: ['glibc'],
  funding: { url: 'https://fund.example' },
  main: 'index.js',
};

beforeAll(async () => {
  npm = await registry();
  await npm.publish(rich, { files: { 'README.md': '# Tool' } });
  await npm.publish({ ...rich, version: '1.1.0', optionalDependencies: undefined });
  await npm.publish({ ...rich, version: '2.0.0-beta.1' }, { tag: 'beta' });
});
afterAll(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

describe('npm 2: two forms of one document', () => {
  it('are negotiated, with validators of their own', async () => {
    const short = await npm.get('/@team%2ftool', { headers: { accept: ABBREVIATED } });
    const full = await npm.get('/@team%2ftool', { headers: { accept: 'application/json' } });
    expect(short.headers['content-type']).toBe('application/vnd.npm.install-v1+json');
    expect(full.headers['content-type']).toBe('application/json');
    expect(short.headers['etag']).not.toBe(full.headers['etag']);
    for (const { headers } of [short, full]) {
      expect(headers['vary']).toMatch(/\bAccept\b(?!-)/i);
      expect(headers['cache-control']).toBe('private, no-cache');
    }
    for (const accept of ['*/*', undefined, 'text/html', 'application/json; q=1, application/vnd.npm.install-v1+json; q=0.1']) {
      const answer = await npm.get('/@team%2ftool', { headers: accept === undefined ? {} : { accept } });
      expect(answer.headers['etag'], accept).toBe(full.headers['etag']);
    }
  });

  it('are not sent again to who has them', async () => {
    for (const accept of [ABBREVIATED, 'application/json']) {
      const { headers } = await npm.get('/@team%2ftool', { headers: { accept } });
      const again = await npm.get('/@team%2ftool', { headers: { accept, 'if-none-match': headers['etag'] ?? '' } });
      expect(again.status).toBe(304);
      expect(again.bytes).toHaveLength(0);
    }
  });

  it('come with gzip where it is wanted, and ?write=true never from a cache', async () => {
    const zipped = await npm.get('/@team%2ftool', { headers: { 'accept-encoding': 'gzip' } });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    expect(JSON.parse(gunzipSync(zipped.bytes).toString()).name).toBe('@team/tool');
    const write = await npm.get('/@team%2ftool?write=true', { headers: { accept: ABBREVIATED } });
    expect(write.headers['cache-control']).toBe('no-store');
    expect(write.json._rev).toMatch(/^[0-9a-z-]+$/);
  });
});

describe('npm 3: what is in them', () => {
  it('the abbreviated form has what an installation needs and no more', async () => {
    const document = (await npm.get('/@team%2ftool', { headers: { accept: ABBREVIATED } })).json;
    expect(Object.keys(document).sort()).toEqual(['dist-tags', 'modified', 'name', 'time', 'versions']);
    const manifest = document.versions['1.0.0'];
    for (const field of Object.keys(manifest)) expect(INSTALL_FIELDS, field).toContain(field);
    const { description: _1, license: _2, keywords: _3, author: _4, repository: _5, main: _6, ...needed } = rich;
    expect(manifest).toMatchObject(needed);
    expect(document.versions['1.1.0']).not.toHaveProperty('optionalDependencies');
  });

  it('the full form has everything', async () => {
    const document = (await npm.get('/@team%2ftool')).json;
    expect(document).toMatchObject({
      _id: '@team/tool',
      name: '@team/tool',
      description: 'a tool',
      license: 'MIT',
      keywords: ['one', 'two'],
      author: { name: 'Ann' },
      maintainers: [{ name: 'ann', email: 'ann@mail.example' }],
      'dist-tags': { latest: '1.1.0', beta: '2.0.0-beta.1' },
      users: {},
      _attachments: {},
    });
    expect(document.versions['1.0.0']).toMatchObject({
      ...rich,
      _id: '@team/tool@1.0.0',
      _npmUser: { name: 'ann' },
      _npmVersion: '11.0.0',
    });
  });

  it('npm 26: both forms date every version, in ISO 8601', async () => {
    for (const accept of [ABBREVIATED, 'application/json']) {
      const { time, versions } = (await npm.get('/@team%2ftool', { headers: { accept } })).json;
      expect(Object.keys(time).sort()).toEqual(['created', 'modified', ...Object.keys(versions)].sort());
      for (const at of Object.values<string>(time)) expect(new Date(at).toISOString()).toBe(at);
    }
  });
});

describe('npm 4, N16: one package, however it is spelt', () => {
  for (const spelling of ['@team%2ftool', '@team%2Ftool', '%40team%2ftool', '%40team/tool', '@team/tool', '@%74eam%2Ft%6fol']) {
    it(spelling, async () => {
      expect((await npm.get(`/${spelling}`)).json.name).toBe('@team/tool');
      expect((await npm.get(`/${spelling}/1.0.0`)).json.version).toBe('1.0.0');
      expect((await npm.get(`/-/package/${spelling}/dist-tags`)).json.latest).toBe('1.1.0');
      expect((await npm.get(`/${spelling}/-/tool-1.0.0.tgz`)).status).toBe(200);
    });
  }
});

describe('npm 25: one manifest', () => {
  it('by version, by tag, with build metadata', async () => {
    for (const [selector, version] of [
      ['1.0.0', '1.0.0'],
      ['latest', '1.1.0'],
      ['beta', '2.0.0-beta.1'],
      ['1.0.0+any', '1.0.0'],
      ['v1.0.0', '1.0.0'],
    ]) {
      const answer = await npm.get(`/@team%2ftool/${selector}`);
      expect(answer.json).toMatchObject({ name: '@team/tool', version });
      expect(answer.json.dist.integrity).toMatch(/^sha512-/);
    }
  });

  it('npm 25: says who published it and who maintains it', async () => {
    const ann = { name: 'ann', email: 'ann@mail.example' };
    expect((await npm.get('/@team%2ftool/1.0.0')).json).toMatchObject({ _npmUser: ann, maintainers: [ann] });
  });

  it('unknown ones are 404 in JSON', async () => {
    for (const selector of ['9.9.9', 'nope', '__proto__', 'constructor']) {
      const answer = await npm.get(`/@team%2ftool/${selector}`);
      expect(answer.status).toBe(404);
      expect(answer.json.error).toBe(`version not found: ${selector}`);
    }
  });
});

describe('npm 32: tarballs', () => {
  it('are served whole, by range, by condition and for HEAD, never encoded, never negotiated', async () => {
    const path = '/@team/tool/-/tool-1.0.0.tgz';
    const whole = await npm.get(path, { headers: { 'accept-encoding': 'gzip, br', accept: ABBREVIATED } });
    expect(whole.headers['content-type']).toBe('application/octet-stream');
    expect(whole.headers).not.toHaveProperty('content-encoding');
    expect(whole.headers['cache-control']).toMatch(/immutable/);
    const part = await npm.get(path, { headers: { range: 'bytes=2-5' } });
    expect(part.status).toBe(206);
    expect(part.bytes).toEqual(whole.bytes.subarray(2, 6));
    expect((await npm.get(path, { headers: { 'if-none-match': whole.headers['etag'] ?? '' } })).status).toBe(304);
    const head = await npm.request('HEAD', path, { token: npm.token });
    expect(head.headers['content-length']).toBe(String(whole.bytes.length));
    expect(head.bytes).toHaveLength(0);
  });

  it('also answer to the odd paths of old lockfiles and other clients', async () => {
    for (const path of [
      '/@team%2ftool/-/tool-1.0.0.tgz',
      '/@team/tool/-/@team/tool-1.0.0.tgz',
      '/@team%2ftool/-/@team%2ftool-1.0.0.tgz',
    ])
      expect((await npm.get(path)).status, path).toBe(200);
  });

  it('that are not there are 404 in JSON', async () => {
    for (const path of [
      '/@team/tool/-/tool-9.9.9.tgz',
      '/@team/tool/-/other-1.0.0.tgz',
      '/@team/tool/-/@else/tool-1.0.0.tgz',
      '/@team/tool/-/tool-v1.0.0.tgz',
      '/@team/tool/-/tool-%201.0.0.tgz',
      '/@team/tool/-/tool-1.0.0%20.tgz',
      '/nope/-/nope-1.0.0.tgz',
    ]) {
      const answer = await npm.get(path);
      expect(answer.status, path).toBe(404);
      expect(answer.json.error).toBeTruthy();
    }
  });
});

describe('npm 35: errors', () => {
  it('are JSON with error and reason, for unknown packages and unknown API paths alike', async () => {
    for (const path of ['/nope', '/-/nope', '/-/v1/nope', '/@team%2fnope']) {
      const answer = await npm.get(path);
      expect(answer.status, path).toBe(404);
      expect(answer.headers['content-type']).toBe('application/json');
      expect(answer.json).toMatchObject({ error: expect.any(String), reason: expect.any(String) });
    }
  });

  it('npm 35: npm prints the reason phrase and the text: the text is said once', async () => {
    for (const path of ['/nope', '/-/nope', '/@team%2ftool/9.9.9']) {
      const { status, statusText, json } = await npm.get(path);
      expect([status, statusText], path).toEqual([404, undefined]);
      expect(json.error).toBeTruthy();
    }
  });

  it('405 says what is allowed', async () => {
    const answer = await npm.request('PATCH', '/@team%2ftool', { token: npm.token });
    expect(answer.status).toBe(405);
    expect(answer.headers['allow']).toContain('PUT');
  });
});

describe('N1: names never lead anywhere else', () => {
  const spellings = [
    '..',
    '%2e%2e',
    '.%2e',
    '%2e%2e%2f',
    '..%2f..%2fetc',
    '%2f%2f..%2f..%2fetc%2fpasswd',
    '%252e%252e',
    '..%5c',
    '..;',
    '%c0%ae%c0%ae',
    '%ef%bc%8e%ef%bc%8e',
    'a%00b',
    'a%0ab',
    'C:',
    '%5c%5c%3f%5c',
    'a%20',
    '@a%2f..',
    '@..%2fa',
    '@a%2f%2e%2e%2fb',
    '.',
    '%2e',
    'a%2f..%2fb',
  ];
  it('reads', async () => {
    // What was published before is still being fed meanwhile: logs and objects stay as they are.
    const keys = async () =>
      (await npm.driver.list('')).objects.map(({ key }) => key).filter((key) => /^(log|objects)\//.test(key));
    const before = await keys();
    for (const spelling of spellings)
      for (const path of [
        `/${spelling}`,
        `/${spelling}/1.0.0`,
        `/a/-/${spelling}.tgz`,
        `/${spelling}/-/a-1.0.0.tgz`,
        `/-/package/${spelling}/dist-tags`,
      ])
        expect([400, 404], path).toContain((await npm.get(path)).status);
    expect(await keys()).toEqual(before);
  });
  it('writes', async () => {
    const keys = async () => (await npm.driver.list('log/npm/')).objects.map(({ key }) => key);
    const before = await keys();
    for (const spelling of spellings)
      expect([400, 404, 405], spelling).toContain((await npm.put(`/${spelling}`, { versions: {} })).status);
    expect(await keys()).toEqual(before);
  });
});
