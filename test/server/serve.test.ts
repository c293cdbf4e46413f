import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bearer, run, scratch, serveHere, startServer } from './launch.js';
import { publish } from './publish.js';

const get = async (url: string, token?: string) => {
  const response = await fetch(url, { headers: token === undefined ? {} : bearer(token) });
  return { status: response.status, text: await response.text(), headers: response.headers };
};

describe('the first start on a folder', () => {
  it('makes an administrator, a secret and a format mark, and shows the token once', async () => {
    const root = scratch();
    const first = await startServer(['--storage', `file:${root}`]);
    expect(first.token).toMatch(/^ent_/);
    expect(first.out().split(first.token)).toHaveLength(2);
    const secret = statSync(join(root, 'secret'));
    expect(secret.mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(join(root, 'entrepot.json'), 'utf8'))).toEqual({ format: 1 });
    const { text } = await get(`${first.url}/npm/-/whoami`, first.token);
    expect(JSON.parse(text)).toEqual({ username: 'admin' });
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);

    const second = await startServer(['--storage', `file:${root}`]);
    expect(second.out()).not.toContain('ent_');
    expect((await get(`${second.url}/npm/-/whoami`, first.token)).status).toBe(200);
    expect(readFileSync(join(root, 'secret'), 'utf8')).not.toContain('ent_');
  });

  it("takes the operator's own token and never prints it", async () => {
    const token = 'an-operators-own-token-K7xQ2mP9vR4w';
    const server = await startServer(['--storage', `file:${scratch()}`], { ENTREPOT_ADMIN_TOKEN: token });
    expect((await get(`${server.url}/npm/-/whoami`, token)).status).toBe(200);
    expect(server.out() + server.err()).not.toContain(token);
  });

  it('prints one line that points the client at each repository', async () => {
    const root = scratch();
    const config = join(scratch(), 'config.json');
    writeFileSync(config, JSON.stringify({ repositories: [{ name: 'team', protocol: 'npm', enabled: true }] }));
    const server = await startServer([
      '--storage',
      `file:${root}`,
      '--config',
      config,
      '--public-url',
      'https://packages.example/',
    ]);
    await server.line(({ repository }) => repository === 'team');
    const runs = server.lines().flatMap(({ message, repository, run }) => (message === 'set up' ? [[repository, run]] : []));
    expect(runs).toEqual([
      ['oci', 'echo "$ENTREPOT_TOKEN" | docker login packages.example --username token --password-stdin'],
      ['npm', 'npm config set registry=https://packages.example/npm/ //packages.example/npm/:_authToken=$ENTREPOT_TOKEN'],
      ['team', 'npm config set registry=https://packages.example/team/ //packages.example/team/:_authToken=$ENTREPOT_TOKEN'],
    ]);
  });
});

describe('a start that cannot be', () => {
  const refused = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const { code, out, err } = await run(['serve', ...args], env);
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).not.toMatch(/\n\s+at /);
    return err;
  };

  it('says that the port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    try {
      const err = await refused(['--port', String(port), '--storage', `file:${scratch()}`]);
      expect(err).toBe(`entrepot: port ${port} on 127.0.0.1 is in use already\n`);
      const workers = await run(['serve', '--port', String(port), '--workers', '2', '--storage', `file:${scratch()}`]);
      expect(workers).toMatchObject({ code: 1, err });
    } finally {
      other.close();
    }
  });

  it('says that the folder cannot be made', async () => {
    const file = join(scratch(), 'file');
    writeFileSync(file, '');
    const err = await refused(['--port', '0', '--storage', `file:${file}/data`]);
    expect(err.split('\n')).toHaveLength(2);
    expect(err).toContain(`${file}/data cannot be made or written`);
  });

  it('says that the storage was written by a newer program', async () => {
    const root = scratch();
    writeFileSync(join(root, 'entrepot.json'), '{"format": 2}');
    expect(await refused(['--port', '0', '--storage', `file:${root}`])).toMatch(
      /it has format 2 and this program knows formats up to 1/,
    );
  });

  it('says that a store cannot be reached', async () => {
    const url = 's3://packages/?endpoint=http://127.0.0.1:9&region=us-east-1';
    const env = { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', ENTREPOT_SECRET: 'correct-horse-battery-staple-1-AZ9' };
    expect(await refused(['--port', '0', '--storage', url], env)).toMatch(/storage cannot be reached/);
  });

  it('names every wrong option at once, by the name that the operator used', async () => {
    const config = join(scratch(), 'config.json');
    writeFileSync(config, JSON.stringify({ anonymousRed: '*', workers: 'many', npm: { enabled: 1 } }));
    const err = await refused(['--config', config, '--storage', 'ftp:x', '--log-level', 'loud'], {
      PORT: '99999',
      ENTREPOT_SECRET: 'short',
    });
    for (const path of ['PORT', '--storage', '--log-level', 'workers', 'anonymousRed', 'ENTREPOT_SECRET', 'npm.enabled'])
      expect(err).toContain(`  ${path}: `);
    expect(err).not.toContain('short\n');
  });

  it('refuses flags that do not exist, and suggests the nearest', async () => {
    expect(await refused(['--prot', '1'])).toMatch(/--prot: no such option; did you mean --port\?/);
  });

  it('refuses several processes on memory', async () => {
    expect(await refused(['--storage', 'memory:', '--workers', '2'])).toMatch(/--workers: memory is not shared/);
  });
});

