import { RegistryError } from '../errors/registry-error.js';
import type { Runtime } from '../lib/clock.js';
import { type DigestAlgorithm, type Digests, Hasher } from '../lib/digest.js';
import { randomId } from '../lib/ids.js';
import { Committer } from '../log/committer.js';
import { Log } from '../log/log.js';
import type { Mutant } from '../log/mutant.js';
import type { Committed, Decide } from '../log/schema.js';
import { MAX_PIECES } from '../storage/checked-driver.js';
import type { StorageDriver } from '../storage/driver.js';
import { uploadPrefix, uploadSlot } from '../storage/key.js';
import { withTimeLimit } from '../storage/time-limit.js';
import type { UploadedObject } from './package-handle.js';
import { CutBody } from './upload-body.js';
import {
  chunkChange,
  closeChange,
  openChange,
  sealChange,
  type UploadChunk,
  type UploadState,
  uploadSchema,
} from './upload-state.js';

/** Milliseconds that a session may live: half of what an object may wait for a log to name it. */
export const SESSION_MS = 12 * 60 * 60 * 1000;
const MAX_KEPT = 4_096;
/** Milliseconds that one look at a session's log may take. */
const CALL_MS = 15_000;
/** Ids that a new session tries. */
const MAX_STARTS = 3;

/** Stores a stretch of bytes as an object; `hasher` has seen what comes before. */
export type StoreChunk = (body: AsyncIterable<Uint8Array>, hasher: Hasher, signal: AbortSignal) => Promise<UploadedObject>;

export interface UploadSessionsOptions {
  /** The repository's id. */
  readonly repository: string;
  readonly driver: StorageDriver;
  readonly runtime: Runtime;
  /** Pieces that one upload may have. Default: as many as a store joins. */
  readonly maxPieces?: number;
  readonly onFault: (error: unknown, where: string) => void;
  /** Tests only: see `Mutant`. */
  readonly mutants?: ReadonlySet<Mutant>;
}

/** A chunk that does not begin where the upload stands. `offset`: where it does. */
export class OutOfOrder extends Error {
  override readonly name = 'OutOfOrder';
  readonly offset: number;

  constructor(offset: number) {
    super(`the upload stands at ${offset}`);
    this.offset = offset;
  }
}

/** The session is over: finished, cancelled, expired or never begun. */
export class NoSession extends Error {
  override readonly name = 'NoSession';
}

interface Shared {
  readonly log: Log<UploadState>;
  readonly committer: Committer<UploadState>;
  /** The hash of the first `offset` bytes, as long as this process has it. */
  live: { readonly offset: number; readonly hasher: Hasher } | undefined;
}

/** Uploads in pieces. Each is a log of its own that any instance may go on with; what is kept here only saves reading. */
export class UploadSessions {
  private readonly options: UploadSessionsOptions;
  private readonly kept = new Map<string, Shared>();

  constructor(options: UploadSessionsOptions) {
    this.options = options;
  }

  /** A new session, durable. Its id has 128 random bits. */
  async start(image: string, by: string, algorithms: readonly DigestAlgorithm[]): Promise<UploadSession> {
    for (let tries = 1; ; tries += 1) {
      const id = randomId(this.options.runtime.random);
      const shared = this.shared(id, image);
      shared.log.beginAbsent();
      try {
        await shared.committer.commit(() => ({ changes: [openChange(by, image, algorithms)], result: undefined }), {}, true);
      } catch (error) {
        // The store has kept half of entry 0: nothing is lost with it, another id does as well.
        if (isWhole(shared) || tries === MAX_STARTS) throw error;
        continue;
      }
      this.keep(id, shared);
      return new UploadSession(this.options, id, by, shared, () => this.kept.delete(id));
    }
  }

  /** Fresh. Throws `NoSession` for one that is over, another user's or another package's: all the same. */
  async find(id: string, image: string, by: string): Promise<UploadSession> {
    const { runtime } = this.options;
    const shared = this.kept.get(id) ?? this.shared(id, image);
    const session = new UploadSession(this.options, id, by, shared, () => this.kept.delete(id));
    const { state } = await session.whileThere(() => shared.log.refresh());
    const mine = state.image === image && state.by === by;
    if (!mine || isOver(state) || runtime.clock.now() - state.openedAt >= SESSION_MS) throw new NoSession();
    this.keep(id, shared);
    return session;
  }

