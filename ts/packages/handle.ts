import type { Action } from '../auth/principal.js';
import { forbidden, RegistryError } from '../errors/registry-error.js';
import type { Content } from '../lib/content.js';
import type { Digests } from '../lib/digest.js';
import type { Committed, Decide, NewChange, PendingObject, Snapshot } from '../log/schema.js';
import type { Piece, WriteBody } from '../storage/driver.js';
import { packageKey } from '../storage/key.js';
import { ObjectTooLarge } from '../storage/object-store.js';
import type { IStorageHookContext } from './hooks.js';
import type {
  Caller,
  HookFile,
  PackageCommitOptions,
  PackageHandle,
  Ruled,
  StoredFile,
  UploadedObject,
  UploadOptions,
} from './package-handle.js';
import { confirmationFor, grantsFor, permits, READ_RESTRICTED, type Standing } from './policy.js';
import type { RepositoryParts } from './repository.js';
import { type StoredContentOptions, storedContent } from './stored-content.js';

type WhenMissing = Pick<StoredContentOptions, 'again' | 'gone'>;

/** Objects of one package for one caller: every change asks for its action, and asks again against each state that the commit meets. */
export class Handle<S extends Ruled> implements PackageHandle<S> {
  readonly name: string;
  readonly snapshot: Snapshot<S>;
  private readonly parts: RepositoryParts<S>;
  protected readonly caller: Caller;
  /** The snapshot may be behind: a "no" that rests on it is asked again. */
  private readonly behind: boolean;
  /** The request has brought a right one-time password. */
  private confirmed = false;
  private readonly onProgress = (): void => this.caller.progress?.();

  constructor(parts: RepositoryParts<S>, name: string, caller: Caller, snapshot: Snapshot<S>, purpose: 'read' | 'change') {
    this.parts = parts;
    this.name = name;
    this.caller = caller;
    this.snapshot = snapshot;
    this.behind = purpose === 'change';
  }

  get gated(): boolean {
    return this.parts.hooks.wants('beforeGet') || this.parts.hooks.wants('afterGet');
  }

  async may(action: Action): Promise<boolean> {
    if ((await this.refusal(action)) !== undefined) return false;
    const needed = action === 'read' ? 'none' : confirmationFor(this.caller.principal, this.snapshot.state);
    return needed === 'none' || (needed === 'code' && this.caller.confirm !== undefined);
  }

  readStrong(): Promise<Snapshot<S>> {
    return this.parts.space.readStrong(this.name, { signal: this.caller.signal });
  }

  async upload(action: Action, body: WriteBody, options: UploadOptions): Promise<UploadedObject> {
    await this.require(action);
    const { max, digests = [], signal = this.caller.signal, hasher, later } = options;
    try {
      const { onProgress } = this;
      const how = { max, digests, signal, hasher, onProgress, later };
      return { ...(await this.parts.objects.put(this.parts.id, packageKey(this.name), body, how)) };
    } catch (error) {
      if (error instanceof ObjectTooLarge) throw new RegistryError('too_large', `larger than ${max} bytes`, { cause: error });
      throw error;
    }
  }

  async adopt(action: Action, from: PackageHandle<S>, file: StoredFile): Promise<UploadedObject | undefined> {
    await this.require(action);
    const { objects, hooks, id } = this.parts;
    const { signal } = this.caller;
    if (hooks.wants('beforeGet')) await hooks.before('beforeGet', this.context('get', hookFile(file, OCTETS), from.name), signal);
    const key = await objects.copyTo(file.key, id, packageKey(this.name), signal);
    return key === undefined ? undefined : { key, size: file.size, digests: file.digests };
  }

  async compose(action: Action, pieces: readonly Piece[], digests: Digests): Promise<UploadedObject | undefined> {
    await this.require(action);
    const { objects, id } = this.parts;
    const how = { signal: this.caller.signal, onProgress: this.onProgress };
    const key = await objects.compose(pieces, id, packageKey(this.name), how);
    return key === undefined ? undefined : { key, size: pieces.reduce((sum, { size }) => sum + size, 0), digests };
  }

