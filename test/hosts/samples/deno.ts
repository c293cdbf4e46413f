import { toFetchHandler } from 'entrepot/adapters/fetch';
import { openRegistry } from './open-registry.js';

interface DenoInfo {
  readonly remoteAddr: { readonly hostname: string };
}

declare const Deno: {
  serve(
    options: { port: number; hostname: string; onListen(address: { readonly port: number }): void },
    handler: (request: Request, info: DenoInfo) => Promise<Response>,
  ): { shutdown(): Promise<void> };
};

const registry = await openRegistry();
const onListen = ({ port }: { readonly port: number }): void => console.log(`listening ${port}`);
const addressOf = (_: Request, info: unknown) => (info as DenoInfo).remoteAddr.hostname;
const fetch = process.env['TRUST_PROXY'] === undefined ? registry.fetch : toFetchHandler(registry, { addressOf });
const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen }, fetch);
process.once('SIGTERM', async () => {
  await server.shutdown();
  await registry.destroy();
});
