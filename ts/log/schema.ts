import type { Json } from '../lib/json.js';
import type { Sliced } from '../lib/slices.js';

/** What a caller asks to be committed. Times are set by the commit. Unknown `type`s make a package unreadable here (503), never "as if absent". */
export interface NewChange {
  readonly type: string;
  /** Opaque id of the actor: no e-mail, no address, no user agent. */
  readonly by: string;
  /** Keys of the objects that this change brings in; checked against the floor. */
  readonly objects?: readonly string[];
  readonly [field: string]: Json | undefined;
}

export interface Change extends NewChange {
  /** Integer milliseconds UTC, monotonic within the log. */
  readonly at: number;
}

/** Times in keys below which objects and markers count for nothing (design §1.5). */
export interface Floor {
  readonly objects: number;
  readonly markers: number;
}

/** The entry that a change stands in. */
export interface EntryInfo {
  readonly n: number;
  readonly id: string;
  readonly at: number;
}

/** What one kind of log holds: how changes fold into a state, and how a state is kept in a checkpoint. All functions are pure. */
export interface LogSchema<S> {
  /** Changes whenever `apply`, `encode` or `summarise` changes meaning: checkpoints of another revision are ignored. */
  readonly revision: string;
  initial(identity: string): S;
  /** A new state; the old one must stay as it was. Throws `UnknownChange` for a type it does not know. */
  apply(state: S, change: Change, entry: EntryInfo): S;
  encode(state: S): Uint8Array;
  /** Throws on bytes that `encode` did not write. */
  decode(bytes: Uint8Array): S;
  /** What `encode` and `decode` do, for states that may be large: done in a row, a hundred thousand rows would keep all requests waiting for a second. */
  readonly inSlices?: { encode(state: S): Sliced<Uint8Array>; decode(bytes: Uint8Array): Sliced<S> };
  /** Rough bytes in memory, for caches and for how often to checkpoint. Must be cheap (kept in the state, not counted). */
  weigh(state: S): number;
  /** What the feed records for indexes and search, at most 8 KiB as JSON; undefined: this package does not exist (any more, or yet). */
  summarise(state: S): Json | undefined;
  /** For erasure: the change without what must go, keeping the skeleton (versions stay reserved). Default: type, by, at and objects. */
  redact?(change: Change): Change;
}

/** A change type or entry version that this program does not know: written by a newer one. */
export class UnknownChange extends Error {
  override readonly name = 'UnknownChange';
}

/** A folded log at one position. Immutable. */
export interface Snapshot<S> {
  /** Empty where only the folder of a log is known that no entry names yet. */
  readonly identity: string;
  /** An entry of the log states the identity; until then the next one does. */
  readonly named: boolean;
  /** `slug-hash`, the log's folder. */
  readonly key: string;
  /** Entries folded so far, which is also the number of the next slot. 0: nothing was ever committed. */
  readonly position: number;
  /** SHA-256 (hex) of the last entry's first line; null at position 0. */
  readonly head: string | null;
  /** Time of the last entry, 0 at position 0. */
  readonly at: number;
  readonly floor: Floor;
  readonly state: S;
  /** The log is damaged behind this position (a hole, a fork, bytes that are no entry): readable up to here, closed for changes. */
  readonly broken?: string;
}

/** What `decide` answers: nothing to change is a result too. */
export interface Decision<R> {
  readonly changes: readonly NewChange[];
  readonly result: R;
}

/**
 * Validates against one state; throws a `RegistryError` to refuse. Pure and synchronous: it runs again for every state that the commit meets, and also
 * against states that other members of the same batch have already changed.
 */
export type Decide<S, R> = (snapshot: Snapshot<S>) => Decision<R>;

/** An object that has been stored and is named by no log yet. `key` moves when a collector's floor has passed it. */
export interface PendingObject {
  key: string;
  readonly size: number;
  /** Settles when it is on stable storage, or cannot be; absent: it is. The commit waits for it before the entry that names it, and fails as it does. */
  readonly durable?: Promise<void>;
}

export interface CommitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that the whole commit may take. Default 30,000. */
  readonly timeout?: number;
  /** `'listed'` (default): the answer waits until every instance will see the change. `'named'`: readers ask by exact name, no wait. */
  readonly visible?: 'listed' | 'named';
  /** Objects that the changes bring in: copied above the floor when a collector was faster. `decide` must take keys from here each time. */
  readonly objects?: readonly PendingObject[];
}

export interface Committed<S, R> {
  readonly snapshot: Snapshot<S>;
  readonly result: R;
  /** False when there was nothing to change. */
  readonly changed: boolean;
}

/** What the feed knows of one package. */
export interface FeedItem {
  readonly key: string;
  readonly identity: string;
  /** Entries of the package's log that the feed covers. */
  readonly to: number;
  /** From `LogSchema.summarise`; undefined: the package does not exist (any more). */
  readonly summary: Json | undefined;
}

export interface HistoryOptions {
  readonly signal?: AbortSignal | undefined;
  /** Number of the entry that it begins with; default: the first. */
  readonly from?: number | undefined;
}

export interface HistoryEntry extends EntryInfo {
  readonly changes: readonly Change[];
}

/** The logs of one space, as the rooms to the right use them. `Space` in `space.ts` is the implementation. */
export interface LogSpace<S> {
  readonly id: string;
  /** The state as of now, within the space's `maxStaleness`: sees every change acknowledged before this call. Position 0 when absent. */
  read(identity: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Snapshot<S>>;
  /** Like `read`, but strong whatever the staleness: looks at the log itself. For "no" answers by exact name. */
  readStrong(identity: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Snapshot<S>>;
  /** A state to begin a write with: cached or from the checkpoint, possibly behind. The commit proves or corrects it. */
  readForWrite(identity: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Snapshot<S>>;
  commit<R>(identity: string, decide: Decide<S, R>, options?: CommitOptions): Promise<Committed<S, R>>;
  /** All packages that exist, by key: fresh like `read`. `position` is the feed's. */
  names(options?: {
    readonly signal?: AbortSignal | undefined;
  }): Promise<{ readonly position: number; readonly items: ReadonlyMap<string, FeedItem> }>;
  /** Every entry, oldest first. */
  history(identity: string, options?: HistoryOptions): AsyncIterable<HistoryEntry>;
  /** Folds the feed; call once before use. */
  open(): Promise<void>;
  /** Finishes the work that goes on behind answers (checkpoints, feed) and stops timers. */
  close(): Promise<void>;
}
