import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deleteChange, publishChange, tagChange } from '../../../ts/packages/changes.js';
import { BASE, publishBody, type Registry, registry, tarball } from './rig.js';

let npm: Registry;
beforeEach(async () => {
  npm = await registry();
});
afterEach(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

const objects = async (): Promise<number> => (await npm.driver.list('objects/')).objects.length;

describe('npm 1: publish and fetch', () => {
  for (const name of ['left-pad', '@team/tool']) {
    it(`${name} comes back byte for byte, with the digests of the bytes`, async () => {
      const body = await publishBody({ name, version: '1.0.0', description: 'x' });
      const put = await npm.put(`/${name.replace('/', '%2f')}`, body);
      expect(put.json).toMatchObject({ ok: true, success: true, id: name });
      expect(put.status).toBe(201);
      const { dist } = (await npm.get(`/${name.replace('/', '%2f')}`)).json.versions['1.0.0'];
      const bare = name.split('/').at(-1);
      expect(dist.tarball).toBe(`${BASE}/${name}/-/${bare}-1.0.0.tgz`);
      const file = await npm.get(dist.tarball.slice(BASE.length));
      const [sent] = Object.values(body['_attachments'] as Record<string, { data: string }>);
      expect(file.bytes.toString('base64')).toBe(sent?.data);
      expect(dist.integrity).toBe(`sha512-${createHash('sha512').update(file.bytes).digest('base64')}`);
      expect(dist.shasum).toBe(createHash('sha1').update(file.bytes).digest('hex'));
      expect(dist).toMatchObject({ fileCount: 1, unpackedSize: expect.any(Number) });
    });
  }

  it('answers anonymous callers and unknown tokens with 401', async () => {
    const body = await publishBody({ name: 'a', version: '1.0.0' });
    expect((await npm.request('PUT', '/a', { body })).status).toBe(401);
    const bad = await npm.request('PUT', '/a', { body, token: 'nonsense' });
    expect(bad.status).toBe(401);
    expect(bad.headers['www-authenticate']).toMatch(/^Bearer /);
  });
});

describe('npm 6, I1, I2: a version is published once', () => {
  it('npm 6: the same bytes again are refused, in npm words', async () => {
    const body = await publishBody({ name: 'a', version: '1.0.0' });
    await npm.put('/a', body);
    const again = await npm.put('/a', body);
    expect(again.status).toBe(403);
    expect(again.json.error).toBe('You cannot publish over the previously published versions: 1.0.0.');
    expect(await objects()).toBe(1);
  });

  it('I1: build metadata does not make another version', async () => {
    await npm.publish({ name: 'a', version: '1.0.0' });
    expect((await npm.publish({ name: 'a', version: '1.0.0+build.2' })).status).toBe(403);
    await npm.publish({ name: 'b', version: '1.0.0+build.2' });
    const { versions } = (await npm.get('/b')).json;
    expect(Object.keys(versions)).toEqual(['1.0.0']);
    expect(versions['1.0.0'].version).toBe('1.0.0');
  });

  it('npm 31: of many racing publishes of one version one wins, of different ones all', async () => {
    const same = await Promise.all(
      Array.from({ length: 8 }, (_, n) => npm.publish({ name: 'race', version: '1.0.0', description: `${n}` })),
    );
    expect(same.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(403)]);
    await Promise.all(Array.from({ length: 8 }, (_, n) => npm.publish({ name: 'race', version: `1.1.${n}` })));
    const document = (await npm.get('/race')).json;
    expect(Object.keys(document.versions)).toHaveLength(9);
    expect(document.versions[document['dist-tags'].latest]).toBeDefined();
  });
});

describe('npm 7, I5: dist-tags of a publish', () => {
  it('npm 7: the first publish creates latest too, later ones with another tag leave it', async () => {
    await npm.publish({ name: 'a', version: '1.0.0-beta.1' }, { tag: 'beta' });
    expect((await npm.get('/a')).json['dist-tags']).toEqual({ beta: '1.0.0-beta.1', latest: '1.0.0-beta.1' });
    await npm.publish({ name: 'a', version: '1.0.0' });
    await npm.publish({ name: 'a', version: '2.0.0-beta.1' }, { tag: 'beta' });
    expect((await npm.get('/a')).json['dist-tags']).toEqual({ beta: '2.0.0-beta.1', latest: '1.0.0' });
  });

  it('refuses tags that are ranges, tags for other versions, and __proto__', async () => {
    await npm.publish({ name: 'a', version: '1.0.0' });
    for (const tag of ['1.x', '>=2', 'a b', ''])
      expect((await npm.publish({ name: 'a', version: '1.0.1' }, { tag })).status, tag).toBe(400);
    const other = await npm.publish({ name: 'a', version: '1.0.1' }, { document: { 'dist-tags': { latest: '1.0.0' } } });
    expect(other.status).toBe(400);
    expect(await objects()).toBe(1);
  });
});

