import { describe, expect, it } from 'vitest';
import { integrityOf, mockRegistry } from '../../upstream/mock-registry.js';
import { copies, jsonOf, proxying, stored } from './upstream-house.js';

const BASE = 'http://registry.example/npm';

describe('npm 38: packages of another registry', () => {
  for (const name of ['left-pad', '@team/tool']) {
    it(`${name} is served with tarball URLs of this registry, and byte for byte`, async () => {
      const npm = await proxying();
      const bytes = await npm.upstream.publish({ name, version: '1.0.0', description: 'x', dependencies: { a: '1' } });
      const escaped = name.replace('/', '%2f');
      const bare = name.split('/').at(-1);
      for (const accept of ['application/json', 'application/vnd.npm.install-v1+json']) {
        const answer = await npm.get(`/${escaped}`, { headers: { accept } });
        expect([answer.status, answer.headers['content-type']]).toEqual([200, accept]);
        const { versions, time } = jsonOf(answer);
        const { dist, dependencies } = versions['1.0.0'];
        expect(dist.tarball).toBe(`${BASE}/${name}/-/${bare}-1.0.0.tgz`);
        expect([dist.integrity, dependencies]).toEqual([integrityOf(bytes), { a: '1' }]);
        expect(time['1.0.0']).toBe('2024-03-01T12:00:00.000Z');
        expect(answer.text).not.toContain(npm.upstream.host);
      }
      for (const path of [`/${name}/-/${bare}-1.0.0.tgz`, `/${escaped}/-/${bare}-1.0.0.tgz`]) {
        const file = await npm.get(path);
        expect([file.status, file.headers['content-type']]).toEqual([200, 'application/octet-stream']);
        expect(file.bytes.equals(bytes)).toBe(true);
      }
      expect(npm.upstream.asked()).toEqual([`/${escaped}`, `/${name}/-/${bare}-1.0.0.tgz`]);
      expect(npm.house.faults).toEqual([]);
    });
  }

  it('is answered on every route that reads, and HEAD is GET without its body', async () => {
    const npm = await proxying();
    await npm.upstream.publish({ name: 'a', version: '1.0.0' });
    await npm.upstream.publish({ name: 'a', version: '1.1.0' });
    expect(jsonOf(await npm.get('/a/latest')).version).toBe('1.1.0');
    expect(jsonOf(await npm.get('/a/1.0.0')).dist.tarball).toBe(`${BASE}/a/-/a-1.0.0.tgz`);
    expect((await npm.get('/a/2.0.0')).status).toBe(404);
    expect(jsonOf(await npm.get('/-/package/a/dist-tags'))).toEqual({ latest: '1.1.0' });
    expect(jsonOf(await npm.get('/-/package/a/visibility'))).toEqual({ public: true });
    expect(jsonOf(await npm.get('/-/package/a/collaborators'))).toEqual({});
    expect((await npm.get('/-/npm/v1/attestations/a@1.0.0')).status).toBe(404);
    for (const path of ['/a', '/a/1.0.0', '/a/-/a-1.0.0.tgz']) {
      const [get, head] = [await npm.get(path), await npm.send('HEAD', path)];
      expect([head.status, head.text]).toEqual([200, '']);
      expect(head.headers).toEqual(get.headers);
    }
  });

  it('npm 2: revalidation of clients is answered 304, of a tarball in part 206', async () => {
    const npm = await proxying();
    await npm.upstream.publish({ name: 'a', version: '1.0.0' });
    const { etag = '' } = (await npm.get('/a')).headers;
    expect((await npm.get('/a', { headers: { 'if-none-match': etag } })).status).toBe(304);
    const part = await npm.get('/a/-/a-1.0.0.tgz', { headers: { range: 'bytes=0-3' } });
    expect([part.status, part.bytes.byteLength]).toEqual([206, 4]);
    expect(npm.upstream.asked()).toEqual(['/a', '/a/-/a-1.0.0.tgz']);
  });

  it('npm 34: whatever URL a lockfile has pinned, the path of a tarball is that of any registry of this kind', async () => {
    const npm = await proxying();
    const bytes = await npm.upstream.publish({ name: '@s/n', version: '1.0.0' });
    // asked for without the document ever having been
    for (const path of ['/@s/n/-/n-1.0.0.tgz', '/@s%2fn/-/n-1.0.0.tgz', '/@s%2Fn/-/@s/n-1.0.0.tgz', '/@s/n/-/@s/n-1.0.0.tgz'])
      expect((await npm.get(path)).bytes.equals(bytes), path).toBe(true);
  });

  it('X16: neither the upstream nor its credentials stand in any answer, in storage or in what the operator hears', async () => {
    const secret = 'canary-4711-secret';
    const npm = await proxying({ described: { auth: { type: 'basic', username: 'robot-canary', password: secret } } });
    await npm.upstream.publish({
      name: 'a',
      version: '1.0.0',
      _resolved: `${npm.upstream.url}/a/-/a-1.0.0.tgz`,
      _from: `${npm.upstream.url}`,
      publishConfig: { registry: npm.upstream.url },
    });
    const { dist } = npm.upstream.documents.get('a')?.['versions']['1.0.0'] ?? {};
    dist.tarball = dist.tarball.replace('http://', 'http://user:password@');
    dist.attestations = { url: `${npm.upstream.url}/-/npm/v1/attestations/a@1.0.0`, provenance: { predicateType: 'x' } };
    await npm.upstream.publish({ name: 'a', version: '1.1.0' });
    const paths = [
      '/a',
      '/a/1.0.0',
      '/a/1.1.0',
      '/a/-/a-1.0.0.tgz',
      '/a/-/a-1.1.0.tgz',
      '/-/package/a/dist-tags',
      '/-/v1/search',
    ];
    const answers = [];
    for (const path of paths) answers.push(await npm.get(path));
    expect(answers.map(({ status }) => status).slice(-4)).toEqual([502, 200, 200, 200]);
    await npm.upstream.stop();
    npm.later(10 ** 6);
    for (const path of paths) answers.push(await npm.get(path));
    const told = answers.map(({ text, headers }) => text + JSON.stringify(headers)).join('\n');
    const heard = npm.house.faults.map(({ error, where }) => `${where} ${(error as Error).stack}`).join('\n');
    const encoded = Buffer.from(`robot-canary:${secret}`).toString('base64');
    for (const text of [told, heard, (await stored(npm)).replaceAll(/^cache\/.*(?:\n[^\n]*)?$/gm, '')])
      for (const hidden of [secret, 'robot-canary', encoded, 'user:password', npm.upstream.host])
        expect(text).not.toContain(hidden);
    expect(npm.upstream.heard.map(({ headers }) => headers.authorization)).toContain(`Basic ${encoded}`);
    // copies of documents are what the upstream has sent, byte for byte; but none holds what was never sent by it
    for (const hidden of [secret, 'robot-canary', encoded]) expect(await stored(npm)).not.toContain(hidden);
  });
});

