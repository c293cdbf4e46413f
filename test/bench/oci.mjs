/** Rows of the container registry; the peer is Debian's docker-registry, which is asked without credentials. */
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { imageManifest, MANIFEST, sharedBlob } from './generate-images.mjs';
import { Client, download, latency, load, warmed } from './load.mjs';
import { cpuOf, digits, interleaved, pause, rssOf } from './measure.mjs';
import { startDockerRegistry, startEntrepot, startHashing, startNginx } from './servers.mjs';

const MiB = 1024 * 1024;
const PULLED = 1024 * MiB;
const PUSHED = 512 * MiB;
const NAME = 'team/app';

const piece = Buffer.alloc(MiB);
for (let at = 0; at < piece.length; at += 4) piece.writeUInt32LE((at * 2654435761) >>> 0, at);

function digestOf(size) {
  const hash = createHash('sha256');
  for (let done = 0; done < size; done += piece.length) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}

/** One upload, POST and PUT: begins it, then sends so many bytes. Throws unless the registry has taken it. */
async function push(server, name, digest, size, bytes = undefined) {
  const client = new Client(server.origin, server.token);
  try {
    const { headers } = await client.expect(202, 'POST', `/v2/${name}/blobs/uploads/`, { headers: { 'content-length': '0' } });
    const url = new URL(headers.location, server.origin);
    url.searchParams.set('digest', digest);
    const status = await put(url, server.token, size, bytes);
    if (status !== 201) throw new Error(`${url}: ${status}`);
  } finally {
    client.close();
  }
}

function put(url, token, size, bytes) {
  const auth = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const headers = { ...auth, 'content-type': 'application/octet-stream', 'content-length': size };
    const sent = request(url, { method: 'PUT', headers }, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode));
    });
    sent.on('error', reject);
    if (bytes) return sent.end(bytes);
    let left = size;
    const more = () => {
      while (left > 0) {
        left -= piece.length;
        if (!sent.write(piece)) return sent.once('drain', more);
      }
      sent.end();
    };
    more();
  });
}

async function pushManifest(server, name, tag, text) {
  const client = new Client(server.origin, server.token);
  await client.expect(201, 'PUT', `/v2/${name}/manifests/${tag}`, {
    body: text,
    headers: { 'content-type': MANIFEST, 'content-length': Buffer.byteLength(text) },
  });
  client.close();
}

async function pulls(table, { ours, nginx, docker }, digest, { rounds }) {
  const path = `/v2/${NAME}/blobs/${digest}`;
  const root = (server) => ({ ...server, base: server.origin });
  const tasks = [['ours', () => download(root(ours), path, PULLED)]];
  if (nginx) tasks.push(['nginx', () => download(nginx, '/blob', PULLED)]);
  if (docker) tasks.push(['docker', () => download(root(docker), path, PULLED)]);
  for (const [, task] of tasks) await task();
  const found = await interleaved(rounds, tasks);
  const each = ({ perSecond, cpu }) => `${digits(perSecond)} GB/s, ${cpu.toFixed(0)} ms CPU per GB`;
  const against = (peer, title, goal) => {
    const what = `1 GiB blob pull against ${title}`;
    if (!found[peer]) return table.skip(what, `${title} is not installed`);
    const cpu = digits(found[peer].cpu / found.ours.cpu);
    const detail = `${each(found.ours)}; ${title} ${each(found[peer])}; by CPU time ${cpu} ×`;
    table.add(what, found.ours.perSecond / found[peer].perSecond, { goal, unit: ' ×', detail });
  };
  against('nginx', 'nginx sendfile', ['>=', 0.9]);
  against('docker', 'docker-registry', ['>=', 1.1]);
}

/** GB per second, and milliseconds of the server's CPU time per GB. */
async function pushed(server, work) {
  const [spent, began] = [cpuOf(server.pids()), process.hrtime.bigint()];
  await work();
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  return { perSecond: PUSHED / 1e9 / seconds, cpu: (cpuOf(server.pids()) - spent) / (PUSHED / 1e9) };
}

