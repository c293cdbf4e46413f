import { describe, expect, it } from 'vitest';
import { SmartRegistry, streamToBuffer, streamToJson } from '../../ts/index.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { type FaultKind, FaultyDriver } from '../../ts/testing/index.js';
import { publishBody } from '../server/publish.js';
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

async function storeWith(content: Stored): Promise<MemoryDriver> {
  const store = new MemoryDriver();
  for (const [key, bytes] of content) await store.write(key, bytes);
  return store;
}

const registryOver = (storage: MemoryDriver | FaultyDriver): SmartRegistry =>
  new SmartRegistry({
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

/** False: the request was over before the fault. */
async function trial(content: Stored, kind: FaultKind, at: number): Promise<boolean> {
  const store = await storeWith(content);
  const driver = new FaultyDriver(store, kind === 'slow-down' ? { at, kind, count: 2 } : { at, kind }, { expose: ['copy'] });
  const registry = registryOver(driver);
  const status = await registry.init().then(
    () => publish(registry, '1.0.1'),
    () => 0,
  );
  await registry.destroy().catch(() => undefined);
  const after = await shown(store);
  if (status >= 200 && status < 300) expect(after).toEqual(['1.0.0', '1.0.1']);
  // nobody hears what a dead process says
  else if (status !== 0 && kind !== 'death') expect(status).toBeGreaterThanOrEqual(500);
  expect(after).toContain('1.0.0');
  const again = registryOver(store);
  await again.init();
  const retried = await publish(again, '1.0.1');
  await again.destroy();
  expect(after.includes('1.0.1') ? [200, 201, 403, 409] : [200, 201]).toContain(retried);
  expect(await shown(store)).toEqual(['1.0.0', '1.0.1']);
  return driver.fired;
}

const KINDS: readonly FaultKind[] = ['before', 'after', 'slow-down', 'conflict', 'exists-though-ours', 'death'];

describe.skipIf(REPLAY !== undefined)('npm publish through a whole registry, with a fault at every storage call', () => {
  it.each(KINDS)('INV1 INV2 INV4: %s', { timeout: 120_000 }, async (kind) => {
    const content = await started();
    let at = 1;
    for (; at <= MAX_POINTS; at += 1) {
      const line = `npm publish / ${kind} / ${at}`;
      const reached = await trial(content, kind, at).catch((error: unknown) => {
        throw new Error(
          `${String(error)}\n  replay: FAULT_REPLAY='${line}' npx vitest run --config test/vitest.config.ts test/faults/npm`,
        );
      });
      if (!reached) break;
    }
    console.log(`npm publish, ${kind}: ${at - 1} fault points`);
    expect(at).toBeGreaterThan(12);
    expect(at).toBeLessThan(MAX_POINTS);
  });
});

const [, replayed, at] = /^npm publish \/ (\S+) \/ (\d+)$/.exec(REPLAY ?? '') ?? [];
async function replayOne(): Promise<void> {
  const kind = KINDS.find((one) => one === replayed);
  if (!kind) throw new Error(`no such fault: ${REPLAY}`);
  expect(await trial(await started(), kind, Number(at))).toBe(true);
}

if (replayed !== undefined) it(`replays ${REPLAY}`, replayOne);
