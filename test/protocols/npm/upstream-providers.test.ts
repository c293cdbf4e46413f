import { describe, expect, it } from 'vitest';
import type { IProtocolUpstreams, IUpstreamProvider, IUpstreamQuestion } from '../../../ts/upstream/provider.js';
import { until } from '../../proof/house.js';
import { type MockRegistry, mockRegistry } from '../../upstream/mock-registry.js';
import { jsonOf, PATIENCE, type Proxying, type ProxyingOptions, proxying } from './upstream-house.js';

const answering = ({ url }: MockRegistry, id = 'main'): IProtocolUpstreams => ({
  enabled: true,
  upstreams: [{ id, url }],
  resilience: PATIENCE,
});

/** A house whose own provider answers whatever it likes. */
async function providing(
  answer: (question: IUpstreamQuestion, upstream: MockRegistry) => unknown,
  more: ProxyingOptions = {},
): Promise<Proxying> {
  const upstream = await mockRegistry();
  for (const name of ['a', 'b']) await upstream.publish({ name, version: '1.0.0' });
  const provider = { upstreamsFor: (question: IUpstreamQuestion) => answer(question, upstream) } as IUpstreamProvider;
  return proxying({ upstream, provider, ...more });
}

function circular(): object {
  const answer: { enabled: boolean; upstreams: unknown[] } = { enabled: true, upstreams: [] };
  answer.upstreams.push(answer);
  return answer;
}

