import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { digestOf, IMAGE, type Oci, registry } from './rig.js';

/** As long as a name may be. */
const LONGEST = `${'a'.repeat(100)}/${'b_c'.repeat(51)}x`;
const HOUR = 60 * 60 * 1000;

let oci: Oci;
let ahead = 0;
beforeEach(async () => {
  ahead = 0;
  const { clock } = systemRuntime;
  const late = { now: () => clock.now() + ahead, monotonic: () => clock.monotonic() + ahead };
  oci = await registry({
    anonymousRead: true,
    runtime: { ...systemRuntime, clock: { ...late, sleep: clock.sleep.bind(clock), after: clock.after.bind(clock) } },
  });
});
afterEach(async () => {
  expect(oci.faults).toEqual([]);
  await oci.close();
});

describe('a name of 255 characters', () => {
  it('oci 2, oci 20: at every endpoint HEAD says what GET says, with credentials and without', async () => {
    expect(LONGEST).toHaveLength(255);
    const image = await oci.image(LONGEST, 'v1');
    const { digest, size } = image;
    await oci.image(LONGEST, 'v2', 'x', { subject: { mediaType: IMAGE, digest, size } });
    const opened = await oci.request('POST', `/v2/${LONGEST}/blobs/uploads/`, { body: new Uint8Array(0) });
    const own = [
      'tags/list?n=1',
      'manifests/v1',
      `manifests/${digest}`,
      'manifests/none',
      `blobs/${digestOf('{}')}`,
      `blobs/${digestOf('none')}`,
      'blobs/sha256:x',
      `referrers/${digest}?artifactType=x`,
      '_oci/ext/discover',
    ].map((path) => `/v2/${LONGEST}/${path}`);
    const seen = new Set<number>();
    for (const path of [
      ...own,
      '/v2/',
      '/v2/_catalog?n=1',
      '/v1/search?q=a',
      '/v2/none/tags/list',
      opened.headers['location'] ?? '',
    ])
      for (const token of [oci.token, null]) {
        const got = await oci.get(path, { token });
        const head = await oci.head(path, { token });
        expect([path, head.status, head.headers, head.bytes.length]).toEqual([path, got.status, got.headers, 0]);
        seen.add(got.status);
      }
    expect([...seen].sort()).toEqual([200, 204, 400, 401, 404]);
  });

  it('oci 3: one character more is none', async () => {
    const answer = await oci.get(`/v2/${LONGEST}x/tags/list`);
    expect([answer.status, answer.code]).toEqual([400, 'NAME_INVALID']);
  });

  it('oci 37: fits into a scope', async () => {
    await oci.image(LONGEST, 'v1');
    const { json } = await oci.get(`/v2/token?scope=repository:${LONGEST}:pull,push,delete`);
    expect(json.scope).toBe(`repository:${LONGEST}:pull,push,delete`);
    expect((await oci.remove(`/v2/${LONGEST}/manifests/v1`, { token: json.token })).status).toBe(202);
  });
});

it('oci 26, O4: of a manifest without length, no more is taken than one may have', async () => {
  let pieces = 0;
  const body = (async function* () {
    for (; pieces < 1_000; pieces++) yield Buffer.alloc(64 * 1024, 0x20);
  })();
  const answer = await oci.request('PUT', '/v2/team/app/manifests/x', { body, headers: { 'content-type': IMAGE } });
  expect([answer.status, answer.code]).toEqual([413, 'SIZE_INVALID']);
  expect(pieces).toBeLessThan(70);
  expect((await oci.driver.list('objects/')).objects).toEqual([]);
});

