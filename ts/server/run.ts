import cluster from 'node:cluster';
import { createServer } from 'node:net';
import { systemRuntime } from '../lib/clock.js';
import { SmartRegistry } from '../smart-registry.js';
import { showSetUp, showToken } from './banner.js';
import { onSignal } from './on-signal.js';
import type { ServerOptions } from './options.js';
import { sentence } from './sentence.js';
import { expectRoom, logOf, type RunningServer, serve } from './serve.js';

/** `entrepot serve`, as one process, as the parent of several, or as one of them. Resolves with the exit code when the server has stopped. */
export async function runServer(options: ServerOptions): Promise<number> {
  if (cluster.isWorker) return (await import('./worker.js')).runWorker(options);
  if (options.workers > 1) return runParent(options);
  const told = untilTold();
  const running = await Promise.race([serve(options), told]);
  if (!running) return 0;
  const { admin } = running.registry.parts.auth;
  if (admin?.token !== undefined) showToken(running.log, admin.token);
  showSetUp(running.log, running.url, running.registry.parts, options.registry.publicUrl);
  await told;
  return stopped(running);
}

/** The parent opens the storage once, so that its children find the administrator, the secret and the probe's result. */
async function runParent(options: ServerOptions): Promise<number> {
  const told = untilTold();
  const log = logOf(options);
  const registry = new SmartRegistry({ ...options.registry, onFault: (error, where) => log.fault(error, where) });
  await registry.init();
  const {
    auth: { admin },
    repositories,
    storage,
  } = registry.parts;
  await registry.destroy();
  expectRoom({ storage });
  if (admin?.token !== undefined) showToken(log, admin.token);
  // All have the same port, also those that come after all others have died.
  if (options.port === 0)
    cluster.setupPrimary({ args: [...process.argv.slice(2), '--port', String(await freePort(options.host))] });
  const { runWorkers } = await import('./workers.js');
  return runWorkers({
    count: options.workers,
    log,
    told,
    clock: systemRuntime.clock,
    fork: () => cluster.fork(),
    onListening: (url) => showSetUp(log, url, { repositories }, options.registry.publicUrl),
  });
}

/** A port that nobody listens on just now. Throws what keeps this machine from listening there at all. */
function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process. */
function untilTold(): Promise<undefined> {
  return new Promise((resolve) => {
    let told = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      onSignal(signal, () => {
        if (told) process.exit(1);
        told = true;
        resolve(undefined);
      });
    }
  });
}

/** Drains a server. The exit code: 0, or 1 when something could not be finished. */
async function stopped(running: RunningServer): Promise<number> {
  const { log } = running;
  log.note('info', 'draining');
  try {
    await running.stop();
  } catch (error) {
    log.note('error', sentence(error));
    return 1;
  }
  log.note('info', 'stopped');
  return 0;
}