  private keep(id: string, shared: Shared): void {
    this.kept.delete(id);
    this.kept.set(id, shared);
    const oldest = this.kept.size > MAX_KEPT ? this.kept.keys().next().value : undefined;
    if (oldest !== undefined) this.kept.delete(oldest);
  }

  private shared(id: string, image: string): Shared {
    const { repository, runtime, onFault } = this.options;
    const driver = withTimeLimit(this.options.driver, runtime.clock, CALL_MS);
    const prefix = uploadPrefix(repository, id);
    const slot = (n: number): string => uploadSlot(repository, id, n);
    const log = new Log<UploadState>(id, image, {
      clock: runtime.clock,
      driver,
      schema: uploadSchema,
      slot,
      checkpointKey: (part) => `${prefix}${part}`,
      // one that is being removed is no damage
      onFault: (error, where) =>
        void driver.stat(slot(0)).then(
          (found) => found && onFault(error, where),
          () => onFault(error, where),
        ),
      settlesLater: false,
    });
    const committer = new Committer<UploadState>(log, {
      space: repository,
      driver,
      runtime,
      schema: uploadSchema,
      slot: (_key, n) => slot(n),
      begin: () => log.begin(),
      copyAbove: async () => undefined,
      settleMs: 0,
      onCommitted: () => {
        if ((log.snapshot?.position ?? 0) % 64 === 0) void log.checkpoint();
      },
      onFault,
      mutants: new Set(),
    });
    return { log, committer, live: undefined };
  }
}

/** Half an entry ends a session: nothing can come behind it, and clients can begin another one. */
const isWhole = ({ log }: Shared): boolean => log.snapshot?.broken === undefined;

const isOver = ({ closed, openedAt }: UploadState): boolean => closed || openedAt === 0;

/** One upload in the hands of a request. */
export class UploadSession {
  readonly id: string;
  private readonly options: UploadSessionsOptions;
  private readonly by: string;
  private readonly shared: Shared;
  private readonly forget: () => void;

  constructor(options: UploadSessionsOptions, id: string, by: string, shared: Shared, forget: () => void) {
    this.options = options;
    this.id = id;
    this.by = by;
    this.shared = shared;
    this.forget = forget;
  }

  get state(): UploadState {
    const { snapshot } = this.shared.log;
    if (!snapshot) throw new NoSession();
    return snapshot.state;
  }

  /**
   * Takes in what comes, at `start` (default: where the upload stands). When the sender goes away in the middle, what has come is kept (unless `whole`) and
   * the failure thrown on. Throws `OutOfOrder`, `NoSession`, what `store` and the body throw. `discard` hears of bytes that were stored for nothing.
   */
  async append(
    body: AsyncIterable<Uint8Array>,
    { start, length, whole = false, algorithms = [], store, discard, onProgress }: AppendOptions,
  ): Promise<UploadState> {
    const { offset, chunks } = this.state;
    const { maxPieces = MAX_PIECES } = this.options;
    if (start !== undefined && start !== offset) throw new OutOfOrder(offset);
    if (chunks.length >= maxPieces) throw new RegistryError('too_large', `more than ${maxPieces} pieces: send larger ones`);
    const hasher = offset === 0 ? new Hasher([...this.state.algorithms, ...algorithms]) : await this.hasherAt(offset, onProgress);
    const cut = new CutBody(body, length);
    const stored = await store(cut, hasher, new AbortController().signal);
    const keep = cut.failure === undefined || (cut.keeps && !whole);
    if (!keep || stored.size === 0) {
      await discard(stored);
      if (cut.failure) throw cut.failure.error;
      return this.state;
    }
    await this.commitChunk({ key: stored.key, offset, length: stored.size }, stored, discard);
    this.shared.live = { offset: offset + stored.size, hasher };
    if (cut.failure) throw cut.failure.error;
    return this.state;
  }

  /**
   * The bytes of `proved` are about to be named: from here on nothing comes, and nobody cancels. `first`: this call has said so, and its caller alone may
   * name the pieces themselves; `again`: somebody has before, alive or not, and one who goes on with it names a copy. Throws `OutOfOrder` when bytes came
   * meanwhile, `NoSession` when the session is over.
   */
  async seal(proved: UploadState): Promise<'first' | 'again'> {
    if (this.options.mutants?.has('finish-unsealed')) return 'first';
    const { result } = await this.commit(({ state }) => {
      if (isOver(state)) throw new NoSession();
      if (state.offset !== proved.offset) throw new OutOfOrder(state.offset);
      return state.sealed
        ? { changes: [], result: 'again' as const }
        : { changes: [sealChange(this.by)], result: 'first' as const };
    });
    return result;
  }

