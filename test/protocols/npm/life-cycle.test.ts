import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answered, type Registry, registry } from './rig.js';

let npm: Registry;
beforeEach(async () => {
  npm = await registry();
  for (const version of ['1.0.0', '1.1.0', '2.0.0']) await npm.publish({ name: 'pkg', version });
});
afterEach(async () => {
  expect(npm.faults).toEqual([]);
  await npm.close();
});

const document = async (name = 'pkg') => (await npm.get(`/${name}?write=true`)).json;

/** What `npm unpublish name@version` does. */
async function unpublish(version: string): Promise<Answered[]> {
  const { _attachments, ...before } = await document();
  const { dist } = before.versions[version];
  delete before.versions[version];
  for (const [tag, target] of Object.entries(before['dist-tags'])) if (target === version) delete before['dist-tags'][tag];
  before['dist-tags'].latest ??= Object.keys(before.versions).sort().at(-1);
  const put = await npm.put(`/pkg/-rev/${before._rev}`, before);
  const { _rev } = await document();
  const path = new URL(dist.tarball).pathname.replace(/^\/npm/, '');
  return [put, await npm.request('DELETE', `${path}/-rev/${_rev}`, { token: npm.token })];
}

describe('npm 9: dist-tags', () => {
  it('are listed, set with a JSON string, and removed', async () => {
    expect((await npm.put('/-/package/pkg/dist-tags/old', '"1.0.0"')).status).toBe(201);
    expect(
      (await npm.request('POST', '/-/package/pkg/dist-tags/next', { token: npm.token, body: JSON.stringify('1.1.0') })).status,
    ).toBe(201);
    expect((await npm.get('/-/package/pkg/dist-tags')).json).toEqual({ latest: '2.0.0', old: '1.0.0', next: '1.1.0' });
    expect((await npm.request('DELETE', '/-/package/pkg/dist-tags/old', { token: npm.token })).status).toBe(200);
    expect((await document())['dist-tags']).toEqual({ latest: '2.0.0', next: '1.1.0' });
  });

  it('refuse what cannot be: removing latest, versions that are not there, ranges, bodies that are no string', async () => {
    const at = '/-/package/pkg/dist-tags';
    expect((await npm.request('DELETE', `${at}/latest`, { token: npm.token })).status).toBe(400);
    expect((await npm.request('DELETE', `${at}/nope`, { token: npm.token })).status).toBe(404);
    expect((await npm.put(`${at}/next`, JSON.stringify('9.9.9'))).status).toBe(404);
    expect((await npm.put(`${at}/1.x`, JSON.stringify('1.0.0'))).status).toBe(400);
    expect((await npm.put(`${at}/__proto__`, JSON.stringify('1.0.0'))).status).toBe(400);
    expect((await npm.put(`${at}/next`, { version: '1.0.0' })).status).toBe(400);
    expect((await npm.get('/-/package/nope/dist-tags')).status).toBe(404);
    expect((await document())['dist-tags']).toEqual({ latest: '2.0.0' });
  });

  it('are replaced or added to as an object', async () => {
    await npm.put('/-/package/pkg/dist-tags', { one: '1.0.0', latest: '1.1.0' });
    expect((await document())['dist-tags']).toEqual({ latest: '1.1.0', one: '1.0.0' });
    await npm.request('POST', '/-/package/pkg/dist-tags', { token: npm.token, body: { two: '2.0.0' } });
    await npm.put('/-/package/pkg/dist-tags', { two: '1.0.0' });
    expect((await document())['dist-tags']).toEqual({ latest: '1.1.0', two: '1.0.0' });
  });
});

