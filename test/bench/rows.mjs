import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { GIB, GROWING, HUGE, LARGE, SMALL } from './generate.mjs';
import { Client, download, latency, load, warmed } from './load.mjs';
import { cpuOf, digits, interleaved, pause, rssOf } from './measure.mjs';
import { manifestOf, publishBody } from './package.mjs';
import { fillVerdaccio, startEntrepot, startNginx, startVerdaccio } from './servers.mjs';

const TARGET = { ours: 'entrepot', verdaccio: 'Verdaccio', nginx: 'nginx' };

/** One server after the other is asked the same; ratios of requests per second, and of CPU time per request. */
async function compare(table, what, servers, paths, { rounds, goals, ...how }) {
  const tasks = Object.entries(servers)
    .filter(([name, server]) => server && paths[name])
    .map(([name, server]) => [name, () => load(server, paths[name], how)]);
  for (const [name] of tasks) await warmed(servers[name], paths[name], how);
  const found = await interleaved(rounds, tasks);
  for (const peer of ['verdaccio', 'nginx']) {
    if (!goals[peer]) continue;
    const title = `${what} against ${TARGET[peer]}`;
    if (!found[peer]) {
      table.skip(title, `${TARGET[peer]} is not installed`);
      continue;
    }
    const { ours } = found;
    const each = (one) => `${one.perSecond.toFixed(0)}/s, ${one.cpu.toFixed(0)} µs CPU`;
    const cpu = digits(found[peer].cpu / ours.cpu);
    table.add(title, ours.perSecond / found[peer].perSecond, {
      goal: goals[peer] === true ? undefined : goals[peer],
      unit: ' ×',
      detail: `${each(ours)}; ${TARGET[peer]} ${each(found[peer])}; by CPU time ${cpu} ×`,
    });
  }
}

/** The peers on the documents that our server gives out, and on the same tarball. */
export async function preparePeers({ ours, work, folder, has }) {
  const client = new Client(ours.base, ours.token);
  const documents = [];
  for (const name of [SMALL, LARGE, GROWING, HUGE])
    documents.push({ name, document: JSON.parse((await client.expect(200, 'GET', `/${name}`)).body) });
  const raw = new Map();
  for (const name of [SMALL, LARGE]) raw.set(name, (await client.expect(200, 'GET', `/${name}`)).body);
  client.close();
  const huge = join(folder, 'objects', 'huge');
  const peers = {};
  if (has.nginx) {
    const root = join(work, 'nginx', 'root');
    mkdirSync(root, { recursive: true });
    for (const [name, body] of raw) writeFileSync(join(root, name), body);
    linkSync(huge, join(root, HUGE));
    peers.nginx = await startNginx(join(work, 'nginx'));
  }
  if (has.verdaccio) {
    const home = join(work, 'verdaccio');
    fillVerdaccio(home, documents, [{ name: HUGE, file: `${HUGE}-1.0.0.tgz`, path: huge }]);
    peers.verdaccio = await startVerdaccio(home);
  }
  return peers;
}

export async function reads(table, servers, { rounds, seconds }) {
  const everywhere = (path) => ({ ours: path, verdaccio: path, nginx: path });
  await compare(table, '5 KB packument with a token', servers, everywhere(`/${SMALL}`), {
    rounds,
    seconds,
    goals: { verdaccio: ['>=', 4], nginx: ['>=', 0.35] },
  });
  await compare(table, '1,000-version packument (1 MB)', servers, everywhere(`/${LARGE}`), {
    rounds,
    seconds,
    connections: 4,
    goals: { verdaccio: ['>=', 30], nginx: true },
  });
}

export async function tarball(table, { ours, nginx, verdaccio }, { rounds }) {
  const path = `/${HUGE}/-/${HUGE}-1.0.0.tgz`;
  if (!nginx) return table.skip('1 GiB tarball against nginx sendfile', 'nginx is not installed');
  const tasks = [
    ['ours', () => download(ours, path, GIB)],
    ['nginx', () => download(nginx, `/${HUGE}`, GIB)],
  ];
  if (verdaccio) tasks.push(['verdaccio', () => download(verdaccio, path, GIB)]);
  for (const [, task] of tasks) await task();
  const found = await interleaved(rounds, tasks);
  const each = ({ perSecond, cpu }) => `${digits(perSecond)} GB/s, ${cpu.toFixed(0)} ms CPU per GB`;
  const named = Object.entries(found).map(([name, one]) => `${TARGET[name]} ${each(one)}`);
  table.add('1 GiB tarball against nginx sendfile', found.ours.perSecond / found.nginx.perSecond, {
    goal: ['>=', 0.9],
    unit: ' ×',
    detail: named.join('; '),
  });
}