  async discard(objects: readonly PendingObject[]): Promise<void> {
    if (objects.length === 0) return;
    try {
      // what is still on its way would come behind its own removal
      await Promise.allSettled(objects.map(({ durable }) => durable));
      await this.parts.objects.delete(objects.map(({ key }) => key));
    } catch (error) {
      this.parts.onFault({ where: 'discarding uploads', error });
    }
  }

  async commit<R>(action: Action, decide: Decide<S, R>, options: PackageCommitOptions = {}): Promise<Committed<S, R>> {
    const { puts = [], deletes = [], ...commitOptions } = options;
    const signal = options.signal ?? this.caller.signal;
    let begun = false;
    /** Errors after which the entry certainly does not name these objects. */
    const refusals = new Set<unknown>();
    try {
      const standing = await this.require(action);
      for (const file of deletes) await this.before('beforeDelete', 'delete', file, signal);
      for (const file of puts) await this.before('beforePut', 'put', file, signal);
      if (action !== 'read') await this.caller.renew?.();
      const guarded: Decide<S, R> = (snapshot) => {
        try {
          return this.guarded(standing, action, snapshot, decide);
        } catch (error) {
          refusals.add(error);
          throw error;
        }
      };
      begun = true;
      for (const { durable } of options.objects ?? []) durable?.catch((error: unknown) => refusals.add(error));
      const committed = await this.parts.space.commit(this.name, guarded, { ...commitOptions, signal });
      if (committed.changed) this.announce(puts, deletes);
      return committed;
    } catch (error) {
      // Once the commit has begun only a "no" is certain: after any other failure the entry may stand, or come to stand, and name these objects.
      if (!begun || refusals.has(error)) await this.discard(options.objects ?? []);
      throw error;
    }
  }

  isForAll(): Promise<boolean> {
    return Promise.resolve(true);
  }

  here(file: StoredFile): Promise<StoredFile> {
    return Promise.resolve(file);
  }

  content(file: StoredFile, mediaType: string, gone?: WhenMissing['gone'], again?: WhenMissing['again']): Content {
    const { objects, hooks, onFault } = this.parts;
    const context = () => this.context('get', hookFile(file, mediaType));
    return storedContent({
      file,
      mediaType,
      objects,
      onFault,
      gone,
      again,
      ...(hooks.wants('beforeGet') ? { before: (signal) => hooks.before('beforeGet', context(), signal) } : {}),
      ...(hooks.wants('afterGet') ? { after: () => hooks.after('afterGet', context()) } : {}),
    });
  }

  /** Asks whoever may refuse it before a file's bytes are here: of its size and digests the hook is told what is known. */
  protected async admit(file: StoredFile): Promise<void> {
    const { hooks } = this.parts;
    if (hooks.wants('beforeGet'))
      await hooks.before('beforeGet', this.context('get', hookFile(file, OCTETS)), this.caller.signal);
  }

  private guarded<R>(standing: Standing, action: Action, snapshot: Snapshot<S>, decide: Decide<S, R>) {
    if (!permits(standing, action, this.ruleFor(action, snapshot))) throw this.denied(action);
    if (action !== 'read' && !this.confirmed && confirmationFor(standing.principal, snapshot.state) !== 'none')
      throw forbidden('this package now needs a one-time password for changes: try again');
    const { changes, result } = decide(snapshot);
    const by = standing.principal?.userId ?? '';
    return { result, changes: changes.map((change): NewChange => (change.by === by ? change : { ...change, by })) };
  }

  /**
   * The rule that counts. A package that was deleted reads as one that never was; its owners keep the name all the same, so that nobody takes it over.
   */
  private ruleFor(action: Action, snapshot: Snapshot<S>): Ruled | undefined {
    return action !== 'read' || this.parts.exists(snapshot) ? snapshot.state : undefined;
  }