describe('npm 38: a provider of the host', () => {
  it('is told who asks for what, and may answer differently each time', async () => {
    const asked: IUpstreamQuestion[] = [];
    const npm = await providing(
      (question, upstream) => {
        asked.push(question);
        return question.packageName === 'a' ? answering(upstream) : null;
      },
      { anonymousRead: true },
    );
    expect([(await npm.get('/a')).status, (await npm.get('/b')).status]).toEqual([200, 404]);
    expect((await npm.house.ask('GET', '/a')).status).toBe(200);
    const ann = await npm.house.registry.parts.auth.directory?.find('ann');
    expect(asked[0]).toEqual({ protocol: 'npm', repository: 'npm', packageName: 'a', userId: ann?.id });
    expect(asked.map(({ userId }) => userId)).toContain(undefined);
    expect(npm.upstream.asked()).toEqual(['/a']);
  });

  it('is not asked about what is ours', async () => {
    const asked: string[] = [];
    const npm = await providing(({ packageName }, upstream) => {
      asked.push(packageName);
      return answering(upstream);
    });
    await npm.publish({ name: 'own', version: '1.0.0' });
    expect((await npm.get('/own')).status).toBe(200);
    expect((await npm.get('/own/-/own-9.9.9.tgz')).status).toBe(404);
    expect(asked).toEqual([]);
  });

  const lies: [string, (upstream: MockRegistry) => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('canary-4711-secret');
      },
    ],
    ['rejects', () => Promise.reject(new Error('canary-4711-secret'))],
    ['rejects with nothing', () => Promise.reject()],
    ['answers nothing', () => undefined],
    ['answers a text', () => 'https://packages.example/'],
    ['answers a list', ({ url }) => [{ id: 'main', url }]],
    ['answers upstreams that are none', () => ({ enabled: true, upstreams: 'all' })],
    ['answers an upstream without a URL', () => ({ enabled: true, upstreams: [{ id: 'main' }] })],
    ['answers a file', () => ({ enabled: true, upstreams: [{ id: 'main', url: 'file:///etc/passwd' }] })],
    [
      'answers credentials in the URL',
      ({ host }) => ({ enabled: true, upstreams: [{ id: 'main', url: `http://canary-4711-secret@${host}/` }] }),
    ],
    ['answers an id that is a path', ({ url }) => ({ enabled: true, upstreams: [{ id: '../../log/npm', url }] })],
    [
      'answers one id twice',
      ({ url }) => ({
        enabled: true,
        upstreams: [
          { id: 'main', url },
          { id: 'main', url },
        ],
      }),
    ],
    [
      'answers a header',
      ({ url }) => ({ enabled: true, upstreams: [{ id: 'main', url, auth: { type: 'bearer', token: 'x\r\ny: z' } }] }),
    ],
    ['answers itself', circular],
    ['answers a number that JSON has not', ({ url }) => ({ enabled: true, upstreams: [{ id: 'main', url, priority: 1n }] })],
    [
      'answers what says that it is nothing',
      ({ url }) => ({ enabled: true, upstreams: [{ id: 'main', url }], toJSON: () => null }),
    ],
    [
      'answers what throws when it is looked at',
      () => ({
        enabled: true,
        get upstreams() {
          throw new Error('canary-4711-secret');
        },
      }),
    ],
    [
      'answers what throws anything when it is looked at',
      () =>
        new Proxy(
          {},
          {
            get() {
              throw null;
            },
          },
        ),
    ],
    // biome-ignore lint/suspicious/noThenProperty: that is the lie
    ['answers a promise that is none', () => ({ then: (_: unknown, no: (why: unknown) => void) => no(0) })],
  ];
  it.each(lies)('that %s: 503 for names that are not ours, nothing is asked and nothing is told', async (_, lie) => {
    const npm = await providing((_question, upstream) => lie(upstream));
    await npm.publish({ name: 'own', version: '1.0.0' });
    const answer = await npm.get('/a');
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
    expect(jsonOf(answer).error).toBe('it cannot be said which upstream registries apply');
    expect((await npm.get('/own')).status).toBe(200);
    expect(npm.upstream.asked()).toEqual([]);
    expect(new Set(npm.house.faults.map(({ where }) => where))).toEqual(new Set(['upstream provider']));
  });

  it('is read once: what it answers cannot be something else the second time, nor be changed afterwards', async () => {
    const elsewhere = await mockRegistry();
    let looks = 0;
    const npm = await providing((_, { url }) => ({
      enabled: true,
      resilience: PATIENCE,
      upstreams: [
        {
          id: 'main',
          get url() {
            return looks++ === 0 ? url : `${elsewhere.url}/\r\nx: y`;
          },
        },
      ],
    }));
    expect((await npm.get('/a')).status).toBe(200);
    expect(elsewhere.heard).toEqual([]);
    const mutable = { enabled: true, resilience: PATIENCE, upstreams: [{ id: 'main', url: '' }] };
    const other = await providing((_, { url }) => {
      const [first] = mutable.upstreams;
      if (first?.url === '') first.url = url;
      return mutable;
    });
    expect((await other.get('/a')).status).toBe(200);
    mutable.upstreams = [{ id: '../../log/npm', url: elsewhere.url }];
    expect((await other.get('/b')).status).toBe(503);
    expect([elsewhere.heard, (await other.house.keys()).filter((key) => key.startsWith('cache/npm/')).length]).toEqual([[], 2]);
  });

  const silences = ['never', 'too late', 'no, and too late'];
  it.each(silences)('that answers %s: 503 after its ten seconds, on every route', async (when) => {
    const late: (() => void)[] = [];
    let questions = 0;
    const npm = await providing((_question, upstream) => {
      questions++;
      if (when === 'never') return new Promise(() => undefined);
      return new Promise((resolve, reject) => {
        late.push(() => (when === 'too late' ? resolve(answering(upstream)) : reject(new Error('canary-4711-secret'))));
      });
    });
    await npm.publish({ name: 'own', version: '1.0.0' });
    npm.hurry();
    for (const path of ['/a', '/a/1.0.0', '/a/-/a-1.0.0.tgz', '/-/package/a/dist-tags', '/-/npm/v1/keys']) {
      const before = questions;
      let over = false;
      const waiting = npm.get(path).finally(() => {
        over = true;
      });
      await until(() => questions > before, 'the question');
      npm.later(9.5);
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(over).toBe(false);
      npm.later(0.5);
      const answer = await waiting;
      expect([answer.status, answer.headers['retry-after'], typeof jsonOf(answer).error], path).toEqual([503, '1', 'string']);
    }
    expect((await npm.get('/own')).status).toBe(200);
    for (const answer of late) answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(npm.upstream.asked()).toEqual([]);
    expect(npm.house.faults.map(({ error, where }) => `${where}: ${(error as Error).message}`)).toEqual(
      Array.from({ length: 5 }, () => 'upstream provider: no answer within 10000 ms'),
    );
  });

  it('that describes an upstream anew: what is under way there ends with the registry', { timeout: 15_000 }, async () => {
    let turn = 0;
    const npm = await providing((_, upstream) => ({
      ...answering(upstream),
      upstreams: [{ id: 'main', url: upstream.url, auth: { type: 'bearer', token: `token-${turn++}` } }],
    }));
    expect((await npm.get('/a')).status).toBe(200);
    npm.later(301);
    npm.upstream.script = ({ path }) => path.endsWith('/a');
    expect((await npm.get('/a')).status).toBe(200);
    await until(() => npm.upstream.heard.length === 2, 'the renewal behind the answer');
    expect((await npm.get('/b')).status).toBe(200);
    await npm.house.registry.destroy();
    await until(() => npm.upstream.open() === 0, 'the end of its connections');
  });

  it('with an id for each of many users: few connections are remembered, and all are served', async () => {
    let turn = 0;
    const npm = await providing((_, upstream) => answering(upstream, `for-${turn++}`), { anonymousRead: true });
    for (let user = 0; user < 290; user++) expect((await npm.house.ask('GET', `/a`)).status).toBe(200);
    expect(npm.upstream.open()).toBeLessThanOrEqual(256 + 16);
  });

  it('that does not answer is waited for ten seconds, and by nobody longer than they want', async () => {
    const npm = await providing(() => new Promise(() => undefined));
    const gone = new AbortController();
    const waiting = npm.get('/a', { signal: gone.signal }).catch(() => ({ status: 499 }));
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    gone.abort();
    expect((await waiting).status).toBeGreaterThanOrEqual(499);
  });
});

