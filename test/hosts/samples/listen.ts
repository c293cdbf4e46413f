import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SmartRegistry } from 'entrepot';

/** Listens on a free port, says which, and ends on SIGTERM: nobody calls `process.exit`. */
export function listen(server: Server, ...registries: readonly SmartRegistry[]): void {
  server.listen(0, '127.0.0.1', () => console.log(`listening ${(server.address() as AddressInfo).port}`));
  process.once('SIGTERM', async () => {
    server.close();
    for (const registry of registries) await registry.destroy();
  });
}
