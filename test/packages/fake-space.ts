import type { Runtime } from '../../ts/lib/clock.js';
import { Hasher } from '../../ts/lib/digest.js';
import { randomId } from '../../ts/lib/ids.js';
import type {
  Change,
  CommitOptions,
  Committed,
  Decide,
  FeedItem,
  HistoryEntry,
  HistoryOptions,
  LogSchema,
  LogSpace,
  Snapshot,
} from '../../ts/log/schema.js';
import type { StoredObject, WriteBody } from '../../ts/storage/driver.js';
import { objectKey, packageKey } from '../../ts/storage/key.js';
import { type ObjectStore, ObjectTooLarge, type PutOptions, type PutResult } from '../../ts/storage/object-store.js';

/** A `LogSpace` in memory with the honest rules: cached beliefs may be behind, refusals are asked again, floors make changes void. */
export class FakeSpace<S> implements LogSpace<S> {
  readonly id: string;
  readonly schema: LogSchema<S>;
  readonly runtime: Runtime;
  private readonly logs = new Map<string, { snapshot: Snapshot<S>; history: HistoryEntry[] }>();
  /** What `readForWrite` still believes. */
  readonly beliefs = new Map<string, Snapshot<S>>();
  /** Runs between deciding and creating, once: another party that is faster. */
  interfere: (() => Promise<void>) | undefined;
  /** The next commit fails like this after it was applied. */
  lost: Error | undefined;

  constructor(id: string, schema: LogSchema<S>, runtime: Runtime) {
    this.id = id;
    this.schema = schema;
    this.runtime = runtime;
  }

  private log(identity: string) {
    let log = this.logs.get(identity);
    if (!log) {
      const key = packageKey(identity);
      const floor = { objects: 0, markers: 0 };
      const snapshot: Snapshot<S> = {
        identity,
        named: false,
        key,
        position: 0,
        head: null,
        at: 0,
        floor,
        state: this.schema.initial(identity),
      };
      log = { snapshot, history: [] };
      this.logs.set(identity, log);
    }
    return log;
  }

  async read(identity: string): Promise<Snapshot<S>> {
    return this.log(identity).snapshot;
  }

  readStrong(identity: string): Promise<Snapshot<S>> {
    return this.read(identity);
  }

  async readForWrite(identity: string): Promise<Snapshot<S>> {
    return this.beliefs.get(identity) ?? this.read(identity);
  }

  async commit<R>(identity: string, decide: Decide<S, R>, _options?: CommitOptions): Promise<Committed<S, R>> {
    for (;;) {
      const log = this.log(identity);
      const before = log.snapshot;
      const { changes, result } = decide(before);
      const interfere = this.interfere;
      this.interfere = undefined;
      await interfere?.();
      if (log.snapshot !== before) continue;
      if (changes.length === 0) return { snapshot: before, result, changed: false };
      const at = Math.max(before.at, this.runtime.clock.now());
      const entry = { n: before.position, id: `e${before.position}`, at };
      const stamped = JSON.parse(JSON.stringify(changes.map((change) => ({ ...change, at })))) as Change[];
      const state = stamped.reduce((current, change) => this.schema.apply(current, change, entry), before.state);
      log.snapshot = { ...before, named: true, position: before.position + 1, head: entry.id, at, state };
      log.history.push({ ...entry, changes: stamped });
      if (this.lost) {
        const lost = this.lost;
        this.lost = undefined;
        throw lost;
      }
      return { snapshot: log.snapshot, result, changed: true };
    }
  }

  async names() {
    const items = new Map<string, FeedItem>();
    for (const { snapshot } of this.logs.values()) {
      const summary = this.schema.summarise(snapshot.state);
      if (summary === undefined) continue;
      items.set(snapshot.key, { key: snapshot.key, identity: snapshot.identity, to: snapshot.position, summary });
    }
    return { position: [...this.logs.values()].reduce((sum, { snapshot }) => sum + snapshot.position, 0), items };
  }

  async *history(identity: string, { from = 0 }: HistoryOptions = {}): AsyncIterable<HistoryEntry> {
    for (const entry of this.log(identity).history) if (entry.n >= from) yield entry;
  }

  async open(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Objects in memory, hashed and bounded like the real ones. */
export class FakeObjects implements ObjectStore {
  readonly stored = new Map<string, Uint8Array>();
  readonly runtime: Runtime;
  reads = 0;
  failDelete: Error | undefined;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  async put(repository: string, pkg: string, body: WriteBody, options: PutOptions): Promise<PutResult> {
    const hasher = new Hasher(options.digests);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of body instanceof Uint8Array ? [body] : body) {
      size += chunk.byteLength;
      if (size > options.max) throw new ObjectTooLarge();
      hasher.update(chunk);
      chunks.push(chunk);
    }
    const key = objectKey(repository, pkg, this.runtime.clock.now(), randomId(this.runtime.random));
    this.stored.set(key, Buffer.concat(chunks));
    return { key, size, digests: hasher.digests() };
  }

  async read(
    key: string,
    options: { range?: { start: number; end: number } | undefined } = {},
  ): Promise<StoredObject | undefined> {
    this.reads++;
    const bytes = this.stored.get(key);
    if (!bytes) return undefined;
    const body = options.range ? bytes.subarray(options.range.start, options.range.end + 1) : bytes;
    return { size: bytes.byteLength, modified: 0, body };
  }

  async copyAbove(): Promise<string | undefined> {
    return undefined;
  }

  async copyTo(key: string, repository: string, pkg: string): Promise<string | undefined> {
    const bytes = this.stored.get(key);
    return bytes && (await this.put(repository, pkg, bytes, { max: bytes.byteLength })).key;
  }

  async compose(pieces: readonly { readonly key: string }[], repository: string, pkg: string): Promise<string | undefined> {
    const found = pieces.map(({ key }) => this.stored.get(key));
    if (found.includes(undefined)) return undefined;
    const whole = Buffer.concat(found as readonly Uint8Array[]);
    return (await this.put(repository, pkg, whole, { max: whole.byteLength })).key;
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (this.failDelete) throw this.failDelete;
    for (const key of keys) this.stored.delete(key);
  }
}

/** A clock that stands still until it is told to move, and bytes that only count up. */
export class TestRuntime implements Runtime {
  time = 1_700_000_000_000;
  private counter = 0;
  private readonly timers = new Set<{ readonly at: number; readonly run: () => void }>();

  readonly clock = {
    now: () => this.time,
    monotonic: () => this.time,
    sleep: (milliseconds: number) =>
      new Promise<void>((resolve) => {
        this.clock.after(milliseconds, resolve);
      }),
    after: (milliseconds: number, run: () => void) => {
      const timer = { at: this.time + milliseconds, run };
      this.timers.add(timer);
      return { cancel: () => void this.timers.delete(timer) };
    },
  };

  readonly random = {
    bytes: (count: number) => {
      const bytes = new Uint8Array(count);
      new DataView(bytes.buffer).setUint32(0, ++this.counter);
      return bytes;
    },
    fraction: () => 0.5,
  };

  get waiting(): number {
    return this.timers.size;
  }

  advance(milliseconds: number): void {
    this.time += milliseconds;
    for (const timer of [...this.timers]) {
      if (timer.at > this.time) continue;
      this.timers.delete(timer);
      timer.run();
    }
  }
}