async function hashedAlone() {
  const [spent, began] = [process.cpuUsage(), process.hrtime.bigint()];
  digestOf(PUSHED);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const { user, system } = process.cpuUsage(spent);
  return { perSecond: PUSHED / 1e9 / seconds, cpu: (user + system) / 1000 / (PUSHED / 1e9) };
}

async function pushes(table, { ours, docker }, { rounds }) {
  const digest = digestOf(PUSHED);
  const bare = await startHashing();
  let n = 0;
  const sent = async () => {
    if ((await put(new URL('/', bare.base), undefined, PUSHED)) !== 201) throw new Error('the hashing server has failed');
  };
  const tasks = [
    ['memory', hashedAlone],
    ['hash', () => pushed(bare, sent)],
    ['ours', () => pushed(ours, () => push(ours, `push/n${++n}`, digest, PUSHED))],
  ];
  if (docker) tasks.push(['docker', () => pushed(docker, () => push(docker, `push/n${++n}`, digest, PUSHED))]);
  for (const [, task] of tasks) await task();
  const found = await interleaved(rounds, tasks);
  await bare.stop();
  const each = ({ perSecond, cpu }) => `${digits(perSecond)} GB/s, ${cpu.toFixed(0)} ms CPU per GB`;
  const against = (what, other, goal) => {
    const cpu = digits(found[other].cpu / found.ours.cpu);
    const detail = `${each(found.ours)}; the other ${each(found[other])}; by CPU time ${cpu} ×`;
    table.add(`blob push with sha256 against ${what}`, found.ours.perSecond / found[other].perSecond, {
      goal,
      unit: ' ×',
      detail,
    });
  };
  against('a bare Node server that only hashes it', 'hash', ['>=', 0.65]);
  against('hashing a buffer in memory', 'memory');
  const title = 'docker-registry';
  if (!docker) return table.skip(`blob push with sha256 against ${title}`, `${title} is not installed`);
  against(title, 'docker', ['>=', 1.7]);
}

async function manifests(table, { ours, docker }, { rounds, seconds }) {
  const title = 'manifest with a token against docker-registry';
  if (!docker) return table.skip(title, 'docker-registry is not installed');
  const path = `/v2/${NAME}/manifests/latest`;
  const tasks = Object.entries({ ours, docker }).map(([name, server]) => [
    name,
    () => load({ ...server, base: server.origin }, path, { seconds, accept: MANIFEST }),
  ]);
  for (const server of [ours, docker]) await warmed({ ...server, base: server.origin }, path, { seconds, accept: MANIFEST });
  const found = await interleaved(rounds, tasks);
  const each = ({ perSecond, cpu }) => `${perSecond.toFixed(0)}/s, ${cpu.toFixed(0)} µs CPU`;
  table.add(title, found.ours.perSecond / found.docker.perSecond, {
    goal: ['>=', 4],
    unit: ' ×',
    detail: `${each(found.ours)}; docker-registry ${each(found.docker)}; by CPU time ${digits(found.docker.cpu / found.ours.cpu)} ×`,
  });
}

/** Readers that take 64 KiB ten times a second. */
async function slowPulls(table, ours, digest, { readers = 64, seconds = 6 } = {}) {
  const { hostname, port } = new URL(ours.origin);
  const before = rssOf(ours.pids());
  const sockets = Array.from({ length: readers }, () => {
    const socket = connect({ host: hostname, port: Number(port), highWaterMark: 64 * 1024 });
    socket.write(
      `GET /v2/${NAME}/blobs/${digest} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${ours.token}\r\n\r\n`,
    );
    socket.on('error', () => undefined);
    socket.on('data', () => {
      socket.pause();
      setTimeout(() => socket.resume(), 100);
    });
    return socket;
  });
  const least = () => Math.min(...sockets.map((socket) => socket.bytesRead));
  let most = before;
  const look = async () => {
    await pause(200);
    most = Math.max(most, rssOf(ours.pids()));
  };
  for (let looks = 0; looks < 300 && least() < 64 * 1024; looks += 1) await look();
  for (let looks = 0; looks < seconds * 5; looks += 1) await look();
  const given = least();
  for (const socket of sockets) socket.destroy();
  if (given < 64 * 1024) throw new Error('a slow reader has been given nothing');
  table.add(`${readers} slow pulls of one layer, growth of memory`, most - before, {
    goal: ['<=', 128],
    unit: ' MiB',
    detail: `from ${before.toFixed(0)} to ${most.toFixed(0)} MiB`,
  });
}

