import type { IncomingMessage } from 'node:http';
import { RegistryError } from '../errors/registry-error.js';
import { gunzip } from '../formats/gzip.js';
import type { Clock } from '../lib/clock.js';
import { UpstreamFailure } from './ask.js';
import { plainCause } from './connections.js';

export interface BodyOptions {
  readonly clock: Clock;
  /** Longest wait for the next bytes, in milliseconds. */
  readonly timeoutMs: number;
  /** Most bytes, after decoding. */
  readonly max: number;
  /** Bytes that were announced, as they come over the wire. */
  readonly announced: number | undefined;
  /** Comes as gzip, and is decoded. */
  readonly coded: boolean;
  /** Ends the body at any moment, with its reason. */
  readonly stop: AbortSignal;
  /** Called when the body is over for whatever reason; perhaps again. */
  readonly over: () => void;
}

/** A sender may be behind by so many of the longest waits, and makes one good with so many bytes: one byte now and then would last for ever. */
const WAITS_BEHIND = 4;
const BYTES_FOR_A_WAIT = 16_384;

/** The bytes of an answer as they come over the wire: counted, and waited for with a limit, but only while somebody wants the next ones. */
class Wire {
  private readonly response: IncomingMessage;
  private readonly options: BodyOptions;
  /** Coding may make bytes more, but not without end. */
  private readonly limit: number;
  private patience: number;
  private wake: (() => void) | undefined;

  constructor(response: IncomingMessage, options: BodyOptions) {
    const { max, coded, timeoutMs } = options;
    this.response = response;
    this.options = options;
    this.limit = coded ? max + Math.ceil(max / 256) + 65_536 : max;
    this.patience = WAITS_BEHIND * timeoutMs;
    for (const event of ['readable', 'end', 'error', 'close']) response.on(event, () => this.wake?.());
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    const { response } = this;
    let got = 0;
    for (;;) {
      const piece = response.read() as Uint8Array | null;
      if (piece === null) {
        if (response.readableEnded) break;
        if (response.destroyed) throw cut(response.errored);
        await this.more();
        continue;
      }
      got += piece.byteLength;
      if (got > this.limit) throw tooLong(this.options.max);
      this.earn(piece.byteLength);
      yield piece;
    }
    const { announced = got } = this.options;
    if (!response.complete || response.errored || got !== announced) throw cut(response.errored);
  }

  destroy(): void {
    this.response.destroy();
  }

  private earn(bytes: number): void {
    const { timeoutMs } = this.options;
    this.patience = Math.min(this.patience + (bytes / BYTES_FOR_A_WAIT) * timeoutMs, WAITS_BEHIND * timeoutMs);
  }

  private more(): Promise<void> {
    const { clock, timeoutMs } = this.options;
    const began = clock.monotonic();
    return new Promise((resolve, reject) => {
      const timer = clock.after(Math.max(0, Math.min(timeoutMs, this.patience)), () => {
        this.wake = undefined;
        reject(new UpstreamFailure('upstream_timeout', 'the upstream stopped sending', { passing: true }));
      });
      this.wake = () => {
        this.wake = undefined;
        timer.cancel();
        this.patience -= clock.monotonic() - began;
        resolve();
      };
    });
  }
}

const cut = (cause: Error | null): UpstreamFailure =>
  new UpstreamFailure('upstream_failed', 'the upstream broke off', {
    passing: true,
    cause: cause ? plainCause(cause) : undefined,
  });

const tooLong = (max: number): UpstreamFailure =>
  new UpstreamFailure('upstream_failed', `the upstream sends more than ${max} bytes`);

async function* decoded(pieces: AsyncIterable<Uint8Array>, max: number): AsyncGenerator<Uint8Array> {
  try {
    yield* gunzip(pieces, { maxBytes: max, what: 'what the upstream sends' });
  } catch (error) {
    if (!(error instanceof RegistryError) || error instanceof UpstreamFailure) throw error;
    // the decoder blames a client; here there is none to blame
    throw error.kind === 'too_large' ? tooLong(max) : new UpstreamFailure('upstream_failed', error.message);
  }
}

/**
 * The body of an answer. Asks for the next bytes when its reader does; fails with an `UpstreamFailure`, or with the reason of `stop`. Cancelling it cuts the
 * connection.
 */
export function contentBody(response: IncomingMessage, options: BodyOptions): ReadableStream<Uint8Array> {
  const { stop, coded, max } = options;
  const wire = new Wire(response, options);
  const pieces = coded ? decoded(wire.pieces(), max) : wire.pieces();
  let onStop = (): void => undefined;
  const end = (): void => {
    stop.removeEventListener('abort', onStop);
    options.over();
  };
  const letGo = (): void => {
    end();
    wire.destroy();
    // not awaited: it may stand in a wait, which the cut ends
    pieces.return(undefined).catch(() => undefined);
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        onStop = () => {
          controller.error(stop.reason);
          letGo();
        };
        stop.addEventListener('abort', onStop, { once: true });
      },
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (!done) return controller.enqueue(value);
          end();
          controller.close();
        } catch (error) {
          letGo();
          throw error;
        }
      },
      cancel: letGo,
    },
    { highWaterMark: 0 },
  );
}
