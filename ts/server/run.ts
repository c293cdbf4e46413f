import cluster from 'node:cluster';
import { SmartRegistry } from '../smart-registry.js';
import { showSetUp, showToken } from './banner.js';
import { compileSoon } from './compile-soon.js';
import { onSignal } from './on-signal.js';
import type { ServerOptions } from './options.js';
import { sentence } from './sentence.js';
import { logOf, type RunningServer, serve } from './serve.js';

/** `entrepot serve`, as one process, as the parent of several, or as one of them. Resolves with the exit code when the server has stopped. */
export async function runServer(options: ServerOptions): Promise<number> {
  if (cluster.isWorker) return (await import('./worker.js')).runWorker(options);
  if (options.workers > 1) return runParent(options);
  const told = untilTold();
  const running = await Promise.race([serve(options), told]);
  if (!running) return 0;
  compileSoon();
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
  } = registry.parts;
  await registry.destroy();
  if (admin?.token !== undefined) showToken(log, admin.token);
  const { runWorkers } = await import('./workers.js');
  return runWorkers({
    count: options.workers,
    log,
    told,
    onListening: (url) => showSetUp(log, url, { repositories }, options.registry.publicUrl),
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
