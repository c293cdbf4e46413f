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

interface Waiting {
  readonly label: string;
  readonly last: boolean;
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
  /** What the clocks show to whoever looks; somebody may have put another in its place. */
  shows: (which: 'wall' | 'mono') => number = (which) => this[which];
  private readonly sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();

  override now(): number {
    return this.shows('wall');
  }

  override monotonic(): number {
    return this.shows('mono');
  }

  override sleep(milliseconds: number): Promise<void> {
    if (milliseconds < 500) return super.sleep(0);
    return new Promise((wake) => this.sleepers.add({ until: this.mono + milliseconds, wake }));
  }

  pass(milliseconds: number): void {
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
  /** What answers the calls that are steps: the store, unless somebody has put another in its place. */
  backing: Pick<StorageDriver, 'stat' | 'read' | 'write' | 'delete' | 'list'> = this.store;
  readonly clock = new StageClock();
  readonly trace: string[] = [];
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

  /** `last`: only when the process has nothing else to do. */
  step(process: string, label: string, last = false): Promise<void> {
    return new Promise((go) => {
      const queue = this.waiting.get(process) ?? [];
      queue.push({ label, last, go });
      this.waiting.set(process, queue);
    });
  }

  /** What the process asks for with its next step; undefined: nothing, it is over or sleeps. */
  asks(process: string): string | undefined {
    const queue = this.next(process);
    return queue.length === 0 ? undefined : queue.map(({ label }) => label).join(', ');
  }

  private next(process: string): readonly Waiting[] {
    const queue = this.waiting.get(process) ?? [];
    return queue.some(({ last }) => !last) ? queue.filter(({ last }) => !last) : queue;
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
    const queue = this.next(name);
    this.waiting.set(
      name,
      (this.waiting.get(name) ?? []).filter((one) => !queue.includes(one)),
    );
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

  driver(process: string, { skew = 0, slow = false, local = false, loses = never }: DriverHabits = {}): StorageDriver {
    const at = async <T>(label: string, call: () => Promise<T>): Promise<T> => {
      await this.step(process, label);
      const result = await call();
      this.saw(process, this.told(result));
      return result;
    };
    const write = (key: string, body: WriteBody, options?: WriteOptions): Promise<'written' | 'exists'> => {
      const label = `${options?.ifAbsent ? 'create' : 'write'} ${key}`;
      const apply = async () => {
        const answer = await this.backing.write(key, body, options);
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
      stat: (key) => (isView(key) ? this.backing.stat(key) : at(`stat ${key}`, () => this.backing.stat(key))),
      read: async (key) => {
        if (isView(key)) return this.backing.read(key);
        const found = await at(`read ${key}`, () => this.backing.read(key));
        // an answer on its way is overtaken by what happens meanwhile
        if (slow && key.startsWith('log/')) await this.step(process, `answer ${key}`);
        return found && key.startsWith('derived/clock/') ? { ...found, modified: found.modified + skew } : found;
      },
      write: (key, body, options?: WriteOptions) =>
        isView(key) ? this.backing.write(key, body, options) : write(key, body, options),
      delete: (keys) => at(`delete ${keys.join(' ')}`, () => this.backing.delete(keys)),
      list: (prefix, options?: ListOptions): Promise<ListPage> => at(`list ${prefix}`, () => this.backing.list(prefix, options)),
    };
    return local ? this.local(process, driver) : driver;
  }
}
