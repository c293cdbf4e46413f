import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorXml, FakeStore, failure, type Quirks, type XmlAnswer } from './fake-s3-store.js';

export type Operation =
  | 'put'
  | 'get'
  | 'head'
  | 'delete'
  | 'list'
  | 'delete-many'
  | 'copy'
  | 'create-upload'
  | 'part'
  | 'copy-part'
  | 'complete'
  | 'abort'
  | 'list-uploads'
  | 'list-parts';

/**
 * What goes wrong with one request.
 * - `answer`: this, instead of doing it. - `applied-answer`: does it, then answers this.
 * - `reset`: cuts the connection unread. - `applied-reset`: does it, then cuts. - `hang`, `applied-hang`: no answer.
 * - `truncate`, `stall`: half of the body, then a cut or silence. - `short`: ends cleanly with fewer bytes than announced is impossible on HTTP,
 *   so this one sends half without a length.
 */
export type Fault =
  | {
      readonly kind: 'answer' | 'applied-answer';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
    }
  | { readonly kind: 'reset' | 'applied-reset' | 'hang' | 'applied-hang' | 'truncate' | 'stall' | 'short' };

export const answer = (status: number, code: string, headers: Record<string, string> = {}): Fault => ({
  kind: 'answer',
  status,
  body: errorXml(code),
  headers: { 'content-type': 'application/xml', ...headers },
});

export interface SeenRequest {
  readonly operation: Operation;
  readonly key: string;
  readonly bytes: number;
  /** The body's own SHA-256 was signed. */
  readonly bodySigned: boolean;
  readonly headers: IncomingMessage['headers'];
  readonly query: URLSearchParams;
}

export interface FakeS3 {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly store: FakeStore;
  readonly requests: SeenRequest[];
  /** The next `times` requests of this operation go wrong. */
  fail(operation: Operation, fault: Fault, times?: number): void;
  /** Connections open right now. */
  connections(): Promise<number>;
  count(operation: Operation): number;
  stop(): Promise<void>;
}

const BUCKET = 'bucket';

/** An S3 subset in this process that does what it is told, good or bad. */
export async function startFakeS3(quirks: Quirks = {}): Promise<FakeS3> {
  const fake = new FakeServer(quirks);
  return fake.start();
}

class FakeServer {
  readonly store: FakeStore;
  readonly requests: SeenRequest[] = [];
  private readonly faults = new Map<Operation, Fault[]>();
  private readonly busy = new Map<string, number>();
  private readonly server = createServer((request, response) => void this.serve(request, response));

  constructor(quirks: Quirks) {
    this.store = new FakeStore(quirks);
  }

