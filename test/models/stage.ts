import type {
  ListOptions,
  ListPage,
  StorageDriver,
  SynchronousDriver,
  WriteBody,
  WriteOptions,
} from '../../ts/storage/driver.js';
import { StorageError } from '../../ts/storage/storage-error.js';
import { TestClock } from '../log/set-log.js';
import { SimpleStore } from '../log/simple-store.js';

/** What one step has looked at and what it has changed: keys, and prefixes that end with `*`. Two steps that do not meet may change places. */
export interface Footprint {
  readonly reads: Set<string>;
  readonly writes: Set<string>;
}

interface Waiting {
  readonly label: string;
  readonly go: () => void;
}

/** How one process's way to the store behaves. */
export interface DriverHabits {
  /** Milliseconds that the store's clock seems ahead for it. */
  readonly skew?: number;
  /** What it reads of logs takes a step more to arrive. */
  readonly slow?: boolean;
  /** It is looked at synchronously, as a folder is. */
  readonly local?: boolean;
  /** Creates whose answer is lost; `'late'`: the create itself reaches the store only when the process `wire` takes a step. */
  readonly loses?: (key: string) => 'answer' | 'late' | undefined;
}

/** The process that delivers late creates. */
export const WIRE = 'wire';

/** What every step looks at and only the passing of hours changes. */
const TIME = 'the time';

const never = () => undefined;

/** Views are no part of what can lose data: their writes take no step of their own. */
const isView = (key: string): boolean => /^derived\/(checkpoint|feed|probe)\//.test(key);

/** 53 bits of a running hash: enough to tell the few million states of a scenario apart. */
const mix = (hash: number, text: string): number => {
  let a = hash >>> 0;
  let b = Math.floor(hash / 2 ** 32) ^ 0x5bd1e995;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b) ^ (a >>> 15);
  }
  return (a >>> 0) + (b & 0x1fffff) * 2 ** 32;
};

/** Resolves when every promise that could go on has done so: ticks come behind all of them, and cost less than a turn of the event loop. */
export const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/** One shared clock: a sleeper wakes when somebody moves it far enough. */
export class StageClock extends TestClock {
  private readonly onPass: () => void;
  private readonly sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();

  constructor(onPass: () => void) {
    super();
    this.onPass = onPass;
  }

  override sleep(milliseconds: number): Promise<void> {
    if (milliseconds < 500) return super.sleep(0);
    return new Promise((wake) => this.sleepers.add({ until: this.mono + milliseconds, wake }));
  }

