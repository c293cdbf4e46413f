import { fork, spawn, spawnSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADMIN_TOKEN } from './generate.mjs';
import { Client } from './load.mjs';
import { pause } from './measure.mjs';

const started = new Set();

/** Ends what was started here and is still running. */
export async function stopAll() {
  await Promise.all([...started].map((server) => server.stop()));
}

function childrenOf(pid) {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return list === '' ? [] : list.split(' ').map(Number);
}

function running(child, base, token) {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const server = {
    base,
    origin: new URL(base).origin,
    token,
    pid: child.pid,
    pids: () => [child.pid, ...childrenOf(child.pid)],
    async stop() {
      started.delete(server);
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await gone;
      clearTimeout(late);
    },
  };
  started.add(server);
  return server;
}

export const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** Resolves as soon as the port takes connections; the milliseconds since `began`. */
async function answering(child, port, path, began) {
  for (let look = 0; look < 3000; look += 1) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    const client = new Client(`http://127.0.0.1:${port}`);
    try {
      const { status } = await client.send('GET', path);
      if (status < 500) return Number(process.hrtime.bigint() - began) / 1e6;
    } catch {
      // not yet
    } finally {
      client.close();
    }
    await pause(5);
  }
  throw new Error('the server does not come up');
}

const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
const environment = (more = {}) => ({ PATH: process.env.PATH, HOME: tmpdir(), ...more });

/** Our server; `startedIn`: milliseconds until it answered. */
export async function startEntrepot(dist, folder, { workers = 1, node = [] } = {}) {
  const port = await freePort();
  const began = process.hrtime.bigint();
  const args = [...node, join(dist, 'server/cli.js'), 'serve', '--port', String(port), '--storage', `file:${folder}`];
  const child = spawn(process.execPath, [...args, '--workers', String(workers), '--log-level', 'warn'], {
    ...quiet,
    env: environment({ ENTREPOT_ADMIN_TOKEN: ADMIN_TOKEN }),
  });
  const server = running(child, `http://127.0.0.1:${port}/npm`, ADMIN_TOKEN);
  // Until it is open, requests are answered 503.
  server.startedIn = await answering(child, port, '/npm/-/ping', began);
  return server;
}

const PEERS = new URL('../../.tools/peers/', import.meta.url).pathname;
const VERDACCIO = join(PEERS, 'verdaccio/node_modules/verdaccio/bin/verdaccio');
export const hasVerdaccio = () => existsSync(VERDACCIO);

/** A Verdaccio folder with these packages (`{name, document}`: our own full documents) and links to these tarballs. */
export function fillVerdaccio(folder, packages, tarballs = []) {
  const storage = join(folder, 'storage');
  for (const { name, document } of packages) {
    mkdirSync(join(storage, name), { recursive: true });
    const more = { _uplinks: {}, _distfiles: {}, _attachments: {}, _rev: '1-0', _id: name };
    writeFileSync(join(storage, name, 'package.json'), JSON.stringify({ ...document, ...more }));
  }
  for (const { name, file, path } of tarballs) linkSync(path, join(storage, name, file));
  const list = packages.map(({ name }) => name);
  writeFileSync(join(storage, '.verdaccio-db.json'), JSON.stringify({ list, secret: 'a'.repeat(32) }));
}

/** Verdaccio with short-lived signed tokens (its fast ones), logging switched off; everything needs a token, as in ours. */
export async function startVerdaccio(folder) {
  const port = await freePort();
  mkdirSync(join(folder, 'storage'), { recursive: true });
  const rule = { access: '$authenticated', publish: '$authenticated', unpublish: '$authenticated' };
  const config = {
    storage: join(folder, 'storage'),
    auth: { htpasswd: { file: join(folder, 'htpasswd') } },
    security: { api: { legacy: false, jwt: { sign: { expiresIn: '1d' } } } },
    packages: { '@*/*': rule, '**': rule },
    max_body_size: '2gb',
    log: { type: 'stdout', format: 'json', level: 'fatal' },
    server: { keepAliveTimeout: 60 },
    userRateLimit: { windowMs: 1000, max: 100000 },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  const began = process.hrtime.bigint();
  const args = [VERDACCIO, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`];
  const child = spawn(process.execPath, args, { ...quiet, env: environment({ NODE_ENV: 'production' }) });
  const server = running(child, `http://127.0.0.1:${port}`, undefined);
  server.startedIn = await answering(child, port, '/-/ping', began);
  const client = new Client(server.base);
  const user = { name: `bench${process.hrtime.bigint()}`, password: 'a-password-of-benchmarks' };
  const answer = await client.expect([200, 201], 'PUT', `/-/user/org.couchdb.user:${user.name}`, { body: JSON.stringify(user) });
  client.close();
  server.token = JSON.parse(answer.body).token;
  return server;
}

export const hasDockerRegistry = () => spawnSync('docker-registry', ['--version']).error === undefined;

/** Debian's docker-registry on a folder, without authentication and with its cache of blob descriptors, which its own package switches on. */
export async function startDockerRegistry(folder) {
  const port = await freePort();
  mkdirSync(join(folder, 'storage'), { recursive: true });
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { cache: { blobdescriptor: 'inmemory' }, filesystem: { rootdirectory: join(folder, 'storage') } },
    http: { addr: `127.0.0.1:${port}`, secret: 'only-for-benchmarks' },
  };
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config));
  const began = process.hrtime.bigint();
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: environment(),
  });
  const server = running(child, `http://127.0.0.1:${port}`, undefined);
  server.startedIn = await answering(child, port, '/v2/', began);
  return server;
}

/** A bare server that hashes what it is sent (`hashing-server.mjs`). */
export async function startHashing() {
  const child = fork(new URL('./hashing-server.mjs', import.meta.url), { env: environment() });
  const port = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the hashing server ended with ${code}`)));
  });
  return running(child, `http://127.0.0.1:${port}`, undefined);
}

export const nginxProgram = () => ['/usr/sbin/nginx', 'nginx'].find((name) => spawnSync(name, ['-v']).error === undefined);

/** nginx over a folder of files: one worker, sendfile, no log. */
export async function startNginx(folder) {
  const port = await freePort();
  const config = `
    worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log /dev/null crit;
    ${process.getuid() === 0 ? 'user root;' : ''}
    events { worker_connections 512; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type application/json; etag on;
      client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      server { listen 127.0.0.1:${port}; root ${folder}/root; }
    }`;
  mkdirSync(join(folder, 'root'), { recursive: true });
  writeFileSync(join(folder, 'nginx.conf'), config);
  const began = process.hrtime.bigint();
  const child = spawn(nginxProgram(), ['-c', join(folder, 'nginx.conf'), '-p', folder], { ...quiet, env: environment() });
  const server = running(child, `http://127.0.0.1:${port}`, undefined);
  server.startedIn = await answering(child, port, '/', began);
  return server;
}
