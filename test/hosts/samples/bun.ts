import { toFetchHandler } from 'entrepot/adapters/fetch';
import { openRegistry } from './open-registry.js';

interface BunServer {
  requestIP(request: Request): { readonly address: string } | null;
}

declare const Bun: {
  serve(options: { port: number; hostname: string; fetch(request: Request, server: BunServer): Promise<Response> }): {
    readonly port: number;
    stop(): Promise<void>;
  };
};

const registry = await openRegistry();
const addressOf = (request: Request, server: unknown) => (server as BunServer).requestIP(request)?.address;
const fetch = process.env['TRUST_PROXY'] === undefined ? registry.fetch : toFetchHandler(registry, { addressOf });
const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch });
console.log(`listening ${server.port}`);
process.once('SIGTERM', async () => {
  await server.stop();
  await registry.destroy();
});