describe('npm 38: upstreams that are for some only', () => {
  /** The upstream is for ann alone. */
  const forAnn = async (): Promise<Proxying> =>
    providing(({ userId }, upstream) => (userId === undefined ? null : answering(upstream)), { anonymousRead: true });

  it('what they have is not for shared caches', async () => {
    const npm = await forAnn();
    for (const path of ['/a', '/a/1.0.0', '/a/-/a-1.0.0.tgz']) {
      const [answer, anonymous] = [await npm.get(path), await npm.house.ask('GET', path)];
      expect([answer.status, anonymous.status >= 400], path).toEqual([200, true]);
      expect(answer.headers['cache-control'], path).toMatch(/^private/);
      expect(answer.headers['vary'], path).toContain('Authorization');
    }
  });

  it('two users with an upstream each: each sees the same package all the time, and the log does not grow', async () => {
    const [one, two] = [await mockRegistry(), await mockRegistry()];
    const first = await one.publish({ name: 'x', version: '1.0.0' });
    const second = await two.publish({ name: 'x', version: '1.0.0' }, { 'other.js': '' });
    let ann: string | undefined;
    const npm = await providing(({ userId }) => (userId === ann ? answering(one, 'one') : answering(two, 'two')));
    ann = (await npm.house.registry.parts.auth.directory?.find('ann'))?.id;
    const bob = (await npm.house.user('bob')).token;
    const both = async (): Promise<void> => {
      expect((await npm.get('/x/-/x-1.0.0.tgz')).bytes.equals(first)).toBe(true);
      expect((await npm.get('/x/-/x-1.0.0.tgz', { token: bob })).bytes.equals(second)).toBe(true);
    };
    await both();
    const entries = async (): Promise<number> => (await npm.house.keys()).filter((key) => key.startsWith('log/npm/')).length;
    const before = await entries();
    for (let turn = 0; turn < 3; turn++) await both();
    expect(await entries()).toBe(before);
    // and what was seen of each stays
    await one.publish({ name: 'x', version: '1.0.0' }, { 'evil.js': '' });
    npm.later(86_400);
    await both();
  });
});
