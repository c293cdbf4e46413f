import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRuntime } from '../../../ts/lib/clock.js';
import { SmartRegistry } from '../../../ts/smart-registry.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';

const ADMIN = 'administrator-token-of-this-test-0123456789';
const HOST = 'https://images.example';
const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const digestOf = (bytes: string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** The four workflows of the distribution specification, the way a client goes them that knows nothing but what answers say. */
describe.each([
  ['/v2', 'at the root of the host'],
  ['/oci/v2', 'below the mount'],
  ['/oci', 'below the mount, without /v2'],
])('%s, %s', (root) => {
  let instances: readonly SmartRegistry[];
  let turn = 0;

  beforeEach(async () => {
    const driver = new SynchronousMemoryDriver({ runtime: systemRuntime });
    const config = {
      storage: driver,
      secret: 'k3Xv9-qLw27-bTn8R-zYs6H-d1gUj-pW4cE',
      auth: { adminToken: ADMIN },
      oci: { enabled: true },
    };
    instances = [new SmartRegistry(config), new SmartRegistry(config)];
    for (const instance of instances) await instance.init();
  });
  afterEach(async () => {
    for (const instance of instances) await instance.destroy();
  });

  /** Requests alternate between two instances over one storage. */
  const ask = async (
    method: string,
    path: string,
    init: { body?: string; headers?: Record<string, string>; token?: string } = {},
  ) => {
    const { body, headers = {}, token = ADMIN } = init;
    turn += 1;
    const request = new Request(new URL(path, HOST), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    return (instances[turn % 2] as SmartRegistry).fetch(request);
  };
  const location = (response: Response): string => response.headers.get('location') ?? '';
  const blob = async (name: string, bytes: string): Promise<string> => {
    const opened = await ask('POST', `${root}/${name}/blobs/uploads/`, { body: '' });
    expect(opened.status).toBe(202);
    const half = Math.ceil(bytes.length / 2);
    const sent = await ask('PATCH', location(opened), {
      body: bytes.slice(0, half),
      headers: { 'content-range': `0-${half - 1}` },
    });
    expect([sent.status, sent.headers.get('range')]).toEqual([202, `0-${half - 1}`]);
    const done = await ask('PUT', `${location(sent)}?digest=${digestOf(bytes)}`, { body: bytes.slice(half) });
    expect(done.status).toBe(201);
    expect(await (await ask('GET', location(done))).text()).toBe(bytes);
    return digestOf(bytes);
  };
  const manifest = async (name: string, fields: Record<string, unknown> = {}): Promise<string> =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: IMAGE,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: await blob(name, '{"os":"linux"}'), size: 14 },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: await blob(name, 'layer bytes'), size: 11 }],
      ...fields,
    });
  const put = async (name: string, reference: string, text: string, type = IMAGE): Promise<Response> =>
    ask('PUT', `${root}/${name}/manifests/${reference}`, { body: text, headers: { 'content-type': type } });

  it('push, then pull by tag and digest', async () => {
    const text = await manifest('team/app');
    const pushed = await put('team/app', 'v1', text);
    expect(pushed.status).toBe(201);
    expect(location(pushed)).toBe(`${root === '/v2' ? '/v2' : '/oci/v2'}/team/app/manifests/${digestOf(text)}`);
    for (const path of [location(pushed), `${root}/team/app/manifests/v1`]) {
      const got = await ask('GET', path);
      expect([got.status, got.headers.get('content-type'), await got.text()]).toEqual([200, IMAGE, text]);
      expect((await ask('HEAD', path)).headers.get('docker-content-digest')).toBe(digestOf(text));
    }
  });

  it('content discovery: tags and referrers', async () => {
    const text = await manifest('team/app');
    for (const tag of ['c', 'a', 'b']) await put('team/app', tag, text);
    const first = await ask('GET', `${root}/team/app/tags/list?n=2`);
    expect(await first.json()).toEqual({ name: 'team/app', tags: ['a', 'b'] });
    const next = /^<([^>]+)>/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    expect(await (await ask('GET', next)).json()).toEqual({ name: 'team/app', tags: ['c'] });
    const subject = { mediaType: IMAGE, digest: digestOf(text), size: text.length };
    const referrer = await manifest('team/app', { subject, artifactType: 'application/x' });
    expect((await put('team/app', digestOf(referrer), referrer)).headers.get('oci-subject')).toBe(digestOf(text));
    const listed = await ask('GET', `${root}/team/app/referrers/${digestOf(text)}`);
    expect(listed.headers.get('content-type')).toBe(INDEX);
    expect(await listed.json()).toMatchObject({ manifests: [{ digest: digestOf(referrer), artifactType: 'application/x' }] });
  });

  it('content management: tags, manifests, blobs', async () => {
    const text = await manifest('team/app');
    await put('team/app', 'v1', text);
    for (const path of ['manifests/v1', `manifests/${digestOf(text)}`, `blobs/${digestOf('layer bytes')}`]) {
      expect((await ask('DELETE', `${root}/team/app/${path}`)).status).toBe(202);
      for (let look = 0; look < 2; look++) expect((await ask('GET', `${root}/team/app/${path}`)).status).toBe(404);
    }
  });

  it('a mount, and a login that ends in a token', async () => {
    const digest = await blob('team/one', 'shared bytes');
    const mounted = await ask('POST', `${root}/team/two/blobs/uploads/?mount=${digest}&from=team/one`, { body: '' });
    expect(mounted.status).toBe(201);
    const asked = await ask('GET', `${root}/team/two/blobs/${digest}`, { token: 'anonymous' });
    const realm = /realm="([^"]+)".*scope="([^"]+)"/.exec(asked.headers.get('www-authenticate') ?? '');
    expect([asked.status, realm?.[2]]).toEqual([401, 'repository:team/two:pull']);
    const login = { authorization: `Basic ${Buffer.from(`token:${ADMIN}`).toString('base64')}` };
    const got = await ask('GET', `${new URL(realm?.[1] ?? '').pathname}?scope=${realm?.[2]}`, { headers: login });
    const { token } = (await got.json()) as { token: string };
    expect(await (await ask('GET', `${root}/team/two/blobs/${digest}`, { token })).text()).toBe('shared bytes');
    expect((await ask('GET', `${root}/team/one/blobs/${digest}`, { token })).status).toBe(401);
  });
});
