import { expect, it } from 'vitest';
import { SmartRegistry } from '../../ts/index.js';
import { verifyAll } from '../../ts/server/house-keeping.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { publishBody } from '../server/publish.js';

const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';

function registryOn(storage: SynchronousMemoryDriver, faults: string[]): SmartRegistry {
  return new SmartRegistry({
    storage,
    secret: 'correct-horse-battery-staple-1-AZ9',
    auth: { adminToken: TOKEN },
    npm: { enabled: true },
    onFault: (error, where) => faults.push(`${where}: ${String(error)}`),
  });
}

const ask = async (registry: SmartRegistry, method: string, body?: string): Promise<number> => {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const { status } = await registry.handleRequest({ method, path: '/npm/x', headers, query: {}, ...(body ? { body } : {}) });
  return status;
};

it('a damaged record of a repository keeps nothing from starting: the operator hears of it, and so does who verifies', async () => {
  const store = new SynchronousMemoryDriver();
  const faults: string[] = [];
  const first = registryOn(store, faults);
  await first.init();
  expect(await ask(first, 'PUT', publishBody('x', '1.0.0'))).toBe(201);
  await first.destroy();
  expect(faults).toEqual([]);

  const key = 'log/~repositories/npm/0000000000.jsonl';
  const whole = (await store.read(key))?.body as Uint8Array;
  await store.write(key, whole.subarray(0, 40));
  const second = registryOn(store, faults);
  await second.init();
  expect(faults.join('\n')).toContain('log/~repositories/npm: Error: the record of the repository npm is damaged');
  expect(await ask(second, 'GET')).toBe(200);
  const { findings, problems } = await verifyAll(second.parts, { repair: false });
  expect(problems).toBeGreaterThan(0);
  expect(findings.map(({ space, kind }) => `${space} ${kind}`)).toContain('~repositories log');

  await store.write(key, whole);
  expect((await verifyAll(second.parts, { repair: false })).problems).toBe(0);
  await second.destroy();
});
