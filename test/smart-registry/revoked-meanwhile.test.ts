import { afterEach, expect, it } from 'vitest';
import { SmartRegistry } from '../../ts/index.js';
import { type Runtime, systemRuntime } from '../../ts/lib/clock.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { publishBody } from '../server/publish.js';

const open: SmartRegistry[] = [];

afterEach(async () => {
  for (const registry of open.splice(0)) await registry.destroy();
});

/** A registry whose clock can be put forward, and a publish that waits in the middle of its body. */
async function shop() {
  let later = 0;
  const { clock, random } = systemRuntime;
  const runtime: Runtime = {
    random,
    clock: { ...clock, now: () => clock.now() + later, monotonic: () => clock.monotonic() + later },
  };
  const store = new SynchronousMemoryDriver();
  const secret = 'correct-horse-battery-staple-1-AZ9';
  const registry = new SmartRegistry({ storage: store, secret, npm: { enabled: true }, runtime });
  open.push(registry);
  await registry.init();
  const { directory } = registry.parts.auth;
  if (!directory) throw new Error('users are kept here');
  const bob = await directory.addUser({ name: 'bob' });
  const publish = async (token: string, between: () => Promise<unknown>): Promise<number> => {
    const body = publishBody('p', '1.0.0');
    async function* slowly() {
      yield Buffer.from(body.slice(0, 100));
      await between();
      yield Buffer.from(body.slice(100));
    }
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return (await registry.handleRequest({ method: 'PUT', path: '/npm/p', headers, query: {}, body: slowly() })).status;
  };
  const stored = async () => [
    ...(await store.list('objects/')).objects,
    ...(await store.list('log/npm/')).objects,
    ...(await store.list('pending/npm/')).objects,
  ];
  const wait = (milliseconds: number): void => {
    later += milliseconds;
  };
  return { directory, bob, publish, stored, wait };
}

it('a token that is revoked while its upload is under way publishes nothing, and nothing is kept', async () => {
  const { directory, bob, publish, stored, wait } = await shop();
  const { token, info } = await directory.createToken(bob.id, {});
  const revoke = async () => {
    wait(5_000);
    expect(await directory.revokeToken(bob.id, info.id)).toBe(true);
  };
  expect(await publish(token, revoke)).toBe(401);
  expect(await stored()).toEqual([]);
});

it('so does one whose user is shut out; whoever is still welcome publishes however long it takes', async () => {
  const { directory, bob, publish, stored, wait } = await shop();
  const { token } = await directory.createToken(bob.id, {});
  const shutOut = async () => {
    wait(5_000);
    await directory.setDisabled(bob.id, true);
  };
  expect(await publish(token, shutOut)).toBe(401);
  expect(await stored()).toEqual([]);
  await directory.setDisabled(bob.id, false);
  expect(await publish(token, async () => wait(20_000))).toBe(201);
});

it('a token that runs out while its upload is under way was good when it was shown', async () => {
  const { directory, bob, publish, wait } = await shop();
  const { token } = await directory.createToken(bob.id, { ttl: 10 });
  expect(await publish(token, async () => wait(15_000))).toBe(201);
  expect(await publish(token, async () => undefined)).toBe(401);
});
