import { createServer } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { toNodeHandler } from '../../ts/adapters/node.js';
import { type IAuthProvider, type IRegistryConfig, type RawResponse, SmartRegistry } from '../../ts/index.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { listen } from '../adapters/registry.js';
import { publishBody } from '../server/publish.js';

const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';
const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', hear);
  process.on('uncaughtException', hear);
});
afterEach(() => {
  process.off('unhandledRejection', hear);
  process.off('uncaughtException', hear);
});

/** Node tells of rejections that nobody handled when a turn's microtasks are done. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A host's function that is async where nobody waits for it, and fails. */
const failing = (called: string[], name: string) => async (): Promise<never> => {
  called.push(name);
  throw new Error(`the host's ${name} failed`);
};

async function answered(config: Partial<IRegistryConfig>, method: string, path: string, body?: string): Promise<number> {
  const registry = new SmartRegistry({
    storage: new SynchronousMemoryDriver(),
    secret: 'correct-horse-battery-staple-1-AZ9',
    npm: { enabled: true },
    ...config,
  });
  await registry.init();
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const { status } = await registry.handleRequest({ method, path, headers, query: {}, ...(body === undefined ? {} : { body }) });
  await registry.destroy();
  await turns();
  return status;
}

it('an onFault whose promise rejects ends nothing, whatever it hears of', async () => {
  const called: string[] = [];
  const status = await answered(
    {
      auth: { adminToken: TOKEN },
      onFault: failing(called, 'onFault'),
      storageHooks: { beforePut: failing(called, 'beforePut') },
    },
    'PUT',
    '/npm/a',
    publishBody('a', '1.0.0'),
  );
  expect([status, called]).toEqual([403, ['beforePut', 'onFault']]);
  expect(unhandled).toEqual([]);
});

it('hooks behind the answer that reject end nothing', async () => {
  const called: string[] = [];
  const status = await answered(
    {
      auth: { adminToken: TOKEN },
      onFault: failing(called, 'onFault'),
      storageHooks: { afterPut: failing(called, 'afterPut') },
    },
    'PUT',
    '/npm/a',
    publishBody('a', '1.0.0'),
  );
  expect([status, called]).toEqual([201, ['afterPut', 'onFault']]);
  expect(unhandled).toEqual([]);
});

it('a provider that answers with a promise where it must not lets nobody in, and ends nothing', async () => {
  const called: string[] = [];
  const provider: IAuthProvider = {
    authenticate: async () => null,
    validateToken: async () => ({ userId: 'ann', scopes: ['*'] }),
    createToken: async () => 'x',
    revokeToken: async () => undefined,
    authorize: async () => false,
    authorizeEvery: failing(called, 'authorizeEvery') as unknown as () => boolean,
  };
  const status = await answered({ authProvider: provider, onFault: failing(called, 'onFault') }, 'GET', '/npm/-/v1/search');
  expect(called).toContain('authorizeEvery');
  expect([401, 403, 404, 200]).toContain(status);
  expect(unhandled).toEqual([]);
});

it.each([
  ['reject', (called: string[], name: string) => failing(called, name) as unknown as () => undefined],
  [
    'throw',
    (called: string[], name: string) => (): undefined => {
      called.push(name);
      throw new Error(`the host's ${name} failed`);
    },
  ],
] as const)('listeners of the adapter that %s are not in the way of an answer', async (_, make) => {
  const called: string[] = [];
  const whole: RawResponse = {
    status: 200,
    statusText: undefined,
    headers: { 'Content-Length': '0' },
    body: undefined,
    about: { repository: undefined, route: undefined, user: undefined },
  };
  for (const onRequest of [make(called, 'onRequest'), () => ({ closed: make(called, 'closed') })]) {
    for (const handle of [async () => whole, async () => Promise.reject(new Error('broken'))]) {
      const server = createServer(toNodeHandler({ handle }, { onRequest: onRequest as never, onError: make(called, 'onError') }));
      const running = await listen(server);
      const { status } = await fetch(running.url);
      expect(status).toBe((await handle().catch(() => undefined)) ? 200 : 500);
      await running.close();
    }
  }
  await turns();
  expect(called.toSorted()).toEqual(['closed', 'closed', 'onError', 'onError', 'onRequest', 'onRequest']);
  expect(unhandled).toEqual([]);
});
