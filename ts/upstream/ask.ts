import { RegistryError } from '../errors/registry-error.js';

/** What is wanted of an upstream. */
export interface UpstreamRequest {
  /** Undecoded path below the upstream's URL, without a slash in front (`@scope%2fname`); or an absolute URL that a document of this upstream has named. */
  readonly target: string;
  readonly accept?: string;
  /** Validators of the copy that is here: they make `unchanged` possible. As the upstream sent them. */
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  /** Most bytes of the body, after decoding; one more fails the body. */
  readonly max: number;
  /** `document`: may come compressed, and is decoded. `artifact`: only as it is, byte for byte. */
  readonly as: 'document' | 'artifact';
  readonly signal?: AbortSignal | undefined;
}

export interface UpstreamContent {
  readonly kind: 'content';
  /** Content-Type as sent; empty when there was none. */
  readonly mediaType: string;
  /** Bytes, where the upstream has said so and they come as they are. */
  readonly size: number | undefined;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** Fails with an `UpstreamFailure` when it is cut, stands still or is too long; `cancel` lets go of the connection. Whoever gets it reads or cancels it. */
  readonly body: ReadableStream<Uint8Array>;
}

/** `absent`: the upstream has said that there is no such thing (404, 410). `unchanged`: the copy is still good (304). */
export type UpstreamAnswer = UpstreamContent | { readonly kind: 'absent' } | { readonly kind: 'unchanged' };

/** Asks one upstream. Throws an `UpstreamFailure` when there is no answer that can be used, and the signal's reason when it is aborted. */
export type Ask = (request: UpstreamRequest) => Promise<UpstreamAnswer>;

export interface FailureOptions {
  readonly cause?: unknown;
  /** Asked again it may well answer: connection lost, 5xx, 429. */
  readonly passing?: boolean;
  /** Milliseconds after which the upstream wants to be asked again. */
  readonly retryAfter?: number | undefined;
}

/** An upstream that does not answer, or not with what was asked for: 502, or 504 when time ran out. Its own words and its address are not told to clients. */
export class UpstreamFailure extends RegistryError {
  readonly passing: boolean;
  readonly retryAfter: number | undefined;

  constructor(kind: 'upstream_failed' | 'upstream_timeout', message: string, options: FailureOptions = {}) {
    super(kind, message, options.cause === undefined ? {} : { cause: options.cause });
    this.passing = options.passing ?? false;
    this.retryAfter = options.retryAfter;
  }
}
