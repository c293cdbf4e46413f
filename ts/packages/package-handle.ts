import type { Action, Principal, Rights } from '../auth/principal.js';
import type { RegistryError } from '../errors/registry-error.js';
import type { Content } from '../lib/content.js';
import type { DigestAlgorithm, Digests, Hasher } from '../lib/digest.js';
import type { CommitOptions, Committed, Decide, FeedItem, PendingObject, Snapshot } from '../log/schema.js';
import type { Piece, WriteBody } from '../storage/driver.js';
import type { IHookActor } from './hooks.js';

/** What the package rule needs to know of any state: who owns it, and who may see it. */
export interface Ruled {
  /** User ids. Empty: nobody in particular; scopes alone decide. */
  readonly owners: readonly string[];
  /** `restricted`: any authenticated caller with the scope. `public`: everyone, where the repository allows anonymous reads. */
  readonly visibility: 'public' | 'restricted';
  /** Changes need a one-time password: of everybody, or of people only (tokens made for machines need none). Absent: of those who ask for it themselves. */
  readonly confirmation?: Confirmation;
}

export type Confirmation = 'everybody' | 'people';

export interface StoredFile {
  readonly key: string;
  readonly size: number;
  readonly digests: Digests;
  /** For hooks: the file's name and version. A `FileRecord` has the name. */
  readonly name?: string;
  readonly version?: string;
  /** Milliseconds; becomes `lastModified`. */
  readonly uploadedAt?: number;
}

/** Stored bytes that no log names yet. */
export interface UploadedObject extends PendingObject {
  readonly digests: Digests;
}

export interface UploadOptions {
  /** Digests to compute beside sha256 while the bytes pass. */
  readonly digests?: readonly DigestAlgorithm[];
  /** See `PutOptions.hasher`. */
  readonly hasher?: Hasher | undefined;
  /** Largest accepted size in bytes; beyond it `RegistryError('too_large')`. */
  readonly max: number;
  /** See `PutOptions.later`. For what a commit will bring in: it has to be told of the object, and waits for it. */
  readonly later?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Facts for storage hooks, once per file (public-api.md, storage hooks). */
export interface HookFile {
  readonly fileName: string;
  readonly version: string;
  readonly size: number;
  readonly contentType: string;
  readonly digests?: Digests;
}

export interface PackageCommitOptions extends CommitOptions {
  /** Files that this commit brings in: `beforePut` may veto each before the commit, `afterPut` hears of them afterwards. */
  readonly puts?: readonly HookFile[];
  /** Files that this commit removes: `beforeDelete` may veto. */
  readonly deletes?: readonly HookFile[];
}

/**
 * One package, in the hands of a handler whose route named it and whose caller was authorised for it. Every way to change something takes the action
 * that it needs and asks for it: nobody can forget to.
 */
export interface PackageHandle<S extends Ruled> {
  /** The identity string. */
  readonly name: string;
  /** For routes that read: fresh. For routes that change: what the write begins with, possibly behind (the commit corrects it). */
  readonly snapshot: Snapshot<S>;
  /** A host wants to be asked each time before stored bytes are given out: nothing may be answered from memory. */
  readonly gated: boolean;
  /** A question, not a gate. */
  may(action: Action): Promise<boolean>;
  /** Fresh state, strong: for a "no" by exact name. */
  readStrong(): Promise<Snapshot<S>>;
  /** Streams to a fresh object, hashing. Refuses before the first byte when the caller may not `action`. */
  upload(action: Action, body: WriteBody, options: UploadOptions): Promise<UploadedObject>;
  /**
   * Copies a stored file of another package of this repository, which the caller was let into, without moving its bytes through here where the store
   * can. The source's `beforeGet` has its say. Undefined: the source is gone.
   */
  adopt(action: Action, from: PackageHandle<S>, file: StoredFile): Promise<UploadedObject | undefined>;
  /**
   * Joins objects of this package, in this order, to a new one, without moving their bytes through here where the store can. `digests`: of all the bytes,
   * as they were computed while the pieces came. Undefined: a piece is gone.
   */
  compose(action: Action, pieces: readonly Piece[], digests: Digests): Promise<UploadedObject | undefined>;
  /** Stored bytes that will not be named after all. Never throws. */
  discard(objects: readonly UploadedObject[]): Promise<void>;
  /** Commits, owners and visibility checked again against each state met. */
  commit<R>(action: Action, decide: Decide<S, R>, options?: PackageCommitOptions): Promise<Committed<S, R>>;
  /** False where the package is another one, or none, for callers without credentials, whatever its rule says. */
  isForAll(): Promise<boolean>;
  /** The file as it is stored here, for `content`: one that an upstream has is fetched now, and looked at, if it was not before. */
  here(file: StoredFile): Promise<StoredFile>;
  /** Milliseconds since an upstream, which fails now, has last said what the snapshot says. Absent: the snapshot is as fresh as it is promised to be. */
  readonly staleFor?: number | undefined;
  /**
   * A stored file as content, etag = sha256, opened lazily. A missing or damaged object is a 500, never a short answer. `gone` is asked when the object is
   * missing: it may have been deleted and collected since the state was read, and says what to answer then.
   */
  content(file: StoredFile, mediaType: string, gone?: () => Promise<RegistryError | undefined>): Content;
}

/** A caller as the packages room knows them: grants are the provider's answers, cached for the request. */
export interface Caller {
  readonly principal: Principal | undefined;
  /** May this caller do that to this name, says the provider (owners and visibility not considered). */
  granted(name: string, action: Action): Promise<boolean>;
  readonly enforceOwners: boolean;
  /**
   * Is this an administrator of the name, whatever their session opens? A session says what may be done with it, and not who does it. Absent: what is granted
   * says so.
   */
  administers?(name: string): Promise<boolean>;
  /** What the organisation that has this name's scope lets the caller do with it, now; undefined: none has it. Absent: there are no organisations. */
  rights?(name: string): Promise<Rights | undefined>;
  /**
   * Asks for the one-time password that a change needs: resolves when the request brought a right one, which counts for the whole of it. Throws
   * `unauthenticated` with the code `otp`. Absent: there is no way to bring one.
   */
  readonly confirm?: (() => Promise<void>) | undefined;
  /**
   * Asked before a change is committed: throws `unauthenticated` where the credentials were made void since the request began. Absent: they cannot be.
   */
  renew?(): Promise<void>;
  /** For hooks and audit. */
  readonly actor: IHookActor | undefined;
  readonly signal: AbortSignal;
  /** What is done for the caller moves on, or waits in a queue that does: the time for an answer starts anew. Absent: nobody counts it. */
  progress?(): void;
}

/** What a repository offers to the pipeline. `Repository` implements it. */
export interface PackageSource<S extends Ruled> {
  /** The repository's name, first part of logical keys and of repository scopes. */
  readonly name: string;
  readonly protocol: string;
  readonly anonymousRead: boolean;
  /**
   * Loads the package: fresh for `'read'`, the cheapest state to begin with for `'change'`. Does not authorise; the handle does for what it does.
   * `authorise` in `http/` asks `standing` and `permits` first.
   */
  open(name: string, caller: Caller, purpose: 'read' | 'change'): Promise<PackageHandle<S>>;
  /** All packages that exist, fresh, with their rule, for filtered lists. */
  list(signal: AbortSignal): Promise<{ readonly position: number; readonly items: readonly ListedPackage[] }>;
}

export interface ListedPackage {
  readonly item: FeedItem;
  readonly rule: Ruled;
}
