import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEveryTest } from '../leftovers.js';
import { type Manifest, tarball } from '../protocols/npm/rig.js';

/** A request as it arrived. */
export interface Heard {
  readonly method: string;
  /** Undecoded, with the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Of its answer, once there is one. */
  status: number | undefined;
}

/** A document of the upstream: tests bend it as they like. */
// biome-ignore lint/suspicious/noExplicitAny: documents of every shape are made here
export type Packument = Record<string, any>;

/** Takes an answer over; false: the registry answers as it would. */
export type Script = (heard: Heard, response: ServerResponse) => boolean | undefined;

/** Another registry of npm's kind on 127.0.0.1, as friendly or as hostile as its script. */
export interface MockRegistry {
  /** As an upstream's `url`; its path is part of it. */
  readonly url: string;
  readonly host: string;
  readonly heard: Heard[];
  /** Paths that were asked for since the last time. */
  asked(): readonly string[];
  readonly documents: Map<string, Packument>;
  /** By path below the URL, with a slash in front. */
  readonly files: Map<string, Uint8Array>;
  script: Script | undefined;
  /** Connections that are open. */
  readonly open: () => number;
  /** A version, in the documents and files. Resolves with the bytes of its tarball. */
  publish(manifest: Manifest, files?: Readonly<Record<string, string>>): Promise<Buffer>;
  /** Nobody answers any more; `start` answers again, at the same port. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const MOUNT = '/some/where';
const KEPT_MS = 60_000;
const running = new Set<MockRegistry>();
afterEveryTest(async () => {
  for (const one of running) await one.stop();
  running.clear();
});

export const integrityOf = (bytes: Uint8Array): string => `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
export const shasumOf = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

class Mock implements MockRegistry {
  readonly heard: Heard[] = [];
  readonly documents = new Map<string, Packument>();
  readonly files = new Map<string, Uint8Array>();
  script: Script | undefined;
  private server: Server | undefined;
  private port = 0;
  private told = 0;
  private readonly sockets = new Set<Socket>();

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.host}${MOUNT}`;
  }

  readonly open = (): number => this.sockets.size;

  asked(): readonly string[] {
    const fresh = this.heard.slice(this.told).map(({ path }) => path.slice(MOUNT.length));
    this.told = this.heard.length;
    return fresh;
  }

  async publish(manifest: Manifest, files: Readonly<Record<string, string>> = {}): Promise<Buffer> {
    const { name, version } = manifest;
    const bytes = await tarball(manifest, files);
    const path = `/${name}/-/${name.split('/').at(-1)}-${version}.tgz`;
    this.files.set(path, bytes);
    const document = this.documents.get(name) ?? { _id: name, name, 'dist-tags': {}, versions: {}, time: {} };
    document['versions'][version] = {
      ...manifest,
      _id: `${name}@${version}`,
      dist: { integrity: integrityOf(bytes), shasum: shasumOf(bytes), tarball: `${this.url}${path}`, fileCount: 1 },
    };
    document['dist-tags'].latest = version;
    document['time'][version] = '2024-03-01T12:00:00.000Z';
    this.documents.set(name, document);
    return bytes;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => this.answer(request, response));
    // whoever keeps a connection is seen to keep it
    server.keepAliveTimeout = KEPT_MS;
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server) return;
    await new Promise((resolve) => {
      server.close(resolve);
      for (const socket of this.sockets) socket.destroy();
    });
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    const heard: Heard = { method, path: url, headers, status: undefined };
    this.heard.push(heard);
    response.on('finish', () => {
      heard.status = response.statusCode;
    });
    if (this.script?.(heard, response) === true) return;
    const path = url.slice(MOUNT.length);
    const file = this.files.get(path);
    const document = this.documents.get(decodeURIComponent(path.slice(1)));
    if (file)
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': file.byteLength }).end(file);
    else if (document) sendDocument(response, document, headers['if-none-match']);
    else response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"Not found"}');
  }
}

function sendDocument(response: ServerResponse, document: Packument, known: string | undefined): void {
  const text = JSON.stringify(document);
  const etag = `"${shasumOf(Buffer.from(text))}"`;
  if (known === etag) response.writeHead(304, { etag }).end();
  else response.writeHead(200, { 'content-type': 'application/json', etag }).end(text);
}

/** Runs until the end of the test. */
export async function mockRegistry(): Promise<MockRegistry> {
  const mock = new Mock();
  await mock.start();
  running.add(mock);
  return mock;
}
