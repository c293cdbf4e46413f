import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { historyOf } from '../../../ts/packages/history.js';
import { npmLifeCycle } from '../../../ts/protocols/npm/management.js';
import { parseName } from '../../../ts/protocols/npm/names.js';
import { renderAbbreviated, renderFull } from '../../../ts/protocols/npm/render.js';
import type { NpmRelease, NpmState } from '../../../ts/protocols/npm/state.js';
import { PackageLifeCycle } from '../../../ts/server/life-cycle.js';
import { showPackage } from '../../../ts/server/shown-package.js';
import { turnsDuring } from '../../formats/turns.js';
import { commitMany } from './many-versions.js';
import { type Registry, registry } from './rig.js';

const VERSIONS = 5_000;
const name = parseName('many');

describe('R1: a package of 5,000 versions', () => {
  let npm: Registry;
  let state: NpmState;
  beforeAll(async () => {
    npm = await registry();
    state = await commitMany(npm, VERSIONS, { description: 'x'.repeat(200) });
  });
  afterAll(async () => {
    expect(npm.faults).toEqual([]);
    await npm.close();
  });

  it.each([
    ['full', renderFull],
    ['abbreviated', renderAbbreviated],
  ] as const)('its %s document is written some hundred versions at a time', async (_, render) => {
    const manifest = ({ manifest: kept }: NpmRelease): Uint8Array => (kept && 'bytes' in kept ? kept.bytes : new Uint8Array(0));
    const person = (id: string) => ({ name: id, email: '' });
    const input = { name, state, rev: '1-a', baseUrl: 'https://registry.example/npm', manifest, person, readme: undefined };
    let document: Uint8Array = new Uint8Array(0);
    const turns = await turnsDuring(async () => {
      document = await render(input);
    });
    const { versions, time } = JSON.parse(Buffer.from(document).toString('utf8')) as Record<string, object>;
    expect([Object.keys(versions ?? {}).length, Object.keys(time ?? {}).length >= VERSIONS]).toEqual([VERSIONS, true]);
    expect(turns).toBeGreaterThanOrEqual(VERSIONS / 500);
  });

  it('its history is told some hundred records at a time', async () => {
    let records = 0;
    const turns = await turnsDuring(async () => {
      for await (const { type } of historyOf(npm.space, 'many')) if (type === 'publish') records += 1;
    });
    expect(records).toBe(VERSIONS);
    expect(turns).toBeGreaterThanOrEqual(Math.floor(VERSIONS / 128));
  });

  it('of its versions the management surface shows the newest thousand', async () => {
    const snapshot = await npm.space.read('many');
    const shown = async (query: Readonly<Record<string, string>>) => {
      const handle = { name: 'many', snapshot, may: async () => true };
      const call = { package: handle, query: { get: (field: string) => query[field] } };
      const reply = await showPackage(call as never, npmLifeCycle as never, { profile: async () => undefined } as never);
      const opened = reply.type === 'content' ? await reply.content.open() : new Uint8Array(0);
      return JSON.parse(Buffer.from(opened as Uint8Array).toString('utf8')) as Record<string, unknown>;
    };
    const page = (await shown({})) as { versions: readonly { version: string; tags: readonly string[] }[] };
    expect(page).toMatchObject({ total: VERSIONS, before: `1.${VERSIONS - 1_000}.0` });
    expect(page.versions).toHaveLength(1_000);
    expect(page.versions.at(-1)).toMatchObject({ version: `1.${VERSIONS - 1}.0`, tags: ['latest'] });
    expect(await shown({ limit: '2', before: '1.2.0' })).toMatchObject({
      versions: [{ version: '1.0.0', tags: [] }, { version: '1.1.0' }],
    });
  });

  it('its files are told of some hundred at a time when all of it is deleted', async () => {
    let told: readonly unknown[] = [];
    const snapshot = await npm.space.read('many');
    const handle = {
      name: 'many',
      readStrong: async () => snapshot,
      commit: async (_: string, decide: (one: typeof snapshot) => unknown, { deletes }: { deletes: readonly unknown[] }) => {
        told = deletes;
        return decide(snapshot);
      },
    };
    const turns = await turnsDuring(() => new PackageLifeCycle(handle as never, npmLifeCycle as never).deleteAll('ann', false));
    expect(told).toHaveLength(VERSIONS);
    expect(turns).toBeGreaterThanOrEqual(Math.floor(VERSIONS / 256));
  });
});

