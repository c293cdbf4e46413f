import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { harden, type RequestWatch, toNodeHandler } from '../adapters/node.js';
import type { RawHandler, RawResponse } from '../http/context.js';
import { type Clock, systemRuntime } from '../lib/clock.js';
import { type OpenRegistry, SmartRegistry } from '../smart-registry.js';
import { StorageError } from '../storage/storage-error.js';
import { Log, type RequestRecord } from './log.js';
import { Metrics, type MetricsSnapshot, prometheusText } from './metrics.js';
import { opening } from './opening.js';
import type { ServerOptions } from './options.js';

/** A server that listens. */
export interface RunningServer {
  /** Where it listens, without a slash at its end. */
  readonly url: string;
  readonly registry: SmartRegistry;
  readonly log: Log;
  metrics(): MetricsSnapshot;
  /** Stops accepting, finishes what is under way (at most 30 s), closes everything. May be called again. */
  stop(): Promise<void>;
}

export interface ServeHooks {
  /** What all processes counted; default: this one alone. */
  readonly allMetrics?: (own: MetricsSnapshot) => Promise<readonly MetricsSnapshot[]>;
  /** Takes one line of the log, without its end. Default: standard output. */
  readonly write?: (line: string) => void;
  /** One of several on a port listens when it can answer: the others take what comes before. */
  readonly opensFirst?: boolean;
}

const DRAIN_MS = 30_000;
/** The first requests come before what they do not need. */
const LOAD_AFTER_MS = 500;
const MAX_HEADER_BYTES = 32 * 1024;

/** The log of a process: text on a terminal, else JSON, unless told. */
export function logOf(
  { logFormat, logLevel }: Pick<ServerOptions, 'logFormat' | 'logLevel'>,
  write?: (line: string) => void,
): Log {
  const format = logFormat ?? (process.stdout.isTTY ? 'text' : 'json');
  const line = write ?? ((text: string): void => void process.stdout.write(`${text}\n`));
  return new Log({ format, level: logLevel, clock: systemRuntime.clock, write: line });
}

/** Opens the registry and listens. Throws what `sentence` explains: wrong options, a store that cannot be used, a port in use. */
export async function serve(options: ServerOptions, hooks: ServeHooks = {}): Promise<RunningServer> {
  const log = logOf(options, hooks.write);
  const metrics = new Metrics();
  const onFault = (error: unknown, where: string): void => {
    metrics.fault();
    log.fault(error, where);
  };
  const registry = new SmartRegistry({ ...options.registry, onFault });
  const running = new Running(options, registry, log, metrics);
  const open = async (): Promise<void> => {
    await registry.init();
    if (!hooks.opensFirst) expectRoom(registry.parts);
    await running.open(hooks.allMetrics ?? (async (own) => [own]));
  };
  try {
    if (hooks.opensFirst) await open();
    // Alone, the port comes first: a start that fails for it must not have made an administrator whose token nobody sees.
    await running.listen();
    if (!hooks.opensFirst) await open();
  } catch (error) {
    await running.stop();
    throw error;
  }
  for (const warning of registry.parts.storage.warnings) log.note('warn', warning);
  const { parts } = registry;
  systemRuntime.clock.after(LOAD_AFTER_MS, () => loadPutOff(parts));
  return running;
}

/** A server that could take nothing in does not start, while somebody is there to be told. One that runs goes on reading, and so do workers that come after. */
export function expectRoom({ storage }: Pick<OpenRegistry, 'storage'>): void {
  if (storage.full) throw new StorageError('full', 'entrepot gc may make room');
}

/** Whoever asks for it first would have to wait for it otherwise. */
function loadPutOff({ repositories, onFault }: OpenRegistry): void {
  for (const { site } of repositories)
    for (const one of site.instance.putOff ?? []) one.load().catch((error: unknown) => onFault(error, 'loading'));
}

class Running implements RunningServer {
  url = '';
  readonly registry: SmartRegistry;
  readonly log: Log;
  private readonly options: ServerOptions;
  private readonly counted: Metrics;
  private readonly clock: Clock = systemRuntime.clock;
  private readonly server: Server;
  private readonly connections = new Map<Socket, Connection>();
  private front: RawHandler;
  private stopping: Promise<void> | undefined;

