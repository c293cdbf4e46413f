import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { lasting, until } from '../../proof/house.js';
import type { Heard } from '../../upstream/mock-registry.js';
import { copies, jsonOf, type Proxying, type ProxyingOptions, proxying, refusing } from './upstream-house.js';

const versionsOf = async (npm: Proxying, name = 'a'): Promise<string[]> =>
  Object.keys(jsonOf(await npm.get(`/${name}`)).versions);

/** The package `a` in version 1.0.0. */
async function withA(options: ProxyingOptions = {}): Promise<Proxying> {
  const npm = await proxying(options);
  await npm.upstream.publish({ name: 'a', version: '1.0.0' });
  return npm;
}

type Answering = (response: ServerResponse, heard: Heard) => unknown;
const says = (npm: Proxying, answer: Answering | undefined): void => {
  npm.upstream.script =
    answer &&
    ((heard, response) => {
      answer(response, heard);
      return true;
    });
};

const DAY = 86_400;
type Failing = [string, Answering, number];
/** Nothing that has changed since nothing. */
const unasked: Failing = ['304', (response) => response.writeHead(304).end(), 502];
const failures: Failing[] = [
  ['500', (response) => response.writeHead(500).end('{"error":"no"}'), 502],
  ['503 with Retry-After', (response) => response.writeHead(503, { 'retry-after': '120' }).end(), 502],
  ['429', (response) => response.writeHead(429).end('{}'), 502],
  ['401', (response) => response.writeHead(401).end('{}'), 502],
  ['403', (response) => response.writeHead(403).end('{}'), 502],
  ['204', (response) => response.writeHead(204).end(), 502],
  ['a status that is none', (response) => response.socket?.end('HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n'), 502],
  ['what is not HTTP', (response) => response.socket?.end('220 mail.example ESMTP\r\n'), 502],
  ['a reset', (response) => response.socket?.destroy(), 502],
  ['a redirect in a circle', (response, { path }) => response.writeHead(302, { location: path }).end(), 502],
  ['nothing at all', () => undefined, 504],
  ['a document that stops', (response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{"name":'), 504],
  [
    'a document that is cut',
    (response) => response.writeHead(200, { 'content-length': 99 }).write('{}', () => response.destroy()),
    502,
  ],
];

describe('npm 38, X12: an upstream that fails', () => {
  it.each([...failures, unasked])(
    '%s: 502 or 504 without a copy, and never believed to be absent',
    async (_, failing, status) => {
      const npm = await withA();
      says(npm, failing);
      npm.hurry(status === 504);
      for (const path of ['/a', '/a/1.0.0', '/a/-/a-1.0.0.tgz', '/-/package/a/dist-tags']) {
        const answer = await npm.get(path);
        expect([answer.status, typeof jsonOf(answer).error], path).toEqual([status, 'string']);
      }
      expect(await copies(npm)).toEqual([]);
      says(npm, undefined);
      npm.hurry(false);
      const fine = await npm.another();
      expect(await versionsOf(fine)).toEqual(['1.0.0']);
    },
  );

  it.each(failures)('%s: the copy, with Warning and Age', async (_, failing, status) => {
    const npm = await withA();
    const fresh = await npm.get('/a');
    expect([fresh.headers['warning'], fresh.headers['age']]).toEqual([undefined, undefined]);
    says(npm, failing);
    npm.hurry(status === 504);
    npm.later(DAY);
    const stale = await npm.get('/a');
    expect([stale.status, stale.text, stale.headers['warning']]).toEqual([200, fresh.text, '110 - "Response is Stale"']);
    expect(Number(stale.headers['age'])).toBeGreaterThanOrEqual(DAY);
    const { etag = '' } = fresh.headers;
    expect((await npm.get('/a', { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  it('stale-while-error ends: what is older than allowed is 502', async () => {
    const npm = await withA({ more: { cache: { staleIfErrorSeconds: 3_600 } } });
    await npm.get('/a');
    says(npm, failures[0]?.[1]);
    npm.later(3_500);
    expect((await npm.get('/a')).status).toBe(200);
    npm.later(200);
    expect((await npm.get('/a')).status).toBe(502);
    says(npm, undefined);
    expect((await npm.get('/a')).headers['warning']).toBeUndefined();
  });

  it('the operator hears of it, once a minute for each kind, whatever clients get', async () => {
    const npm = await withA();
    await npm.get('/a');
    says(npm, (response) => response.writeHead(401).end());
    npm.later(DAY);
    for (let turn = 0; turn < 5; turn++) expect((await npm.get('/a')).status).toBe(200);
    for (let turn = 0; turn < 5; turn++) expect((await npm.get('/a/-/a-1.0.0.tgz')).status).toBe(502);
    const told = (): unknown[] => npm.house.faults.map(({ error, where }) => `${where}: ${(error as Error).message}`);
    expect(told()).toEqual(['npm upstream: main: the upstream does not let the registry in']);
    says(npm, (response) => response.end('<html>'));
    await npm.get('/a');
    expect(told()).toHaveLength(2);
    npm.later(61);
    await npm.get('/a');
    expect(told()).toHaveLength(3);
  });

  it('is asked again a few times, and left alone when that does not help', async () => {
    const npm = await withA({ more: { resilience: { retries: 1, breakerFailures: 3, breakerPauseMs: 60_000 } } });
    says(npm, failures[0]?.[1]);
    for (let turn = 0; turn < 5; turn++) expect((await npm.get('/a')).status).toBe(502);
    expect(npm.upstream.asked()).toHaveLength(3);
    says(npm, undefined);
    expect((await npm.get('/a')).status).toBe(502);
    npm.later(61);
    expect((await npm.get('/a')).status).toBe(200);
    expect(npm.upstream.asked()).toEqual(['/a']);
  });
});

describe('npm 38, X12: what is not there', () => {
  it('404 is 404, and believed for half a minute at most', async () => {
    const npm = await proxying();
    const missing = await npm.get('/a');
    expect([missing.status, jsonOf(missing).error]).toEqual([404, 'Not found']);
    expect((await npm.get('/a')).status).toBe(404);
    expect(npm.upstream.asked()).toEqual(['/a']);
    await npm.upstream.publish({ name: 'a', version: '1.0.0' });
    npm.later(31);
    expect(await versionsOf(npm)).toEqual(['1.0.0']);
  });

  it('whatever is configured, never for more than 60 seconds', async () => {
    const npm = await proxying({ more: { cache: { negativeTtlSeconds: 60, ttlSeconds: DAY } } });
    await npm.get('/a');
    npm.later(61);
    await npm.get('/a');
    expect(npm.upstream.asked()).toEqual(['/a', '/a']);
  });

  it('is not written down: no log and no copy for names that somebody types', async () => {
    const npm = await proxying();
    const before = lasting(await npm.house.keys());
    for (const name of ['x', 'y', '@a/b', 'z'.repeat(200)]) await npm.get(`/${name.replace('/', '%2f')}`);
    expect(lasting(await npm.house.keys())).toEqual(before);
  });

  it('a package that is gone there is gone here; one that comes back has its copies', async () => {
    const npm = await withA();
    await npm.get('/a/-/a-1.0.0.tgz');
    const document = npm.upstream.documents.get('a') ?? {};
    npm.upstream.documents.delete('a');
    npm.later(DAY);
    expect((await npm.get('/a')).status).toBe(404);
    npm.upstream.documents.set('a', document);
    npm.later(61);
    npm.upstream.asked();
    expect((await npm.get('/a/-/a-1.0.0.tgz')).status).toBe(200);
    expect(npm.upstream.asked()).toEqual(['/a']);
  });

  it('an unknown version is asked for once more, but not with every request', async () => {
    const npm = await withA();
    await npm.get('/a');
    await npm.upstream.publish({ name: 'a', version: '1.1.0' });
    npm.later(10);
    expect((await npm.get('/a/-/a-1.1.0.tgz')).status).toBe(200);
    for (let turn = 0; turn < 5; turn++) expect((await npm.get('/a/-/a-9.9.9.tgz')).status).toBe(404);
    expect(npm.upstream.asked()).toEqual(['/a', '/a', '/a/-/a-1.1.0.tgz']);
  });
});

describe('npm 38: how long a copy is believed', () => {
  it('nobody is asked while it is fresh; then it is served on while it is asked for', async () => {
    const npm = await withA();
    await npm.get('/a');
    await npm.upstream.publish({ name: 'a', version: '1.1.0' });
    npm.later(299);
    expect(await versionsOf(npm)).toEqual(['1.0.0']);
    expect(npm.upstream.asked()).toEqual(['/a']);
    npm.later(2);
    expect(await versionsOf(npm)).toEqual(['1.0.0']);
    await until(async () => (await versionsOf(npm)).length === 2, 'the new version');
    expect(npm.upstream.asked()).toEqual(['/a']);
  });

  it('a registry that ends does not wait for it', { timeout: 15_000 }, async () => {
    const npm = await withA();
    await npm.get('/a');
    says(npm, () => undefined);
    npm.later(301);
    await npm.get('/a');
    await until(() => npm.upstream.heard.length === 2, 'the second request');
    await npm.house.registry.destroy();
    expect(npm.house.faults).toEqual([]);
  });

  it('later it is waited for', async () => {
    const npm = await withA();
    await npm.get('/a');
    await npm.upstream.publish({ name: 'a', version: '1.1.0' });
    npm.later(601);
    expect(await versionsOf(npm)).toEqual(['1.0.0', '1.1.0']);
  });

  it('the upstream is asked with its own ETag, and 304 makes the copy fresh', async () => {
    const npm = await withA();
    await npm.get('/a');
    for (let turn = 0; turn < 3; turn++) {
      npm.later(601);
      expect(await versionsOf(npm)).toEqual(['1.0.0']);
      expect(await versionsOf(npm)).toEqual(['1.0.0']);
    }
    await until(() => npm.upstream.heard.every(({ status }) => status !== undefined), 'the answers');
    expect(npm.upstream.heard.map(({ status }) => status)).toEqual([200, 304, 304, 304]);
    const [first, second] = npm.upstream.heard;
    expect([first?.headers['if-none-match'], typeof second?.headers['if-none-match']]).toEqual([undefined, 'string']);
  });

  it('with Last-Modified where there is no ETag', async () => {
    const npm = await withA();
    const date = 'Fri, 01 Mar 2024 12:00:00 GMT';
    const document = npm.upstream.documents.get('a');
    says(npm, (response, { headers }) => {
      if (headers['if-modified-since'] === date) response.writeHead(304).end();
      else response.writeHead(200, { 'last-modified': date }).end(JSON.stringify(document));
    });
    await npm.get('/a');
    npm.later(DAY);
    expect(await versionsOf(npm)).toEqual(['1.0.0']);
    await until(() => npm.upstream.heard.at(-1)?.status !== undefined, 'the answer');
    expect(npm.upstream.heard.map(({ status }) => status)).toEqual([200, 304]);
  });

  it('without a cache the upstream is asked each time, and may fail all the same', async () => {
    const npm = await withA({ more: { cache: { enabled: false } } });
    for (let turn = 0; turn < 3; turn++) await npm.get('/a');
    expect(npm.upstream.asked()).toEqual(['/a', '/a', '/a']);
    await npm.upstream.stop();
    expect((await npm.get('/a')).headers['warning']).toBe('110 - "Response is Stale"');
  });

  it('a copy survives a restart, is shared by instances, and may be deleted', async () => {
    const npm = await withA();
    await npm.get('/a');
    const tarball = await npm.get('/a/-/a-1.0.0.tgz');
    npm.upstream.asked();
    const second = await npm.another();
    expect(await versionsOf(second)).toEqual(['1.0.0']);
    expect((await second.get('/a/-/a-1.0.0.tgz')).bytes.equals(tarball.bytes)).toBe(true);
    expect(npm.upstream.asked()).toEqual([]);
    await npm.house.driver.delete([...(await copies(npm))]);
    const third = await npm.another();
    expect(await versionsOf(third)).toEqual(['1.0.0']);
    expect((await third.get('/a/-/a-1.0.0.tgz')).bytes.equals(tarball.bytes)).toBe(true);
    expect(npm.upstream.asked()).toEqual(['/a', '/a/-/a-1.0.0.tgz']);
    await npm.upstream.stop();
    npm.later(DAY);
    expect(await versionsOf(await npm.another())).toEqual(['1.0.0']);
  });

  it('instances that renew it in turn never name bytes that are gone', async () => {
    const npm = await withA({ more: { cache: { ttlSeconds: 0 } } });
    const other = await npm.another();
    const both = [npm, other];
    for (const one of both) await versionsOf(one);
    for (let round = 1; round <= 2; round++) {
      await npm.upstream.publish({ name: 'a', version: `1.${round}.0` });
      for (const one of [...both, ...both]) {
        await one.get('/a');
        await npm.upstream.stop();
        const third = await npm.another();
        expect((await versionsOf(third)).length).toBeGreaterThanOrEqual(round);
        await third.house.close();
        await npm.upstream.start();
      }
    }
    expect(await copies(npm)).toHaveLength(2);
  });

  it.each([
    ['all', () => true],
    ['its bytes', (key: string) => !key.endsWith('.json')],
    ['its head', (key: string) => key.endsWith('.json')],
  ])('whose %s was deleted beside a running server is stored again', async (_, which) => {
    const npm = await withA({ more: { cache: { ttlSeconds: 0 } } });
    await npm.get('/a');
    await npm.house.driver.delete((await copies(npm)).filter(which));
    for (let turn = 0; turn < 2; turn++) expect(await versionsOf(npm)).toEqual(['1.0.0']);
    await npm.upstream.stop();
    expect(await versionsOf(await npm.another())).toEqual(['1.0.0']);
  });

  it('what could not be stored is served, and stored the next time', async () => {
    let full = true;
    const driver = refusing((method, key) => full && method === 'write' && key.startsWith('cache/'));
    const npm = await withA({ driver });
    expect(await versionsOf(npm)).toEqual(['1.0.0']);
    expect(await versionsOf(npm)).toEqual(['1.0.0']);
    expect(npm.upstream.asked()).toEqual(['/a']);
    full = false;
    npm.later(DAY);
    expect(await versionsOf(npm)).toEqual(['1.0.0']);
    expect((await copies(npm)).length).toBe(2);
    expect(await versionsOf(await npm.another())).toEqual(['1.0.0']);
    expect(npm.upstream.asked()).toEqual(['/a']);
  });

  it('what lies damaged below cache/ is no copy, and no fault', async () => {
    const npm = await withA();
    await npm.get('/a/-/a-1.0.0.tgz');
    for (const key of await copies(npm)) await npm.house.driver.write(key, Buffer.from('{"v":1,"key":"log/npm/x"}'));
    const other = await npm.another();
    expect(await versionsOf(other)).toEqual(['1.0.0']);
    expect((await other.get('/a/-/a-1.0.0.tgz')).status).toBe(200);
    expect(other.house.faults).toEqual([]);
  });
});

describe('npm 38, X11: many at once', () => {
  it('200 cold requests are one to the upstream, for documents and for files', async () => {
    const npm = await withA();
    for (const path of ['/a', '/a/-/a-1.0.0.tgz']) {
      npm.upstream.asked();
      const answers = await Promise.all(Array.from({ length: 200 }, () => npm.get(path)));
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
      expect([answers[0]?.status, npm.upstream.asked()]).toEqual([200, [path]]);
    }
  });

  it.each(['/a', '/a/-/a-1.0.0.tgz'])(
    '%s: who leaves takes nobody along; when all have left, the upstream request ends',
    async (path) => {
      const npm = await withA();
      await npm.get('/a');
      await npm.house.driver.delete([...(await copies(npm))]);
      const one = await npm.another();
      let go = (): void => undefined;
      says(npm, (response, { path: asked }) => {
        const found = asked.endsWith('.tgz') ? npm.upstream.files.get('/a/-/a-1.0.0.tgz') : undefined;
        const bytes = found ?? Buffer.from(JSON.stringify(npm.upstream.documents.get('a')));
        if (asked.endsWith(path)) go = () => response.end(bytes);
        else response.end(bytes);
      });
      const [leader, follower] = [new AbortController(), new AbortController()];
      npm.upstream.asked();
      const waits = (): boolean => npm.upstream.heard.at(-1)?.path.endsWith(path) === true && npm.upstream.open() > 0;
      const first = one.get(path, { signal: leader.signal }).catch((error: unknown) => error);
      await until(waits, 'the request upstream');
      const second = one.get(path);
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
      leader.abort();
      await first;
      go();
      expect((await second).status).toBe(200);
      expect(npm.upstream.asked().filter((asked) => asked === path)).toEqual([path]);
      // another house, where everybody leaves
      await npm.house.driver.delete([...(await copies(npm))]);
      const other = await npm.another();
      let closed = false;
      says(npm, (response, { path: asked }) => {
        if (!asked.endsWith(path)) return response.end(JSON.stringify(npm.upstream.documents.get('a')));
        return response.on('close', () => {
          closed = true;
        });
      });
      const before = npm.upstream.heard.length;
      const third = other.get(path, { signal: follower.signal }).catch((error: unknown) => error);
      await until(() => npm.upstream.heard.length > before && waits(), 'the request upstream');
      expect(closed).toBe(false);
      follower.abort();
      await third;
      await until(() => closed, 'the end of the request upstream');
      expect(other.house.faults).toEqual([]);
    },
  );
});