describe('a running server', () => {
  it('answers for itself below /-/ and says what is mounted', async () => {
    const { url } = await serveHere({ storage: 'memory:' });
    expect(await get(`${url}/-/health`)).toMatchObject({ status: 200, text: '{"status":"up"}' });
    expect(await get(`${url}/-/ready`)).toMatchObject({ status: 200, text: '{"status":"ready"}' });
    expect((await get(`${url}/`)).text).toMatch(/\/npm\/ +npm/);
    const metrics = await get(`${url}/-/metrics`);
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(metrics.text).toContain('entrepot_requests_total{repository="-",route="health",method="GET",status="200"} 1');
    for (const path of ['/-/ui/nothing', '/-/api/v1/nothing', '/favicon.ico', '/-/', '/v1/'])
      expect((await get(url + path)).status).toBe(404);
    // the root of the host is the only place where container clients look
    expect((await get(`${url}/v2/`)).headers.get('www-authenticate')).toMatch(/^Bearer realm="http.*\/v2\/token"/);
    expect((await fetch(`${url}/-/health`, { method: 'POST' })).status).toBe(405);
  });

  it('gives npm its paths at the root of a mount only', async () => {
    const { url } = await serveHere({ storage: 'memory:' });
    expect((await get(`${url}/npm/-/ping`)).status).toBe(200);
    expect((await get(`${url}/npm/-/health`)).status).not.toBe(200);
    expect((await get(`${url}/npmx/-/ping`)).status).toBe(404);
    expect((await get(`${url}/%6epm/-/ping`)).status).toBe(200);
    expect((await get(`${url}/npm%2f-/ping`)).status).toBe(404);
  });

  it('lets nobody read who has no credentials, unless told', async () => {
    const root = scratch();
    const closed = await serveHere({ storage: `file:${root}` });
    await publish(`${closed.url}/npm`, closed.token, 'open', '1.0.0', 'public');
    await publish(`${closed.url}/npm`, closed.token, 'shut', '1.0.0', 'restricted');
    expect((await get(`${closed.url}/npm/open`)).status).toBe(401);
    const open = await serveHere({ storage: `file:${root}`, 'anonymous-read': 'npm' });
    expect((await get(`${open.url}/npm/open`)).status).toBe(200);
    expect((await get(`${open.url}/npm/shut`)).status).not.toBe(200);
  });

  it('writes one line per request and no secret in any of them', async () => {
    const server = await startServer(['--storage', 'memory:']);
    const { url, token } = server;
    await get(`${url}/npm/nothing?auth=${token}`, token);
    await fetch(`${url}/npm/-/user/token/${token}`, { method: 'DELETE', headers: bearer(token) });
    const logged = await server.line(({ message, method }) => message === 'request' && method === 'DELETE');
    expect(logged).toMatchObject({
      path: '/npm/-/user/token/***',
      route: 'logout',
      repository: 'npm',
      peer: '127.0.0.1',
      level: 'info',
    });
    const requests = server.lines().filter(({ message }) => message === 'request');
    expect(requests).toHaveLength(2);
    expect(requests[0]).toMatchObject({ method: 'GET', path: '/npm/nothing', status: 404, route: 'packument' });
    expect(requests[0]?.['user']).toBeTypeOf('string');
    expect(JSON.stringify(requests)).not.toContain(token.slice(-20));
  });

  it('finishes what is under way when it is told to stop, and exits 0', async () => {
    const server = await startServer(['--storage', 'memory:']);
    const { hostname, port } = new URL(server.url);
    const body = JSON.stringify({ name: 'x' });
    const answered = new Promise<number>((resolve, reject) => {
      const slow = request(
        {
          hostname,
          port,
          method: 'POST',
          path: '/-/api/v1/tokens',
          headers: { ...bearer(server.token), 'content-length': body.length },
        },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      slow.on('error', reject);
      slow.write(body.slice(0, 3));
      setTimeout(() => {
        server.child.kill('SIGTERM');
        void server.line(({ message }) => message === 'draining').then(() => slow.end(body.slice(3)));
      }, 200);
    });
    expect(await answered).toBe(201);
    expect(await server.exited).toBe(0);
    await expect(fetch(`${server.url}/-/health`)).rejects.toThrow();
  });

  it('exits 0 on SIGINT too', async () => {
    const server = await startServer(['--storage', 'memory:']);
    server.child.kill('SIGINT');
    expect(await server.exited).toBe(0);
  });
});
