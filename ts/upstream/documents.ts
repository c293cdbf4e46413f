import { RegistryError } from '../errors/registry-error.js';
import { ByteLru } from '../lib/byte-lru.js';
import { concat } from '../lib/bytes.js';
import type { Runtime } from '../lib/clock.js';
import { sha256Hex } from '../lib/digest.js';
import { iterate } from '../lib/streams.js';
import { type Ask, type UpstreamContent, UpstreamFailure } from './ask.js';
import type { Copies, Copy, Place } from './copies.js';
import { type FlightControls, Flights, type Waiting } from './flights.js';
import type { IUpstreamCache } from './provider.js';

/** One document of an upstream, and how to read it. */
export interface Wanted<T> {
  readonly place: Place;
  readonly ask: Ask;
  readonly target: string;
  readonly accept: string;
  /** Most bytes. */
  readonly max: number;
  readonly cache: IUpstreamCache;
  /** Throws an `UpstreamFailure` for bytes that are not what was asked for: they are not kept. */
  read(bytes: Uint8Array): Promise<T>;
  /** Rough bytes of a value in memory. */
  weigh(value: T): number;
}

export interface Found<T> {
  readonly value: T;
  /** SHA-256 of the document, hex. */
  readonly sha256: string;
  /** Milliseconds since the upstream has confirmed it; undefined: it is as fresh as was asked for. */
  readonly staleFor: number | undefined;
}

export interface Freshness extends Waiting {
  /** True: as it is now, unless it was asked for within this many milliseconds. */
  readonly notOlderThan?: number;
}

interface Kept<T> {
  readonly copy: Copy;
  readonly value: T;
}

const TTL_MS = 300_000;
const STALE_IF_ERROR_MS = 7 * 24 * 3_600_000;
const NEGATIVE_MS = 30_000;
const NEGATIVE_MAX_MS = 60_000;
const NEGATIVE_WEIGHT = 256;
const NEGATIVE_BYTES = 1024 * 1024;

interface Times {
  readonly ttl: number;
  readonly old: number;
  readonly stale: number;
  readonly negative: number;
}

function timesOf({ enabled, ttlSeconds, staleWhileRevalidate, staleIfErrorSeconds, negativeTtlSeconds }: IUpstreamCache): Times {
  const milliseconds = (seconds: number | undefined, byDefault: number): number =>
    seconds === undefined ? byDefault : seconds * 1_000;
  const ttl = enabled === false ? 0 : milliseconds(ttlSeconds, TTL_MS);
  return {
    ttl,
    old: staleWhileRevalidate === false ? ttl : 2 * ttl,
    stale: milliseconds(staleIfErrorSeconds, STALE_IF_ERROR_MS),
    negative: enabled === false ? 0 : Math.min(NEGATIVE_MAX_MS, milliseconds(negativeTtlSeconds, NEGATIVE_MS)),
  };
}

const keyOf = ({ upstream, pkg, what }: Place): string => `${upstream}/${pkg}/${what}`;

/**
 * Documents of upstreams, read once: from memory while they are fresh, else from the copies in storage, else from the upstream (RFC 9111 §4). What was good
 * once is served on while an upstream fails; "there is none" is believed for a short while, and a failure never is.
 */
export class UpstreamDocuments<T> {
  private readonly copies: Copies;
  private readonly runtime: Runtime;
  private readonly kept: ByteLru<string, Kept<T>>;
  /** Until when nothing is there, by the clock that never runs backwards. */
  private readonly absent = new ByteLru<string, number>(NEGATIVE_BYTES);
  private readonly flights = new Flights<Kept<T> | undefined>();
  private readonly loads = new Flights<Kept<T> | undefined>();
  private readonly behind = new Map<string, Promise<void>>();
  private readonly onFault: (error: unknown) => void;
  private readonly onFailure: (upstream: string, failure: UpstreamFailure) => void;

  constructor(parts: {
    readonly copies: Copies;
    readonly runtime: Runtime;
    /** Bytes of values in memory. */
    readonly cacheBytes: number;
    onFault(error: unknown): void;
    onFailure(upstream: string, failure: UpstreamFailure): void;
  }) {
    this.copies = parts.copies;
    this.runtime = parts.runtime;
    this.kept = new ByteLru(parts.cacheBytes, { oneLarger: true });
    this.onFault = parts.onFault;
    this.onFailure = parts.onFailure;
  }

  /** Undefined: the upstream has no such document. Throws an `UpstreamFailure` where it does not say, and no copy is young enough. */
  async get(wanted: Wanted<T>, freshness: Freshness = {}): Promise<Found<T> | undefined> {
    const key = keyOf(wanted.place);
    const times = timesOf(wanted.cache);
    const { notOlderThan = Number.POSITIVE_INFINITY } = freshness;
    if ((this.absent.get(key) ?? 0) > this.runtime.clock.monotonic()) return undefined;
    const kept = await this.here(key, wanted, freshness);
    if (kept) {
      const age = this.ageOf(kept);
      if (age < Math.min(times.ttl, notOlderThan)) return found(kept);
      if (age < Math.min(times.old, notOlderThan)) {
        this.renewBehind(key, wanted, kept, times);
        return found(kept);
      }
    }
    return this.renewed(key, wanted, kept, times, freshness);
  }

  /** Waits for what goes on behind answers. */
  async settled(): Promise<void> {
    while (this.behind.size > 0) await Promise.all(this.behind.values());
  }

  private ageOf({ copy }: Kept<T>): number {
    // a clock that was set back must not make a copy fresh for ever
    return Math.abs(this.runtime.clock.now() - copy.at);
  }

