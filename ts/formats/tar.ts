import type { Extract, Header } from 'tar-stream';
import { invalid, RegistryError } from '../errors/registry-error.js';
import { type ExpectedEntry, type SeenEntry, TarGate, type TarLimits, type Wants } from './tar-gate.js';

export type { SeenEntry, TarLimits } from './tar-gate.js';

export interface TarOptions extends TarLimits {
  /** Ends the reading with its reason: the caller's limit on time. */
  readonly signal?: AbortSignal;
  /**
   * Told of every entry in the archive's order, ahead of what is given out; says whether it is to be given out. Default: all. An entry that is not
   * wanted is checked like any other, and costs a fraction. What it throws ends the reading.
   */
  readonly wants?: Wants;
}

export interface TarEntry extends SeenEntry {
  /** Permission bits. */
  readonly mode: number;
  /** Readable once, and only until the next entry is asked for; what is not read is skipped. */
  readonly body: AsyncIterable<Uint8Array>;
}

type Parsed = AsyncIterable<Uint8Array> & { readonly header: Header };

/** Loaded by the first archive: a start has no use for it. */
let library: typeof import('tar-stream') | undefined;

/** Nobody is told: whoever stops reading has an error of its own, or none. One for all, because an error that is made is dear. */
const CLOSED = new Error('closed');

/** Feeds the parser with what the gate lets through; remembers the first failure, which the parser may report under another name. */
class Feeder {
  readonly gate: TarGate;
  readonly parser: Extract;
  private readonly source: AsyncIterator<Uint8Array>;
  private failure: { readonly reason: unknown } | undefined;
  private closed = false;
  private wake: (() => void) | undefined;

  constructor(parser: Extract, source: AsyncIterable<Uint8Array>, options: TarOptions) {
    this.gate = new TarGate(options, options.wants);
    this.parser = parser;
    this.parser.once('close', () => {
      this.closed = true;
      this.wake?.();
    });
    this.parser.on('drain', () => this.wake?.());
    this.source = source[Symbol.asyncIterator]();
  }

  async run(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.source.next();
        if (this.closed) return;
        if (done) break;
        for (const part of this.gate.feed(value)) {
          if (!this.parser.write(part)) await this.drained();
          if (this.closed) return;
        }
      }
      this.gate.end();
      this.parser.end(undefined);
    } catch (reason) {
      this.fail(reason);
    }
  }

  fail(reason: unknown): void {
    this.failure ??= { reason };
    this.parser.destroy(reason instanceof Error ? reason : new Error('stopped', { cause: reason }));
  }

  /** What to throw when the parser has thrown `cause`. */
  explain(cause: unknown): unknown {
    if (this.failure) return this.failure.reason;
    return cause instanceof RegistryError ? cause : invalid('tar archive is damaged', { cause });
  }

  /** Not awaited: a source that is still waiting for its next piece answers only after that piece. */
  close(): void {
    this.parser.destroy(CLOSED);
    this.source.return?.()?.catch(() => undefined);
  }

  private drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.closed) resolve();
      this.wake = resolve;
    });
  }
}

/** An entry's bytes. Leaving the loop early must not destroy the entry's stream: that would end the whole archive. */
class Body {
  private readonly pieces: AsyncIterator<Uint8Array>;
  private readonly isEmpty: boolean;
  private left: number;
  private readonly explain: (cause: unknown) => unknown;

  constructor(stream: AsyncIterable<Uint8Array>, size: number, explain: (cause: unknown) => unknown) {
    this.pieces = stream[Symbol.asyncIterator]();
    // The parser does not wait for anyone to read nothing.
    this.isEmpty = size === 0;
    this.left = size;
    this.explain = explain;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let piece = await this.next(); piece; piece = await this.next()) yield piece;
  }

  async skip(): Promise<void> {
    while (await this.next());
  }

  private async next(): Promise<Uint8Array | undefined> {
    if (this.isEmpty) return undefined;
    const { done, value } = await this.pieces.next().catch((cause: unknown) => {
      throw this.explain(cause);
    });
    if (!done) this.left -= value.byteLength;
    if (done ? this.left !== 0 : this.left < 0) throw invalid('tar archive has an entry of another size than announced');
    return done ? undefined : value;
  }
}

/** Two readers must see the same entry. */
function agree(header: Header, expected: ExpectedEntry | undefined): ExpectedEntry {
  const same = expected && header.name === expected.name && header.type === expected.type && header.size === expected.size;
  if (!same) throw invalid('tar archive has an entry that readers understand differently');
  return expected;
}

/**
 * The wanted entries of a tar archive (ustar, PAX, GNU) while it streams, one at a time. Strict: files and directories only, one meaning for every reader.
 * Throws `invalid` for links, devices and sparse files; names that are empty, absolute, too long, not UTF-8, with dots, backslashes or control characters;
 * two names that are equal in Unicode or but for their case; a directory with a size; headers that disagree; PAX keys that are not known to be harmless;
 * data behind the end-of-archive marker, and an archive without one. Throws `too_large` beyond a limit. Errors of the source, and the signal's reason, pass
 * as they are. Pieces of the source must stay as they are after the next one is asked for. Leaving the loop closes the source.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>, options: TarOptions = {}): AsyncGenerator<TarEntry> {
  const { signal } = options;
  library ??= await import('tar-stream');
  const { extract } = library;
  signal?.throwIfAborted();
  const feeder = new Feeder(extract(), source, options);
  const entries = feeder.parser[Symbol.asyncIterator]() as AsyncIterator<unknown> as AsyncIterator<Parsed>;
  const onAbort = (): void => feeder.fail(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  void feeder.run();
  try {
    for (;;) {
      const { done, value: stream } = await entries.next();
      if (done) break;
      const { path, type, size } = agree(stream.header, feeder.gate.next());
      const body = new Body(stream, size, (cause) => feeder.explain(cause));
      yield { path, type, size, mode: stream.header.mode, body };
      await body.skip();
    }
    if (feeder.gate.next()) throw invalid('tar archive has an entry that readers understand differently');
  } catch (cause) {
    throw feeder.explain(cause);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    feeder.close();
  }
}
