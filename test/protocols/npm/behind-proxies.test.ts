import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type IRegistryConfig, SmartRegistry } from '../../../ts/index.js';
import { type Answer, answerOf, SECRET } from '../../proof/house.js';
import { publishBody } from './rig.js';

const TOKEN = 'an-operators-own-token-W4rmKx81PqzB6v';
const PROXY = '192.0.2.9';
let registry: SmartRegistry;
afterEach(() => registry.destroy());

async function open(more: Partial<IRegistryConfig>, basePath = '/team/npm'): Promise<void> {
  registry = new SmartRegistry({
    storage: { driver: 'memory' },
    secret: SECRET,
    auth: { adminToken: TOKEN },
    npm: { enabled: true, basePath },
    ...more,
  });
  await registry.init();
}

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly peer?: string;
  readonly token?: string;
  readonly body?: unknown;
  /** What the proxy in front has cut off the path. */
  readonly host?: string;
}

async function ask(
  method: string,
  path: string,
  { headers = {}, peer = PROXY, token = TOKEN, body, host = 'inner.example:8080' }: Asked = {},
): Promise<Answer> {
  const raw = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const all = {
    host,
    ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    ...(raw ? { 'content-type': 'application/json' } : {}),
    ...headers,
  };
  return answerOf(
    await registry.handleRequest({
      method,
      path,
      rawUrl: path,
      headers: all,
      query: {},
      body: raw,
      peer: { address: peer, encrypted: false },
    }),
  );
}

async function publishAt(mount: string, name: string): Promise<void> {
  const answer = await ask('PUT', `${mount}/${name.replace('/', '%2f')}`, {
    body: await publishBody({ name, version: '1.0.0' }),
  });
  expect(answer.status, answer.text).toBe(201);
}

const distOf = ({ text }: Answer): { readonly tarball: string; readonly integrity: string } =>
  (JSON.parse(text) as { versions: Record<string, { dist: { tarball: string; integrity: string } }> }).versions['1.0.0']
    ?.dist ?? {
    tarball: '',
    integrity: '',
  };

/** Asks for a link as it comes out of a proxy that has taken `prefix` off. */
async function reached(link: string, integrity: string, prefix: string): Promise<void> {
  const { pathname } = new URL(link);
  expect(pathname.startsWith(`${prefix}/`)).toBe(true);
  const tarball = await ask('GET', pathname.slice(prefix.length));
  expect(tarball.status).toBe(200);
  expect(`sha512-${createHash('sha512').update(tarball.bytes).digest('base64')}`).toBe(integrity);
}

describe.each(['@team/tool', 'tool'])('npm 5: links of %s', (name) => {
  const path = `/team/npm/${name.replace('/', '%2f')}`;
  const file = `${name}/-/tool-1.0.0.tgz`;
  const FORWARDED = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'packages.example', 'x-forwarded-prefix': '/house' };

  it('below a path of its own lead back to it', async () => {
    await open({});
    await publishAt('/team/npm', name);
    const { tarball, integrity } = distOf(await ask('GET', path, { host: 'registry.example' }));
    expect(tarball).toBe(`http://registry.example/team/npm/${file}`);
    await reached(tarball, integrity, '');
  });

  it('behind a proxy with TLS and a path of its own are those that its clients can reach', async () => {
    await open({ trustProxy: [`${PROXY}/32`] });
    await publishAt('/team/npm', name);
    const { tarball, integrity } = distOf(await ask('GET', path, { headers: FORWARDED }));
    expect(tarball).toBe(`https://packages.example/house/team/npm/${file}`);
    await reached(tarball, integrity, '/house');
    const single = JSON.parse((await ask('GET', `${path}/1.0.0`, { headers: FORWARDED })).text) as { dist: { tarball: string } };
    expect(single.dist.tarball).toBe(tarball);
  });

  it('do not follow headers of somebody who is no proxy of ours', async () => {
    await open({ trustProxy: [`${PROXY}/32`] });
    await publishAt('/team/npm', name);
    const { tarball } = distOf(await ask('GET', path, { headers: FORWARDED, peer: '198.51.100.1', host: 'registry.example' }));
    expect(tarball).toBe(`http://registry.example/team/npm/${file}`);
  });

  it('follow the configured public URL, whatever the request says', async () => {
    await open({ publicUrl: 'https://public.example' });
    await publishAt('/team/npm', name);
    const { tarball, integrity } = distOf(await ask('GET', path, { headers: FORWARDED }));
    expect(tarball).toBe(`https://public.example/team/npm/${file}`);
    await reached(tarball, integrity, '');
    await registry.destroy();
    await open({ npm: { enabled: true, basePath: '/', registryUrl: 'https://npm.example' } });
    await publishAt('', name);
    expect(distOf(await ask('GET', path.slice('/team/npm'.length))).tarball).toBe(`https://npm.example/${file}`);
  });
});

describe('npm 39: a tarball that a client is redirected to from another host', () => {
  const TARBALL = '/team/npm/tool/-/tool-1.0.0.tgz';

  it('is given without Authorization where the repository is open, and no redirect follows', async () => {
    await open({ anonymousRead: ['npm'] });
    await publishAt('/team/npm', 'tool');
    const { integrity } = distOf(await ask('GET', '/team/npm/tool'));
    const answer = await ask('GET', TARBALL, { token: '', host: 'elsewhere.example' });
    expect([answer.status, answer.headers['location'], answer.headers['content-encoding']]).toEqual([200, undefined, undefined]);
    expect(`sha512-${createHash('sha512').update(answer.bytes).digest('base64')}`).toBe(integrity);
  });

  it('is asked for credentials where it is closed', async () => {
    await open({});
    await publishAt('/team/npm', 'tool');
    expect((await ask('GET', TARBALL, { token: '', host: 'elsewhere.example' })).status).toBe(401);
  });
});