describe('npm 8, M1: what is said must be true', () => {
  const refused: [string, Parameters<Registry['publish']>[1]][] = [
    ['sha512', { dist: { integrity: `sha512-${'A'.repeat(86)}==` } }],
    ['sha1', { dist: { shasum: '0'.repeat(40) } }],
    ['name in the tarball', { inner: { name: 'b', version: '1.0.0' } }],
    ['version in the tarball', { inner: { name: 'a', version: '1.0.1' } }],
    ['length of the attachment', { attachment: { length: 5 } }],
    ['name of the document', { document: { name: 'b' } }],
    ['unknown attachment', { document: { _attachments: { 'evil.exe': { data: 'AAAA', length: 3 } } } }],
    ['no version', { document: { versions: {} } }],
    [
      'two versions',
      { document: { versions: { '1.0.0': { name: 'a', version: '1.0.0' }, '1.0.1': { name: 'a', version: '1.0.1' } } } },
    ],
  ];
  for (const [what, options] of refused) {
    it(`npm 8: a wrong ${what} is refused and nothing is kept`, async () => {
      const answer = await npm.publish({ name: 'a', version: '1.0.0' }, options);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(answer.json.error).toBeTruthy();
      expect((await npm.get('/a')).status).toBe(404);
      expect(await objects()).toBe(0);
    });
  }

  for (const [what, fields] of [
    ['a range that is a number', { dependencies: { b: 1 } }],
    ['a range that is an object', { optionalDependencies: { b: { version: '1.0.0' } } }],
    ['no range', { peerDependencies: { b: null } }],
    ['a list of dependencies', { dependencies: ['b'] }],
    ['a flag of a peer without its object', { peerDependencies: { b: '*' }, peerDependenciesMeta: { b: null } }],
    ['a system that is a number', { os: [5] }],
    ['processors in an object', { cpu: { x64: true } }],
    ['a C library that is none', { libc: [null] }],
  ] as const)
    it(`npm 28: ${what}, over which installers fall, is refused with a text`, async () => {
      const answer = await npm.publish({ name: 'a', version: '1.0.0', ...fields });
      expect(answer.status).toBe(400);
      expect(answer.json.error).toContain(Object.keys(fields).at(-1));
      expect(await objects()).toBe(0);
    });

  for (const [field, value] of [
    ['description', 'neat\u001b[2J'],
    ['keywords', ['tool', '\u0007']],
    ['license', { type: '\u009b31mMIT' }],
    ['author', { name: 'Ann', email: 'ann\u007f@mail.example' }],
    ['homepage', '\u001b]0;title\u0007'],
    ['bin', { '\u001b[1mtool': 'cli.js' }],
    ['funding', [{ url: 'https://fund.example/\b' }]],
    ['deprecated', '\u001b[31mold'],
  ] as const)
    it(`N5: control characters in ${field}, which clients print, are refused`, async () => {
      const answer = await npm.publish({ name: 'a', version: '1.0.0', [field]: value });
      expect([answer.status, answer.json.error]).toEqual([400, expect.stringContaining('control characters')]);
      expect(await objects()).toBe(0);
    });

  it('N5: lines, tabs and letters of every script are no control characters; scripts may colour what they say', async () => {
    const manifest = {
      name: 'a',
      version: '1.0.0',
      description: 'one\n\ttwo\r\n日本 ü 👍',
      scripts: { postinstall: "echo '\u001b[32mthanks'" },
    };
    expect((await npm.publish(manifest)).status).toBe(201);
    expect((await npm.get('/a/1.0.0')).json).toMatchObject({ description: manifest.description, scripts: manifest.scripts });
  });

  it('npm 28: systems and processors may be one word, and nothing at all', async () => {
    const manifest = { name: 'a', version: '1.0.0', os: 'linux', cpu: ['x64', '!arm'], libc: null, engines: ['node'] };
    expect((await npm.publish(manifest)).status).toBe(201);
    const { versions } = (await npm.get('/a')).json;
    expect(versions['1.0.0']).toMatchObject({ os: 'linux', cpu: ['x64', '!arm'], engines: ['node'] });
    expect(versions['1.0.0']).not.toHaveProperty('libc');
  });

  for (const version of [
    'v1.0.0',
    '=1.0.0',
    ' 1.0.0',
    '1.0.0 ',
    '1.0.0\n',
    '1.0',
    '01.0.0',
    '1.0.0-',
    `1.0.0-${'a'.repeat(256)}`,
  ])
    it(`npm 37: ${JSON.stringify(version.slice(0, 12))} is no version to publish`, async () => {
      const answer = await npm.publish({ name: 'a', version });
      expect(answer.status).toBe(400);
      expect(answer.json.error).toMatch(/version/);
      expect(await objects()).toBe(0);
    });

  it('M1: installers are served what the tarball says, not what the client says', async () => {
    const inner = {
      name: 'a',
      version: '1.0.0',
      bin: './cli.js',
      dependencies: { real: '^1.0.0' },
      peerDependencies: { peer: '*' },
      peerDependenciesMeta: { peer: { optional: true } },
      scripts: { postinstall: 'node real.js' },
      engines: { node: '>=18' },
      os: ['linux'],
      cpu: ['x64'],
    };
    const lie = {
      name: 'a',
      version: '1.0.0',
      dependencies: { lie: '1' },
      optionalDependencies: { lie: '1' },
      scripts: { install: 'lie' },
      bin: { lie: 'lie.js' },
      os: ['win32'],
      libc: ['lie'],
      hasInstallScript: false,
      _hasShrinkwrap: true,
      custom: { kept: true },
      gitHead: 'abc',
    };
    expect((await npm.publish(lie, { inner, files: { 'README.md': '# hello' } })).status).toBe(201);
    const full = (await npm.get('/a')).json.versions['1.0.0'];
    expect(full).toMatchObject({
      ...inner,
      bin: { a: 'cli.js' },
      hasInstallScript: true,
      custom: { kept: true },
      gitHead: 'abc',
    });
    for (const field of ['optionalDependencies', 'libc', '_hasShrinkwrap']) expect(full).not.toHaveProperty(field);
    expect(JSON.stringify(full)).not.toContain('lie');
    expect((await npm.get('/a')).json.readme).toBe('# hello');
    expect(full).not.toHaveProperty('readme');
  });

  it('npm 28: binding.gyp and a shrinkwrap are seen in the tarball', async () => {
    await npm.publish({ name: 'a', version: '1.0.0' }, { files: { 'binding.gyp': '{}', 'npm-shrinkwrap.json': '{}' } });
    expect((await npm.get('/a/1.0.0')).json).toMatchObject({
      scripts: { install: 'node-gyp rebuild' },
      gypfile: true,
      hasInstallScript: true,
      _hasShrinkwrap: true,
    });
  });

  it('refuses a provenance bundle in words rather than dropping it', async () => {
    const body = await publishBody({ name: 'a', version: '1.0.0' });
    const attachments = { ...(body['_attachments'] as object), 'a-1.0.0.sigstore': { content_type: 'x', data: '{}', length: 2 } };
    const answer = await npm.put('/a', { ...body, _attachments: attachments });
    expect(answer.status).toBe(400);
    expect(answer.json.error).toMatch(/provenance/i);
    expect(await objects()).toBe(0);
  });
});

