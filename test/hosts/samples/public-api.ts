import { Readable } from 'node:stream';
import {
  ConfigError,
  type IRegistryConfig,
  type IRequestContext,
  type IResponse,
  type IStorageHookContext,
  type IStorageHooks,
  SmartRegistry,
  streamToBuffer,
  streamToJson,
  toNodeReadable,
  toReadableStream,
} from 'entrepot';

const say = (what: string, value: unknown): void => console.log(JSON.stringify({ what, value }));
const adminToken = 'an-administrator-of-the-samples-only';
const authorization = `Bearer ${adminToken}`;

const seen: string[] = [];
const storageHooks: IStorageHooks = {
  async beforePut(ctx: IStorageHookContext) {
    const { packageName, version, size, contentType } = ctx.metadata;
    seen.push(
      `${ctx.operation} ${ctx.key} ${ctx.protocol} ${packageName} ${version} ${contentType} ${size > 0} ${ctx.actor?.orgId} ${ctx.timestamp instanceof Date}`,
    );
    return packageName === 'refused' ? { allowed: false, reason: 'quota: this team is full' } : { allowed: true };
  },
  async afterPut(ctx) {
    seen.push(`after ${ctx.key}`);
  },
  async beforeDelete() {
    return { allowed: false, reason: 'nothing is deleted here' };
  },
  async afterDelete() {},
};

const config: IRegistryConfig = {
  storage: { driver: 'memory' },
  auth: {
    jwtSecret: 'a-secret-of-at-least-32-bytes-1234',
    tokenStore: 'database',
    npmTokens: { enabled: true },
    ociTokens: { enabled: true, realm: 'https://packages.example/v2/token', service: 'packages.example' },
    pypiTokens: { enabled: true },
    rubygemsTokens: { enabled: true },
    adminToken,
  },
  npm: { enabled: true, basePath: '/npm', registryUrl: 'https://packages.example/npm', features: {} },
  storageHooks,
};

const registry = new SmartRegistry(config);
say('before init', [
  registry.isInitialized(),
  (await registry.handleRequest({ method: 'GET', path: '/npm/express', headers: {}, query: {} })).status,
]);
await registry.init();
say('after init', [
  registry.isInitialized(),
  typeof registry.getStorage().read,
  registry.getRegistry('npm')?.basePath,
  registry.getRegistry('oci') === undefined,
]);

const response: IResponse = await registry.handleRequest({ method: 'GET', path: '/npm/express', headers: {}, query: {} });
say('stranger', [response.status, await streamToJson(response.body)]);

