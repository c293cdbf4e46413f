import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { IHookVerdict, IStorageHookContext } from '../../../ts/packages/hooks.js';
import { until } from '../../proof/house.js';
import { integrityOf, mockRegistry, shasumOf } from '../../upstream/mock-registry.js';
import { copies, jsonOf, type Proxying, type ProxyingOptions, proxying, refusing } from './upstream-house.js';

const FILE = '/a/-/a-1.0.0.tgz';

async function withA(options: ProxyingOptions = {}): Promise<{ npm: Proxying; bytes: Buffer }> {
  const npm = await proxying(options);
  return { npm, bytes: await npm.upstream.publish({ name: 'a', version: '1.0.0' }) };
}

const onFile = (npm: Proxying, answer: (response: ServerResponse) => unknown): void => {
  npm.upstream.script = ({ path }, response) => {
    if (!path.endsWith('.tgz')) return false;
    answer(response);
    return true;
  };
};

/** Keys of copies of files: a document and its head are two. */
const keptFiles = async (npm: Proxying): Promise<number> => (await copies(npm)).length - 2;

describe('npm 38, X4, X5, INV10: what is not what the document says is not sent and not kept', () => {
  const lies: [string, (response: ServerResponse, bytes: Buffer) => unknown][] = [
    [
      'one bit is another',
      (response, bytes) => response.end(Buffer.from(bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte)))),
    ],
    ['the last byte is another', (response, bytes) => response.end(Buffer.concat([bytes.subarray(0, -1), Buffer.from([0xee])]))],
    ['it is another file', (response) => response.end('something else')],
    ['it is a page', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    ['it is empty', (response) => response.end()],
    ['it is short', (response, bytes) => response.end(bytes.subarray(0, 50))],
    ['it is long', (response, bytes) => response.end(Buffer.concat([bytes, Buffer.from('x')]))],
    [
      'it breaks off before its length',
      (response, bytes) =>
        response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 50), () => response.destroy()),
    ],
    ['chunks break off', (response, bytes) => response.write(bytes, () => response.socket?.destroy())],
    [
      'it is shorter than announced',
      (response, bytes) =>
        response.socket?.end(
          `HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length + 1}\r\n\r\n${bytes.toString('latin1')}`,
          'latin1',
        ),
    ],
    ['it comes coded', (response, bytes) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bytes)],
    ['it is gone', (response) => response.writeHead(500).end()],
  ];
  it.each(lies)('%s', async (_, lie) => {
    const { npm, bytes } = await withA();
    onFile(npm, (response) => lie(response, bytes));
    for (let turn = 0; turn < 2; turn++) {
      const answer = await npm.get(FILE);
      expect([answer.status, typeof jsonOf(answer).error]).toEqual([502, 'string']);
      expect(await keptFiles(npm)).toBe(0);
    }
    npm.upstream.script = undefined;
    expect((await npm.get(FILE)).bytes.equals(bytes)).toBe(true);
    expect(await keptFiles(npm)).toBe(2);
  });

  it('a file that the document names and the upstream has not is 404, for now', async () => {
    const { npm, bytes } = await withA();
    npm.upstream.files.clear();
    expect((await npm.get(FILE)).status).toBe(404);
    npm.upstream.files.set(FILE, bytes);
    expect((await npm.get(FILE)).status).toBe(200);
  });

  it('a larger file than any registry takes ends before its bytes are here', async () => {
    const { npm } = await withA();
    onFile(npm, (response) => {
      response.on('error', () => undefined);
      response.writeHead(200, { 'content-length': 10 ** 12 }).write('x');
    });
    expect((await npm.get(FILE)).status).toBe(502);
  });

  it('npm 38: a document with sha1 alone is checked by that', async () => {
    const { npm, bytes } = await withA();
    delete npm.upstream.documents.get('a')?.['versions']['1.0.0'].dist.integrity;
    const { dist } = jsonOf(await npm.get('/a/1.0.0'));
    expect([dist.integrity, dist.shasum]).toEqual([undefined, shasumOf(bytes)]);
    onFile(npm, (response) => response.end('other'));
    expect((await npm.get(FILE)).status).toBe(502);
    npm.upstream.script = undefined;
    expect((await npm.get(FILE)).bytes.equals(bytes)).toBe(true);
  });
});

