import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { type IAuthProvider, type IRegistryConfig, SmartRegistry } from '../../ts/index.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';

const SECRET = 'correct-horse-battery-staple-1-AZ9';
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A store that tells when it is closed. */
class Closing extends SynchronousMemoryDriver {
  closed = 0;
  async close(): Promise<void> {
    this.closed += 1;
  }
}

const provider = (more: Partial<IAuthProvider> = {}): IAuthProvider => ({
  authenticate: async () => null,
  validateToken: async () => null,
  createToken: async () => 'x',
  revokeToken: async () => undefined,
  authorize: async () => false,
  ...more,
});

const registryOn = (storage: IRegistryConfig['storage'], more: Partial<IRegistryConfig> = {}): SmartRegistry =>
  new SmartRegistry({ storage, secret: SECRET, npm: { enabled: true }, oci: { enabled: true }, ...more });

it('a store that cannot be used is closed again', async () => {
  const store = new Closing();
  await store.write('entrepot.json', new TextEncoder().encode('{"format": 2}'));
  await expect(registryOn(store).init()).rejects.toThrow(/format 2/);
  expect(store.closed).toBe(1);
});

it('a provider that does not close keeps nothing else open; its failure is told at last', async () => {
  const store = new Closing();
  const authProvider = provider({
    close: async () => {
      throw new Error('the directory hangs up');
    },
  });
  const registry = registryOn(store, { authProvider });
  await registry.init();
  await expect(registry.destroy()).rejects.toThrow('the directory hangs up');
  expect(store.closed).toBe(1);
  expect(registry.isInitialized()).toBe(false);
});

it('whoever destroys a registry that is being destroyed waits for the end of it', async () => {
  const store = new Closing();
  const registry = registryOn(store);
  await registry.init();
  void registry.destroy();
  await registry.destroy();
  expect(store.closed).toBe(1);
  await registry.destroy();
  expect(store.closed).toBe(1);
});

it('a listener that throws ends neither the work behind answers nor the process', async () => {
  const rejected = vi.fn();
  process.on('unhandledRejection', rejected);
  try {
    const store = new Closing();
    let heard = 0;
    const registry = registryOn(store, {
      onFault: () => {
        heard += 1;
        throw new Error('the log is full');
      },
    });
    await registry.init();
    // what goes on behind answers fails from here on: checkpoints, and the feed
    const write = store.write.bind(store);
    store.write = async (key, body, options) => {
      if (key.startsWith('derived/') || key.startsWith('feed/')) throw new Error('the disk is on fire');
      return write(key, body, options);
    };
    const tokens = registry.parts.auth.directory;
    await tokens?.addUser({ name: 'bob' });
    await registry.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toBeGreaterThan(0);
    expect(rejected).not.toHaveBeenCalled();
  } finally {
    process.off('unhandledRejection', rejected);
  }
});

it('its mounts are its own before it is opened, and a path that is none is left to others', async () => {
  const registry = registryOn(new Closing());
  expect([registry.handles('/npm/x'), registry.handles('/other')]).toEqual([true, false]);
  await registry.init();
  const others = ['/%zz', '/a\\b', '/../x', '/x'.repeat(5_000)];
  expect(others.map((path) => registry.handles(path))).toEqual(others.map(() => false));
  expect([registry.handles('/npm/x'), registry.handles('/v2/'), registry.handles('/other')]).toEqual([true, true, false]);
  await registry.destroy();
});

it('a folder that it makes is for nobody else to read; one that was there stays as it is', async () => {
  const above = mkdtempSync(join(tmpdir(), 'entrepot-private-'));
  folders.push(above);
  const root = join(above, 'some', 'data');
  const registry = registryOn({ driver: 'filesystem', root });
  await registry.init();
  await registry.destroy();
  expect(statSync(root).mode & 0o777).toBe(0o700);
});