/** Pulls, pushes, manifests and slow readers on one small image repository. */
export async function images(table, { dist, folder, work, has, how }) {
  const ours = await startEntrepot(dist, folder);
  const docker = has.docker ? await startDockerRegistry(join(work, 'docker')) : undefined;
  const digest = digestOf(PULLED);
  const config = sharedBlob(NAME);
  const layer = { digest, size: PULLED };
  for (const server of [ours, docker].filter(Boolean)) {
    await push(server, NAME, digest, PULLED);
    await push(server, NAME, config.digest, config.size, `{"shared":"${NAME}"}`);
    await pushManifest(server, NAME, 'latest', imageManifest(config, layer));
  }
  let nginx;
  if (has.nginx && docker) {
    mkdirSync(join(work, 'nginx-blob', 'root'), { recursive: true });
    const hex = digest.slice('sha256:'.length);
    const stored = `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
    linkSync(join(work, 'docker', 'storage', stored), join(work, 'nginx-blob', 'root', 'blob'));
    nginx = await startNginx(join(work, 'nginx-blob'));
  }
  await manifests(table, { ours, docker }, how);
  await slowPulls(table, ours, digest);
  await pulls(table, { ours, nginx, docker }, digest, how);
  await pushes(table, { ours, docker }, how);
  for (const server of [ours, docker, nginx]) await server?.stop();
  rmSync(join(work, 'docker'), { recursive: true, force: true });
}

const FEW = 'images/few';
const MANY = 'images/many';
export const MANIFESTS = { [FEW]: 100, [MANY]: 100_000 };

/** An image repository with 100,000 manifests beside one with a hundred, on a server that has seen neither. */
export async function manyImages(table, { dist, folder, how: { rounds }, each = 20 }) {
  const cold = [];
  let ours;
  for (let round = 0; round < 3; round += 1) {
    await ours?.stop();
    ours = await startEntrepot(dist, folder);
    const client = new Client(ours.origin, ours.token);
    const before = rssOf(ours.pids());
    const spent = cpuOf(ours.pids());
    const first = await latency(1, () => client.expect(200, 'GET', `/v2/${MANY}/manifests/v050000`));
    cold.push({ first, grown: rssOf(ours.pids()) - before, cpu: cpuOf(ours.pids()) - spent });
    client.close();
  }
  const middle = cold.sort((a, b) => a.first - b.first)[1];
  table.add('cold read of an image repository with 100,000 manifests', middle.first / 1000, {
    goal: ['<=', 1],
    unit: ' s',
    detail: `${(middle.cpu / 1000).toFixed(2)} s CPU`,
  });
  const client = new Client(ours.origin, ours.token);
  let n = 0;
  const pushOne = (name) => () => {
    const shared = sharedBlob(name);
    const text = imageManifest(shared, shared, { n: String(++n) });
    return client.expect(201, 'PUT', `/v2/${name}/manifests/new-${n}`, { body: text, headers: { 'content-type': MANIFEST } });
  };
  const page = (name) => () => client.expect(200, 'GET', `/v2/${name}/tags/list?n=100&last=v000050`);
  for (const [what, work, enough] of [
    ['push of a manifest', pushOne, each],
    ['page of 100 tags', page, 500],
  ]) {
    const tasks = [FEW, MANY].map((name) => [name, () => latency(each, work(name))]);
    // pages are so short that of the first ones nearly all is how code is compiled
    for (const name of [FEW, MANY]) await latency(enough, work(name));
    const found = await interleaved(rounds, tasks);
    table.add(`${what}: 100,000 manifests against 100`, found[MANY] / found[FEW], {
      goal: ['<=', 1.5],
      unit: ' ×',
      detail: `${digits(found[MANY])} ms, ${digits(found[FEW])} ms`,
    });
  }
  client.close();
  table.add('memory with that repository in use', rssOf(ours.pids()), {
    unit: ' MiB',
    detail: `the first read took ${middle.grown.toFixed(0)} MiB`,
  });
  await ours.stop();
}
