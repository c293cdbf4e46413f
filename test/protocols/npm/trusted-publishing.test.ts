import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ITrustedPublisher } from '../../../ts/auth/trusted-publishers.js';
import { type Runtime, systemRuntime } from '../../../ts/lib/clock.js';
import { SmartRegistry } from '../../../ts/smart-registry.js';
import { type Answer, answerOf, SECRET } from '../../proof/house.js';
import { publishBody } from './rig.js';

const ISSUER = 'https://builds.example';
const AUDIENCE = 'npm:registry.example';
type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

let [rsa, other]: Pair[] = [];
let jwks: { keys: Record<string, unknown>[] };
beforeAll(async () => {
  [rsa, other] = await Promise.all([
    generateKeyPair('RS256', { extractable: true }),
    generateKeyPair('RS256', { extractable: true }),
  ]);
  jwks = { keys: [{ ...(await exportJWK((rsa as Pair).publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }] };
});

let registry: SmartRegistry;
let skew = 0;
const runtime: Runtime = { ...systemRuntime, clock: { ...systemRuntime.clock, now: () => Date.now() + skew } };
const faults: unknown[] = [];

const publisher = (more: Partial<ITrustedPublisher> = {}): ITrustedPublisher => ({
  issuer: ISSUER,
  jwks,
  claims: { repository: 'acme/tools', ref: 'refs/tags/v*' },
  packages: ['@acme/*', 'plain'],
  user: 'robot',
  ...more,
});

async function open(publishers: readonly ITrustedPublisher[]): Promise<void> {
  registry = new SmartRegistry({
    storage: { driver: 'memory' },
    secret: SECRET,
    publicUrl: 'https://registry.example',
    npm: { enabled: true },
    repositories: [{ name: 'second', protocol: 'npm', enabled: true }],
    auth: { trustedPublishers: publishers },
    onFault: (error) => faults.push(error),
    runtime,
  });
  await registry.init();
  const { directory } = registry.parts.auth;
  await directory?.addUser({ name: 'robot' });
}
beforeEach(() => {
  skew = 0;
});
afterEach(async () => {
  await registry?.destroy();
  expect(faults.splice(0)).toEqual([]);
});

async function ask(
  method: string,
  path: string,
  token?: string,
  body?: unknown,
): Promise<Answer & { json: Record<string, unknown> }> {
  const headers = {
    host: 'evil.example',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const raw = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const answer = await answerOf(await registry.handleRequest({ method, path, rawUrl: path, headers, query: {}, body: raw }));
  return { ...answer, json: answer.text.startsWith('{') ? JSON.parse(answer.text) : {} };
}

interface Told {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly key?: Pair['privateKey'] | Uint8Array;
  readonly alg?: string;
  readonly iss?: string;
  readonly aud?: string;
  readonly life?: number;
}

function idToken({
  claims = {},
  header = {},
  key,
  alg = 'RS256',
  iss = ISSUER,
  aud = AUDIENCE,
  life = 300,
}: Told = {}): Promise<string> {
  const iat = Math.floor(runtime.clock.now() / 1_000);
  return new SignJWT({
    repository: 'acme/tools',
    ref: 'refs/tags/v1.2.3',
    ...claims,
    iss,
    aud,
    sub: 'build:7',
    iat,
    exp: iat + life,
  })
    .setProtectedHeader({ alg, kid: 'one', typ: 'JWT', ...header })
    .sign(key ?? (rsa as Pair).privateKey);
}

const at = (name: string, mount = ''): string => `${mount}/-/npm/v1/oidc/token/exchange/package/${name.replace('/', '%2f')}`;
const exchange = async (name: string, told?: Told, mount = '') => ask('POST', at(name, mount), await idToken(told));
const publish = async (name: string, version: string, token: string, mount = '/npm') =>
  (await ask('PUT', `${mount}/${name.replace('/', '%2f')}`, token, await publishBody({ name, version }))).status;

describe('npm 24: the exchange of identity tokens', () => {
  it.each(['', '/npm'])(
    'at "%s": a build gets a token that writes this package and nothing else, for a quarter of an hour',
    async (mount) => {
      await open([publisher()]);
      const answer = await exchange('@acme/one', {}, mount);
      expect(answer.status, answer.text).toBe(201);
      const token = String(answer.json['token']);
      const left = Date.parse(String(answer.json['expires'])) - runtime.clock.now();
      expect(left > 0 && left <= 3_600_000).toBe(true);
      expect(await publish('@acme/one', '1.0.0', token)).toBe(201);
      expect(await publish('@acme/two', '1.0.0', token)).toBe(403);
      expect((await ask('GET', '/npm/@acme%2fone', token)).status).toBe(200);
      expect((await ask('GET', '/npm/@acme%2ftwo', token)).status).toBe(404);
      const tag = await ask('PUT', '/npm/-/package/@acme%2fone/dist-tags/beta', token, '1.0.0');
      expect(tag.status).toBe(201);
      for (const [method, path, body] of [
        ['POST', '/npm/-/npm/v1/tokens', {}],
        ['POST', '/npm/-/npm/v1/user', { email: 'thief@mail.example' }],
        ['GET', '/npm/-/npm/v1/tokens', undefined],
        ['POST', '/npm/-/package/@acme%2ftwo/access', { access: 'public' }],
      ] as const)
        expect((await ask(method, path, token, body)).status).toBe(403);
      skew = 16 * 60_000;
      expect(await publish('@acme/one', '1.1.0', token)).toBe(401);
    },
  );

  it('owners decide about the user who publishes as about anybody', async () => {
    await open([publisher()]);
    const { directory } = registry.parts.auth;
    const ann = await directory?.addUser({ name: 'ann' });
    const { token = '' } = (await directory?.createToken(ann?.id ?? '')) ?? {};
    expect(await publish('@acme/anns', '1.0.0', token)).toBe(201);
    const robot = String((await exchange('@acme/anns')).json['token']);
    expect(await publish('@acme/anns', '1.1.0', robot)).toBe(403);
    const { json } = await ask('GET', '/npm/@acme%2fanns?write=true', token);
    const owners = { maintainers: [{ name: 'ann' }, { name: 'robot' }] };
    expect((await ask('PUT', `/npm/@acme%2fanns/-rev/${String(json['_rev'])}`, token, owners)).status).toBe(201);
    expect(await publish('@acme/anns', '1.1.0', robot)).toBe(201);
    await directory?.setDisabled(String((await directory.find('robot'))?.id), true);
    expect(await publish('@acme/anns', '1.2.0', robot)).toBe(401);
    expect((await exchange('@acme/anns')).status).toBe(401);
  });

  const wrong: readonly (readonly [string, () => Told | Promise<Told>])[] = [
    ['of another repository', () => ({ claims: { repository: 'evil/tools' } })],
    ['of a repository whose name goes on', () => ({ claims: { repository: 'acme/tools-evil' } })],
    ['of another ref', () => ({ claims: { ref: 'refs/heads/main' } })],
    ['without the claim', () => ({ claims: { ref: undefined } })],
    ['whose claim is a list', () => ({ claims: { repository: ['acme/tools'] } })],
    ['for another audience', () => ({ aud: 'npm:elsewhere.example' })],
    ['for the host that the request names', () => ({ aud: 'npm:evil.example' })],
    ['of another issuer', () => ({ iss: 'https://evil.example' })],
    ['signed with another key', () => ({ key: (other as Pair).privateKey })],
    ['that has expired', () => ({ life: -60 })],
    [
      'signed with the public key as a secret',
      async () => ({ alg: 'HS256', key: Buffer.from(JSON.stringify(await exportJWK((rsa as Pair).publicKey))) }),
    ],
    ['with another algorithm', async () => ({ alg: 'ES256', key: (await generateKeyPair('ES256')).privateKey })],
    ['of a key that is not in the set', () => ({ header: { kid: 'two' } })],
  ];
  it.each(wrong)('an identity token %s is refused', async (_, told) => {
    await open([publisher()]);
    const answer = await exchange('@acme/one', await told());
    expect(answer.status).toBe(401);
    expect(answer.json['message']).toMatch(/No trusted publisher/);
    expect((await exchange('@acme/one')).status).toBe(201);
  });

  it('a package that is not the publisher’s, no token, junk, and an unsigned one are refused', async () => {
    await open([publisher()]);
    expect((await exchange('other')).status).toBe(401);
    expect((await exchange('@acmeevil/one')).status).toBe(401);
    expect((await exchange('plain')).status).toBe(201);
    expect((await ask('POST', at('plain'))).status).toBe(401);
    for (const junk of ['junk', 'a.b.c', 'x'.repeat(8_000)]) expect((await ask('POST', at('plain'), junk)).status).toBe(401);
    const [, payload = ''] = (await idToken()).split('.');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    expect((await ask('POST', at('plain'), none)).status).toBe(401);
  });

  it('the second of two publishers may be the one; each has its own repository', async () => {
    await open([publisher({ claims: { repository: 'acme/none' } }), publisher({ repository: 'second' })]);
    const token = String((await exchange('plain')).json['token']);
    expect(await publish('plain', '1.0.0', token, '/second')).toBe(201);
    expect(await publish('plain', '1.0.0', token, '/npm')).toBe(403);
  });

  it('none configured: 404, on which npm goes on with the token it has', async () => {
    await open([]);
    expect((await exchange('plain')).status).toBe(404);
    expect((await exchange('plain', {}, '/npm')).status).toBe(404);
  });

  it('keys from a URL are fetched once; when they cannot be, the answer is 503', async () => {
    let [asked, broken] = [0, false];
    const server = createServer((_, answer) => {
      asked += 1;
      if (broken) answer.writeHead(500).end();
      else answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(jwks));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    const { jwks: _, ...rest } = publisher();
    try {
      await open([{ ...rest, jwksUrl }]);
      for (let turn = 0; turn < 3; turn += 1) expect((await exchange('plain')).status).toBe(201);
      expect(asked).toBe(1);
      await registry.destroy();
      broken = true;
      await open([{ ...rest, jwksUrl }]);
      expect((await exchange('plain')).status).toBe(503);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('a package that asks everybody for one-time passwords takes what a trusted publisher sends', async () => {
    await open([publisher()]);
    const { directory } = registry.parts.auth;
    const token = String((await exchange('plain')).json['token']);
    expect(await publish('plain', '1.0.0', token)).toBe(201);
    await registry.parts.repositories[0]?.space.commit('plain', () => ({
      changes: [{ type: 'confirmation', by: 'system', confirmation: 'everybody' }],
      result: undefined,
    }));
    const person = (await directory?.createToken(String((await directory.find('robot'))?.id)))?.token ?? '';
    expect(await publish('plain', '1.1.0', person)).toBe(403);
    expect(await publish('plain', '1.1.0', token)).toBe(201);
  });
});

describe('trusted publishers in the configuration', () => {
  const problems = (publisherOf: object, publicUrl?: string): string[] => {
    try {
      new SmartRegistry({
        storage: { driver: 'memory' },
        npm: { enabled: true },
        ...(publicUrl === undefined ? {} : { publicUrl }),
        auth: { trustedPublishers: [publisherOf as ITrustedPublisher] },
      });
      return [];
    } catch (error) {
      return (error as { problems: { path: string }[] }).problems.map(({ path }) =>
        path.replace('auth.trustedPublishers[0]', ''),
      );
    }
  };
  it('are told every problem at once', () => {
    expect(problems(publisher(), 'https://registry.example')).toEqual([]);
    expect(problems(publisher())).toEqual(['.audience']);
    expect(problems(publisher({ audience: 'npm:x' }))).toEqual([]);
    expect(problems({}, 'https://registry.example')).toEqual(['.issuer', '.user', '', '.claims', '.packages']);
    const bad = { ...publisher({ audience: 'x' }), claims: { sub: '*' }, packages: [], algorithms: ['HS256'], other: 1 };
    expect(problems(bad)).toEqual(['.other', '.algorithms[0]', '.claims', '.packages']);
    const { jwks: _, ...rest } = publisher({ audience: 'x' });
    expect(problems({ ...rest, jwksUrl: 'http://keys.example/' })).toEqual(['.jwksUrl']);
    expect(problems({ ...rest, jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } })).toEqual(['.jwks']);
  });
});