let names = 0;
const freshName = () => `fresh-${process.pid}-${++names}`;

const publication = (name, version) => ({ name, body: publishBody(name, version) });
/** Median milliseconds of `count` publishes; what is sent is made before the clock starts. */
function publishing(client, count, name, version) {
  client.begin();
  const send = ({ name: own, body }) => client.expect(201, 'PUT', `/${own}`, { body });
  return latency(count, send, () => publication(name(), version()));
}
/** Publishes on each server before any is measured: with fewer, what is measured is how code is compiled. */
const PUBLISHES_BEFORE = 500;

/** One durable create by itself: bytes to a new file, synced, given its name, the folder synced. */
function durableCreate(folder, n) {
  const bytes = Buffer.alloc(1500, 'x');
  const draft = join(folder, `draft-${n}`);
  const file = openSync(draft, 'wx');
  writeSync(file, bytes);
  fsyncSync(file);
  closeSync(file);
  renameSync(draft, join(folder, `file-${n}`));
  const opened = openSync(folder, 'r');
  fsyncSync(opened);
  closeSync(opened);
}

/** A task's median, and what one of its requests costs the server in CPU time, what follows the answers included; milliseconds. */
async function weighed(server, count, task) {
  const before = cpuOf(server.pids());
  const ms = await task();
  return { ms, cpu: (cpuOf(server.pids()) - before) / count };
}

export async function publishes(table, { ours, verdaccio }, { rounds, work, each = 30 }) {
  const folder = join(work, 'durable');
  mkdirSync(folder, { recursive: true });
  const client = new Client(ours.base, ours.token);
  const other = verdaccio && new Client(verdaccio.base, verdaccio.token);
  let creates = 0;
  let next = 999;
  const fresh = (target, count) => publishing(target, count, freshName, () => '1.0.0');
  const grow = (target) => () =>
    publishing(
      target,
      each,
      () => GROWING,
      () => `1.${++next}.0`,
    );
  for (const target of other ? [client, other] : [client]) await fresh(target, PUBLISHES_BEFORE);
  const tasks = [
    ['create', () => latency(each, async () => durableCreate(folder, ++creates))],
    ['first', () => weighed(ours, each, () => fresh(client, each))],
    ['later', grow(client)],
  ];
  if (other) tasks.push(['verdaccio', () => fresh(other, each)], ['verdaccioLater', grow(other)]);
  for (const [, task] of tasks) await task();
  const found = await interleaved(rounds, tasks);
  client.close();
  other?.close();
  const ms = (value) => `${value.toFixed(1)} ms`;
  const beside = found.verdaccio === undefined ? '' : `; Verdaccio, which syncs nothing, ${ms(found.verdaccio)}`;
  table.add('publish against one durable create', found.first.ms / found.create, {
    goal: ['<=', 6],
    unit: ' ×',
    detail: `${ms(found.first.ms)}, ${ms(found.first.cpu)} CPU, create ${ms(found.create)}${beside}`,
  });
  const besideLater = found.verdaccio === undefined ? '' : `; Verdaccio ${digits(found.verdaccioLater / found.verdaccio)} ×`;
  table.add('1,000th version published against the first', found.later / found.first.ms, {
    goal: ['<=', 1.5],
    unit: ' ×',
    detail: `${ms(found.later)}, ${ms(found.first.ms)}${besideLater}`,
  });
}

const QUERIES = ['fjord', 'amber lark', 'pkg-77', 'author:author quartz', 'nothing-like-it'];

export async function search(table, { ours, verdaccio, count }, { rounds }) {
  const run = (server) => {
    const client = new Client(server.base, server.token);
    return async () =>
      latency(10, (n) => client.expect(200, 'GET', `/-/v1/search?text=${encodeURIComponent(QUERIES[n % QUERIES.length])}`));
  };
  const tasks = [['ours', run(ours)]];
  if (verdaccio) tasks.push(['verdaccio', run(verdaccio)]);
  await tasks[0][1]();
  const found = await interleaved(rounds, tasks);
  const beside = found.verdaccio === undefined ? '' : `Verdaccio ${found.verdaccio.toFixed(0)} ms`;
  table.add(`search over ${count.toLocaleString('en')} packages`, found.ours, { goal: ['<=', 30], unit: ' ms', detail: beside });
}

