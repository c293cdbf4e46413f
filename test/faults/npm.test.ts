import { describe, expect, it } from 'vitest';
import { SmartRegistry, streamToBuffer, streamToJson } from '../../ts/index.js';
import { type Runtime, systemRuntime } from '../../ts/lib/clock.js';
import { collectAll, verifyAll } from '../../ts/server/house-keeping.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { type FaultKind, type FaultyAbility, FaultyDriver } from '../../ts/testing/index.js';
import { publishBody } from '../server/publish.js';
import { FAULT_KINDS } from './trial.js';
import { REPLAY } from './tried.js';

const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';
const SECRET = 'n7Qw2-ePz9Lk4-vTx8Rb3-mYs6Hd1-gUj5Fc0';
/** No request makes so many calls. */
const MAX_POINTS = 150;

type Stored = readonly (readonly [string, Uint8Array])[];

async function contentOf(store: MemoryDriver): Promise<Stored> {
  const { objects } = await store.list('');
  return Promise.all(objects.map(async ({ key }) => [key, (await store.read(key))?.body as Uint8Array] as const));
}

async function storeWith(content: Stored, times: Times): Promise<MemoryDriver> {
  const store = new MemoryDriver({ runtime: times.runtime() });
  for (const [key, bytes] of content) await store.write(key, bytes);
  return store;
}

const registryOver = (storage: MemoryDriver | FaultyDriver, runtime?: Runtime): SmartRegistry =>
  new SmartRegistry({
    ...(runtime ? { runtime } : {}),
    storage,
    npm: { enabled: true },
    secret: SECRET,
    auth: { adminToken: TOKEN },
    maxStaleness: 0,
    onFault: () => undefined,
  });

