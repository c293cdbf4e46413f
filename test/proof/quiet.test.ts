import { afterEach, expect, it } from 'vitest';
import { unlessAborted } from '../../ts/lib/next-flight.js';
import { at, documentOf } from './documents.js';
import { type House, openHouse } from './house.js';

let house: House | undefined;
afterEach(() => house?.close());

it('a list behind many fresh changes leaves no warning on standard error', async () => {
  const warnings: string[] = [];
  const hear = (warning: Error): void => void warnings.push(warning.name);
  process.on('warning', hear);
  try {
    house = await openHouse();
    const { token } = await house.user('ann');
    for (let n = 0; n < 40; n += 1) {
      const name = `many-${n}`;
      await house.ask('PUT', at(name), { token, body: documentOf({ name, version: '1.0.0' }) });
    }
    const found = await house.ask('GET', '/-/v1/search?text=many&size=100', { token });
    expect((JSON.parse(found.text) as { total: number }).total).toBe(40);
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  } finally {
    process.off('warning', hear);
  }
});

it('H9: work that nobody waits for any more may fail without ending the process', async () => {
  const heard: unknown[] = [];
  const hear = (reason: unknown): void => void heard.push(reason);
  process.on('unhandledRejection', hear);
  try {
    const failing = Promise.reject(new Error('the store is down'));
    await expect(unlessAborted(failing, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(heard).toEqual([]);
  } finally {
    process.off('unhandledRejection', hear);
  }
});
