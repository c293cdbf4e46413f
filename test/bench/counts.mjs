/*
 * Storage calls per operation on a store without synchronous looks, as S3 is. The clock stands still unless it is moved, pauses take no time and timers
 * never fire, so that every figure is exact on any machine.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageManifest, MANIFEST } from './generate-images.mjs';
import { digestsOf, publishBody } from './package.mjs';

const TOKEN = ['Zk3vQ9xT7mB2', 'nL5wR8yH4jD6', 'gF1sC0pAeU3i'].join('');
const METHODS = ['stat', 'read', 'write', 'delete', 'list', 'copy'];

/**
 * The most calls that each operation may make: before its answer, and with what goes on behind it (checkpoint and feed, design §1.1). An artifact is one
 * call among them.
 */
export const LIMITS = {
  'packument, cached': { before: 0, all: 0 },
  'packument, 304': { before: 0, all: 0 },
  'packument, probe due': { before: 4, all: 4 },
  'packument, 64 at once with a probe due': { before: 8, all: 8 },
  'packument of a package not in memory': { before: 3, all: 3 },
  'absent package': { before: 0, all: 0 },
  'search, cached': { before: 0, all: 0 },
  tarball: { before: 1, all: 1 },
  'publish a new package': { before: 3, all: 6 },
  'publish the next version': { before: 3, all: 6 },
  'publish to a package not in memory': { before: 5, all: 8 },
  'publish what is there': { before: 3, all: 3 },
  'image: is this blob there': { before: 0, all: 0 },
  'image: push a blob in one request': { before: 3, all: 6 },
  'image: push a blob in two requests': { before: 14, all: 17 },
  'image: push a manifest with a tag': { before: 3, all: 6 },
  'image: push the same manifest under another tag': { before: 2, all: 5 },
  'image: manifest, cached': { before: 0, all: 0 },
  'image: manifest of an image not in memory': { before: 4, all: 4 },
  'image: blob': { before: 1, all: 1 },
  'image: page of tags, cached': { before: 0, all: 0 },
  'image: unknown tag': { before: 1, all: 1 },
  'image: delete a manifest': { before: 2, all: 5 },
  'move a tag': { before: 2, all: 5 },
};

/** A driver that writes down its calls; a batch of deletes is one. */
export function countingDriver(inner) {
  const calls = [];
  const driver = { name: inner.name };
  for (const method of METHODS) {
    if (typeof inner[method] !== 'function') continue;
    driver[method] = (...args) => {
      calls.push(`${method} ${[args[0]].flat().join(' ')}`);
      return inner[method](...args);
    };
  }
  return { driver, calls };
}

function standingRuntime(lib) {
  let now = Date.UTC(2030, 0, 1);
  const clock = {
    now: () => now,
    monotonic: () => now,
    sleep: async () => undefined,
    after: () => ({ cancel: () => undefined }),
  };
  return { runtime: { clock, random: lib.systemRuntime.random }, pass: (milliseconds) => (now += milliseconds) };
}

class Instance {
  static async open(lib, inner, time) {
    const { driver, calls } = countingDriver(inner);
    const registry = new lib.SmartRegistry({
      storage: driver,
      secret: 'only-for-counting-calls-0123456789abcdef',
      auth: { adminToken: TOKEN },
      npm: { enabled: true },
      oci: { enabled: true, basePath: '/oci' },
      runtime: time.runtime,
    });
    await registry.init();
    return new Instance(registry, calls, time);
  }

  constructor(registry, calls, time) {
    this.registry = registry;
    this.calls = calls;
    this.time = time;
  }

  send(status, method, path, options) {
    return this.sendTo(`/npm${path}`, status, method, options);
  }

  image(status, method, path, options) {
    return this.sendTo(`/oci/v2/team/app${path}`, status, method, options);
  }