describe('large manifests and readmes', () => {
  it('are kept in objects of their own and served all the same', async () => {
    const keywords = Array.from({ length: 2_000 }, (_, n) => `keyword-number-${n}`);
    const readme = '# long\n'.repeat(6_000);
    const answer = await npm.publish({ name: 'big', version: '1.0.0', keywords }, { files: { 'README.md': readme } });
    expect(answer.status).toBe(201);
    expect(await objects()).toBe(3);
    const document = (await npm.get('/big')).json;
    expect(document.versions['1.0.0'].keywords).toEqual(keywords);
    expect(document.readme).toBe(readme);
    expect((await npm.get('/-/v1/search?text=big')).json.objects[0].package.keywords).toContain('keyword-number-0');
  });
});

describe('what a package may grow to', () => {
  it('is bounded: its document holds the manifests of all versions', async () => {
    await npm.publish({ name: 'grown', version: '1.0.0' });
    const size = 2 * 1024 * 1024;
    const manifest = { key: 'objects/npm/grown/9999999999999-x', size, sha256: '0'.repeat(64) };
    const changes = Array.from({ length: 127 }, (_, n) => publishChange('somebody', { version: `2.0.${n}`, manifest }));
    await npm.space.commit('grown', () => ({ changes, result: undefined }));
    expect((await npm.publish({ name: 'grown', version: '1.0.1' })).status).toBe(201);
    await npm.space.commit('grown', () => ({
      changes: [publishChange('somebody', { version: '3.0.0', manifest })],
      result: undefined,
    }));
    const before = await objects();
    const full = await npm.publish({ name: 'grown', version: '1.0.2' });
    expect([full.status, full.json.error]).toEqual([413, expect.stringContaining('manifests of all versions')]);
    expect(await objects()).toBe(before);
    await npm.space.commit('grown', () => ({ changes: [deleteChange('somebody', '3.0.0')], result: undefined }));
    expect((await npm.publish({ name: 'grown', version: '1.0.2' })).status).toBe(201);
  });

  it('is bounded: tags', async () => {
    await npm.publish({ name: 'tagged', version: '1.0.0' });
    const names = Array.from({ length: 9_999 }, (_, n) => `t-${n}`);
    for (let from = 0; from < names.length; from += 1_000) {
      const changes = names.slice(from, from + 1_000).map((tag) => tagChange('somebody', tag, '1.0.0'));
      await npm.space.commit('tagged', () => ({ changes, result: undefined }));
    }
    const tags = '/-/package/tagged/dist-tags';
    expect((await npm.put(`${tags}/t-1`, '"1.0.0"')).status).toBe(201);
    expect((await npm.put(`${tags}/one-more`, '"1.0.0"')).status).toBe(400);
    expect((await npm.request('POST', tags, { token: npm.token, body: { more: '1.0.0' } })).status).toBe(400);
    expect((await npm.publish({ name: 'tagged', version: '1.0.1' }, { tag: 'one-more' })).status).toBe(400);
    expect((await npm.publish({ name: 'tagged', version: '1.0.1' }, { tag: 't-1' })).status).toBe(201);
    // more than one entry may hold
    expect((await npm.put(tags, { latest: '1.0.0', more: '1.0.0' })).status).toBe(413);
    const most = Object.fromEntries(names.slice(0, 9_100).map((tag) => [tag, '1.0.0']));
    expect((await npm.put(tags, { ...most, latest: '1.0.0' })).status).toBe(200);
    expect((await npm.put(`${tags}/one-more`, '"1.0.0"')).status).toBe(201);
  });
});

