import { expect } from 'vitest';
import { SmartRegistry } from '../../ts/index.js';
import { type Runtime, systemRuntime } from '../../ts/lib/clock.js';
import { verifyAll } from '../../ts/server/house-keeping.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import type { FaultyAbility, FaultyDriver } from '../../ts/testing/index.js';
import type { IUpstreamProvider } from '../../ts/upstream/provider.js';

export const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';
export const SECRET = 'n7Qw2-ePz9Lk4-vTx8Rb3-mYs6Hd1-gUj5Fc0';

export type Stored = readonly (readonly [string, Uint8Array])[];

export async function contentOf(store: MemoryDriver): Promise<Stored> {
  const { objects } = await store.list('');
  return Promise.all(objects.map(async ({ key }) => [key, (await store.read(key))?.body as Uint8Array] as const));
}

export async function storeWith(content: Stored, times: Times): Promise<MemoryDriver> {
  const store = new MemoryDriver({ runtime: times.runtime() });
  for (const [key, bytes] of content) await store.write(key, bytes);
  return store;
}

interface Over {
  readonly runtime?: Runtime;
  readonly upstreamProvider?: IUpstreamProvider;
}

export const registryOver = (storage: StorageDriver, over: Over = {}): SmartRegistry =>
  new SmartRegistry({
    ...over,
    storage,
    npm: { enabled: true },
    secret: SECRET,
    auth: { adminToken: TOKEN },
    maxStaleness: 0,
    onFault: () => undefined,
  });

export const ask = (registry: SmartRegistry, method: string, path: string, body?: string) =>
  registry.handleRequest({
    method,
    path,
    rawUrl: path,
    headers: { host: 'packages.example', authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    query: {},
    ...(body === undefined ? {} : { body }),
  });

export const BEYOND_EVERY_GRACE = 45 * 24 * 60 * 60 * 1000;
/** How much faster time passes for a request with a call that hangs: its limits are reached within a moment. */
export const FASTER = 100;
const HANGS_AT_MOST_MS = 400;

/** The clocks of one trial: they may be put forward, and one process's may be fast. */
export class Times {
  private ahead = 0;

  pass(milliseconds: number): void {
    this.ahead += milliseconds;
  }

  runtime(rate = 1): Runtime {
    const { clock, random } = systemRuntime;
    const now = () => clock.now() + this.ahead;
    const after = (milliseconds: number, run: () => void) => clock.after(milliseconds / rate, run);
    const sleep = (milliseconds: number, signal?: AbortSignal) => clock.sleep(milliseconds / rate, signal);
    return { clock: { now, monotonic: () => clock.monotonic() * rate, after, sleep }, random };
  }
}

/** Sees to it that the attempt comes to its end. */
export async function accompany<T>(attempt: Promise<T>, driver: FaultyDriver, whilePaused: () => Promise<void>): Promise<T> {
  let over = false;
  const ended = attempt.finally(() => {
    over = true;
  });
  const began = performance.now();
  for (let paused = false; !over && !paused; ) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    // where nothing has a limit the call arrives at last
    if (performance.now() - began > HANGS_AT_MOST_MS) driver.release();
    paused = driver.isPaused;
    if (!paused) continue;
    await whilePaused();
    driver.resume();
  }
  return ended;
}

/** The store has kept half of what it said had failed, in a slot: loud, and mended by an operator. */
export async function repaired(store: MemoryDriver, driver: FaultyDriver, at: number): Promise<void> {
  const torn = driver.calls[at - 1];
  if (torn?.method !== 'write' || !/^(log|feed)\//.test(torn.key)) return;
  const operator = registryOver(store);
  await operator.init();
  const found = await verifyAll(operator.parts, { repair: false });
  expect(found.problems).toBeGreaterThan(0);
  const { problems, findings } = await verifyAll(operator.parts, { repair: true });
  expect([problems, findings.map(({ kind }) => kind)]).toEqual([0, expect.arrayContaining(['log'])]);
  await operator.destroy();
}

export type Way = string;
/** With writes that are done in one go, as on a bucket, and with writes taken apart, as on a folder. */
export const WAYS: Readonly<Record<Way, readonly FaultyAbility[]>> = { whole: ['copy'], apart: ['copy', 'prepare'] };
