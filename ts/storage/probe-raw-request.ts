import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { S3 } from '@aws-sdk/client-s3';
import type { S3Connection } from './drivers/s3-client.js';

/** A request as the SDK would send it: signed, complete, not sent. */
export interface SignedRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

export interface RawAnswer {
  /** 0: no answer came. */
  readonly status: number;
  readonly body: Buffer;
}

const ANSWER_MAX = 1_024 * 1_024;

/** Lets the SDK sign calls, and keeps what it would have sent. */
export class Signer {
  private readonly client: S3;
  private caught: SignedRequest | undefined;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(client: S3) {
    this.client = client;
  }

  static async open(connection: S3Connection): Promise<Signer> {
    const holder: { signer?: Signer } = {};
    const requestHandler = {
      metadata: { handlerProtocol: 'http/1.1' },
      handle: async (request: unknown): Promise<never> => {
        if (holder.signer) holder.signer.caught = request as SignedRequest;
        throw new Error('signed, not sent');
      },
    };
    holder.signer = new Signer(await connection.newClient({ requestHandler }));
    return holder.signer;
  }

  /** `run` makes one call on the client. Calls take turns. */
  sign(run: (client: S3) => Promise<unknown>): Promise<SignedRequest> {
    const mine = this.turn.then(() => this.signAlone(run));
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  private async signAlone(run: (client: S3) => Promise<unknown>): Promise<SignedRequest> {
    this.caught = undefined;
    const failure = await run(this.client).then(
      () => undefined,
      (error: unknown) => error,
    );
    const caught: SignedRequest | undefined = this.caught;
    if (!caught) throw failure;
    return caught;
  }
}

/** One request over a connection of its own, sent piece by piece. */
export class RawRequest {
  private readonly signed: SignedRequest;
  private readonly body: Buffer;
  private readonly socket: Socket;
  private request: ClientRequest | undefined;
  private answered: Promise<RawAnswer> | undefined;
  private sent = 0;

  private constructor(signed: SignedRequest, socket: Socket) {
    this.signed = signed;
    this.socket = socket;
    const { body } = signed;
    this.body = body instanceof Uint8Array ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : Buffer.alloc(0);
  }

  /** Connects (with TLS where the endpoint has it) and sends nothing. */
  static open(signed: SignedRequest, timeLimit: AbortSignal): Promise<RawRequest> {
    const secure = signed.protocol === 'https:';
    const host = signed.hostname.replace(/^\[|\]$/g, '');
    const port = signed.port ?? (secure ? 443 : 80);
    return new Promise((resolve, reject) => {
      const socket = secure ? connectTls({ host, port, servername: host }) : connectTcp({ host, port });
      const fail = (error: unknown): void => {
        timeLimit.removeEventListener('abort', expire);
        socket.destroy();
        reject(error);
      };
      const expire = (): void => fail(timeLimit.reason);
      socket.once('error', fail);
      timeLimit.addEventListener('abort', expire);
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        timeLimit.removeEventListener('abort', expire);
        socket.removeListener('error', fail);
        socket.on('error', () => undefined);
        socket.setNoDelay(true);
        resolve(new RawRequest(signed, socket));
      });
    });
  }

  /** Sends everything up to this share (0 to 1) of the body; resolves when the bytes have left this process. */
  async send(share: number): Promise<void> {
    const request = this.start();
    const end = Math.floor(this.body.byteLength * share);
    const piece = this.body.subarray(this.sent, end);
    this.sent = end;
    if (piece.byteLength > 0) await new Promise<void>((resolve) => request.write(piece, () => resolve()));
    else request.flushHeaders();
    if (share >= 1) request.end();
  }

  /** Everything that is left, in one go, without waiting. */
  finish(): Promise<RawAnswer> {
    const request = this.start();
    request.end(this.body.subarray(this.sent));
    this.sent = this.body.byteLength;
    return this.answer();
  }

  /** What the store says; status 0 when the connection ends without an answer. */
  answer(): Promise<RawAnswer> {
    this.start();
    return this.answered ?? Promise.resolve({ status: 0, body: Buffer.alloc(0) });
  }

  /** Cuts the connection. */
  destroy(): void {
    this.request?.destroy();
    this.socket.destroy();
  }

  private start(): ClientRequest {
    if (this.request) return this.request;
    const { signed } = this;
    const options = {
      method: signed.method,
      path: signed.path + queryText(signed.query),
      headers: signed.headers,
      host: signed.hostname,
      createConnection: () => this.socket,
    };
    const request = signed.protocol === 'https:' ? httpsRequest(options) : httpRequest(options);
    this.request = request;
    this.answered = new Promise((resolve) => {
      const none = (): void => resolve({ status: 0, body: Buffer.alloc(0) });
      request.once('error', none);
      request.once('close', none);
      request.once('response', (response) => void readAnswer(response).then(resolve, none));
    });
    return request;
  }
}

async function readAnswer(response: IncomingMessage): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > ANSWER_MAX) break;
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

function queryText(query: SignedRequest['query']): string {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      pairs.push(one === null || one === undefined ? name : `${encodeURIComponent(name)}=${encodeURIComponent(one)}`);
    }
  }
  return pairs.length > 0 ? `?${pairs.join('&')}` : '';
}