  pass(milliseconds: number): void {
    this.onPass();
    this.wall += milliseconds;
    this.mono += milliseconds;
    for (const sleeper of [...this.sleepers]) {
      if (sleeper.until > this.mono) continue;
      this.sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}

/** A store whose every call is a step that the schedule releases; the call is applied in that moment and at once. */
export class Stage {
  readonly store = new SimpleStore();
  readonly clock = new StageClock(() => this.footprint.writes.add(TIME));
  readonly trace: string[] = [];
  /** Of the step that is under way, or was the last. */
  footprint: Footprint = { reads: new Set([TIME]), writes: new Set() };
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly names: readonly string[];
  /** What each process has seen so far, and who wrote each object after having seen what. */
  private readonly histories = new Map<string, number>();
  private readonly writers = new Map<string, number>();

  constructor(names: readonly string[]) {
    this.names = names;
  }

  /** The same for two schedules that have led every process to the same observations and the store to the same content. */
  signature(): string {
    let stored = 0;
    for (const [key, writer] of this.writers) if (this.store.objects.has(key)) stored = (stored + mix(writer, key)) % 2 ** 53;
    return `${this.names.map((name) => this.histories.get(name) ?? 0).join(' ')} ${stored} ${this.clock.mono}`;
  }

  private saw(process: string, what: string): void {
    this.histories.set(process, mix(this.histories.get(process) ?? 7, what));
  }

  step(process: string, label: string): Promise<void> {
    return new Promise((go) => {
      const queue = this.waiting.get(process) ?? [];
      queue.push({ label, go });
      this.waiting.set(process, queue);
    });
  }

  /** Indices of the processes that could take a step now. */
  runnable(): readonly number[] {
    return this.names.flatMap((name, i) => ((this.waiting.get(name)?.length ?? 0) > 0 ? [i] : []));
  }

  private told(result: unknown): string {
    if (typeof result !== 'object' || result === null) return String(result);
    if ('objects' in result) return (result as ListPage).objects.map(({ key }) => key).join();
    if ('body' in result) return new TextDecoder().decode((result as { body: Uint8Array }).body);
    return JSON.stringify(result);
  }

  /** Releases one step: what the process has asked for at the same time counts as one. */
  async release(index: number): Promise<void> {
    const name = this.names[index] as string;
    const queue = this.waiting.get(name) ?? [];
    this.waiting.set(name, []);
    this.footprint = { reads: new Set([TIME]), writes: new Set() };
    // what a process does may depend on when it does it
    for (const { label } of queue) this.saw(name, `${label} at ${this.clock.mono}`);
    this.trace.push(`${name}: ${queue.map(({ label }) => label).join(', ')}`);
    for (const { go } of queue) go();
    await settled();
  }

  /** The same, and what a folder can do besides: answered at once, inside whatever step asks. */
  private local(process: string, driver: StorageDriver): SynchronousDriver {
    const seen = <T>(result: T): T => {
      this.saw(process, this.told(result));
      return result;
    };
    return {
      ...driver,
      namesSync: (folder) => {
        const keys = [...this.store.objects.keys()].filter((key) => key.startsWith(`${folder}/`)).sort();
        return seen(keys.map((key) => key.slice(folder.length + 1)));
      },
      existsSync: (key) => seen(this.store.objects.has(key)),
    };
  }

  /** The store, with every call on the footprint of the step that makes it. */
  private watched(): StorageDriver {
    const { store } = this;
    const reads = (key: string): void => void this.footprint.reads.add(key);
    const writes = (keys: readonly string[]): void => {
      for (const key of keys) this.footprint.writes.add(key);
    };
    return {
      name: store.name,
      stat: (key) => {
        reads(key);
        return store.stat(key);
      },
      read: (key) => {
        reads(key);
        return store.read(key);
      },
      write: (key, body, options) => {
        // a create that finds the key taken has only looked
        if (options?.ifAbsent && store.objects.has(key)) reads(key);
        else writes([key]);
        return store.write(key, body, options);
      },
      delete: (keys) => {
        writes(keys);
        return store.delete(keys);
      },
      list: (prefix, options) => {
        reads(`${prefix}*`);
        return store.list(prefix, options);
      },
    };
  }

  driver(process: string, { skew = 0, slow = false, local = false, loses = never }: DriverHabits = {}): StorageDriver {
    const store = this.watched();
    const at = async <T>(label: string, call: () => Promise<T>): Promise<T> => {
      await this.step(process, label);
      const result = await call();
      this.saw(process, this.told(result));
      return result;
    };
    const write = (key: string, body: WriteBody, options?: WriteOptions): Promise<'written' | 'exists'> => {
      const label = `${options?.ifAbsent ? 'create' : 'write'} ${key}`;
      const apply = async () => {
        const answer = await store.write(key, body, options);
        if (answer === 'written') this.writers.set(key, this.histories.get(process) ?? 0);
        return answer;
      };
      return at(label, async () => {
        const fate = options?.ifAbsent ? loses(key) : undefined;
        if (fate === undefined) return apply();
        this.saw(process, fate);
        if (fate === 'answer') await apply();
        else void this.step(WIRE, label).then(apply);
        throw new StorageError('unknown', 'no answer came');
      });
    };
    const driver: StorageDriver = {
      name: process,
      stat: (key) => (isView(key) ? store.stat(key) : at(`stat ${key}`, () => store.stat(key))),
      read: async (key) => {
        if (isView(key)) return store.read(key);
        const found = await at(`read ${key}`, () => store.read(key));
        // an answer on its way is overtaken by what happens meanwhile
        if (slow && key.startsWith('log/')) await this.step(process, `answer ${key}`);
        return found && key.startsWith('derived/clock/') ? { ...found, modified: found.modified + skew } : found;
      },
      write: (key, body, options?: WriteOptions) => (isView(key) ? store.write(key, body, options) : write(key, body, options)),
      delete: (keys) => at(`delete ${keys.join(' ')}`, () => store.delete(keys)),
      list: (prefix, options?: ListOptions): Promise<ListPage> => at(`list ${prefix}`, () => store.list(prefix, options)),
    };
    return local ? this.local(process, driver) : driver;
  }
}