describe('R1: a package of 5,000 versions that is changed', () => {
  let npm: Registry;
  let token: string;
  beforeEach(async () => {
    npm = await registry();
    token = await npm.user('somebody-who-may', { admin: true });
    await commitMany(npm, VERSIONS, { description: 'x'.repeat(200) });
  });
  afterEach(async () => {
    expect(npm.faults).toEqual([]);
    await npm.close();
  });

  it('all are deprecated in one change, their manifests read some hundred at a time', async () => {
    const { json: document } = await npm.get('/many', { token });
    for (const version of Object.values(document.versions as Record<string, { deprecated: string }>)) version.deprecated = 'old';
    const body = JSON.stringify(document);
    let status = 0;
    const turns = await turnsDuring(async () => {
      ({ status } = await npm.put('/many', body, { token }));
    });
    expect(status).toBe(200);
    expect(turns).toBeGreaterThanOrEqual(VERSIONS / 256);
    const after = (await npm.get('/many', { token })).json.versions as Record<string, { deprecated: string }>;
    expect(Object.values(after).filter(({ deprecated }) => deprecated === 'old')).toHaveLength(VERSIONS);
  });

  it('no more than 1,000 messages, or 100 versions left out, are taken at once', async () => {
    const { json: document } = await npm.get('/many', { token });
    const versions = document.versions as Record<string, { deprecated?: string }>;
    for (const version of Object.keys(versions).slice(0, 1_001)) (versions[version] ?? {}).deprecated = `since ${version}`;
    const refused = await npm.put('/many', JSON.stringify(document), { token });
    expect([refused.status, refused.text]).toEqual([413, expect.stringContaining('more than 1000 changes at once')]);
    delete versions['1.0.0']?.deprecated;
    expect((await npm.put('/many', JSON.stringify(document), { token })).status).toBe(200);
    const { json: after } = await npm.get('/many', { token });
    const deprecated = Object.values(after.versions as typeof versions).filter((one) => one.deprecated !== undefined);
    expect(deprecated).toHaveLength(1_000);
    for (const version of Object.keys(after.versions).slice(0, 101)) delete after.versions[version];
    const kept = await npm.put(`/many/-rev/${after._rev}`, JSON.stringify(after), { token });
    expect([kept.status, kept.text]).toEqual([400, expect.stringContaining('at most 100 versions')]);
  });

  it('a thousand tags are checked some hundred at a time, and more are refused', async () => {
    const tags = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`tag-${at}`, `1.${at}.0`]));
    let status = 0;
    const turns = await turnsDuring(async () => {
      ({ status } = await npm.put('/-/package/many/dist-tags', JSON.stringify(tags), { token }));
    });
    expect(status).toBe(200);
    expect(turns).toBeGreaterThanOrEqual(1_000 / 256);
    const others = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`other-${at}`, `1.${at}.0`]));
    expect((await npm.put('/-/package/many/dist-tags', JSON.stringify(others), { token })).status).toBe(413);
    expect((await npm.get('/-/package/many/dist-tags', { token })).json).toEqual({ latest: `1.${VERSIONS - 1}.0`, ...tags });
  });

  it('a document that leaves out one is read some hundred versions at a time', async () => {
    const { json: document } = await npm.get('/many', { token });
    delete document.versions['1.7.0'];
    const body = JSON.stringify(document);
    let status = 0;
    const turns = await turnsDuring(async () => {
      ({ status } = await npm.put(`/many/-rev/${document._rev}`, body, { token }));
    });
    expect(status).toBe(201);
    expect(turns).toBeGreaterThanOrEqual(VERSIONS / 256);
    expect((await npm.get('/many/1.7.0', { token })).status).toBe(404);
  });
});

describe('R1: documents that are large without reason', () => {
  let npm: Registry;
  beforeEach(async () => {
    npm = await registry();
    await npm.publish({ name: 'a', version: '1.0.0' });
  });
  afterEach(() => npm.close());

  const object = (count: number, value: string): string =>
    `{${Array.from({ length: count }, (_, at) => `"n${at}":${value}`).join(',')}}`;

  it('90,000 stars are walked some thousand at a time', async () => {
    const body = `{"_id":"a","name":"a","users":${object(90_000, 'true')}}`;
    let answer: { status: number; text: string } = { status: 0, text: '' };
    const turns = await turnsDuring(async () => {
      answer = await npm.put('/a', body);
    });
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('"ok":true')]);
    expect(turns).toBeGreaterThanOrEqual(90_000 / 2_048);
  });

  it.each([
    [
      'more than 10,000 dist-tags',
      `{"_id":"a","name":"a","dist-tags":${object(10_001, '"1.0.0"')}}`,
      400,
      'at most 10000 dist-tags',
    ],
    ['more than 1 MiB of maintainers', `{"_id":"a","maintainers":[${'"ab",'.repeat(220_000)}"ab"]}`, 413, 'larger than 1048576'],
    [
      'a manifest of more than 50,000 names',
      `{"_id":"a","versions":{"1.0.0":{"x":${object(50_001, '1')}}}}`,
      413,
      '50000 members',
    ],
  ])('%s are refused', async (_, body, status, message) => {
    const answer = await npm.put('/a', body);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(message)]);
  });

  it('a package.json of more than 50,000 names or 4,096 commands is refused, and nothing is kept', async () => {
    const names = JSON.parse(object(50_001, '1')) as Record<string, unknown>;
    expect(
      await npm.publish({ name: 'b', version: '1.0.0' }, { inner: { name: 'b', version: '1.0.0', x: names } }),
    ).toMatchObject({
      status: 413,
      text: expect.stringContaining('50000 members'),
    });
    const bin = JSON.parse(object(4_097, '"./a.js"')) as Record<string, unknown>;
    expect(await npm.publish({ name: 'b', version: '1.0.0' }, { inner: { name: 'b', version: '1.0.0', bin } })).toMatchObject({
      status: 400,
      text: expect.stringContaining('at most 4096 commands'),
    });
    expect((await npm.get('/b')).status).toBe(404);
  });

  it('what nobody reads may be large: times, and a readme beside the versions', async () => {
    const document = { time: JSON.parse(object(90_000, '"2020"')) as unknown, readme: 'x'.repeat(17 * 1024 * 1024) };
    expect((await npm.publish({ name: 'b', version: '1.0.0' }, { document })).status).toBe(201);
  });
});