describe('npm 10: deprecation', () => {
  it('N5: a message that would steer the terminal of whoever installs is refused', async () => {
    const body = await document();
    for (const message of ['\u001b[31mred', 'bell\u0007', 'c1 \u009b2J', 'gone\b\b']) {
      body.versions['1.0.0'].deprecated = message;
      const answer = await npm.put('/pkg', body);
      expect([answer.status, answer.json.error]).toEqual([400, expect.stringContaining('control characters')]);
    }
    body.versions['1.0.0'].deprecated = 'use\tanother\nline';
    expect((await npm.put('/pkg', body)).status).toBe(200);
  });

  it('comes and goes with a message, in both forms, and touches nothing else', async () => {
    const body = await document();
    body.versions['1.0.0'].deprecated = 'old';
    body.versions['1.1.0'].deprecated = 'old';
    body.versions['2.0.0'].dependencies = { smuggled: '1' };
    body.maintainers = [{ name: 'eve' }];
    expect((await npm.put('/pkg', body)).status).toBe(200);
    const after = await document();
    expect(after.versions['1.0.0'].deprecated).toBe('old');
    expect(after.versions['2.0.0']).not.toHaveProperty('deprecated');
    expect(after.versions['2.0.0']).not.toHaveProperty('dependencies');
    expect(after.maintainers).toEqual([{ name: 'ann', email: 'ann@mail.example' }]);
    const short = (await npm.get('/pkg', { headers: { accept: 'application/vnd.npm.install-v1+json' } })).json;
    expect(short.versions['1.1.0'].deprecated).toBe('old');
    after.versions['1.0.0'].deprecated = '';
    await npm.put('/pkg', after);
    const last = await document();
    expect(last.versions['1.0.0']).not.toHaveProperty('deprecated');
    expect(last.versions['1.1.0'].deprecated).toBe('old');
    expect((await npm.get('/pkg/-/pkg-1.1.0.tgz')).status).toBe(200);
  });

  it('of all versions is one change', async () => {
    const body = await document();
    for (const manifest of Object.values<{ deprecated?: string }>(body.versions)) manifest.deprecated = 'all of it';
    await npm.put('/pkg', body);
    const slots = (await npm.driver.list('log/npm/')).objects.map(({ key }) => key);
    const last = Buffer.from((await npm.driver.read(slots.at(-1) ?? ''))?.body as Uint8Array).toString();
    const { changes } = JSON.parse(last.split('\n')[1] ?? '');
    expect(changes).toMatchObject([
      { type: 'status', versions: ['1.0.0', '1.1.0', '2.0.0'], status: 'yanked', reason: 'all of it' },
    ]);
  });

  it('npm 13: of a document that has changed since is a conflict', async () => {
    const body = await document();
    await npm.publish({ name: 'pkg', version: '3.0.0' });
    body.versions['1.0.0'].deprecated = 'old';
    const answer = await npm.put('/pkg', body);
    expect(answer.status).toBe(409);
    expect(answer.json.error).toMatch(/conflict/i);
  });
});

