import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { copyBody } from '../../ts/storage/key.js';
import { Copies, type Copy } from '../../ts/upstream/copies.js';
import { sweepCopies } from '../../ts/upstream/sweep-copies.js';
import { ManualClock } from '../http/manual-clock.js';

const DAY = 86_400_000;
const MAX = 1_000;
const place = { upstream: 'a', pkg: 'left-pad-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', what: 'document' };
const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const none = { etag: undefined, lastModified: undefined };

/** One instance: its storage calls are the steps at which others may come between. */
class Instance {
  readonly copies: Copies;
  readonly driver: StorageDriver;
  waiting: (() => void) | undefined;
  over = false;
  error: unknown;

  constructor(store: MemoryDriver, runtime: { readonly clock: ManualClock; readonly random: typeof systemRuntime.random }) {
    const wait = (): Promise<void> =>
      new Promise((resolve) => {
        this.waiting = resolve;
      });
    const step = async <T>(call: () => Promise<T>): Promise<T> => {
      await wait();
      return call();
    };
    this.driver = {
      name: 'stepped',
      stat: (...args) => step(() => store.stat(...args)),
      read: (...args) => step(() => store.read(...args)),
      write: (...args) => step(() => store.write(...args)),
      delete: (...args) => step(() => store.delete(...args)),
      list: (...args) => step(() => store.list(...args)),
    };
    const objects = new DriverObjectStore(this.driver, runtime, copyBody);
    this.copies = new Copies({ repository: 'npm', driver: this.driver, runtime, objects });
  }

  begin(work: Promise<unknown>): void {
    work.then(
      () => {
        this.over = true;
      },
      (error: unknown) => {
        this.over = true;
        this.error = error;
      },
    );
  }

  /** Until it has come to its next call, or to its end. Nothing here waits for the world outside: a few turns are enough. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 100 && !this.waiting && !this.over; turn++) await Promise.resolve();
    for (let turn = 0; turn < 100 && !this.waiting && !this.over; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (!this.waiting && !this.over) throw new Error('neither a call nor an end');
  }

  async go(): Promise<void> {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.();
    await this.settle();
  }
}

/** What one instance does; `first` is the copy that stood there before. */
type Act = (instance: Instance, first: Copy | undefined, now: number) => Promise<unknown>;
const keep =
  (text: string): Act =>
  ({ copies }) =>
    copies.keep(place, bytesOf(text), none, { max: MAX });
const ACTS: Readonly<Record<string, Act>> = {
  'keeps other bytes': keep('new'),
  'keeps the same bytes': keep('old'),
  confirms: ({ copies }, first) => (first ? copies.confirm(place, first) : Promise.resolve()),
  drops: ({ copies }) => copies.drop(place),
  'reads, and says what is lost': async ({ copies }) => {
    const copy = await copies.find(place);
    const bytes = copy && (await copies.bytes(copy, MAX));
    if (bytes) expect(['old', 'new']).toContain(Buffer.from(bytes).toString());
    else if (copy) await copies.lost(place, copy.key);
  },
  // of bytes that are a day old, which is what a process may stand still for
  sweeps: ({ driver }, _, now) => sweepCopies({ driver, repository: 'npm', now: now + DAY, grace: DAY }),
};

/** One run: `choices` says who goes on at each point where more than one can. Resolves with how many could, at each point. */
async function run(acts: readonly Act[], choices: readonly number[], stood: boolean): Promise<readonly number[]> {
  const clock = new ManualClock();
  const runtime = { clock, random: systemRuntime.random };
  const store = new MemoryDriver({ runtime });
  const alone = new Copies({
    repository: 'npm',
    driver: store,
    runtime,
    objects: new DriverObjectStore(store, runtime, copyBody),
  });
  const first = stood ? await alone.keep(place, bytesOf('old'), none, { max: MAX }) : undefined;
  const instances = acts.map((act) => {
    const instance = new Instance(store, runtime);
    instance.begin(act(instance, first, clock.now()));
    return instance;
  });
  for (const instance of instances) await instance.settle();
  const open: number[] = [];
  for (let live = instances; ; ) {
    live = live.filter(({ over }) => !over);
    if (live.length === 0) break;
    const next = live[choices[open.length] ?? 0];
    open.push(live.length);
    await next?.go();
  }
  expect(instances.map(({ error }) => error)).toEqual(instances.map(() => undefined));
  // whoever reads now gets all of a copy, or none; and the next renewal makes it whole
  const copy = await alone.find(place);
  const found = copy && (await alone.bytes(copy, MAX));
  if (found) expect(['old', 'new']).toContain(Buffer.from(found).toString());
  const renewed = await alone.keep(place, bytesOf('renewed'), none, { max: MAX });
  expect(Buffer.from((await alone.bytes(renewed, MAX)) ?? []).toString()).toBe('renewed');
  await sweepCopies({ driver: store, repository: 'npm', now: clock.now() + 2 * DAY, grace: DAY });
  expect((await store.list('cache/')).objects).toHaveLength(2);
  expect(await alone.find(place)).toEqual(renewed);
  return open;
}

/** Every order of the steps of all. Resolves with their number. */
async function everyOrder(acts: readonly Act[], stood = true): Promise<number> {
  for (let [runs, choices]: [number, number[]] = [1, []]; ; runs++) {
    const open = await run(acts, choices, stood);
    const taken = open.map((_, at) => choices[at] ?? 0);
    const last = open.findLastIndex((count, at) => (taken[at] ?? 0) + 1 < count);
    if (last < 0) return runs;
    choices = [...taken.slice(0, last), (taken[last] ?? 0) + 1];
  }
}

describe('X11: two instances and one copy, in every order of their storage calls', () => {
  const names = Object.keys(ACTS);
  // two that keep the same stand below, where each reads it as well
  const pairs = names
    .flatMap((one, at) => names.slice(at).map((two) => [one, two] as const))
    .filter(([one, two]) => one !== two || one !== 'keeps the same bytes');
  it.each(pairs)('one %s, the other %s: nobody reads half, and the next renewal makes it whole', async (one, two) => {
    expect(await everyOrder([ACTS[one] as Act, ACTS[two] as Act])).toBeGreaterThan(1);
  });

  it.each([
    ['two', 2, false],
    ['two, and a copy that stood there before,', 2, true],
  ])('%s fetch the same file: each can read what it has kept', async (_, count, stood) => {
    const fetches: Act = async ({ copies }) => {
      const copy = await copies.keep(place, bytesOf('old'), none, { max: MAX });
      expect(Buffer.from((await copies.bytes(copy, MAX)) ?? []).toString()).toBe('old');
    };
    const runs = await everyOrder(
      Array.from({ length: count }, () => fetches),
      stood,
    );
    console.log(`${count} instances that fetch one file: ${runs} orders`);
  });
});
