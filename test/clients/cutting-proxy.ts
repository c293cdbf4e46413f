import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

/** Which way the bytes go that are lost. */
export type Direction = 'down' | 'up';

export interface CuttingProxy {
  /** As image names begin. */
  readonly host: string;
  /** Bodies in this direction that are large are cut half-way, as often as `cuts` says; then everything passes. */
  cut(direction: Direction, cuts: number): void;
  /** How many were. */
  readonly done: number;
  /** `Range` of each request for content since the last `cut`. */
  readonly ranges: readonly string[];
  stop(): Promise<void>;
}

/** Bodies below this pass whole. */
const LARGE = 1024 * 1024;

/** A reverse proxy whose connections break: the client sees the connection end in the middle of a body, and so does the server. */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(target);
  let [direction, left, done, ranges]: [Direction, number, number, string[]] = ['down', 0, 0, []];

  /** The connection is gone after this many bytes of a body. */
  const breakAfter = (body: IncomingMessage, bytes: number, gone: () => void): void => {
    left--;
    done++;
    let seen = 0;
    body.on('data', (chunk: Buffer) => {
      seen += chunk.length;
      if (seen >= bytes) gone();
    });
  };
  const large = (message: IncomingMessage): boolean =>
    message.headers['transfer-encoding'] === 'chunked' || Number(message.headers['content-length'] ?? 0) >= LARGE;

  const server = createServer((req: IncomingMessage, res: ServerResponse) => {
    if (req.method === 'GET' && req.headers.range !== undefined) ranges.push(req.headers.range);
    const onward = request({ hostname, port, method: req.method, path: req.url, headers: req.headers, agent }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.headers);
      if (direction === 'down' && left > 0 && large(answer))
        breakAfter(answer, LARGE / 2, () => {
          req.socket.destroy();
          onward.destroy();
        });
      pipeline(answer, res, () => undefined);
    });
    onward.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
    res.on('close', () => onward.destroy());
    if (direction === 'up' && left > 0 && large(req))
      breakAfter(req, LARGE / 2, () => {
        onward.destroy();
        req.socket.destroy();
      });
    pipeline(req, onward, () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: (way, cuts) => {
      [direction, left, done, ranges] = [way, cuts, 0, []];
    },
    get done() {
      return done;
    },
    get ranges() {
      return ranges;
    },
    stop: () => stop(server, agent),
  };
}

function stop(server: Server, agent: Agent): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
    agent.destroy();
  });
}