describe('npm 11: unpublish one version', () => {
  it('moves latest on, takes the tarball away, and keeps the version taken for ever', async () => {
    const [put, gone] = await unpublish('2.0.0');
    expect([put?.status, gone?.status]).toEqual([201, 200]);
    const after = await document();
    expect(Object.keys(after.versions)).toEqual(['1.0.0', '1.1.0']);
    expect(after['dist-tags']).toEqual({ latest: '1.1.0' });
    expect(after.time).not.toHaveProperty('2.0.0');
    expect((await npm.get('/pkg/-/pkg-2.0.0.tgz')).status).toBe(404);
    expect((await npm.get('/pkg/2.0.0')).status).toBe(404);
    expect((await npm.publish({ name: 'pkg', version: '2.0.0' })).status).toBe(403);
    expect((await npm.publish({ name: 'pkg', version: '2.0.1' })).status).toBe(201);
  });

  it('npm 13: with a stale or made-up revision is a conflict', async () => {
    const { _rev, ...body } = await document();
    delete body.versions['1.0.0'];
    await npm.publish({ name: 'pkg', version: '3.0.0' });
    for (const rev of [_rev, 'undefined', '1-0000', '99-abc']) {
      expect((await npm.put(`/pkg/-rev/${rev}`, body)).status, rev).toBe(409);
      expect((await npm.request('DELETE', `/pkg/-rev/${rev}`, { token: npm.token })).status, rev).toBe(409);
      expect((await npm.request('DELETE', `/pkg/-/pkg-1.0.0.tgz/-rev/${rev}`, { token: npm.token })).status, rev).toBe(409);
    }
    expect(Object.keys((await document()).versions)).toHaveLength(4);
  });

  it('npm 13: of two who hold the same revision one wins', async () => {
    const body = await document();
    const without = (version: string) => ({
      ...body,
      versions: Object.fromEntries(Object.entries(body.versions).filter(([key]) => key !== version)),
    });
    const answers = await Promise.all(['1.0.0', '1.1.0'].map((version) => npm.put(`/pkg/-rev/${body._rev}`, without(version))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect(Object.keys((await document()).versions)).toHaveLength(2);
  });

  it('takes no document without versions for a deletion, and none with versions that never were', async () => {
    const body = await document();
    await npm.put(`/pkg/-rev/${body._rev}`, { ...body, versions: {} });
    expect(Object.keys((await document()).versions)).toHaveLength(3);
    const made = { ...body, versions: { ...body.versions, '9.9.9': body.versions['1.0.0'] } };
    expect((await npm.put(`/pkg/-rev/${body._rev}`, made)).status).toBe(400);
    expect(Object.keys((await document()).versions)).toHaveLength(3);
  });

  it('npm 11: a document with all versions in it is refused, whatever else is different: nothing of that would be done', async () => {
    const body = await document();
    for (const change of [
      {},
      { users: { ann: true } },
      { maintainers: [{ name: 'eve' }] },
      { 'dist-tags': { latest: '1.0.0' } },
    ]) {
      const answer = await npm.put(`/pkg/-rev/${body._rev}`, { ...body, ...change });
      expect([answer.status, answer.json.error]).toEqual([400, expect.stringContaining('keeps all versions')]);
    }
    expect((await document())._rev).toBe(body._rev);
  });

  it('takes the readme of the version with it, also when latest has moved on before', async () => {
    const files = { 'README.md': '# of the version that goes' };
    await npm.publish({ name: 'pkg', version: '4.0.0' }, { files });
    expect((await document()).readme).toBe('# of the version that goes');
    await npm.put('/-/package/pkg/dist-tags/latest', '"1.0.0"');
    await unpublish('2.0.0');
    expect(await document()).toMatchObject({ readme: '# of the version that goes', readmeFilename: 'README.md' });
    await unpublish('4.0.0');
    expect((await npm.get('/pkg')).text).not.toContain('of the version that goes');
    expect(await document()).not.toHaveProperty('readmeFilename');
    expect((await npm.publish({ name: 'pkg', version: '4.0.1' }, { files: { 'README.md': '# next' } })).status).toBe(201);
    expect((await document()).readme).toBe('# next');
  });

  it('asks hooks, which may veto', async () => {
    const asked: string[] = [];
    const hooked = await registry({
      hooks: {
        beforeDelete: async ({ metadata }) => {
          asked.push(metadata.version);
          return { allowed: false, reason: 'keep it' };
        },
      },
    });
    await hooked.publish({ name: 'pkg', version: '1.0.0' });
    const { _rev } = (await hooked.get('/pkg')).json;
    const answer = await hooked.request('DELETE', `/pkg/-rev/${_rev}`, { token: hooked.token });
    expect([answer.status, answer.json.error, asked]).toEqual([403, 'keep it', ['1.0.0']]);
    expect((await hooked.get('/pkg')).status).toBe(200);
    await hooked.close();
  });
});

describe('npm 12: unpublish the whole package', () => {
  it('leaves a 404, the versions taken, and the name with its owner', async () => {
    const { _rev } = await document();
    expect((await npm.request('DELETE', `/pkg/-rev/${_rev}`, { token: npm.token })).status).toBe(200);
    for (const path of ['/pkg', '/pkg/1.0.0', '/pkg/-/pkg-1.0.0.tgz', '/-/package/pkg/dist-tags'])
      expect((await npm.get(path)).status).toBe(404);
    expect((await npm.get('/-/v1/search?text=pkg')).json.total).toBe(0);
    expect((await npm.publish({ name: 'pkg', version: '1.0.0' })).status).toBe(403);
    const bob = await npm.user('bob');
    expect((await npm.publish({ name: 'pkg', version: '5.0.0' }, { token: bob })).status).toBe(403);
    expect((await npm.publish({ name: 'pkg', version: '5.0.0' })).status).toBe(201);
    expect(Object.keys((await document()).versions)).toEqual(['5.0.0']);
  });
});

describe('npm 14: owners', () => {
  const owners = async (names: string[], token = npm.token) => {
    const { _id, _rev } = (await npm.get('/pkg', { token })).json;
    return npm.put(`/pkg/-rev/${_rev}`, { _id, _rev, maintainers: names.map((name) => ({ name, email: '' })) }, { token });
  };

  it('are added and removed, and may publish exactly then', async () => {
    const bob = await npm.user('bob');
    expect((await npm.publish({ name: 'pkg', version: '3.0.0' }, { token: bob })).status).toBe(403);
    expect((await npm.get('/-/user/org.couchdb.user:bob')).json).toMatchObject({ name: 'bob' });
    expect((await owners(['ann', 'bob'])).status).toBe(201);
    expect((await document()).maintainers.map(({ name }: { name: string }) => name)).toEqual(['ann', 'bob']);
    expect((await npm.publish({ name: 'pkg', version: '3.0.0' }, { token: bob })).status).toBe(201);
    expect((await owners(['bob'], bob)).status).toBe(201);
    expect((await npm.publish({ name: 'pkg', version: '4.0.0' })).status).toBe(403);
    expect(Object.keys((await document()).versions)).toEqual(['1.0.0', '1.1.0', '2.0.0', '3.0.0']);
  });

  it('there is always one, it is somebody, and others cannot make themselves one', async () => {
    const eve = await npm.user('eve');
    expect((await owners([])).status).toBe(400);
    expect((await owners(['nobody'])).status).toBe(400);
    expect((await owners(['eve'], eve)).status).toBe(403);
    expect((await npm.get('/-/user/org.couchdb.user:nobody')).status).toBe(404);
    expect((await document()).maintainers).toHaveLength(1);
  });

  it('of two who hold the same revision one wins', async () => {
    for (const name of ['bob', 'cid']) await npm.user(name);
    const { _rev } = await document();
    const answers = await Promise.all(
      ['bob', 'cid'].map((name) => npm.put(`/pkg/-rev/${_rev}`, { _rev, maintainers: [{ name: 'ann' }, { name }] })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });
});

describe('stars', () => {
  const star = async (token: string, users: Record<string, boolean>) => {
    const { _id, _rev } = await document();
    return npm.put('/pkg', { _id, _rev, users }, { token });
  };

  it('npm 33: pnpm stars by name, and lists the names', async () => {
    const bob = await npm.user('bob');
    const reader = await npm.user('rob', { readonly: true });
    const at = (name: string) => `/-/user/package/${name}/star`;
    const stars = async (): Promise<unknown> => (await npm.get('/-/user/bob/stars')).json;
    const before = (await document()).maintainers;
    expect((await npm.request('PUT', at('pkg'), { token: bob })).json).toMatchObject({ ok: true, id: 'pkg' });
    expect((await document()).users).toEqual({ bob: true });
    expect(await stars()).toEqual(['pkg']);
    expect((await npm.request('DELETE', at('pkg'), { token: bob })).status).toBe(200);
    expect([(await document()).users, await stars(), (await document()).maintainers]).toEqual([{}, [], before]);
    expect((await npm.request('PUT', at('pkg'))).status).toBe(401);
    expect((await npm.request('PUT', at('pkg'), { token: reader })).status).toBe(403);
    expect((await npm.request('PUT', at('@t%2fnope'), { token: bob })).status).toBe(404);
    expect((await npm.get('/-/user/nobody/stars')).json).toEqual([]);
  });

  it('are set and taken back by anyone who may read, for themselves alone', async () => {
    const bob = await npm.user('bob');
    expect((await star(bob, { bob: true, ann: true })).status).toBe(200);
    expect((await document()).users).toEqual({ bob: true });
    expect((await npm.get('/-/_view/starredByUser?key=%22bob%22')).json).toEqual({ rows: [{ value: 'pkg' }] });
    expect((await npm.get('/-/_view/starredByUser?key=%22ann%22')).json).toEqual({ rows: [] });
    await star(bob, {});
    expect((await document()).users).toEqual({});
    const reader = await npm.user('rob', { readonly: true });
    expect((await star(reader, { rob: true })).status).toBe(403);
  });
});

it('a document that asks for nothing is refused', async () => {
  expect((await npm.put('/pkg', { _id: 'pkg' })).status).toBe(400);
});
