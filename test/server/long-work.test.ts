import { expect, it } from 'vitest';
import { SmartRegistry, streamToJson } from '../../ts/index.js';
import { toReadableStream } from '../../ts/lib/streams.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import { ManualClock, settle } from '../http/manual-clock.js';
import { houseOver } from './house-over.js';
import { publishBody } from './publish.js';

const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';

/** A store each of whose calls takes four seconds of the clock that the registry has. */
class Slow extends SynchronousMemoryDriver {
  readonly clock = new ManualClock();
  slow = false;
  calls = 0;

  private async turn<T>(work: () => Promise<T>): Promise<T> {
    if (!this.slow) return work();
    this.calls += 1;
    await settle();
    this.clock.advance(4_000);
    return work();
  }
  override stat: SynchronousMemoryDriver['stat'] = (...args) => this.turn(() => super.stat(...args));
  override read: SynchronousMemoryDriver['read'] = (...args) => this.turn(() => super.read(...args));
  override list: SynchronousMemoryDriver['list'] = (...args) => this.turn(() => super.list(...args));
}

async function house() {
  const store = new Slow();
  const random = { bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)), fraction: () => 0.5 };
  const registry = new SmartRegistry({
    storage: store,
    secret: 'correct-horse-battery-staple-1-AZ9',
    auth: { adminToken: TOKEN },
    npm: { enabled: true },
    onFault: () => undefined,
    runtime: { clock: store.clock, random },
  });
  await registry.init();
  const own = houseOver(registry, TOKEN);
  const ask = async (...asked: Parameters<typeof own>) => {
    const answer = await own(...asked);
    return {
      status: answer.status,
      body: await streamToJson(answer.body === undefined ? undefined : toReadableStream(answer.body)),
    };
  };
  return { store, registry, ask };
}

it('a collection that takes longer than a minute is answered all the same, as long as the storage answers', async () => {
  const { store, registry, ask } = await house();
  for (let at = 0; at < 30; at += 1) expect((await ask('PUT', `/npm/p${at}`, publishBody(`p${at}`, '1.0.0'))).status).toBe(201);
  store.slow = true;
  const { status, body } = await ask('POST', '/-/api/v1/gc');
  expect(store.calls).toBeGreaterThan(20);
  expect(body).toMatchObject({ dryRun: false, repositories: [{ repository: 'npm', objects: 30, condemned: 0 }] });
  expect(status).toBe(200);
  store.slow = false;
  await registry.destroy();
});
