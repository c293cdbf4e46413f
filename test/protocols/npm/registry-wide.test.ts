import { createPublicKey, verify } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Registry, registry } from './rig.js';

let npm: Registry;
beforeEach(async () => {
  npm = await registry({ anonymousRead: true });
});
afterEach(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

describe('npm 19: search', () => {
  const search = async (query: string, token: string | undefined = npm.token) =>
    (await npm.request('GET', `/-/v1/search?${query}`, token ? { token } : {})).json;
  const names = async (query: string, token?: string) =>
    (await search(query, token)).objects.map(({ package: { name } }: { package: { name: string } }) => name);

  beforeEach(async () => {
    await npm.publish({
      name: 'parser',
      version: '1.0.0',
      description: 'parses',
      keywords: ['text', 'fast'],
      author: 'Zoe',
      license: 'MIT',
    });
    await npm.publish({ name: 'parser-extra', version: '0.1.0', description: 'more' });
    await npm.publish({ name: '@t/parser', version: '1.0.0', description: 'hidden' });
    await npm.publish({ name: 'other', version: '2.0.0', description: 'not a parser' });
  });

  it('has the shape that npm reads, best matches first', async () => {
    const page = await search('text=parser');
    expect(page.total).toBe(4);
    expect(new Date(page.time).getTime()).toBeGreaterThan(0);
    const [{ package: first, score }] = page.objects;
    expect(first).toMatchObject({
      name: 'parser',
      scope: 'unscoped',
      version: '1.0.0',
      description: 'parses',
      keywords: ['text', 'fast'],
      author: { name: 'Zoe' },
      publisher: { username: 'ann', email: 'ann@mail.example' },
      maintainers: [{ username: 'ann', email: 'ann@mail.example' }],
      links: { npm: expect.stringContaining('/parser') },
    });
    expect(new Date(first.date).toISOString()).toBe(first.date);
    expect(score.final).toBeGreaterThan(0);
    expect((await names('text=parser')).at(-1)).toBe('other');
  });

  it('pages, with a bound, and is empty where nothing fits', async () => {
    expect(await names('text=parser&size=1&from=1')).toHaveLength(1);
    expect(await names('text=parser&size=999999')).toHaveLength(4);
    expect(await search('text=zzzzzz')).toMatchObject({ objects: [], total: 0 });
    expect(await names('text=parser&size=x&from=-1')).toHaveLength(4);
  });

  it('understands qualifiers', async () => {
    expect(await names('text=keywords:text')).toEqual(['parser']);
    expect(await names('text=parser%20not:unstable')).not.toContain('parser-extra');
    expect(await names('text=is:unstable')).toEqual(['parser-extra']);
    expect(await names('text=scope:t')).toEqual(['@t/parser']);
    expect(await names('text=author:zoe')).toEqual(['parser']);
    expect(await names('text=maintainer:ann')).toHaveLength(4);
    expect(await names('text=maintainer:nobody')).toEqual([]);
    expect(await names('text=boost-exact:false%20other')).toEqual(['other']);
  });

  it('npm 19: keywords are one of several, all of several, or not there', async () => {
    await npm.publish({ name: 'k-one', version: '1.0.0', keywords: ['alpha', 'beta', 'C++'] });
    await npm.publish({ name: 'k-two', version: '1.0.0', keywords: ['alpha'] });
    await npm.publish({ name: 'k-text', version: '1.0.0', keywords: 'alpha, gamma' });
    const found = (value: string) => names(`text=${encodeURIComponent(`keywords:${value}`)}`);
    expect(await found('beta,gamma')).toEqual(['k-one', 'k-text']);
    expect(await found('alpha+beta')).toEqual(['k-one']);
    expect(await found('alpha,-beta')).toEqual(['k-text', 'k-two']);
    expect(await found('-alpha')).not.toContain('k-two');
    expect(await found('c++')).toEqual(['k-one']);
    expect(await found('alpha+c++')).toEqual(['k-one']);
    expect(await found('alpha+nothing')).toEqual([]);
  });

  it('npm 19: an author in one text goes by the name; the place for bugs is among the links', async () => {
    const bugs = { url: 'https://bugs.example/x' };
    await npm.publish({ name: 'person', version: '1.0.0', author: 'Zed Bee <zed@mail.example> (https://zed.example)', bugs });
    const [{ package: first }] = (await search('text=person')).objects;
    expect(first.author).toEqual({ name: 'Zed Bee' });
    expect(first.links.bugs).toBe(bugs.url);
  });

  it('shows nobody what they may not read, in pages and totals', async () => {
    for (let round = 0; round < 3; round++) {
      expect((await search('text=parser', '')).total).toBe(3);
      expect((await search('text=parser')).total).toBe(4);
    }
    const { _rev } = (await npm.get('/other')).json;
    await npm.request('DELETE', `/other/-rev/${_rev}`, { token: npm.token });
    expect((await search('text=parser', '')).total).toBe(2);
  });
});

describe('npm 20: ping', () => {
  it('answers anyone, also with write=true and with a bad token', async () => {
    for (const path of ['/-/ping', '/-/ping?write=true']) {
      expect((await npm.request('GET', path)).json).toEqual({});
      expect((await npm.request('GET', path, { token: 'nonsense' })).status).toBe(200);
    }
  });
});

describe('npm 21: audit', () => {
  it('takes a gzip body and knows of nothing', async () => {
    const body = gzipSync(JSON.stringify({ parser: ['1.0.0'] }));
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip', 'content-length': String(body.length) };
    const answer = await npm.request('POST', '/-/npm/v1/security/advisories/bulk', { headers, body });
    expect([answer.status, answer.json]).toEqual([200, {}]);
  });

  it('answers the older form with an empty report', async () => {
    for (const path of ['/-/npm/v1/security/audits/quick', '/-/npm/v1/security/audits']) {
      const report = (await npm.request('POST', path, { body: { name: 'x', requires: {}, dependencies: {} } })).json;
      expect(report).toMatchObject({ advisories: {}, metadata: { vulnerabilities: { critical: 0 } } });
    }
  });
});

describe('npm 22: signatures', () => {
  it('verify with the published key, over name, version and integrity', async () => {
    await npm.publish({ name: '@t/signed', version: '1.0.0' });
    const { dist } = (await npm.get('/@t%2fsigned/1.0.0')).json;
    const { keys } = (await npm.request('GET', '/-/npm/v1/keys')).json;
    expect(keys).toHaveLength(1);
    const [{ keyid, key, keytype, scheme, expires }] = keys;
    expect([keytype, scheme, expires]).toEqual(['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256', null]);
    expect(dist.signatures).toMatchObject([{ keyid }]);
    const publicKey = createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
    const signature = Buffer.from(dist.signatures[0].sig, 'base64');
    const signed = (text: string) => verify('sha256', Buffer.from(text), publicKey, signature);
    expect(signed(`@t/signed@1.0.0:${dist.integrity}`)).toBe(true);
    expect(signed(`@t/signed@1.0.1:${dist.integrity}`)).toBe(false);
  });

  it('are the same at every instance, and the private key lies nowhere in clear', async () => {
    await npm.publish({ name: 'a', version: '1.0.0' });
    const second = await registry({ driver: npm.driver, anonymousRead: true });
    expect((await second.get('/-/npm/v1/keys')).json).toEqual((await npm.get('/-/npm/v1/keys')).json);
    await second.close();
    const [stored] = (await npm.driver.list('keys/')).objects;
    const text = Buffer.from((await npm.driver.read(stored?.key ?? ''))?.body as Uint8Array).toString();
    expect(Object.keys(JSON.parse(text)).sort()).toEqual(['public', 'v', 'wrapped']);
    const once = (await npm.get('/a/1.0.0')).json.dist.signatures;
    expect((await npm.get('/a/1.0.0')).json.dist.signatures).toEqual(once);
  });

  it('npm 23: a version that was published without provenance has no attestations', async () => {
    await npm.publish({ name: '@t/a', version: '1.0.0' });
    for (const spec of ['@t%2fa@1.0.0', '@t/a@1.0.0', '@t%2fa@9.0.0']) {
      const answer = await npm.get(`/-/npm/v1/attestations/${spec}`);
      expect([answer.status, answer.headers['content-type']]).toEqual([404, 'application/json']);
    }
  });

  it('a registry without a key says so with a 404', async () => {
    const unsigned = await registry({ signed: false });
    expect((await unsigned.request('GET', '/-/npm/v1/keys')).status).toBe(404);
    await unsigned.publish({ name: 'a', version: '1.0.0' });
    expect((await unsigned.get('/a/1.0.0')).json.dist).not.toHaveProperty('signatures');
    await unsigned.close();
  });
});
