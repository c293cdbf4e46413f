import { BodySource, discardBody } from '../storage/body-source.js';
import {
  type CallOptions,
  isComposing,
  isCopying,
  isPreparing,
  isSynchronous,
  type ListOptions,
  type ListPage,
  type ObjectInfo,
  type Piece,
  type PreparedWrite,
  type PreparingDriver,
  type ReadOptions,
  type StorageDriver,
  type StoredObject,
  type WriteBody,
  type WriteOptions,
} from '../storage/driver.js';
import { StorageError } from '../storage/storage-error.js';
import { Gate } from './gate.js';

/**
 * - `before`: fails, nothing is applied. - `after`: applied, and an error is returned.
 * - `torn`: a write stores the first half of its bytes and fails (what a store does that keeps half an upload); other calls as `before`.
 * - `hang`: waits until the call's signal is aborted (nothing is applied), or until `release()` (the call goes on).
 * - `slow-down`: this call and the next, `count` in all, are refused with `unavailable`. - `conflict`: a StorageError `conflict`, nothing is applied.
 * - `exists-though-ours`: a create is applied and answers `exists`; other calls are left alone.
 * - `death`: this and every later call of this driver throws `ProcessDied`. Go on with a new driver over the same inner one.
 * - `pause`: this and every later call of this driver waits until `resume()`, however long that is.
 */
export type FaultKind =
  | 'before'
  | 'after'
  | 'torn'
  | 'hang'
  | 'slow-down'
  | 'conflict'
  | 'exists-though-ours'
  | 'death'
  | 'pause';

export interface Fault {
  /** The number of the call, from 1. */
  readonly at: number;
  readonly kind: FaultKind;
  /** `slow-down` only: how many calls in a row. Default 1. */
  readonly count?: number;
}

/** `commit`: of a prepared write. */
export type FaultyMethod =
  | 'stat'
  | 'read'
  | 'write'
  | 'delete'
  | 'list'
  | 'copy'
  | 'compose'
  | 'prepare'
  | 'commit'
  | 'namesSync'
  | 'existsSync';

export interface FaultyCall {
  /** From 1. */
  readonly n: number;
  readonly method: FaultyMethod;
  /** The key, a listing's prefix, `from to` of a copy, the pieces and what they become, all keys of a delete. */
  readonly key: string;
}

export type FaultyAbility = 'copy' | 'compose' | 'prepare' | 'sync';

export interface FaultyOptions {
  /** Abilities of the inner driver that show through. None unless named, so that every fallback can be driven. */
  readonly expose?: readonly FaultyAbility[];
}

/** The process is dead. Code under test must not live on this: every later call says the same. */
export class ProcessDied extends Error {
  override readonly name = 'ProcessDied';

  constructor() {
    super('the process has died at a planned storage call');
  }
}

/**
 * Stands for one process's way to a store and fails where the plan says. Calls are numbered in the order in which they are made, so a run of
 * deterministic code is replayed by the same plan. No timers: what waits, waits for the test.
 */
export class FaultyDriver implements StorageDriver {
  readonly name: string;
  private readonly inner: StorageDriver;
  /** By number of the call; the first that is planned for it counts. */
  private readonly plan = new Map<number, Fault>();
  private readonly log: FaultyCall[] = [];
  private readonly gate = new Gate();
  private readonly hanging = new Gate();
  private dead = false;
  private injected = 0;

  constructor(inner: StorageDriver, plan: readonly Fault[] | Fault = [], options: FaultyOptions = {}) {
    this.inner = inner;
    this.name = inner.name;
    for (const fault of Array.isArray(plan) ? (plan as readonly Fault[]) : [plan as Fault])
      for (let n = fault.at; n < fault.at + (fault.kind === 'slow-down' ? (fault.count ?? 1) : 1); n += 1)
        if (!this.plan.has(n)) this.plan.set(n, fault);
    this.hanging.shut();
    this.exposeAbilities(options.expose ?? []);
  }

  /** Every call so far, in order, those that failed included. */
  get calls(): readonly FaultyCall[] {
    return this.log;
  }

  /** True when a planned fault did something. A loop over k = 1, 2, … is over when a run ends with this false. */
  get fired(): boolean {
    return this.injected > 0;
  }

  get isDead(): boolean {
    return this.dead;
  }

  get isPaused(): boolean {
    return this.gate.isShut;
  }

  /** Lets a paused process go on. */
  resume(): void {
    this.gate.open();
  }

  /** Lets hanging calls go on to the store. */
  release(): void {
    this.hanging.open();
    this.hanging.shut();
  }

  stat(key: string, options: CallOptions = {}): Promise<ObjectInfo | undefined> {
    return this.run('stat', key, options, () => this.inner.stat(key, options));
  }

  read(key: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    return this.run('read', key, options, () => this.inner.read(key, options));
  }

  async write(key: string, body: WriteBody, options: WriteOptions = {}): Promise<'written' | 'exists'> {
    try {
      const apply = () => this.inner.write(key, body, options);
      return await this.run('write', key, options, apply, {
        torn: async () => void (await this.inner.write(key, await firstHalf(body, options.signal), options)),
        disguise: (answer) => (options.ifAbsent ? 'exists' : answer),
      });
    } catch (error) {
      discardBody(body, error);
      throw error;
    }
  }

  delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    return this.run('delete', keys.join(' '), options, () => this.inner.delete(keys, options));
  }

  list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    return this.run('list', prefix, options, () => this.inner.list(prefix, options));
  }

  async close(): Promise<void> {
    await this.inner.close?.();
  }

  private exposeAbilities(expose: readonly FaultyAbility[]): void {
    const { inner } = this;
    if (expose.includes('copy') && isCopying(inner)) {
      const copy = (from: string, to: string, options: CallOptions = {}) =>
        this.run('copy', `${from} ${to}`, options, () => inner.copy(from, to, options));
      Object.assign(this, { copy });
    }
    if (expose.includes('compose') && isComposing(inner)) {
      const compose = (pieces: readonly Piece[], to: string, options: CallOptions = {}) =>
        this.run('compose', [...pieces.map(({ key }) => key), to].join(' '), options, () => inner.compose(pieces, to, options));
      Object.assign(this, { compose });
    }
    if (expose.includes('prepare') && isPreparing(inner)) {
      const prepare = (key: string, body: WriteBody, options: WriteOptions = {}) => this.prepared(inner, key, body, options);
      Object.assign(this, { prepare });
    }
    if (expose.includes('sync') && isSynchronous(inner)) {
      const namesSync = (folder: string) => this.runSync('namesSync', folder, () => inner.namesSync(folder));
      const existsSync = (key: string) => this.runSync('existsSync', key, () => inner.existsSync(key));
      Object.assign(this, { namesSync, existsSync });
    }
  }

  private async prepared(inner: PreparingDriver, key: string, body: WriteBody, options: WriteOptions): Promise<PreparedWrite> {
    const disguise = (answer: 'written' | 'exists') => (options.ifAbsent ? 'exists' : answer);
    try {
      const taken = await this.run('prepare', key, options, () => inner.prepare(key, body, options));
      return {
        commit: () => this.run('commit', key, options, () => taken.commit(), { disguise }),
        discard: () => (this.dead ? Promise.resolve() : taken.discard()),
      };
    } catch (error) {
      discardBody(body, error);
      throw error;
    }
  }

  private async run<T>(
    method: FaultyMethod,
    key: string,
    { signal }: CallOptions,
    apply: () => Promise<T>,
    special: WriteFaults<T> = {},
  ): Promise<T> {
    const fault = this.begin(method, key);
    if (fault?.kind === 'pause') this.gate.shut();
    await this.gate.passage();
    if (this.dead) throw new ProcessDied();
    switch (fault?.kind) {
      case undefined:
      case 'pause':
        return apply();
      case 'death':
        this.dead = true;
        throw new ProcessDied();
      case 'hang':
        await this.hanging.passage(signal);
        return apply();
      case 'after':
        await discardAnswer(await apply());
        throw lost(method, key);
      case 'torn':
        await special.torn?.();
        throw special.torn ? lost(method, key) : refused(method, key);
      case 'exists-though-ours': {
        const answer = await apply();
        return special.disguise ? special.disguise(answer) : answer;
      }
      default:
        throw fault?.kind === 'conflict'
          ? new StorageError('conflict', `faulty: ${method} ${key}: conflict`)
          : refused(method, key);
    }
  }

  private runSync<T>(method: FaultyMethod, key: string, apply: () => T): T {
    const fault = this.begin(method, key);
    if (fault?.kind === 'death') this.dead = true;
    if (this.dead) throw new ProcessDied();
    if (fault?.kind === 'pause' || fault?.kind === 'hang' || this.gate.isShut) {
      throw new Error(`faulty: ${method} ${key}: a synchronous call cannot wait; plan this fault for another call`);
    }
    if (fault && fault.kind !== 'exists-though-ours') throw refused(method, key);
    return apply();
  }

  private begin(method: FaultyMethod, key: string): Fault | undefined {
    const n = this.log.length + 1;
    this.log.push({ n, method, key });
    const fault = this.plan.get(n);
    if (fault) this.injected += 1;
    return fault;
  }
}

interface WriteFaults<T> {
  readonly torn?: () => Promise<void>;
  readonly disguise?: (answer: T) => T;
}

const CHANGES: ReadonlySet<FaultyMethod> = new Set(['write', 'delete', 'copy', 'compose', 'commit']);

const refused = (method: FaultyMethod, key: string): StorageError =>
  new StorageError('unavailable', `faulty: ${method} ${key}: refused`);

const lost = (method: FaultyMethod, key: string): StorageError =>
  new StorageError(CHANGES.has(method) ? 'unknown' : 'unavailable', `faulty: ${method} ${key}: the answer was lost`);

/** An answer that nobody gets must not keep its source open, nor a write half done. */
async function discardAnswer(answer: unknown): Promise<void> {
  if (typeof answer === 'object' && answer !== null && 'discard' in answer) return (answer as PreparedWrite).discard();
  const body = typeof answer === 'object' && answer !== null && 'body' in answer ? answer.body : undefined;
  if (body instanceof ReadableStream) await body.cancel();
}

async function firstHalf(body: WriteBody, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const source = new BodySource(body, signal);
  const chunks: Uint8Array[] = [];
  for (let chunk = await source.next(); chunk; chunk = await source.next()) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  return whole.subarray(0, whole.byteLength >>> 1);
}
