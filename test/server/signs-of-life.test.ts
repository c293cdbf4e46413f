import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { bearer, CLI, launch, run, scratch, startServer } from './launch.js';
import { publish } from './publish.js';

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

it('a server that waits for its store says that it is up, and that it is not ready', async () => {
  // takes connections and never answers
  const store = createServer(() => undefined).listen(0, '127.0.0.1');
  const free = createServer().listen(0, '127.0.0.1');
  await Promise.all([store, free].map((one) => new Promise((resolve) => one.once('listening', resolve))));
  const port = portOf(free);
  await new Promise((resolve) => free.close(resolve));
  const url = `s3://packages/?endpoint=http://127.0.0.1:${portOf(store)}&region=us-east-1`;
  const env = { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', ENTREPOT_SECRET: 'correct-horse-battery-staple-1-AZ9' };
  const server = launch(['serve', '--port', String(port), '--storage', url], env);
  try {
    const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
    let health = await ask('/-/health');
    for (let tries = 0; health === undefined && tries < 200; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      health = await ask('/-/health');
    }
    expect([health?.status, await health?.text()]).toEqual([200, '{"status":"up"}']);
    expect((await ask('/-/ready'))?.status).toBe(503);
    expect((await ask('/npm/x'))?.status).toBe(503);
  } finally {
    server.child.kill('SIGKILL');
    await server.exited;
    store.close();
  }
});

it('a connection that has not said anything holds no server up', async () => {
  const server = await startServer(['--storage', 'memory:']);
  const { hostname, port } = new URL(server.url);
  const silent = connect(Number(port), hostname);
  await new Promise((resolve) => silent.once('connect', resolve));
  const gone = new Promise((resolve) => silent.once('close', resolve));
  silent.on('error', () => undefined);
  silent.resume();
  // a request under way keeps the server draining meanwhile
  const slow = request({
    hostname,
    port,
    method: 'POST',
    path: '/-/api/v1/tokens',
    headers: { ...bearer(server.token), 'content-length': 2 },
  });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    slow.once('error', reject).once('response', (response) => {
      response.resume();
      resolve(response.statusCode);
    });
  });
  await new Promise<void>((resolve) => slow.write('{', () => resolve()));
  // its body is read, so it has arrived
  await fetch(`${server.url}/-/health`);
  server.child.kill('SIGTERM');
  await gone;
  slow.end('}');
  expect(await answered).toBe(201);
  expect(await server.exited).toBe(0);
});

it('what a command prints arrives whole at whoever reads slowly', async () => {
  const storage = ['--storage', `file:${scratch()}`];
  const server = await startServer(storage);
  await publish(`${server.url}/npm`, server.token, 'wordy', '1.0.0');
  const reason = 'x'.repeat(120_000);
  expect((await run(['yank', 'npm', 'wordy', '1.0.0', '--reason', reason, ...storage])).code).toBe(0);
  const shell = spawn('sh', [
    '-c',
    '"$@" | { sleep 3; cat; }',
    'sh',
    process.execPath,
    CLI,
    'history',
    'npm',
    'wordy',
    '--json',
    ...storage,
  ]);
  let out = '';
  for await (const chunk of shell.stdout) out += String(chunk);
  const records = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(records.at(-1)).toMatchObject({ type: 'status', details: { reason } });
});
