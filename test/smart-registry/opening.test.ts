import { afterEach, expect, it } from 'vitest';
import { SmartRegistry, streamToJson } from '../../ts/index.js';
import type { ReadOptions, StoredObject } from '../../ts/storage/driver.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { StorageError } from '../../ts/storage/storage-error.js';
import { Gate } from '../../ts/testing/gate.js';
import { publishBody } from '../server/publish.js';

const SECRET = 'correct-horse-battery-staple-1-AZ9';
const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';
const FEED = 'feed/npm/';
const open: SmartRegistry[] = [];
const gates: Gate[] = [];

afterEach(async () => {
  for (const gate of gates.splice(0)) gate.open();
  for (const registry of open.splice(0)) await registry.destroy();
});

/** Reads below one prefix wait at a gate, or fail behind it. */
class Slow extends SynchronousMemoryDriver {
  readonly gate = new Gate();
  below: string | undefined;
  failing = false;
  closed = 0;

  override async read(key: string, options?: ReadOptions): Promise<StoredObject | undefined> {
    if (this.below !== undefined && key.startsWith(this.below)) {
      await this.gate.passage();
      if (this.failing) throw new StorageError('unavailable', 'the disk is gone');
    }
    return super.read(key, options);
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

function slow(): Slow {
  const store = new Slow();
  gates.push(store.gate);
  return store;
}

function registryOn(store: Slow): SmartRegistry {
  const registry = new SmartRegistry({ storage: store, secret: SECRET, npm: { enabled: true }, auth: { adminToken: TOKEN } });
  open.push(registry);
  return registry;
}

async function ask(registry: SmartRegistry, method: string, path: string, body?: string) {
  const headers = { host: 'packages.example', authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const { status, body: answer } = await registry.handleRequest({
    method,
    path,
    headers,
    query: {},
    ...(body === undefined ? {} : { body }),
  });
  return { status, answer: await streamToJson<Record<string, unknown>>(answer).catch((): Record<string, unknown> => ({})) };
}

/** A store with one package, held where `below` says. */
async function filled(below: string): Promise<Slow> {
  const store = slow();
  const first = new SmartRegistry({ storage: store, secret: SECRET, npm: { enabled: true }, auth: { adminToken: TOKEN } });
  await first.init();
  expect((await ask(first, 'PUT', '/npm/known', publishBody('known', '1.0.0'))).status).toBe(201);
  await first.destroy();
  store.below = below;
  store.gate.shut();
  return store;
}

/** A settled promise's value, or `waiting` for one that a hundred turns of the event loop have not settled. */
async function soon<T>(promise: Promise<T>): Promise<T | 'waiting'> {
  const turns = async (): Promise<'waiting'> => {
    for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    return 'waiting';
  };
  return Promise.race([promise, turns()]);
}

it('what needs no package is answered while it is still read which packages there are; the rest waits for that, and nothing is missed', async () => {
  const store = await filled(FEED);
  const registry = registryOn(store);
  const ready = registry.init();
  expect((await ask(registry, 'GET', '/npm/-/ping')).status).toBe(200);
  expect(registry.isInitialized()).toBe(false);
  const known = ask(registry, 'GET', '/npm/known');
  const unknown = ask(registry, 'GET', '/npm/unknown');
  const again = ask(registry, 'PUT', '/npm/known', publishBody('known', '1.0.0'));
  const next = ask(registry, 'PUT', '/npm/fresh', publishBody('fresh', '1.0.0'));
  const search = ask(registry, 'GET', '/npm/-/v1/search?text=known');
  for (const asked of [known, unknown, again, next, search, ready]) expect(await soon<unknown>(asked)).toBe('waiting');
  store.gate.open();
  await ready;
  expect((await known).answer).toMatchObject({ name: 'known', 'dist-tags': { latest: '1.0.0' } });
  expect((await unknown).status).toBe(404);
  expect((await again).status).toBe(403);
  expect((await next).status).toBe(201);
  expect((await search).answer['objects']).toHaveLength(1);
});

it('whoever comes while a store is looked at waits for it', async () => {
  const store = await filled('entrepot.json');
  const registry = registryOn(store);
  const ready = registry.init();
  const ping = ask(registry, 'GET', '/npm/-/ping');
  expect(await soon(ping)).toBe('waiting');
  store.gate.open();
  expect((await ping).status).toBe(200);
  await ready;
});

it('and is told to come again when that takes long, or nothing comes of it', async () => {
  const store = await filled('entrepot.json');
  const registry = registryOn(store);
  const ready = registry.init().catch((error: unknown) => error);
  expect((await ask(registry, 'GET', '/npm/-/ping')).status).toBe(503);
  const ping = ask(registry, 'GET', '/npm/-/ping');
  store.failing = true;
  store.gate.open();
  expect(await ready).toBeInstanceOf(StorageError);
  expect((await ping).status).toBe(503);
});

it('packages that cannot be read fail the start and whoever waits for them, and all is closed again', async () => {
  const store = await filled(FEED);
  const registry = registryOn(store);
  const ready = registry.init().catch((error: unknown) => error);
  expect((await ask(registry, 'GET', '/npm/-/ping')).status).toBe(200);
  const known = ask(registry, 'GET', '/npm/known');
  expect(await soon(known)).toBe('waiting');
  store.failing = true;
  store.gate.open();
  expect(await ready).toBeInstanceOf(StorageError);
  expect((await known).status).toBe(503);
  expect((await ask(registry, 'GET', '/npm/-/ping')).status).toBe(503);
  expect(registry.isInitialized()).toBe(false);
  expect(store.closed).toBe(2);
  store.failing = false;
  await registry.init();
  expect((await ask(registry, 'GET', '/npm/known')).status).toBe(200);
});