describe('npm 38, N6: names and versions inside of a document', () => {
  it('N6: only versions of this package with a digest and an address are shown; the others are not there', async () => {
    const npm = await proxying();
    await npm.upstream.publish({ name: 'a', version: '1.0.0' });
    const document = npm.upstream.documents.get('a') ?? {};
    const good = document['versions']['1.0.0'];
    const bad = (version: string, change: object): void => {
      document['versions'][version] = { ...structuredClone(good), version, ...change };
    };
    bad('2.0.0', { name: 'b' });
    bad('2.0.1', { name: '../a' });
    bad('2.0.2', { name: '@x/../../a' });
    bad('2.0.3', { dist: {} });
    bad('2.0.4', { dist: { ...good.dist, integrity: undefined, shasum: undefined } });
    bad('2.0.5', { dist: { ...good.dist, tarball: 'file:///etc/passwd' } });
    bad('2.0.6', { dist: { ...good.dist, tarball: 7 } });
    bad('2.0.7', { dist: null });
    bad('../../../2.0.8', {});
    bad('2.0.9/../../x', {});
    bad('constructor', {});
    bad('v2.1.0', {});
    document['versions']['2.2.0'] = 'text';
    document['dist-tags'] = { latest: '1.0.0', evil: '2.0.0', '../up': '1.0.0', '1.x': '1.0.0', beta: 7 };
    const shown = jsonOf(await npm.get('/a'));
    expect(Object.keys(shown.versions)).toEqual(['1.0.0']);
    expect(shown['dist-tags']).toEqual({ latest: '1.0.0' });
    expect(Object.keys(shown.time)).toEqual(['created', 'modified', '1.0.0']);
    expect((await npm.get('/a/-/a-2.0.5.tgz')).status).toBe(404);
    expect(npm.house.faults).toEqual([]);
  });

  it('N6: what another registry keeps for itself is left out, what installers and people read is not', async () => {
    const npm = await proxying();
    const manifest = {
      name: 'a',
      version: '1.0.0',
      os: ['linux'],
      license: 'MIT',
      scripts: { postinstall: 'x' },
      _nodeVersion: '20.0.0',
    };
    await npm.upstream.publish({
      ...manifest,
      _npmOperationalInternal: { tmp: 'x' },
      _resolved: '/home/ann/a',
      _where: '/home/ann',
    });
    const { _id, dist, ...shown } = jsonOf(await npm.get('/a/1.0.0'));
    expect(shown).toEqual({ ...manifest, hasInstallScript: true });
    const short = jsonOf(await npm.get('/a', { headers: { accept: 'application/vnd.npm.install-v1+json' } }));
    const { _nodeVersion, license, scripts, ...installed } = manifest;
    expect(short.versions['1.0.0']).toEqual({ ...installed, hasInstallScript: true, dist });
  });

  it('npm 28: an upstream that shows no scripts, and says that there are some, is believed', async () => {
    const npm = await proxying();
    await npm.upstream.publish({ name: 'a', version: '1.0.0', hasInstallScript: true });
    expect(jsonOf(await npm.get('/a/1.0.0')).hasInstallScript).toBe(true);
  });

  it('N6: what a manifest says of itself beside its name is data, and never a place', async () => {
    const npm = await proxying();
    await npm.upstream.publish({
      name: 'a',
      version: '1.0.0',
      bin: { '../../evil': './x.js' },
      directories: { bin: '../../..' },
    });
    const document = npm.upstream.documents.get('a') ?? {};
    document['_id'] = '../../b';
    document['time'] = { created: '<b>', modified: {}, '1.0.0': 'yesterday' };
    document['maintainers'] = [{ name: 7 }, 'x', null, { name: 'ann', email: '"><script>' }];
    document['versions']['1.0.0'].version = '6.6.6';
    document['versions']['1.0.0']._id = 'b@6.6.6';
    const shown = jsonOf(await npm.get('/a'));
    expect(shown._id).toBe('a');
    expect(shown.versions['1.0.0']).toMatchObject({ name: 'a', version: '1.0.0', _id: 'a@1.0.0' });
    expect(shown.maintainers).toEqual([{ name: 'ann', email: '"><script>' }]);
    expect((await npm.house.keys()).filter((key) => /evil|\.\./.test(key))).toEqual([]);
  });

  it('Z10: names that no registry has ever accepted are refused here', async () => {
    const npm = await proxying();
    for (const path of ['/..%2f..%2fetc', '/@x%2f..%2f..%2fy', '/.hidden', '/_private', '/node_modules', '/a%00b', '/%2e%2e/x'])
      expect((await npm.get(path)).status, path).toBeGreaterThanOrEqual(400);
    expect(npm.upstream.asked()).toEqual([]);
  });
});