  private async here(key: string, wanted: Wanted<T>, who: Waiting): Promise<Kept<T> | undefined> {
    return this.kept.get(key) ?? (await this.loads.run(key, who, ({ signal }) => this.load(key, wanted, signal)));
  }

  /** A copy that cannot be read is none. */
  private async load(key: string, wanted: Wanted<T>, signal: AbortSignal): Promise<Kept<T> | undefined> {
    const { copy, bytes } = await this.stands(wanted, signal);
    if (!copy || !bytes) return undefined;
    try {
      return this.keep(key, wanted, { copy, value: await wanted.read(bytes) });
    } catch (error) {
      if (error instanceof UpstreamFailure) return undefined;
      throw error;
    }
  }

  private async stands({ place, max }: Wanted<T>, signal: AbortSignal) {
    const copy = await this.copies.find(place, signal);
    const bytes = copy && (await this.copies.bytes(copy, max, signal));
    if (!copy || bytes) return { copy, bytes };
    // between the two another instance may have put a newer one in its place
    const newer = await this.copies.find(place, signal);
    if (!newer || newer.key === copy.key) return { copy, bytes };
    return { copy: newer, bytes: await this.copies.bytes(newer, max, signal) };
  }

  private keep(key: string, wanted: Wanted<T>, kept: Kept<T>): Kept<T> {
    this.absent.delete(key);
    this.kept.set(key, kept, wanted.weigh(kept.value));
    return kept;
  }

  private async renewed(key: string, wanted: Wanted<T>, old: Kept<T> | undefined, times: Times, who: Waiting) {
    try {
      const kept = await this.flights.run(key, who, (controls) => this.renew(key, wanted, old, times, controls));
      return kept && found(kept);
    } catch (error) {
      const age = old && this.ageOf(old);
      if (!(error instanceof UpstreamFailure) || !old || age === undefined || age > times.stale) throw error;
      return { ...found(old), staleFor: age };
    }
  }

  private renewBehind(key: string, wanted: Wanted<T>, old: Kept<T>, times: Times): void {
    if (this.behind.has(key)) return;
    const work = this.flights
      .run(key, {}, (controls) => this.renew(key, wanted, old, times, controls))
      .then(
        () => undefined,
        (error: unknown) => {
          if (!(error instanceof UpstreamFailure)) this.onFault(error);
        },
      )
      .finally(() => this.behind.delete(key));
    this.behind.set(key, work);
  }

  /** Whoever gets a copy all the same, the operator hears of what went wrong. */
  private async renew(...asked: Parameters<UpstreamDocuments<T>['asked']>): Promise<Kept<T> | undefined> {
    try {
      return await this.asked(...asked);
    } catch (error) {
      const [, { place }] = asked;
      if (error instanceof UpstreamFailure) this.onFailure(place.upstream, error);
      throw error;
    }
  }

  private async asked(
    key: string,
    wanted: Wanted<T>,
    old: Kept<T> | undefined,
    times: Times,
    { signal, progress }: FlightControls,
  ): Promise<Kept<T> | undefined> {
    const { target, accept, max, place } = wanted;
    // what could not be stored is asked for whole: it may be stored now
    const { etag, lastModified } = old && old.copy.key !== '' ? old.copy : {};
    const answer = await wanted.ask({ target, accept, max, as: 'document', etag, lastModified, signal });
    progress();
    if (answer.kind === 'absent') {
      this.kept.delete(key);
      this.absent.set(key, this.runtime.clock.monotonic() + times.negative, NEGATIVE_WEIGHT);
      if (old) await this.stored(() => this.copies.drop(place, signal), signal);
      return undefined;
    }
    if (answer.kind === 'content') return this.take(key, wanted, answer, { signal, progress });
    if (!old) throw new UpstreamFailure('upstream_failed', 'the upstream registry says that nothing has changed since nothing');
    const copy = await this.stored(() => this.copies.confirm(place, old.copy, signal), signal);
    return this.keep(key, wanted, { value: old.value, copy: copy ?? { ...old.copy, key: '', at: this.runtime.clock.now() } });
  }

  /** Read before it is stored: what is no document of this package never becomes a copy. */
  private async take(key: string, wanted: Wanted<T>, answer: UpstreamContent, controls: FlightControls): Promise<Kept<T>> {
    const { max, place } = wanted;
    const { signal, progress } = controls;
    const bytes = await gathered(moving(answer.body, progress));
    const value = await wanted.read(bytes);
    const { etag, lastModified } = answer;
    const kept = await this.stored(() => this.copies.keep(place, bytes, { etag, lastModified }, { max, signal }), signal);
    const copy = kept ?? {
      key: '',
      size: bytes.byteLength,
      digests: { sha256: sha256Hex(bytes) },
      etag,
      lastModified,
      at: this.runtime.clock.now(),
    };
    return this.keep(key, wanted, { copy, value });
  }

  /** A full or failing store must not keep anybody from what the upstream has just said: it is kept in memory alone. */
  private async stored<R>(write: () => Promise<R>, signal: AbortSignal): Promise<R | undefined> {
    try {
      return await write();
    } catch (error) {
      if (signal.aborted || error instanceof RegistryError) throw error;
      this.onFault(error);
      return undefined;
    }
  }
}

/** The same pieces; those who wait hear of each. */
export async function* moving(body: ReadableStream<Uint8Array>, progress: () => void): AsyncGenerator<Uint8Array> {
  for await (const piece of iterate(body)) {
    progress();
    yield piece;
  }
}

/** The body itself ends where it is too long. */
async function gathered(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return concat(pieces);
}

const found = <T>({ copy, value }: Kept<T>): Found<T> => ({ value, sha256: copy.digests.sha256, staleFor: undefined });