/** Starts and stops several times; the last one's memory after a while of doing nothing. */
export async function starts(table, { dist, folder, verdaccioFolder, count }, { rounds }) {
  const once = (start) => async () => {
    const server = await start();
    const { startedIn } = server;
    await pause(1500);
    const resident = rssOf(server.pids());
    await server.stop();
    return { startedIn, resident };
  };
  const tasks = [['ours', once(() => startEntrepot(dist, folder))]];
  if (verdaccioFolder) tasks.push(['verdaccio', once(() => startVerdaccio(verdaccioFolder))]);
  const found = await interleaved(rounds, tasks);
  const beside = (text) => (found.verdaccio ? `Verdaccio ${text(found.verdaccio)}` : '');
  const at = `${count.toLocaleString('en')} packages`;
  table.add(`start on ${at}`, found.ours.startedIn / 1000, {
    goal: ['<=', 0.3],
    unit: ' s',
    detail: beside(({ startedIn }) => `${(startedIn / 1000).toFixed(2)} s`),
  });
  table.add(`idle RSS on ${at}`, found.ours.resident, {
    goal: ['<=', 90],
    unit: ' MiB',
    detail: beside(({ resident }) => `${resident.toFixed(0)} MiB`),
  });
}

export async function workers(table, { dist, folder }, { rounds, seconds }) {
  const [one, four] = [await startEntrepot(dist, folder), await startEntrepot(dist, folder, { workers: 4 })];
  const tasks = [
    ['one', () => load(one, `/${SMALL}`, { seconds })],
    ['four', () => load(four, `/${SMALL}`, { seconds })],
  ];
  for (const [, task] of tasks) await task();
  const found = await interleaved(rounds, tasks);
  await one.stop();
  await four.stop();
  const { one: a, four: b } = found;
  table.add('1 → 4 workers, 5 KB packument', b.perSecond / a.perSecond, {
    unit: ' ×',
    detail: `${a.perSecond.toFixed(0)}/s and ${b.perSecond.toFixed(0)}/s; CPU per request ${digits(b.cpu / a.cpu)} ×`,
  });
}

/** The same at few and at many packages. `sizes`: `[count, folder]` pairs, fewest first. */
export async function sizes(table, { dist, sizes: all }, { rounds, seconds, each = 30 }) {
  const servers = [];
  for (const [count, folder] of all) servers.push([String(count), await startEntrepot(dist, folder)]);
  const measured = [
    ['5 KB packument, CPU per request', 'µs', (server) => async () => (await load(server, `/${SMALL}`, { seconds })).cpu],
    [
      'absent package (404), latency',
      'ms',
      (server) => clientTask(server, (client) => latency(each * 4, () => client.expect(404, 'GET', `/${freshName()}`))),
    ],
    ['publish, latency', 'ms', (server) => clientTask(server, (client) => publishing(client, each, freshName, () => '1.0.0'))],
  ];
  const [few, many] = [String(all[0][0]), String(all.at(-1)[0])];
  for (const [what, unit, make] of measured) {
    const tasks = servers.map(([count, server]) => [count, make(server)]);
    for (const [, task] of tasks) await task();
    const found = await interleaved(rounds, tasks);
    const named = Object.entries(found).map(
      ([count, value]) => `${Number(count).toLocaleString('en')}: ${digits(value)} ${unit}`,
    );
    table.add(`${what}: ${Number(many).toLocaleString('en')} packages against ${few}`, found[many] / found[few], {
      goal: ['<=', 1.5],
      unit: ' ×',
      detail: named.join('; '),
    });
  }
  for (const [, server] of servers) await server.stop();
}

const clientTask = (server, work) => async () => {
  const client = new Client(server.base, server.token);
  try {
    return await work(client);
  } finally {
    client.close();
  }
};

export const removeAll = (folder) => rmSync(folder, { recursive: true, force: true });

/** The ordinary packages of a generated registry, as a peer would have stored them. */
export function plainDocuments(count) {
  const dist = { shasum: '0'.repeat(40), tarball: '', fileCount: 2, unpackedSize: 1000 };
  return Array.from({ length: count }, (_, n) => {
    const name = `pkg-${n}`;
    const version = {
      ...manifestOf(name, '1.0.0', n),
      dist: { ...dist, tarball: `http://registry.example/${name}/-/${name}-1.0.0.tgz` },
    };
    const when = new Date(Date.UTC(2024, 0, 1) + n).toISOString();
    const time = { created: when, modified: when, '1.0.0': when };
    return { name, document: { name, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version }, time, readme: '' } };
  });
}
