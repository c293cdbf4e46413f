import type { Clock } from '../lib/clock.js';
import type { IResponse, RawResponse } from './context.js';
import { Watchdog } from './watchdog.js';

/** Milliseconds after which a body that nobody reads is given up. */
export const UNREAD_MS = 60_000;

/** The bytes as a stream that is made when somebody looks. Small bodies are default streams: byte streams would copy. */
function bytesStream(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (bytes.byteLength > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}

class GuardedSource implements UnderlyingDefaultSource<Uint8Array> {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private readonly watchdog: Watchdog;
  private readonly signal: AbortSignal | undefined;
  private readonly onAbort = (): void => this.breakOff(this.signal?.reason);
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(source: ReadableStream<Uint8Array>, clock: Clock, signal: AbortSignal | undefined, idleMs: number) {
    this.reader = source.getReader();
    this.signal = signal;
    this.watchdog = new Watchdog(clock, idleMs, () => this.breakOff(new Error('nobody reads this body')));
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.controller = controller;
    this.watchdog.wait();
    if (this.signal?.aborted) this.onAbort();
    else this.signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.watchdog.rest();
    const { done, value } = await this.reader.read().catch((cause) => {
      this.end();
      throw cause;
    });
    if (!this.controller) return;
    if (done) {
      this.end();
      controller.close();
      return;
    }
    controller.enqueue(value);
    this.watchdog.wait();
  }

  async cancel(reason: unknown): Promise<void> {
    this.end();
    await this.reader.cancel(reason);
  }

  private breakOff(reason: unknown): void {
    this.controller?.error(reason);
    this.end();
    this.reader.cancel(reason).catch(() => undefined);
  }

  private end(): void {
    this.controller = undefined;
    this.watchdog.stop();
    this.signal?.removeEventListener('abort', this.onAbort);
  }
}

/** `source`, cancelled when nobody has asked for the next chunk for `idleMs`, when the reader cancels, or when `signal` says that the client has gone. */
export const guarded = (
  source: ReadableStream<Uint8Array>,
  clock: Clock,
  signal?: AbortSignal,
  idleMs: number = UNREAD_MS,
): ReadableStream<Uint8Array> => new ReadableStream(new GuardedSource(source, clock, signal, idleMs), { highWaterMark: 0 });

/** A RawResponse for hosts that know Web streams only. `body` is made on first access; a stream that nobody reads for a minute is cancelled. */
export function toIResponse(raw: RawResponse, clock: Clock, signal?: AbortSignal): IResponse {
  const { status, statusText, headers, body } = raw;
  const response = { status, headers, ...(statusText !== undefined && { statusText }) };
  if (body === undefined) return response;
  let stream: ReadableStream<Uint8Array> | undefined = body instanceof Uint8Array ? undefined : guarded(body, clock, signal);
  return Object.defineProperty(response, 'body', {
    enumerable: true,
    get: () => {
      stream ??= bytesStream(body as Uint8Array);
      return stream;
    },
  }) as IResponse;
}
