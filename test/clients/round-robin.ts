import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

export interface RoundRobin {
  /** Without a slash at its end. */
  readonly url: string;
  /** Where requests go, in turn. */
  targets: readonly string[];
  stop(): Promise<void>;
}

/** A reverse proxy that sends each request to the next of its targets, path and headers as they came. */
export async function startRoundRobin(): Promise<RoundRobin> {
  const agent = new Agent({ keepAlive: true });
  let turn = 0;
  const server = createServer((req, res) => {
    const target = proxy.targets[turn++ % proxy.targets.length];
    if (target === undefined) return void res.writeHead(503).end();
    const { hostname, port } = new URL(target);
    const onward = request({ hostname, port, method: req.method, path: req.url, headers: req.headers, agent }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.headers);
      pipeline(answer, res, () => undefined);
    });
    onward.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
    res.on('close', () => onward.destroy());
    pipeline(req, onward, () => undefined);
  });
  // Answers say how long a target keeps connections: ours end no sooner, or a request would meet one that is just being closed.
  server.keepAliveTimeout = 70_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: RoundRobin = { url: `http://127.0.0.1:${port}`, targets: [], stop: () => stop(server, agent) };
  return proxy;
}

function stop(server: Server, agent: Agent): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
    agent.destroy();
  });
}