const attempt = async (context: Partial<IRequestContext> & Pick<IRequestContext, 'path'>): Promise<[number, unknown]> => {
  const headers = {
    authorization,
    ...(context.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...context.headers,
  };
  const { status, body } = await registry.handleRequest({ method: 'GET', query: {}, ...context, headers });
  const bytes = await streamToBuffer(body);
  try {
    return [status, JSON.parse(bytes.toString('utf8'))];
  } catch {
    return [status, bytes.length];
  }
};

// A package of one file, in every form that a body may have.
const tarball = Buffer.from(process.env['TARBALL'] ?? '', 'base64');
const documentOf = (name: string, version: string, bytes: Buffer) => ({
  _id: name,
  name,
  'dist-tags': { latest: version },
  versions: { [version]: { name, version, dist: {} } },
  _attachments: {
    [`${name}-${version}.tgz`]: {
      content_type: 'application/octet-stream',
      data: bytes.toString('base64'),
      length: bytes.length,
    },
  },
});
const text = JSON.stringify(documentOf('thing', '1.0.0', tarball));
const bodies: Readonly<Record<string, () => unknown>> = {
  'Web stream': () => toReadableStream(text),
  'Node Readable': () => Readable.from([Buffer.from(text.slice(0, 100)), Buffer.from(text.slice(100))]),
  Uint8Array: () => new TextEncoder().encode(text),
  Buffer: () => Buffer.from(text),
  string: () => text,
  'parsed object': () => JSON.parse(text),
};
for (const [form, body] of Object.entries(bodies)) {
  const fresh = new SmartRegistry({ ...config, storageHooks: {} });
  await fresh.init();
  const put = await fresh.handleRequest({
    method: 'PUT',
    path: '/npm/thing',
    headers: { Authorization: authorization, 'Content-Type': 'application/json' },
    query: {},
    body: body(),
  });
  const got = await fresh.handleRequest({
    method: 'GET',
    path: '/npm/thing/-/thing-1.0.0.tgz',
    headers: { AUTHORIZATION: authorization },
    query: {},
  });
  say(`body: ${form}`, [put.status, got.status, (await streamToBuffer(got.body)).equals(tarball)]);
  await fresh.destroy();
}

say(
  'publish',
  (
    await attempt({
      method: 'PUT',
      path: '/npm/thing',
      body: text,
      actor: { userId: 'alice', tokenId: 't', ip: '192.0.2.1', userAgent: 'sample', orgId: 'acme' },
    })
  )[0],
);
say('hooks', seen);
const refused = JSON.stringify(documentOf('refused', '1.0.0', Buffer.from(process.env['REFUSED'] ?? '', 'base64')));
say('refused by a hook', await attempt({ method: 'PUT', path: '/npm/refused', body: refused }));
say('and not kept', (await attempt({ path: '/npm/refused' }))[0]);
const [, packument] = await attempt({ path: '/npm/thing', headers: { accept: ['application/json'] } });
say('links', (packument as { versions: Record<string, { dist: { tarball: string } }> }).versions['1.0.0']?.dist.tarball);
const [, found] = await attempt({ path: '/npm/-/v1/search', query: { text: 'thing' } });
say(
  'search',
  (found as { objects: { package: { name: string } }[] }).objects.map((one) => one.package.name),
);

const fetched = await registry.fetch(new Request('https://packages.example/npm/thing', { headers: { authorization } }));
say('fetch', [fetched.status, ((await fetched.json()) as { name: string }).name]);
const { fetch } = registry;
say('fetch, unbound', (await fetch(new Request('https://packages.example/npm/thing'))).status);

const auth = registry.getAuthManager();
const userId = (await auth.validateToken(adminToken, 'npm'))?.userId ?? '';
const reader = await auth.createNpmToken(userId, true);
const writer = await auth.createNpmToken(userId, false);
say('authenticate', await auth.authenticate({ username: 'nobody', password: 'wrong' }));
say('tokens', [
  (await auth.validateToken(reader, 'npm'))?.readonly === true,
  await auth.authorize(reader, 'npm:package:thing', 'read'),
  await auth.authorize(reader, 'npm:package:thing', 'create'),
  await auth.authorize(writer, 'npm:package:thing', 'create'),
]);
await auth.revokeToken(writer);
say('revoked', await auth.validateToken(writer, 'npm'));
const oci = await auth.createOciToken(userId, ['oci:repository:nginx:pull'], 60);
const others = [
  await auth.createPypiToken(userId, true),
  await auth.createCargoToken(userId, true),
  await auth.createComposerToken(userId, true),
  await auth.createRubyGemsToken(userId, true),
  await auth.createMavenToken(userId, true),
  await auth.createZigToken(userId, true),
];
say('oci', [
  oci.split('.').length,
  await auth.authorize(oci, 'oci:repository:nginx', 'read'),
  await auth.authorize(oci, 'oci:repository:other', 'read'),
  new Set(others).size,
]);

say('helpers', [
  (await streamToBuffer(toReadableStream('text'))).toString(),
  await streamToJson(toReadableStream({ a: 1 })),
  (await streamToBuffer(toReadableStream(new Uint8Array([1, 2])))).length,
  (await streamToBuffer(toReadableStream(Readable.from(['a', 'b'])))).toString(),
  (await toNodeReadable(toReadableStream('node')).toArray()).join(''),
]);

try {
  new SmartRegistry({ ...config, auth: { tokenStore: 'redis', jwtSecret: 'short' } });
} catch (error) {
  if (error instanceof ConfigError) say('every problem at once', error.problems.map(({ path }) => path).sort());
}
await registry.destroy();
say('destroyed', [
  registry.isInitialized(),
  (await registry.handleRequest({ method: 'GET', path: '/npm/thing', headers: {}, query: {} })).status,
]);
