import { openRegistry } from './open-registry.js';

declare const Bun: {
  serve(options: { port: number; hostname: string; fetch(request: Request): Promise<Response> }): {
    readonly port: number;
    stop(): Promise<void>;
  };
};

const registry = await openRegistry();
const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: registry.fetch });
console.log(`listening ${server.port}`);
process.once('SIGTERM', async () => {
  await server.stop();
  await registry.destroy();
});
