import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { AddressRefused, guardedLookup, type Lookup } from './address-guard.js';
import { UpstreamFailure } from './ask.js';
import type { Place } from './target.js';

export interface ConnectionOptions {
  /** Instead of the system's own. */
  readonly lookup?: Lookup | undefined;
  /** Certificates (PEM) of the authorities that are believed, instead of those that Node.js knows. */
  readonly ca?: string | undefined;
}

/** One GET. */
export interface Sent {
  readonly place: Place;
  readonly headers: Readonly<Record<string, string>>;
  /** The operator has named this place: it may lie at any address. */
  readonly anywhere: boolean;
  readonly stop: AbortSignal;
}

const POOL = { keepAlive: true, maxSockets: 64, maxTotalSockets: 256, maxFreeSockets: 16, timeout: 30_000 } as const;
const HEADER_BYTES = 16_384;

/** Sockets to one upstream, kept for the next request. TLS is verified whatever the environment says. */
export class Connections {
  private readonly plain = new HttpAgent(POOL);
  private readonly secure = new HttpsAgent(POOL);
  private readonly tls: { readonly rejectUnauthorized: true; readonly ca?: string };
  private readonly lookup: Lookup | undefined;
  private readonly guarded: Lookup;

  constructor({ lookup, ca }: ConnectionOptions) {
    this.tls = { rejectUnauthorized: true, ...(ca !== undefined && { ca }) };
    this.lookup = lookup;
    this.guarded = guardedLookup(lookup);
  }

  /**
   * The head of the answer, whatever its status. Throws an `UpstreamFailure` when none comes, and the reason of `stop`. Whoever gets it reads, discards or
   * destroys it.
   */
  async head(sent: Sent): Promise<IncomingMessage> {
    const first = await this.send(sent, true);
    if (first !== 'stale') return first;
    const second = await this.send(sent, false);
    if (second === 'stale') throw transportFailure(undefined);
    return second;
  }

  close(): void {
    this.plain.destroy();
    this.secure.destroy();
  }

  /** `stale`: the connection was a kept one, which the upstream has given up meanwhile. */
  private async send({ place, headers, anywhere, stop }: Sent, kept: boolean): Promise<IncomingMessage | 'stale'> {
    const lookup = anywhere ? this.lookup : this.guarded;
    stop.throwIfAborted();
    return new Promise((resolve, reject) => {
      const request = this.start(place, { headers, ...(lookup && { lookup }) }, kept);
      let response: IncomingMessage | undefined;
      const abandon = (): void => {
        request.destroy();
        reject(stop.reason);
      };
      request.once('response', (answer) => {
        stop.removeEventListener('abort', abandon);
        response = answer;
        // an error without a listener ends the process, and whoever reads the body looks for it there
        answer.on('error', () => undefined);
        resolve(answer);
      });
      request.on('error', (error) => {
        stop.removeEventListener('abort', abandon);
        if (response) response.destroy(error);
        else if (kept && request.reusedSocket && isReset(error)) resolve('stale');
        else reject(transportFailure(error));
      });
      // the last word where there was no other: an upgrade that nobody asked for ends so
      request.once('close', () => {
        stop.removeEventListener('abort', abandon);
        reject(transportFailure(undefined));
      });
      stop.addEventListener('abort', abandon, { once: true });
      request.end();
    });
  }

  private start({ secure, hostname, port, path }: Place, more: RequestOptions, kept: boolean): ClientRequest {
    const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    const options = { ...more, host, port, path: path === '' ? '/' : path, maxHeaderSize: HEADER_BYTES };
    try {
      return secure
        ? httpsRequest({ ...options, ...this.tls, agent: kept && this.secure })
        : httpRequest({ ...options, agent: kept && this.plain });
    } catch (cause) {
      throw transportFailure(cause);
    }
  }
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | undefined)?.code ?? '');

const isReset = (error: unknown): boolean => ['ECONNRESET', 'EPIPE'].includes(codeOf(error));

/** Only code and message of what went wrong: Node.js hangs certificates, addresses and received bytes on its errors. */
export const plainCause = (error: Error): Error => Object.assign(new Error(error.message.slice(0, 200)), { code: codeOf(error) });

function transportFailure(error: unknown): UpstreamFailure {
  if (error instanceof AddressRefused)
    return new UpstreamFailure('upstream_failed', 'the upstream points to an address that cannot be used', { cause: error });
  const code = codeOf(error);
  const cause = plainCause(error instanceof Error ? error : new Error('no connection'));
  if (code.startsWith('HPE_'))
    return new UpstreamFailure('upstream_failed', 'the upstream answered with what is not HTTP', { cause });
  const passing = !code.startsWith('ERR_INVALID') && !code.startsWith('ERR_UNESCAPED');
  return new UpstreamFailure('upstream_failed', 'the upstream cannot be reached', { cause, passing });
}
