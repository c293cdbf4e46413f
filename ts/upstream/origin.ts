import type { IncomingMessage } from 'node:http';
import type { Runtime } from '../lib/clock.js';
import { type Head, readHead } from './answer.js';
import { type Ask, type UpstreamAnswer, UpstreamFailure, type UpstreamRequest } from './ask.js';
import { type ConnectionOptions, Connections } from './connections.js';
import { contentBody } from './content-body.js';
import type { IUpstream, IUpstreamAuth } from './provider.js';
import { type Place, Places } from './target.js';

export interface OriginOptions extends ConnectionOptions {
  readonly runtime: Runtime;
  /** Until an answer begins, redirects included, and for each pause within it. */
  readonly timeoutMs: number;
}

/** One upstream that can be asked. */
export interface Asked {
  readonly ask: Ask;
  /** Keeps no connection any more that nobody uses. What is under way goes on, and it can still be asked. Resolves when nothing is under way. */
  retire(): Promise<void>;
  /** Cuts what is under way; nothing can be asked any more. */
  close(): void;
}

const MAX_HOPS = 5;
/** Of an answer that is not wanted: so much is read to keep the connection. */
const DISCARDED = 65_536;
const DISCARD_MS = 1_000;

/**
 * Asks an upstream over HTTP, at its own URL and wherever it points to. Credentials go to the origin of its URL and are gone for good once a redirect has led
 * elsewhere; addresses that are not public are refused when the socket is connected, except those that the operator has named. Throws a TypeError when the
 * upstream's URL is none.
 */
export const origin = (upstream: IUpstream, options: OriginOptions): Asked => new HttpOrigin(upstream, options);

type Final = Exclude<Head, { kind: 'redirect' }>;

class HttpOrigin implements Asked {
  private readonly places: Places;
  private readonly authorization: string | undefined;
  private readonly connections: Connections;
  private readonly options: OriginOptions;
  private readonly underWay = new Set<Exchange>();
  private closed = false;
  private retired: (() => void) | undefined;

  constructor(upstream: IUpstream, options: OriginOptions) {
    this.places = new Places(upstream);
    this.authorization = authorizationOf(upstream.auth);
    this.connections = new Connections(options);
    this.options = options;
  }

  readonly ask: Ask = async (request) => {
    if (this.closed) throw closing();
    request.signal?.throwIfAborted();
    const exchange = new Exchange(request.signal, () => {
      this.underWay.delete(exchange);
      this.letGo();
    });
    this.underWay.add(exchange);
    const { clock } = this.options.runtime;
    const timer = clock.after(this.options.timeoutMs, () =>
      exchange.end(new UpstreamFailure('upstream_timeout', 'the upstream did not answer in time', { passing: true })),
    );
    try {
      const { head, response } = await this.follow(request, exchange);
      return this.answer(head, response, request, exchange);
    } catch (error) {
      exchange.over();
      throw error;
    } finally {
      timer.cancel();
    }
  };

  retire(): Promise<void> {
    return new Promise((resolve) => {
      this.retired = resolve;
      this.letGo();
    });
  }

  close(): void {
    this.closed = true;
    for (const exchange of this.underWay) exchange.end(closing());
    this.connections.close();
  }

  private letGo(): void {
    if (!this.retired || this.underWay.size > 0) return;
    this.connections.close();
    this.retired();
  }

  private async follow(request: UpstreamRequest, { stop }: Exchange): Promise<{ head: Final; response: IncomingMessage }> {
    let place = this.places.of(request.target);
    let trusted = this.places.isOwn(place);
    for (let hop = 0; ; hop++) {
      const headers = this.headersFor(request, trusted);
      const response = await this.connections.head({ place, headers, anywhere: this.places.isNamed(place), stop });
      const next = this.nextPlace(place, response, request, hop);
      if ('head' in next) return { head: next.head, response };
      place = next.place;
      trusted &&= this.places.isOwn(place);
    }
  }

  /** What the answer means, or where it sends us; one that is of no use is let go. */
  private nextPlace(
    from: Place,
    response: IncomingMessage,
    request: UpstreamRequest,
    hop: number,
  ): { head: Final } | { place: Place } {
    try {
      const head = readHead(response, request, this.options.runtime.clock);
      if (head.kind !== 'redirect') return { head };
      if (hop === MAX_HOPS) throw new UpstreamFailure('upstream_failed', `the upstream redirects more than ${MAX_HOPS} times`);
      const place = this.places.next(from, head.location);
      this.discard(response);
      return { place };
    } catch (error) {
      this.discard(response);
      throw error;
    }
  }

  private headersFor({ accept = '*/*', as, etag, lastModified }: UpstreamRequest, trusted: boolean): Record<string, string> {
    return {
      'user-agent': 'entrepot',
      accept,
      'accept-encoding': as === 'document' ? 'gzip' : 'identity',
      ...(etag !== undefined && { 'if-none-match': etag }),
      ...(lastModified !== undefined && { 'if-modified-since': lastModified }),
      ...(trusted && this.authorization !== undefined && { authorization: this.authorization }),
    };
  }

  private answer(head: Final, response: IncomingMessage, { max }: UpstreamRequest, { stop, over }: Exchange): UpstreamAnswer {
    if (head.kind !== 'content') {
      over();
      this.discard(response);
      return head;
    }
    if (stop.aborted) {
      response.destroy();
      throw stop.reason;
    }
    const { runtime, timeoutMs } = this.options;
    const { content, coded, announced } = head;
    return { ...content, body: contentBody(response, { clock: runtime.clock, timeoutMs, max, announced, coded, stop, over }) };
  }

  /** Not awaited: reading a short rest keeps the connection, a long one is not worth it. */
  private discard(response: IncomingMessage): void {
    let left = DISCARDED;
    const timer = this.options.runtime.clock.after(DISCARD_MS, () => response.destroy());
    response.on('close', () => timer.cancel());
    response.on('data', (piece: Uint8Array) => {
      left -= piece.byteLength;
      if (left < 0) response.destroy();
    });
  }
}

/** One question from its beginning to the last byte of its answer, and what may end it from outside. */
class Exchange {
  private readonly controller = new AbortController();
  private readonly asker: AbortSignal | undefined;
  private readonly onOver: () => void;

  constructor(asker: AbortSignal | undefined, onOver: () => void) {
    this.asker = asker;
    this.onOver = onOver;
    asker?.addEventListener('abort', this.abandon, { once: true });
  }

  get stop(): AbortSignal {
    return this.controller.signal;
  }

  end(reason: unknown): void {
    this.controller.abort(reason);
  }

  readonly over = (): void => {
    this.asker?.removeEventListener('abort', this.abandon);
    this.onOver();
  };

  private readonly abandon = (): void => this.end(this.asker?.reason);
}

const closing = (): UpstreamFailure => new UpstreamFailure('upstream_failed', 'the upstream is not asked any more');

function authorizationOf(auth: IUpstreamAuth | undefined): string | undefined {
  if (auth?.type === 'bearer') return `Bearer ${auth.token}`;
  if (auth?.type === 'basic') return `Basic ${Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64')}`;
  return undefined;
}