  async start(): Promise<FakeS3> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const { port } = this.server.address() as AddressInfo;
    return {
      endpoint: `http://127.0.0.1:${port}`,
      bucket: BUCKET,
      accessKey: 'key',
      secretKey: 'secret',
      store: this.store,
      requests: this.requests,
      fail: (operation, fault, times = 1) => {
        const queue = this.faults.get(operation) ?? [];
        for (let time = 0; time < times; time += 1) queue.push(fault);
        this.faults.set(operation, queue);
      },
      connections: () => new Promise((resolve) => this.server.getConnections((_, count) => resolve(count))),
      count: (operation) => this.requests.filter((seen) => seen.operation === operation).length,
      stop: () =>
        new Promise((resolve) => {
          this.server.close(() => resolve());
          this.server.closeAllConnections();
        }),
    };
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake.example');
    const key = decodeURIComponent(url.pathname.slice(BUCKET.length + 2));
    const operation = operationOf(request, url.searchParams, key);
    const condition = request.headers['if-none-match'] === '*';
    const existedAtStart = this.store.objects.has(key);
    const busyAtStart = this.busy.get(key) ?? 0;
    this.busy.set(key, busyAtStart + 1);
    try {
      const { body, cut } = await readBody(request);
      if (cut) {
        if (this.store.quirks.keepsHalves && operation === 'put') this.store.put(key, body);
        return;
      }
      this.note(operation, key, body, request, url.searchParams);
      const refused = condition ? this.condition(key, existedAtStart, busyAtStart) : undefined;
      const apply = (): XmlAnswer => refused ?? this.apply(operation, key, body, request, url.searchParams);
      await this.respond(operation, key, request, response, apply);
    } finally {
      this.busy.set(key, (this.busy.get(key) ?? 1) - 1);
    }
  }

  private condition(key: string, existedAtStart: boolean, busyAtStart: number): XmlAnswer | undefined {
    const { quirks } = this.store;
    if (quirks.refusesConditions) return failure(501, 'NotImplemented');
    if (quirks.ignoresConditions) return undefined;
    if (quirks.conflictsWhileBusy && busyAtStart > 0) return failure(409, 'ConditionalRequestConflict');
    const exists = quirks.racesConditions ? existedAtStart : this.store.objects.has(key);
    return exists ? failure(412, 'PreconditionFailed') : undefined;
  }

  private note(operation: Operation, key: string, body: Buffer, request: IncomingMessage, query: URLSearchParams): void {
    const hash = createHash('sha256').update(body).digest('hex');
    const bodySigned = request.headers['x-amz-content-sha256'] === hash;
    this.requests.push({ operation, key, bytes: body.byteLength, bodySigned, headers: request.headers, query });
  }

  private async respond(
    operation: Operation,
    key: string,
    request: IncomingMessage,
    response: ServerResponse,
    apply: () => XmlAnswer,
  ): Promise<void> {
    const fault = this.faults.get(operation)?.shift();
    if (fault?.kind === 'reset') return void request.socket.destroy();
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'answer') return void send(response, fault);
    if (operation === 'get' || operation === 'head') return void this.serveObject(operation, key, request, response, fault);
    const done = apply();
    if (this.store.quirks.keepsLast && operation === 'put' && done.status === 412) this.store.put(key, Buffer.from('loser'));
    if (fault?.kind === 'applied-reset') return void request.socket.destroy();
    if (fault?.kind === 'applied-hang') return;
    if (fault?.kind === 'applied-answer') return void send(response, fault);
    send(response, { status: done.status, headers: done.headers ?? {}, ...(done.xml === undefined ? {} : { body: done.xml }) });
  }

  private serveObject(
    operation: 'get' | 'head',
    key: string,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const found = this.store.find(key);
    if (!found) {
      const forbidden = this.store.quirks.forbidsMissing;
      const body = operation === 'head' ? '' : errorXml(forbidden ? 'AccessDenied' : 'NoSuchKey');
      return void send(response, { status: forbidden ? 403 : 404, body });
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const size = found.body.byteLength;
    if (range && Number(range[1]) >= size) return void send(response, { status: 416, body: errorXml('InvalidRange') });
    const end = range ? Math.min(Number(range[2]), size - 1) : size - 1;
    const body = range ? found.body.subarray(Number(range[1]), end + 1) : found.body;
    const headers: Record<string, string> = { etag: found.etag, 'last-modified': new Date(found.modified).toUTCString() };
    if (range) headers['content-range'] = `bytes ${range[1]}-${end}/${size}`;
    if (fault?.kind !== 'short') headers['content-length'] = String(body.byteLength);
    response.writeHead(range ? 206 : 200, headers);
    if (operation === 'head') return void response.end();
    if (!fault) return void response.end(body);
    const half = body.subarray(0, Math.floor(body.byteLength / 2));
    if (fault.kind === 'short') return void response.end(half);
    response.write(half, () => {
      if (fault.kind === 'truncate') request.socket.destroy();
    });
  }

  private apply(operation: Operation, key: string, body: Buffer, request: IncomingMessage, query: URLSearchParams): XmlAnswer {
    const { store } = this;
    const id = query.get('uploadId') ?? '';
    const source = decodeURIComponent(String(request.headers['x-amz-copy-source'] ?? '')).slice(BUCKET.length + 1);
    switch (operation) {
      case 'put':
        return { status: 200, headers: { etag: store.put(key, body) } };
      case 'delete':
        store.objects.delete(key);
        return { status: 204 };
      case 'list':
        return store.list(query);
      case 'delete-many': {
        const proven =
          request.headers['content-md5'] ?? Object.keys(request.headers).find((name) => name.startsWith('x-amz-checksum-'));
        return proven ? store.deleteMany(body.toString()) : failure(400, 'MissingContentMD5');
      }
      case 'copy':
        return store.copy(source, key);
      case 'create-upload':
        return store.createUpload(key);
      case 'part':
        return store.uploadPart(id, Number(query.get('partNumber')), body);
      case 'copy-part':
        return store.copyPart(id, Number(query.get('partNumber')), source, request.headers['x-amz-copy-source-range'] as string);
      case 'complete':
        return store.complete(id, body.toString());
      case 'abort':
        return store.abort(id);
      case 'list-uploads':
        return store.listUploads(query.get('prefix') ?? '');
      default:
        return store.listParts(id);
    }
  }
}

function operationOf(request: IncomingMessage, query: URLSearchParams, key: string): Operation {
  const copies = request.headers['x-amz-copy-source'] !== undefined;
  switch (request.method) {
    case 'HEAD':
      return 'head';
    case 'PUT':
      if (query.has('uploadId')) return copies ? 'copy-part' : 'part';
      return copies ? 'copy' : 'put';
    case 'DELETE':
      return query.has('uploadId') ? 'abort' : 'delete';
    case 'POST':
      if (query.has('delete')) return 'delete-many';
      return query.has('uploads') ? 'create-upload' : 'complete';
    default:
      if (query.has('uploads')) return 'list-uploads';
      if (query.has('uploadId')) return 'list-parts';
      return key === '' ? 'list' : 'get';
  }
}

async function readBody(request: IncomingMessage): Promise<{ body: Buffer; cut: boolean }> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    return { body: Buffer.concat(chunks), cut: false };
  } catch {
    return { body: Buffer.concat(chunks), cut: true };
  }
}

function send(
  response: ServerResponse,
  what: { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> },
): void {
  const body = what.body ?? '';
  response.writeHead(what.status, { 'content-length': String(Buffer.byteLength(body)), ...what.headers });
  response.end(body);
}