it.each(['the token', 'the session', 'the token of a session'])(
  'oci 39, A5: a push during which %s is revoked brings nothing, by whatever request',
  async (what) => {
    const robot = await oci.user('ann');
    const got = await oci.get('/v2/token?scope=repository:team/app:pull,push', { token: robot });
    const token: string = what === 'the token' ? robot : got.json.token;
    const opened = await oci.request('POST', '/v2/team/app/blobs/uploads/', { token, body: new Uint8Array(0) });
    const location = opened.headers['location'] ?? '';
    const digest = digestOf('abcd');
    const revoking = (async function* () {
      yield Buffer.from('ab');
      await oci.gate.revokeToken(what === 'the session' ? token : robot);
      ahead += 5_000;
      yield Buffer.from('cd');
    })();
    const answer = await oci.request('PUT', `${location}?digest=${digest}`, { token, body: revoking });
    expect([answer.status, answer.code]).toEqual([401, 'UNAUTHORIZED']);
    expect(answer.headers['www-authenticate']).toContain('scope="repository:team/app:pull,push",error="invalid_token"');
    expect((await oci.request('PATCH', location, { token, body: 'x' })).status).toBe(401);
    expect((await oci.head(`/v2/team/app/blobs/${digest}`)).status).toBe(404);
    for (const place of ['upload/', 'objects/']) expect((await oci.driver.list(place)).objects).toEqual([]);
  },
);

it('oci 14: an upload is over after twelve hours, for whoever knows it', async () => {
  const opened = await oci.request('POST', '/v2/team/app/blobs/uploads/', { body: new Uint8Array(0) });
  const location = opened.headers['location'] ?? '';
  ahead = 12 * HOUR - 60_000;
  expect((await oci.request('PATCH', location, { body: 'abc' })).status).toBe(202);
  ahead = 12 * HOUR + 60_000;
  for (const [method, query] of [
    ['GET', ''],
    ['PATCH', ''],
    ['PUT', `?digest=${digestOf('abc')}`],
    ['DELETE', ''],
  ] as const) {
    const body = method === 'PATCH' || method === 'PUT' ? { body: new Uint8Array(0) } : {};
    const answer = await oci.request(method, location + query, body);
    expect([method, answer.status, answer.code]).toEqual([method, 404, 'BLOB_UPLOAD_UNKNOWN']);
  }
});

describe('the token endpoint', () => {
  it.each(['repository:*:pull', 'repository:team/*:pull', 'registry:catalog:pull', 'registry:*:*', 'repository:team/app'])(
    'oci 37: %s opens nothing: names in scopes are names',
    async (scope) => {
      await oci.image('team/app', 'v1');
      const { status, json } = await oci.get(`/v2/token?scope=${scope}`);
      expect([status, json.scope]).toEqual([200, '']);
      const push = await oci.request('POST', '/v2/team/app/blobs/uploads/', { token: json.token, body: new Uint8Array(0) });
      expect(push.status).toBe(401);
    },
  );

  it('oci 37: several scopes in one field or in many, and what else clients send', async () => {
    const extras = 'service=other.example&client_id=docker&account=ann&offline_token=false';
    const asked = async (scopes: string): Promise<string> => (await oci.get(`/v2/token?${extras}&${scopes}`)).json.scope;
    const both = 'repository:a/b:pull repository:c:pull,push';
    expect(await asked('scope=repository:a/b:pull%20repository:c:pull,push')).toBe(both);
    expect(await asked('scope=repository:a/b:pull+repository:c:pull,push')).toBe(both);
    expect(await asked('scope=repository:a/b:pull&scope=&scope=repository:c:pull,push,pull')).toBe(both);
    expect(await asked('scope=repository(plugin):a/b:pull&scope=registry:catalog:*')).toBe(
      'repository:a/b:pull registry:catalog:*',
    );
  });

  it('oci 37: says when the session began and how long it lives, and no proxy keeps it', async () => {
    const { json, headers } = await oci.get('/v2/token?scope=repository:a/b:pull');
    expect(json.issued_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect([json.expires_in, json.refresh_token, headers['cache-control']]).toEqual([3_600, undefined, 'no-store']);
    ahead = 3_599_000 - 60_000;
    expect((await oci.get('/v2/', { token: json.token })).status).toBe(200);
    ahead = 3_601_000;
    const late = await oci.get('/v2/', { token: json.token });
    expect([late.status, late.headers['www-authenticate']]).toEqual([
      401,
      'Bearer realm="https://images.example/v2/token",service="images.example",error="invalid_token"',
    ]);
  });
});
