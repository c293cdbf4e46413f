import { invalid, RegistryError } from '../errors/registry-error.js';
import { concat, utf8 } from '../lib/bytes.js';
import type { Clock } from '../lib/clock.js';
import { later } from '../lib/later.js';
import { essenceOf, isJsonType } from '../lib/media-type.js';
import { type BodyFacts, type BodySource, bodyFacts, bodySource, bodyTaken, stillEncoded } from './body-source.js';
import type { BodyRule, HeaderBag, RequestBody } from './route.js';
import { Watchdog } from './watchdog.js';

export interface BodyOptions {
  readonly clock: Clock;
  /** Milliseconds with less than 1 KiB, while somebody waits for it, after which the body is given up (408). */
  readonly progressMs: number;
  /** Milliseconds that the whole body may take; default: no limit while it makes progress. */
  readonly totalMs?: number | undefined;
  readonly lifetime: { readonly signal: AbortSignal };
  /** Called for every chunk that arrives. */
  readonly onProgress: () => void;
}

/** `bytes()` and `json()` hold everything in memory: routes with larger bodies must stream. */
const MAX_WHOLE = 64 * 1024 ** 2;

/** Less in `progressMs` is no progress: a client that sends a byte now and then would hold its connection for ever. */
const PROGRESS_BYTES = 1_024;

/** Most requests have no body. */
const { methods: reader } = later(() => import('../formats/json-in-turns.js'));
const unzipper = later(() => import('./gunzip.js'));

const tooLarge = (max: number): RegistryError => new RegistryError('too_large', `body is larger than ${max} bytes`);
const timedOut = (): RegistryError => new RegistryError('request_timeout', 'the request body did not arrive in time');

/** What a framework has parsed, as the text that it stood for: it is held to the same rules. Throws `invalid` for what is no JSON value. */
function asJson(value: unknown): Uint8Array {
  try {
    return utf8(JSON.stringify(value));
  } catch (cause) {
    throw invalid('the parsed body is no JSON value', { cause });
  }
}

/** A request body, bounded in bytes and in time. */
export class IncomingBody implements RequestBody {
  readonly mediaType: string;
  readonly length: number | undefined;
  private readonly facts: BodyFacts;
  private readonly source: BodySource;
  private readonly max: number;
  private readonly options: BodyOptions;
  private seen = 0;
  private state: 'unread' | 'reading' | 'ended' | 'broken';
  private expired = false;
  private refuse: ((reason: unknown) => void) | undefined;

  /** Throws what can be said from the headers alone: `too_large`, `unsupported_media_type`, `invalid` (a body parser was faster). */
  constructor(body: unknown, headers: HeaderBag, rule: BodyRule<unknown> | undefined, options: BodyOptions) {
    this.options = options;
    this.max = rule?.max ?? Number.MAX_SAFE_INTEGER;
    this.facts = bodyFacts(headers, rule?.codings ?? []);
    const { declared } = this.facts;
    if (rule && declared !== undefined && declared > rule.max) throw tooLarge(rule.max);
    this.source = bodySource(body, this.facts);
    if (this.source.kind === 'parsed' && rule?.byteExact) throw bodyTaken();
    if (this.source.kind === 'bytes' && rule && this.source.bytes.byteLength > rule.max) throw tooLarge(rule.max);
    if (!rule && declared !== undefined && declared > 0) throw invalid('this endpoint takes no body');
    this.mediaType = this.facts.mediaType;
    this.length = this.facts.gzip ? undefined : (declared ?? (this.source.kind === 'none' ? 0 : undefined));
    this.state = this.source.kind === 'stream' ? 'unread' : 'ended';
  }

  /** There is no body, and none was announced. */
  get none(): boolean {
    return this.source.kind === 'none';
  }

  get parsed(): unknown {
    return this.source.kind === 'parsed' ? this.source.value : undefined;
  }

  /** Bytes that the client may still send: what has to be read, or the connection closed, before its next request. */
  get remaining(): number {
    if (this.state === 'ended') return 0;
    if (this.state === 'broken' || this.facts.declared === undefined) return Number.POSITIVE_INFINITY;
    return this.facts.declared - this.seen;
  }

  /** Each layer around a body is paid for with every chunk: bytes that come as they are have none. */
  stream(): AsyncGenerator<Uint8Array> {
    const { source, facts } = this;
    return source.kind === 'stream' && !facts.gzip ? this.received(source) : this.bounded();
  }

  private async *bounded(): AsyncGenerator<Uint8Array> {
    let size = 0;
    for await (const chunk of this.decoded()) {
      size += chunk.byteLength;
      if (size > this.max) throw tooLarge(this.max);
      if (chunk.byteLength > 0) yield chunk;
    }
  }