  /** Ends it, and removes its log. The pieces are the caller's to delete: nobody names them any more. Throws `NoSession` where somebody still may. */
  async cancel(): Promise<void> {
    await this.commit(({ state }) => {
      if (isOver(state) || state.sealed) throw new NoSession();
      return { changes: [closeChange(this.by)], result: undefined };
    });
    await this.remove();
  }

  /** Removes the log: the session is no more. Never throws; what is left is swept later. */
  async remove(): Promise<void> {
    const { options, id } = this;
    this.forget();
    const prefix = uploadPrefix(options.repository, id);
    const count = this.shared.log.snapshot?.position ?? 0;
    const [first = '', ...others] = Array.from({ length: count }, (_, n) => uploadSlot(options.repository, id, n));
    try {
      if (first !== '') await options.driver.delete([first]);
      await options.driver.delete([...others, `${prefix}base`, `${prefix}delta`]);
    } catch (error) {
      options.onFault(error, 'removing an upload');
    }
  }

  /** The bytes so far, one chunk behind the other. Throws `NoSession` when some have been collected. */
  async *bytes(chunks: readonly UploadChunk[]): AsyncGenerator<Uint8Array> {
    for (const { key, length } of chunks) {
      const stored = await this.options.driver.read(key);
      if (!stored || stored.size !== length) throw new NoSession();
      if (stored.body instanceof Uint8Array) yield stored.body;
      else yield* stored.body;
    }
  }

  /** Of all bytes, by an algorithm that was not computed while they came. */
  async digest(algorithm: DigestAlgorithm, onProgress?: () => void): Promise<string | undefined> {
    const digests: Digests = (await this.hashed([algorithm], onProgress)).digests();
    return digests[algorithm];
  }

  private async hashed(algorithms: readonly DigestAlgorithm[], onProgress?: () => void): Promise<Hasher> {
    const hasher = new Hasher(algorithms);
    for await (const chunk of this.bytes(this.state.chunks)) {
      hasher.update(chunk);
      onProgress?.();
    }
    return hasher;
  }

  private async hasherAt(offset: number, onProgress?: () => void): Promise<Hasher> {
    const { live } = this.shared;
    this.shared.live = undefined;
    if (live?.offset === offset) return live.hasher;
    return this.hashed(this.state.algorithms, onProgress);
  }

  /**
   * What `work` has read and written counts only if entry 0 stands afterwards: it is removed first, so until then nothing was. Else `NoSession`, as where
   * the log turns out to be damaged.
   */
  async whileThere<T>(work: () => Promise<T>): Promise<T> {
    const { driver, repository } = this.options;
    const outcome = await work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if ('error' in outcome && (outcome.error instanceof NoSession || outcome.error instanceof OutOfOrder)) throw outcome.error;
    if (!isWhole(this.shared) || !(await driver.stat(uploadSlot(repository, this.id, 0)))) throw new NoSession();
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  private commit<R>(decide: Decide<UploadState, R>): Promise<Committed<UploadState, R>> {
    return this.whileThere(() => this.shared.committer.commit(decide, {}, true));
  }

  private async commitChunk(
    chunk: UploadChunk,
    stored: UploadedObject,
    discard: (object: UploadedObject) => Promise<void>,
  ): Promise<void> {
    let refused: unknown;
    try {
      await this.commit(({ state }) => {
        if (isOver(state) || state.sealed) refused = new NoSession();
        else if (state.offset !== chunk.offset) refused = new OutOfOrder(state.offset);
        else return { changes: [chunkChange(this.by, chunk, stored.digests)], result: undefined };
        throw refused;
      });
    } catch (error) {
      // after any other failure the entry may stand
      if (error === refused) await discard(stored);
      throw error;
    }
  }
}

export interface AppendOptions {
  readonly start?: number | undefined;
  /** Bytes that must come, where they were announced. */
  readonly length?: number | undefined;
  /** All of it or nothing: where the sender goes away in the middle, the upload stays where it stood. */
  readonly whole?: boolean;
  /** Beside those of the session; only where nothing has come before. */
  readonly algorithms?: readonly DigestAlgorithm[];
  readonly store: StoreChunk;
  readonly discard: (object: UploadedObject) => Promise<void>;
  /** Called as what has come before is read again, where this instance has not seen it come. */
  readonly onProgress?: () => void;
}
