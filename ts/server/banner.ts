import type { OpenRegistry } from '../smart-registry.js';
import type { Log } from './log.js';

/** The first administrator's token, on the start that made it and never again. */
export function showToken(log: Log, token: string): void {
  const run = `export ENTREPOT_TOKEN=${token}`;
  log.announce("the administrator's token, shown this once", ["The administrator's token, shown this once:", `  ${run}`, ''], {
    run,
  });
}

/** Where the server listens, and for each repository the line that points its client there. */
export function showSetUp(
  log: Log,
  url: string,
  registry: Pick<OpenRegistry, 'repositories'>,
  publicUrl: string | undefined,
): void {
  log.announce('listening', [`Entrepot listens on ${url}`, ''], { url });
  for (const { plan, protocol } of registry.repositories) {
    const base = plan.registryUrl ?? `${(publicUrl ?? url).replace(/\/+$/, '')}${plan.basePath}`;
    const run = protocol.setUp(base);
    log.announce('set up', [`${plan.name}:`, `  ${run}`, ''], { repository: plan.name, run });
  }
}