describe('npm 38, P4, X9: what is no document of this package is 502, and is not kept', () => {
  const gzipBomb = async (): Promise<Buffer> => {
    const { gzipSync } = await import('node:zlib');
    return gzipSync(Buffer.alloc(80 * 1024 * 1024, 0x20));
  };
  type Body = string | (() => Buffer | Promise<Buffer>);
  const cases: [string, Body, Record<string, string>?][] = [
    ['a page of HTML', '<!doctype html><title>Sign in</title>', { 'content-type': 'text/html' }],
    ['nothing', ''],
    ['JSON that ends early', '{"name":"a","versions":{"1.0.0":{"name":"a"'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a number', '1e999'],
    ['a document of another package', '{"name":"b","versions":{}}'],
    ['a document without a name', '{"versions":{}}'],
    ['a name in another spelling', '{"name":"A","versions":{}}'],
    ['a key that is a trap', '{"name":"a","versions":{"__proto__":{"name":"a"}}}'],
    ['two names', '{"name":"a","name":"b","versions":{}}'],
    ['JSON as deep as it goes', `{"name":"a","x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
    ['bytes that are no text', () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['70 MB', () => Buffer.alloc(70 * 1024 * 1024, 0x20)],
    ['80 MB in 80 kB of gzip', gzipBomb, { 'content-encoding': 'gzip' }],
    ['text that says it is gzip', 'x', { 'content-encoding': 'gzip' }],
    ['a coding that was not asked for', '{"name":"a"}', { 'content-encoding': 'br' }],
  ];
  it.each(cases)('P4: %s', async (_: string, body: Body, headers: Record<string, string> = {}) => {
    const npm = await proxying();
    await npm.upstream.publish({ name: 'a', version: '1.0.0' });
    const bytes = typeof body === 'string' ? Buffer.from(body) : await body();
    npm.upstream.script = (_heard, response) => {
      response.on('error', () => undefined);
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(bytes);
      return true;
    };
    const answer = await npm.get('/a');
    expect([answer.status, typeof jsonOf(answer).error]).toEqual([502, 'string']);
    expect(await copies(npm)).toEqual([]);
    npm.upstream.script = undefined;
    // and nothing of it is believed a moment later
    expect((await npm.get('/a')).status).toBe(200);
  });

  it('X9: with a copy it goes on with that one', async () => {
    const npm = await proxying();
    await npm.upstream.publish({ name: 'a', version: '1.0.0' });
    await npm.get('/a');
    const kept = await copies(npm);
    npm.upstream.script = (_heard, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>maintenance</html>');
      return true;
    };
    npm.later(3_600);
    const answer = await npm.get('/a');
    expect([answer.status, answer.headers['warning']]).toEqual([200, '110 - "Response is Stale"']);
    expect(await copies(npm)).toEqual(kept);
  });
});

describe('npm 38: two upstreams', () => {
  it('are asked in their order, and the first that has a name keeps it', async () => {
    const [first, second] = [await mockRegistry(), await mockRegistry()];
    const npm = await proxying({ upstream: first, others: [{ id: 'second', url: second.url, priority: -1 }] });
    await first.publish({ name: 'both', version: '1.0.0' });
    await second.publish({ name: 'both', version: '2.0.0' });
    await first.publish({ name: 'only', version: '1.0.0' });
    expect(Object.keys(jsonOf(await npm.get('/both')).versions)).toEqual(['2.0.0']);
    expect([first.asked(), second.asked()]).toEqual([[], ['/both']]);
    expect(Object.keys(jsonOf(await npm.get('/only')).versions)).toEqual(['1.0.0']);
    expect([first.asked(), second.asked()]).toEqual([['/only'], ['/only']]);
    await second.publish({ name: 'only', version: '6.6.6' });
    second.documents.delete('both');
    npm.later(3_600);
    expect(Object.keys(jsonOf(await npm.get('/only')).versions)).toEqual(['1.0.0']);
    expect((await npm.get('/both')).status).toBe(404);
    expect([first.asked(), second.asked()]).toEqual([['/only'], ['/both']]);
  });

  it('X8: a name never falls through to the second because the first fails', async () => {
    const [first, second] = [await mockRegistry(), await mockRegistry()];
    const npm = await proxying({ upstream: first, others: [{ id: 'second', url: second.url }] });
    await second.publish({ name: 'a', version: '6.6.6' });
    first.script = (_heard, response) => {
      response.writeHead(500).end();
      return true;
    };
    expect((await npm.get('/a')).status).toBe(502);
    await first.stop();
    expect((await npm.get('/a')).status).toBe(502);
    expect(second.asked()).toEqual([]);
  });
});
