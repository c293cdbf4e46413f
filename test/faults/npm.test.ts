import { describe, expect, it } from 'vitest';
import { type SmartRegistry, streamToBuffer, streamToJson } from '../../ts/index.js';
import { collectAll } from '../../ts/server/house-keeping.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { type FaultKind, FaultyDriver } from '../../ts/testing/index.js';
import { publishBody } from '../server/publish.js';
import {
  accompany,
  ask,
  BEYOND_EVERY_GRACE,
  contentOf,
  FASTER,
  registryOver,
  repaired,
  type Stored,
  storeWith,
  Times,
  WAYS,
  type Way,
} from './npm-site.js';
import { FAULT_KINDS } from './trial.js';
import { REPLAY } from './tried.js';

/** No request makes so many calls. */
const MAX_POINTS = 150;

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

/** Everything else goes on while the process stands still: another publish, and collections for which whatever is unnamed is old. */
async function meanwhile(store: MemoryDriver, times: Times, certain: Set<string>): Promise<void> {
  times.pass(BEYOND_EVERY_GRACE);
  const other = registryOver(store, { runtime: times.runtime() });
  await other.init();
  await collectAll(other.parts, { dryRun: false });
  expect(await publish(other, '1.0.7')).toBeLessThan(300);
  certain.add('1.0.7');
  for (const { space } of other.parts.repositories) await space.sweep();
  times.pass(BEYOND_EVERY_GRACE);
  await collectAll(other.parts, { dryRun: false });
  await other.destroy();
}

/** False: the request was over before the fault. */
async function trial(content: Stored, way: Way, kind: FaultKind, at: number): Promise<boolean> {
  const times = new Times();
  const store = await storeWith(content, times);
  const expose = WAYS[way] ?? [];
  const driver = new FaultyDriver(store, kind === 'slow-down' ? { at, kind, count: 2 } : { at, kind }, { expose });
  const registry = registryOver(driver, { runtime: times.runtime(kind === 'hang' ? FASTER : 1) });
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
  const again = registryOver(store, { runtime: times.runtime() });
  await again.init();
  const retried = await publish(again, '1.0.1');
  await again.destroy();
  expect(after.includes('1.0.1') ? [200, 201, 403, 409] : [200, 201]).toContain(retried);
  expect([...(await shown(store))].sort()).toEqual([...certain.add('1.0.1')].sort());
  return driver.fired;
}

/** CI takes every call; by hand every tenth one tells, and every twentieth one of those that take their time. */
const WHOLE = Boolean(process.env['REQUIRE_CLIENTS']);
const strideOf = (kind: FaultKind): number => (WHOLE ? 1 : ['hang', 'pause'].includes(kind) ? 20 : 10);
if (!WHOLE) console.log('shortened: a fault at every tenth storage call; REQUIRE_CLIENTS=1 takes all');

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