describe('npm 37: names', () => {
  for (const name of [
    'UPPER',
    'node_modules',
    'favicon.ico',
    'x'.repeat(215),
    "it's",
    '_hidden',
    '-dash',
    '.dot',
    '__proto__',
    '@a/node_modules',
  ]) {
    it(`refuses a new ${name.slice(0, 20)} with 400`, async () => {
      const inner = { name, version: '1.0.0' };
      const body = await publishBody({ name, version: '1.0.0' }, { inner });
      expect((await npm.put(`/${encodeURIComponent(name)}`, body)).status).toBe(400);
      expect(await objects()).toBe(0);
    });
  }

  it('P1: takes names that objects have by nature', async () => {
    for (const name of ['constructor', 'tostring', 'valueof', 'hasownproperty']) {
      expect((await npm.publish({ name, version: '1.0.0' })).status, name).toBe(201);
      expect((await npm.get(`/${name}`)).json.name).toBe(name);
    }
  });
});

describe('npm 29: limits', () => {
  it('a body that is announced too large is a 413 in JSON, before a byte is read', async () => {
    const headers = { 'content-type': 'application/json', 'content-length': String(3 * 1024 ** 3) };
    const body = (async function* () {
      yield new TextEncoder().encode('{');
      throw new Error('read');
    })();
    const answer = await npm.request('PUT', '/a', { token: npm.token, headers, body });
    expect([answer.status, answer.headers['content-type']]).toEqual([413, 'application/json']);
    expect(answer.json.error).toBeTruthy();
  });

  it('a manifest that is too large is refused, and nothing is kept', async () => {
    const versions = { '1.0.0': { name: 'a', version: '1.0.0', x: 'x'.repeat(3 * 1024 ** 2) } };
    expect((await npm.publish({ name: 'a', version: '1.0.0' }, { document: { versions } })).status).toBe(413);
    expect(await objects()).toBe(0);
  });

  it('a body that breaks off is a 400, and nothing is kept', async () => {
    const text = JSON.stringify(await publishBody({ name: 'a', version: '1.0.0' }));
    const headers = { 'content-type': 'application/json' };
    for (const length of [10, Math.floor(text.length / 2), text.length - 1]) {
      const answer = await npm.request('PUT', '/a', { token: npm.token, headers, body: text.slice(0, length) });
      expect(answer.status, `${length}`).toBe(400);
    }
    expect(await objects()).toBe(0);
  });
});

describe('hooks', () => {
  it('a veto is a 403 with its reason and leaves nothing', async () => {
    const vetoed = await registry({
      hooks: { beforePut: async ({ metadata }) => ({ allowed: metadata.version !== '6.6.6', reason: 'not this one' }) },
    });
    const answer = await vetoed.publish({ name: 'a', version: '6.6.6' });
    expect(answer.status).toBe(403);
    expect(answer.json.error).toBe('not this one');
    expect((await vetoed.driver.list('objects/')).objects).toEqual([]);
    expect((await vetoed.publish({ name: 'a', version: '1.0.0' })).status).toBe(201);
    await vetoed.close();
  });
});

it('the tarball helper packs what it is given', async () => {
  expect((await tarball({ name: 'a' })).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
});