  async sendTo(path, status, method, { body, headers = {} } = {}) {
    const sized =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
    const answer = await this.registry.handleRequest({
      method,
      path: path.replace(/\?.*$/, ''),
      rawUrl: path,
      query: {},
      headers: { host: 'registry.example', authorization: `Bearer ${TOKEN}`, ...sized, ...headers },
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    });
    const bytes = answer.body === undefined ? '' : Buffer.from(await new Response(answer.body).arrayBuffer()).toString();
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${bytes.slice(0, 200)}`);
    return { headers: answer.headers, text: bytes };
  }

  publish(name, version, status = 201) {
    return this.send(status, 'PUT', `/${name}`, { body: publishBody(name, version) });
  }

  /** What goes on behind answers, done now. */
  async settle() {
    for (const { space } of this.registry.parts.repositories) await space.finish();
  }

  /** The answer's calls, and those with what follows it. */
  async count(work) {
    await this.settle();
    const from = this.calls.length;
    await work();
    const named = this.calls.slice(from);
    // Nobody waits for a checkpoint, though it may begin before the answer is out.
    const before = named.filter((call) => !call.startsWith('write derived/')).length;
    const wrote = named.some((call) => call.startsWith('write'));
    if (wrote) await this.settle();
    return { before, all: this.calls.length - from, calls: this.calls.slice(from) };
  }
}

/** Counts every operation of `LIMITS` once, in a registry that holds `others` more packages. */
export async function countOperations(lib, inner, { others = 2 } = {}) {
  const time = standingRuntime(lib);
  const first = await Instance.open(lib, inner, time);
  for (let n = 0; n < others; n += 1) await first.publish(`other-${n}`, '1.0.0');
  const counts = {};
  const count = async (what, instance, work) => {
    counts[what] = await instance.count(work);
  };
  await count('publish a new package', first, () => first.publish('some', '1.0.0'));
  await count('publish the next version', first, () => first.publish('some', '1.1.0'));
  await count('publish what is there', first, () => first.publish('some', '1.1.0', 403));
  await count('move a tag', first, () => first.send(201, 'PUT', '/-/package/some/dist-tags/beta', { body: '"1.0.0"' }));
  const { headers } = await first.send(200, 'GET', '/some');
  const get = (more) => first.send(200, 'GET', '/some', more);
  await count('packument, cached', first, () => get());
  await count('packument, 304', first, () => first.send(304, 'GET', '/some', { headers: { 'if-none-match': headers.ETag } }));
  await first.send(200, 'GET', '/-/v1/search?text=some');
  await count('search, cached', first, () => first.send(200, 'GET', '/-/v1/search?text=other'));
  await count('absent package', first, () => first.send(404, 'GET', '/never-published'));
  await count('tarball', first, () => first.send(200, 'GET', '/some/-/some-1.0.0.tgz'));
  time.pass(60_000);
  await count('packument, probe due', first, () => get());
  time.pass(60_000);
  await count('packument, 64 at once with a probe due', first, () => Promise.all(Array.from({ length: 64 }, () => get())));
  const second = await Instance.open(lib, inner, time);
  await second.send(404, 'GET', '/never-published');
  await count('packument of a package not in memory', second, () => second.send(200, 'GET', '/some'));
  const third = await Instance.open(lib, inner, time);
  // The signing key is read once in an instance's life.
  await third.publish('other-0', '2.0.0');
  await count('publish to a package not in memory', third, () => third.publish('some', '1.2.0'));
  await countImages(count, first, second);
  for (const { registry } of [first, second, third]) await registry.destroy();
  return counts;
}

/** The container registry's operations; the second instance has not seen the image before. */
async function countImages(count, first, second) {
  const blobOf = (text) => ({ bytes: text, digest: `sha256:${digestsOf(Buffer.from(text)).sha256}`, size: text.length });
  const [config, layer] = [blobOf('{"architecture":"none"}'), blobOf('a layer of few bytes')];
  const octets = { 'content-type': 'application/octet-stream' };
  await count('image: push a blob in one request', first, () =>
    first.image(201, 'POST', `/blobs/uploads/?digest=${config.digest}`, { body: config.bytes, headers: octets }),
  );
  await count('image: push a blob in two requests', first, async () => {
    const { headers } = await first.image(202, 'POST', '/blobs/uploads/');
    const mark = headers.Location.includes('?') ? '&' : '?';
    await first.sendTo(`${headers.Location}${mark}digest=${layer.digest}`, 201, 'PUT', { body: layer.bytes, headers: octets });
  });
  const body = imageManifest({ digest: config.digest, size: config.size }, { digest: layer.digest, size: layer.size });
  const { digest } = blobOf(body);
  const put = (tag) => first.image(201, 'PUT', `/manifests/${tag}`, { body, headers: { 'content-type': MANIFEST } });
  await count('image: push a manifest with a tag', first, () => put('v1'));
  await count('image: push the same manifest under another tag', first, () => put('v2'));
  await first.image(200, 'GET', '/manifests/v1');
  await count('image: is this blob there', first, () => first.image(200, 'HEAD', `/blobs/${layer.digest}`));
  await count('image: manifest, cached', first, () => first.image(200, 'GET', '/manifests/v1'));
  await count('image: blob', first, () => first.image(200, 'GET', `/blobs/${layer.digest}`));
  await count('image: page of tags, cached', first, () => first.image(200, 'GET', '/tags/list?n=10'));
  await count('image: unknown tag', first, () => first.image(404, 'GET', '/manifests/never'));
  await second.sendTo('/oci/v2/another/one/tags/list', 404, 'GET');
  await count('image: manifest of an image not in memory', second, () => second.image(200, 'GET', '/manifests/v1'));
  await count('image: delete a manifest', first, () => first.image(202, 'DELETE', `/manifests/${digest}`));
}

/** versitygw of `.ci/install-s3`, on a folder of its own. */
async function startGateway(root) {
  const program = process.env.VERSITYGW_1_8_0 ?? join(root, '.tools/versitygw-1.8.0/versitygw');
  if (!existsSync(program)) return undefined;
  const { freePort } = await import('./servers.mjs');
  const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3');
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-bench-s3-'));
  const port = await freePort();
  const credentials = { accessKeyId: 'bench-access', secretAccessKey: 'bench-secret-key' };
  mkdirSync(join(folder, 'data'));
  mkdirSync(join(folder, 'sidecar'));
  const keys = ['-a', credentials.accessKeyId, '-s', credentials.secretAccessKey];
  const args = [
    '--quiet',
    '-p',
    `127.0.0.1:${port}`,
    ...keys,
    'posix',
    '--sidecar',
    join(folder, 'sidecar'),
    join(folder, 'data'),
  ];
  const child = spawn(program, args, { stdio: 'ignore', env: {} });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  const options = { endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', credentials };
  const client = new S3Client({ ...options, forcePathStyle: true, maxAttempts: 10 });
  try {
    await client.send(new CreateBucketCommand({ Bucket: 'bench' }));
  } catch (error) {
    await stop();
    throw error;
  } finally {
    client.destroy();
  }
  return { options: { ...options, bucket: 'bench' }, stop };
}

function addRows(table, where, counts) {
  for (const [what, { before, all }] of Object.entries(LIMITS)) {
    const found = counts[what];
    const met = found.before <= before && found.all <= all ? 'met' : 'MISSED';
    table.push(`${where}: ${what}`, `${found.before}, in all ${found.all}`, `≤ ${before}, ≤ ${all}`, met, 'storage calls');
  }
}

/** Rows for the table: in memory, and against a real S3 server where there is one. */
export async function countRows(table, lib, root) {
  addRows(table, 'memory', await countOperations(lib, new lib.MemoryDriver()));
  const gateway = await startGateway(root);
  if (!gateway) {
    table.skip('storage calls against versitygw', 'versitygw is not installed');
    return;
  }
  try {
    addRows(table, 'versitygw', await countOperations(lib, new lib.S3Driver(gateway.options)));
  } finally {
    await gateway.stop();
  }
}