  async bytes(): Promise<Uint8Array> {
    if (this.max > MAX_WHOLE) throw new TypeError(`a body of up to ${this.max} bytes must be streamed`);
    const parts: Uint8Array[] = [];
    for await (const chunk of this.stream()) parts.push(chunk);
    return parts.length === 1 ? (parts[0] as Uint8Array) : concat(parts);
  }

  async json(): Promise<unknown> {
    return reader.parseJsonInTurns(this.source.kind === 'parsed' ? asJson(this.source.value) : await this.bytes());
  }

  /** For routes that take no body: throws `invalid` when there is one after all. */
  async expectNone(): Promise<void> {
    if (this.source.kind === 'none') return;
    if (this.source.kind === 'stream') {
      for await (const _ of this.received(this.source)) throw invalid('this endpoint takes no body');
      return;
    }
    throw invalid('this endpoint takes no body');
  }

  private async *decoded(): AsyncGenerator<Uint8Array> {
    const { source, facts } = this;
    if (source.kind === 'none') return;
    if (source.kind === 'parsed') {
      yield this.written(source.value);
      return;
    }
    const raw = source.kind === 'bytes' ? this.given(source.bytes) : this.received(source);
    if (!stillEncoded(source, facts)) return yield* raw;
    const { gunzip } = await unzipper.load();
    yield* gunzip(raw);
  }

  /** A parsed JSON value as bytes again; of a parsed form nothing but its fields is left. */
  private written(value: unknown): Uint8Array {
    const essence = essenceOf(this.mediaType);
    if (essence !== '' && !isJsonType(essence)) throw bodyTaken();
    return asJson(value);
  }

  private async *given(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    const { declared, gzip } = this.facts;
    if (declared !== undefined && declared !== bytes.byteLength && !gzip)
      throw invalid('body is not as long as its Content-Length');
    yield bytes;
  }

  private async *received(source: Extract<BodySource, { kind: 'stream' }>): AsyncGenerator<Uint8Array> {
    if (this.state !== 'unread') throw new TypeError('a request body can be read once');
    this.state = 'reading';
    const { clock, progressMs, totalMs, onProgress } = this.options;
    const { signal } = this.options.lifetime;
    const fail = (reason: unknown): void => this.refuse?.(reason);
    const watchdog = new Watchdog(clock, progressMs, () => fail(timedOut()));
    const total = totalMs === undefined ? undefined : clock.after(totalMs, () => this.expire());
    const onAbort = (): void => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    let iterator: AsyncIterator<Uint8Array | string> | undefined;
    try {
      iterator = source.open();
      for (let gained = 0; ; ) {
        watchdog.wait();
        const chunk = await this.next(iterator);
        gained += chunk?.byteLength ?? 0;
        watchdog.rest(gained >= PROGRESS_BYTES);
        if (gained >= PROGRESS_BYTES) gained = 0;
        onProgress();
        if (chunk === undefined) break;
        this.count(chunk.byteLength);
        if (chunk.byteLength > 0) yield chunk;
      }
      this.finish();
    } finally {
      watchdog.stop();
      total?.cancel();
      signal.removeEventListener('abort', onAbort);
      // Not awaited: a source that is still waiting for its next chunk answers only after that chunk.
      if (this.remaining > 0) iterator?.return?.().catch(() => undefined);
    }
  }

  private expire(): void {
    this.expired = true;
    this.refuse?.(timedOut());
  }

  private async next(iterator: AsyncIterator<Uint8Array | string>): Promise<Uint8Array | undefined> {
    const { signal } = this.options.lifetime;
    try {
      if (this.expired) throw timedOut();
      signal.throwIfAborted();
      const { done, value } = await new Promise<IteratorResult<Uint8Array | string>>((resolve, reject) => {
        this.refuse = reject;
        iterator.next().then(resolve, (cause) => reject(signal.aborted ? signal.reason : endedEarly(cause)));
      });
      if (done) return undefined;
      return typeof value === 'string' ? utf8(value) : value;
    } catch (cause) {
      this.state = 'broken';
      throw cause;
    } finally {
      this.refuse = undefined;
    }
  }

  private count(bytes: number): void {
    this.seen += bytes;
    const { declared } = this.facts;
    if (declared !== undefined && this.seen > declared) {
      this.state = 'broken';
      throw invalid('body is longer than its Content-Length');
    }
    if (this.seen > this.max) throw tooLarge(this.max);
  }

  private finish(): void {
    const { declared } = this.facts;
    this.state = 'ended';
    if (declared === undefined || this.seen === declared) return;
    throw this.seen === 0 ? bodyTaken() : invalid('body is shorter than its Content-Length');
  }
}

/** A connection that breaks, or a host's stream that fails, is the client's side of the matter. */
const endedEarly = (cause: unknown): RegistryError =>
  cause instanceof RegistryError ? cause : invalid('the request body ended early', { cause });