  private async require(action: Action): Promise<Standing> {
    const standing = await this.standing(action);
    const refused = await this.refusal(action, standing);
    if (refused) throw refused;
    if (action !== 'read') await this.confirm();
    return standing;
  }

  /** The second question behind every change: is it really the user? Asked once for each request. */
  private async confirm(): Promise<void> {
    const { caller } = this;
    const needed = this.confirmed ? 'none' : confirmationFor(caller.principal, this.snapshot.state);
    if (needed === 'none') return;
    if (needed === 'impossible')
      throw forbidden('changes of this package need two-factor authentication, which you have not turned on');
    if (!caller.confirm)
      throw forbidden('this needs a one-time password, which this client cannot send: use an automation token');
    await caller.confirm();
    this.confirmed = true;
  }

  private async refusal(action: Action, known?: Standing): Promise<RegistryError | undefined> {
    if (action !== 'read' && this.caller.principal?.readonly) return forbidden('this token may only read');
    const standing = known ?? (await this.standing(action));
    if (permits(standing, action, this.ruleFor(action, this.snapshot))) return undefined;
    // A refusal never rests on a cached belief; without any grant no state could change it.
    if (this.behind && standing.granted.size > 0) {
      const now = await this.readStrong();
      if (permits(standing, action, this.ruleFor(action, now))) return undefined;
    }
    return this.denied(action);
  }

  private async standing(action: Action): Promise<Standing> {
    const { caller } = this;
    const asked = action === 'read' ? READ_RESTRICTED : grantsFor(action);
    const [rights, administrator = false, answers] = await Promise.all([
      caller.principal ? caller.rights?.(this.name) : undefined,
      action === 'read' ? false : caller.administers?.(this.name),
      Promise.all(asked.map((one) => caller.granted(this.name, one))),
    ]);
    return {
      rights,
      administrator,
      principal: caller.principal,
      granted: new Set(asked.filter((_, index) => answers[index] === true)),
      anonymousRead: this.parts.anonymousRead,
      enforceOwners: caller.enforceOwners,
    };
  }

  private denied(action: Action): RegistryError {
    return this.caller.principal
      ? forbidden(`you may not ${VERBS[action]} this ${this.parts.resourceType}`)
      : new RegistryError('unauthenticated', 'authentication required');
  }

  private before(
    name: 'beforePut' | 'beforeDelete',
    operation: 'put' | 'delete',
    file: HookFile,
    signal: AbortSignal,
  ): Promise<void> {
    const { hooks } = this.parts;
    return hooks.wants(name) ? hooks.before(name, this.context(operation, file), signal) : Promise.resolve();
  }

  private announce(puts: readonly HookFile[], deletes: readonly HookFile[]): void {
    const { hooks } = this.parts;
    if (hooks.wants('afterPut')) for (const file of puts) hooks.after('afterPut', this.context('put', file));
    if (hooks.wants('afterDelete')) for (const file of deletes) hooks.after('afterDelete', this.context('delete', file));
  }

  private context(operation: 'put' | 'get' | 'delete', file: HookFile, of = this.name): IStorageHookContext {
    const { name, protocol, runtime } = this.parts;
    const { fileName, version, size, contentType, digests } = file;
    return {
      operation,
      key: `${name}/${of}/${fileName}`,
      protocol,
      actor: this.caller.actor,
      metadata: { packageName: of, version, size, contentType, ...(digests ? { digests } : {}) },
      timestamp: new Date(runtime.clock.now()),
    };
  }
}

const OCTETS = 'application/octet-stream';

const hookFile = (file: StoredFile, contentType: string): HookFile => ({
  fileName: file.name ?? '',
  version: file.version ?? '',
  size: file.size,
  contentType,
  digests: file.digests,
});

const VERBS: Readonly<Record<Action, string>> = {
  read: 'read',
  create: 'publish to',
  overwrite: 'change',
  delete: 'delete from',
  admin: 'administer',
};
