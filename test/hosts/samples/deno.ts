import { openRegistry } from './open-registry.js';

declare const Deno: {
  serve(
    options: { port: number; hostname: string; onListen(address: { readonly port: number }): void },
    handler: (request: Request) => Promise<Response>,
  ): { shutdown(): Promise<void> };
};

const registry = await openRegistry();
const onListen = ({ port }: { readonly port: number }): void => console.log(`listening ${port}`);
const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen }, registry.fetch);
process.once('SIGTERM', async () => {
  await server.shutdown();
  await registry.destroy();
});