const ask = (registry: SmartRegistry, method: string, path: string, body?: string) =>
  registry.handleRequest({
    method,
    path,
    rawUrl: path,
    headers: { host: 'packages.example', authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    query: {},
    ...(body === undefined ? {} : { body }),
  });

const publish = async (registry: SmartRegistry, version: string): Promise<number> => {
  const response = await ask(registry, 'PUT', '/npm/p', publishBody('p', version));
  await streamToBuffer(response.body);
  return response.status;
};

/** Versions that a fresh instance shows, each with its tarball looked at. */
async function shown(store: MemoryDriver): Promise<readonly string[]> {
  const registry = registryOver(store);
  await registry.init();
  try {
    const packument = await ask(registry, 'GET', '/npm/p');
    const { versions, 'dist-tags': tags } = await streamToJson<{
      versions: Record<string, { dist: { tarball: string; shasum: string } }>;
      'dist-tags': { latest: string };
    }>(packument.body);
    for (const version of Object.keys(versions)) {
      const tarball = await ask(registry, 'GET', `/npm/p/-/p-${version}.tgz`);
      expect([version, tarball.status]).toEqual([version, 200]);
      expect((await streamToBuffer(tarball.body)).byteLength).toBeGreaterThan(0);
    }
    expect(Object.keys(versions)).toContain(tags.latest);
    return Object.keys(versions);
  } finally {
    await registry.destroy();
  }
}

/** A store with one version in it, found capable. */
async function started(): Promise<Stored> {
  const store = new MemoryDriver();
  const registry = registryOver(store);
  await registry.init();
  expect(await publish(registry, '1.0.0')).toBeLessThan(300);
  await registry.destroy();
  return contentOf(store);
}

const BEYOND_EVERY_GRACE = 45 * 24 * 60 * 60 * 1000;
/** How much faster time passes for a request with a call that hangs: its limits are reached within a moment. */
const FASTER = 100;
const HANGS_AT_MOST_MS = 400;

/** The clocks of one trial: they may be put forward, and one process's may be fast. */
class Times {
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

/** Everything else goes on while the process stands still: another publish, and collections for which whatever is unnamed is old. */
async function meanwhile(store: MemoryDriver, times: Times, certain: Set<string>): Promise<void> {
  times.pass(BEYOND_EVERY_GRACE);
  const other = registryOver(store, times.runtime());
  await other.init();
  await collectAll(other.parts, { dryRun: false });
  expect(await publish(other, '1.0.7')).toBeLessThan(300);
  certain.add('1.0.7');
  for (const { space } of other.parts.repositories) await space.sweep();
  times.pass(BEYOND_EVERY_GRACE);
  await collectAll(other.parts, { dryRun: false });
  await other.destroy();
}

/** Sees to it that the attempt comes to its end. */
async function accompany<T>(attempt: Promise<T>, driver: FaultyDriver, whilePaused: () => Promise<void>): Promise<T> {
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
async function repaired(store: MemoryDriver, driver: FaultyDriver, at: number): Promise<void> {
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

type Way = string;
/** With writes that are done in one go, as on a bucket, and with writes taken apart, as on a folder. */
const WAYS: Readonly<Record<Way, readonly FaultyAbility[]>> = { whole: ['copy'], apart: ['copy', 'prepare'] };

/** False: the request was over before the fault. */
async function trial(content: Stored, way: Way, kind: FaultKind, at: number): Promise<boolean> {
  const times = new Times();
  const store = await storeWith(content, times);
  const expose = WAYS[way] ?? [];
  const driver = new FaultyDriver(store, kind === 'slow-down' ? { at, kind, count: 2 } : { at, kind }, { expose });
  const registry = registryOver(driver, times.runtime(kind === 'hang' ? FASTER : 1));
  const certain = new Set(['1.0.0']);
  const attempt = registry.init().then(
    () => publish(registry, '1.0.1'),
    () => 0,
  );
  const pause = () => meanwhile(store, times, certain);
  const status = await accompany(attempt, driver, pause);
  await accompany(
    registry.destroy().catch(() => undefined),
    driver,
    pause,
  );
  if (kind === 'torn') await repaired(store, driver, at);
  const after = await shown(store);
  if (status >= 200 && status < 300) certain.add('1.0.1');
  // nobody hears what a dead process says
  else if (status !== 0 && kind !== 'death') expect(status).toBeGreaterThanOrEqual(500);
  expect(after).toEqual(expect.arrayContaining([...certain]));
  const again = registryOver(store, times.runtime());
  await again.init();
  const retried = await publish(again, '1.0.1');
  await again.destroy();
  expect(after.includes('1.0.1') ? [200, 201, 403, 409] : [200, 201]).toContain(retried);
  expect([...(await shown(store))].sort()).toEqual([...certain.add('1.0.1')].sort());
  return driver.fired;
}

/** CI takes every call; by hand every third one tells, and every sixth one of those that take their time. */
const WHOLE = Boolean(process.env['REQUIRE_CLIENTS']);
const strideOf = (kind: FaultKind): number => (WHOLE ? 1 : ['hang', 'pause'].includes(kind) ? 10 : 5);
if (!WHOLE) console.log('shortened: a fault at every fifth storage call; REQUIRE_CLIENTS=1 takes all');

describe.skipIf(REPLAY !== undefined)('npm publish through a whole registry, with a fault at every storage call', () => {
  const cases = Object.keys(WAYS).flatMap((way) => FAULT_KINDS.map((kind) => [way, kind] as const));
  it.each(cases)('INV1 INV2 INV4: writes %s, %s', { timeout: 240_000 }, async (way, kind) => {
    const content = await started();
    let at = 1;
    for (; at <= MAX_POINTS; at += strideOf(kind)) {
      const line = `npm publish / ${way} / ${kind} / ${at}`;
      const reached = await trial(content, way, kind, at).catch((error: unknown) => {
        throw new Error(
          `${String(error)}\n  replay: FAULT_REPLAY='${line}' npx vitest run --config test/vitest.config.ts test/faults/npm`,
        );
      });
      if (!reached) break;
    }
    console.log(`npm publish, writes ${way}, ${kind}: ${at - 1} calls`);
    expect(at).toBeGreaterThan(12);
    expect(at).toBeLessThan(MAX_POINTS);
  });
});

const [, replayed, kindOf, at] = /^npm publish \/ (\S+) \/ (\S+) \/ (\d+)$/.exec(REPLAY ?? '') ?? [];
async function replayOne(): Promise<void> {
  const kind = FAULT_KINDS.find((one) => one === kindOf);
  if (!kind || !replayed || !WAYS[replayed]) throw new Error(`no such fault: ${REPLAY}`);
  expect(await trial(await started(), replayed, kind, Number(at))).toBe(true);
}

if (replayed !== undefined) it(`replays ${REPLAY}`, replayOne);