  constructor(options: ServerOptions, registry: SmartRegistry, log: Log, metrics: Metrics) {
    this.options = options;
    this.registry = registry;
    this.log = log;
    this.counted = metrics;
    this.front = opening(registry);
    const handler = toNodeHandler(
      { handle: (context) => this.front.handle(context) },
      {
        onError: (error) => this.log.fault(error, 'answer'),
        onRequest: (req, res) => this.begun(req, res),
      },
    );
    this.server = harden(createServer({ maxHeaderSize: MAX_HEADER_BYTES }, handler));
    this.server.on('connection', (socket: Socket) => {
      this.connections.set(socket, { peer: socket.remoteAddress, told: 0 });
      socket.once('close', () => this.connections.delete(socket));
    });
  }

  /** From here on the house answers too; before, the registry alone, and of the house only "are you there". */
  async open(all: NonNullable<ServeHooks['allMetrics']>): Promise<void> {
    const { House } = await import('./house.js');
    this.front = await House.open({
      registry: this.registry.parts,
      rest: this.registry,
      rootTaken: this.registry.handles('/'),
      serving: () => this.stopping === undefined,
      metrics: async () => prometheusText(await all(this.counted.snapshot())),
    });
  }

  metrics(): MetricsSnapshot {
    return this.counted.snapshot();
  }

  listen(): Promise<void> {
    const { port, host } = this.options;
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ port, host }, () => {
        this.server.off('error', reject);
        this.server.on('error', (error) => this.log.fault(error, 'server'));
        this.url = urlOf(this.server.address() as AddressInfo, host);
        resolve();
      });
    });
  }

  stop(): Promise<void> {
    this.stopping ??= this.drain();
    return this.stopping;
  }

  private async drain(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    // Browsers and load balancers open some ahead of need. Nothing is under way there, but Node does not call that idle.
    for (const socket of this.connections.keys()) if (socket.bytesRead === 0) socket.destroy();
    const limit = this.clock.after(DRAIN_MS, () => this.server.closeAllConnections());
    await closed;
    limit.cancel();
    await this.registry.destroy();
  }

  private begun(req: IncomingMessage, res: ServerResponse): RequestWatch {
    this.counted.began();
    if (this.stopping) res.shouldKeepAlive = false;
    return new Watched(req, res, this.connections.get(req.socket), this.clock, (record) => this.ended(record));
  }

  private ended(record: RequestRecord): void {
    this.counted.ended(record);
    this.log.request(record);
    if (this.stopping) this.server.closeIdleConnections();
  }
}

/** What is asked of a connection once, and not with each of its requests. */
interface Connection {
  readonly peer: string | undefined;
  /** Bytes sent on it that records have told already: answers end in their order. */
  told: number;
}

/** One request, until its answer has gone. */
class Watched implements RequestWatch {
  private readonly req: IncomingMessage;
  private readonly res: ServerResponse;
  private readonly connection: Connection | undefined;
  private readonly clock: Clock;
  private readonly ended: (record: RequestRecord) => void;
  private readonly at: number;

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    connection: Connection | undefined,
    clock: Clock,
    ended: (record: RequestRecord) => void,
  ) {
    this.req = req;
    this.res = res;
    this.connection = connection;
    this.clock = clock;
    this.ended = ended;
    this.at = clock.monotonic();
  }

  closed(answer: RawResponse | undefined): void {
    const { req, res } = this;
    this.ended({
      method: req.method ?? '',
      path: req.url ?? '/',
      status: answer?.status ?? 499,
      bytes: this.sent(),
      milliseconds: this.clock.monotonic() - this.at,
      user: answer?.about.user,
      repository: answer?.about.repository,
      route: answer?.about.route,
      peer: this.connection?.peer,
      cut: !res.writableFinished,
    });
  }

  private sent(): number {
    const { connection } = this;
    if (!connection) return 0;
    const all = this.req.socket?.bytesWritten ?? connection.told;
    const bytes = Math.max(0, all - connection.told);
    connection.told = Math.max(all, connection.told);
    return bytes;
  }
}

function urlOf({ address, port, family }: AddressInfo, host: string): string {
  const everywhere = address === '::' || address === '0.0.0.0';
  const shown = everywhere ? 'localhost' : host === 'localhost' ? host : family === 'IPv6' ? `[${address}]` : address;
  return `http://${shown}:${port}`;
}