describe('npm 38: a copy of a file', () => {
  it('is served when the upstream is down, for as long as its document is', async () => {
    const { npm, bytes } = await withA();
    await npm.get(FILE);
    await npm.upstream.stop();
    npm.later(86_400);
    const answer = await (await npm.another()).get(FILE);
    expect([answer.status, answer.bytes.equals(bytes)]).toEqual([200, true]);
    expect(answer.headers['cache-control']).toBe('private, max-age=31536000, immutable');
  });

  it('is never asked for again', async () => {
    const { npm } = await withA();
    for (let turn = 0; turn < 4; turn++) {
      expect((await npm.get(FILE)).status).toBe(200);
      npm.later(86_400);
    }
    expect(npm.upstream.asked().filter((path) => path === FILE)).toEqual([FILE]);
  });

  it('whose bytes alone are gone is fetched anew, in the same answer', async () => {
    const { npm, bytes } = await withA();
    await npm.get(FILE);
    const other = await npm.another();
    for (const one of [npm, other]) {
      const bodies = (await copies(npm)).filter((key) => !key.endsWith('.json'));
      await npm.house.driver.delete(bodies);
      const answer = await one.get(FILE);
      expect([answer.status, answer.bytes.equals(bytes)]).toEqual([200, true]);
    }
    expect(npm.upstream.asked().filter((path) => path === FILE)).toEqual([FILE, FILE, FILE]);
    expect([...npm.house.faults, ...other.house.faults]).toEqual([]);
    // without the upstream there is nothing to give, until it is back
    await npm.house.driver.delete((await copies(npm)).filter((key) => !key.endsWith('.json')));
    await npm.upstream.stop();
    expect((await npm.get(FILE)).status).toBe(502);
    await npm.upstream.start();
    expect((await npm.get(FILE)).status).toBe(200);
  });

  it('two instances that fetch it at the same moment leave each other what they read', async () => {
    let asking = 0;
    let reached = (): void => undefined;
    let goOn = (): void => undefined;
    const fetched = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const { npm, bytes } = await withA({
      hooks: {
        // the first has its copy and stands before it opens it
        beforeGet: async ({ metadata }) => {
          if (metadata.size > 0 && asking++ === 0) {
            reached();
            await new Promise<void>((resolve) => {
              goOn = resolve;
            });
          }
          return { allowed: true };
        },
      },
    });
    const other = await npm.another();
    let answerOther = (): void => undefined;
    onFile(npm, (response) => {
      if (npm.upstream.heard.filter(({ path }) => path.endsWith('.tgz')).length === 1) answerOther = () => response.end(bytes);
      else response.end(bytes);
    });
    const second = other.get(FILE);
    await until(() => npm.upstream.heard.some(({ path }) => path.endsWith('.tgz')), 'the request of the other one');
    const first = npm.get(FILE);
    await fetched;
    answerOther();
    expect((await second).bytes.equals(bytes)).toBe(true);
    goOn();
    expect((await first).bytes.equals(bytes)).toBe(true);
    expect(npm.upstream.asked().filter((path) => path === FILE)).toEqual([FILE, FILE]);
    expect(await keptFiles(npm)).toBe(2);
  });

  it('lies at another origin only where the operator says so, and no credentials go there', async () => {
    const files = await mockRegistry();
    const token = 'canary-4711-secret';
    const auth = { type: 'bearer', token } as const;
    for (const alsoAt of [[], [`http://${files.host}`]]) {
      const { npm, bytes } = await withA({ described: { auth, alsoAt } });
      files.files.set(FILE, bytes);
      const document = npm.upstream.documents.get('a') ?? {};
      document['versions']['1.0.0'].dist.tarball = `${files.url}${FILE}`;
      expect((await npm.get(FILE)).status).toBe(alsoAt.length === 0 ? 502 : 200);
      expect(npm.upstream.heard.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`]);
    }
    expect(files.heard.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('npm 39: a redirect to another origin is followed without credentials', async () => {
    const files = await mockRegistry();
    const { npm, bytes } = await withA({
      described: { auth: { type: 'bearer', token: 'canary-4711-secret' }, alsoAt: [`http://${files.host}`] },
    });
    files.files.set(FILE, bytes);
    onFile(npm, (response) => response.writeHead(302, { location: `${files.url}${FILE}` }).end());
    expect((await npm.get(FILE)).status).toBe(200);
    expect(files.heard.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe('npm 38, X15: an upstream that changes its mind', () => {
  it('the digests that were seen first stay, with or without the copies; the operator hears of it', async () => {
    const { npm, bytes } = await withA();
    await npm.get('/a');
    const evil = await npm.upstream.publish({ name: 'a', version: '1.0.0' }, { 'evil.js': 'x' });
    expect(evil.equals(bytes)).toBe(false);
    npm.later(86_400);
    expect(jsonOf(await npm.get('/a/1.0.0')).dist).toMatchObject({ integrity: integrityOf(bytes), shasum: shasumOf(bytes) });
    expect(npm.house.faults.map(({ where }) => where)).toEqual(['npm upstream']);
    expect(String(npm.house.faults[0]?.error)).toContain('main shows other bytes of a-1.0.0.tgz than at first');
    expect((await npm.get(FILE)).status).toBe(502);
    await npm.house.driver.delete([...(await copies(npm))]);
    const other = await npm.another();
    expect((await other.get(FILE)).status).toBe(502);
    npm.upstream.files.set(FILE, bytes);
    expect((await other.get(FILE)).bytes.equals(bytes)).toBe(true);
  });

  it('what could not be written down is written down with a later request, and is served meanwhile', async () => {
    let full = true;
    const { npm, bytes } = await withA({
      driver: refusing((method, key) => full && ['write', 'prepare'].includes(method) && key.startsWith('log/npm/')),
    });
    for (let turn = 0; turn < 3; turn++) expect((await npm.get(FILE)).bytes.equals(bytes)).toBe(true);
    // not with each request: a store that takes nothing is left alone for a while
    expect(npm.house.faults.map(({ where }) => where)).toEqual(['npm upstream: what was seen']);
    full = false;
    npm.later(6);
    await npm.get('/a');
    await npm.upstream.publish({ name: 'a', version: '1.0.0' }, { 'evil.js': 'x' });
    await npm.house.driver.delete([...(await copies(npm))]);
    const { dist } = jsonOf(await (await npm.another()).get('/a/1.0.0'));
    expect(dist.integrity).toBe(integrityOf(bytes));
  });

  it('of thousands of versions with long names, too', async () => {
    const npm = await proxying();
    const name = 'n'.repeat(200);
    await npm.upstream.publish({ name, version: '1.0.0' });
    const versions = npm.upstream.documents.get(name)?.['versions'];
    for (let at = 0; at < 2_500; at++) {
      const version = `1.0.0-${'x'.repeat(200)}.${at}`;
      versions[version] = { ...versions['1.0.0'], version };
    }
    expect((await npm.get(`/${name}/1.0.0`)).status).toBe(200);
    const shown = npm.house.registry.parts.repositories[0]?.space.read(name);
    const { state } = (await shown) as unknown as { state: { shown: Map<string, Map<string, unknown>> } };
    expect(state.shown.get('main')?.size).toBe(2_501);
    expect(npm.house.faults).toEqual([]);
  });

  it('the copy goes on being served', async () => {
    const { npm, bytes } = await withA();
    await npm.get(FILE);
    await npm.upstream.publish({ name: 'a', version: '1.0.0' }, { 'evil.js': 'x' });
    npm.later(86_400);
    expect((await npm.get(FILE)).bytes.equals(bytes)).toBe(true);
  });

  it('with a digest of another kind beside, it is still those of the first bytes alone that are shown', async () => {
    const { npm, bytes } = await withA();
    delete npm.upstream.documents.get('a')?.['versions']['1.0.0'].dist.integrity;
    await npm.get(FILE);
    await npm.upstream.publish({ name: 'a', version: '1.0.0' }, { 'evil.js': 'x' });
    npm.later(86_400);
    const { dist } = jsonOf(await npm.get('/a/1.0.0'));
    expect([dist.shasum, dist.integrity]).toEqual([shasumOf(bytes), undefined]);
    expect((await npm.get(FILE)).bytes.equals(bytes)).toBe(true);
  });

  it('a stronger digest that comes later is taken on for ever; one that comes with other bytes is not', async () => {
    const { npm, bytes } = await withA();
    const dist = npm.upstream.documents.get('a')?.['versions']['1.0.0'].dist;
    delete dist.integrity;
    await npm.get(FILE);
    dist.integrity = integrityOf(bytes);
    npm.later(86_400);
    expect(jsonOf(await npm.get('/a/1.0.0')).dist.integrity).toBe(integrityOf(bytes));
    expect((await npm.get(FILE)).status).toBe(200);
    await npm.upstream.publish({ name: 'a', version: '1.0.0' }, { 'evil.js': 'x' });
    npm.later(86_400);
    expect(jsonOf(await npm.get('/a/1.0.0')).dist).toMatchObject({ shasum: shasumOf(bytes), integrity: integrityOf(bytes) });
    expect((await npm.get(FILE)).bytes.equals(bytes)).toBe(true);
  });
});

describe('npm 38, X10: times', () => {
  it('what the upstream says; where it says nothing, when it was first seen here, for ever', async () => {
    const { npm } = await withA();
    const document = npm.upstream.documents.get('a') ?? {};
    document['time'] = {};
    const before = Date.now();
    const first = jsonOf(await npm.get('/a'));
    const seen = Date.parse(first.time['1.0.0']);
    expect(seen).toBeGreaterThanOrEqual(before);
    expect(seen).toBeLessThanOrEqual(Date.now());
    npm.later(86_400);
    await npm.upstream.publish({ name: 'a', version: '1.1.0' });
    document['time'] = { '1.1.0': 'never' };
    const { time } = jsonOf(await npm.get('/a'));
    expect(Date.parse(time['1.0.0'])).toBe(seen);
    expect(Date.parse(time['1.1.0'])).toBeGreaterThan(seen + 86_000_000);
    await npm.house.driver.delete([...(await copies(npm))]);
    expect(jsonOf(await (await npm.another()).get('/a')).time).toMatchObject({ '1.0.0': time['1.0.0'], '1.1.0': time['1.1.0'] });
  });
});

describe('npm 38: storage hooks', () => {
  it('hear of files of upstreams, and may refuse them', async () => {
    const heard: string[] = [];
    const note = (name: string, { key, metadata }: IStorageHookContext): void => {
      heard.push(`${name} ${key} ${metadata.packageName} ${metadata.version} ${metadata.size > 0}`);
    };
    let allowed = true;
    const { npm } = await withA({
      hooks: {
        beforeGet: async (context) => {
          note('before', context);
          return allowed ? { allowed } : { allowed, reason: 'not this one' };
        },
        afterGet: async (context) => note('after', context),
      },
    });
    const said = (): string[] => heard.splice(0);
    expect((await npm.get(FILE)).status).toBe(200);
    await until(() => heard.length === 3, 'all hooks');
    const [before, after] = ['before npm/a/a-1.0.0.tgz a 1.0.0 true', 'after npm/a/a-1.0.0.tgz a 1.0.0 true'];
    // of what is not here yet nobody knows the size
    expect(said()).toEqual(['before npm/a/a-1.0.0.tgz a 1.0.0 false', before, after]);
    expect((await npm.get(FILE)).status).toBe(200);
    await until(() => heard.length === 2, 'both hooks');
    expect(said()).toEqual([before, after]);
    allowed = false;
    const refused = await npm.get(FILE);
    expect([refused.status, jsonOf(refused).error]).toEqual([403, 'not this one']);
    expect(said()).toEqual([before]);
  });

  it('what they refuse is not fetched, and nothing of it kept; others who ask at the same moment get it', async () => {
    const digests: unknown[] = [];
    const { npm, bytes } = await withA({
      anonymousRead: true,
      hooks: {
        beforeGet: async ({ actor, metadata }) => {
          digests.push(metadata['digests']);
          return { allowed: actor?.userId !== undefined, reason: 'not for strangers' };
        },
      },
    });
    const stranger = async () => npm.house.ask('GET', FILE);
    for (let turn = 0; turn < 3; turn++) expect([(await stranger()).status, await keptFiles(npm)]).toEqual([403, 0]);
    expect((await npm.house.ask('HEAD', FILE)).status).toBe(403);
    expect(npm.upstream.asked()).toEqual(['/a']);
    expect(digests[0]).toEqual({ sha512: createHash('sha512').update(bytes).digest('hex'), sha1: shasumOf(bytes) });
    const answers = await Promise.all([npm.get(FILE), stranger(), npm.get(FILE), stranger()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 200, 403]);
    expect(npm.upstream.asked()).toEqual([FILE]);
  });

  it.each(['throw', 'say nothing'])('that %s refuse before anything is fetched', async (what) => {
    const beforeGet = async () => {
      if (what === 'throw') throw new Error('canary-4711-secret');
      return undefined as unknown as IHookVerdict;
    };
    const { npm } = await withA({ hooks: { beforeGet } });
    const refused = await npm.get(FILE);
    expect([refused.status, jsonOf(refused).error]).toEqual([403, 'refused by policy']);
    expect([npm.upstream.asked(), npm.house.faults.length]).toEqual([['/a'], 1]);
  });
});
