import { expect, it } from 'vitest';
import type { Sliced } from '../../ts/lib/slices.js';
import type { LogSchema } from '../../ts/log/schema.js';
import { Space } from '../../ts/log/space.js';
import { checkpointKey, packageKey } from '../../ts/storage/key.js';
import { add, type Names, namesSchema, TestClock, testRuntime } from './set-log.js';
import { SimpleStore } from './simple-store.js';

/** Each slice takes a turn of the real event loop. */
class SlowClock extends TestClock {
  override monotonic(): number {
    this.mono += 10;
    return this.mono;
  }

  afterTurn(run: () => void): void {
    setImmediate(run);
  }
}

/** A name per slice, and 50 slices more. */
function slow(slices: { encoding: number; decoding: number }): LogSchema<Names> {
  function* encode(state: Names): Sliced<Uint8Array> {
    const added: string[] = [];
    for (let n = 0; n < state.added.length + 50; n++) {
      const name = state.added[n];
      if (name !== undefined) added.push(name);
      slices.encoding++;
      yield;
    }
    return namesSchema.encode({ ...state, added });
  }
  function* decode(bytes: Uint8Array): Sliced<Names> {
    for (let n = 0; n < 50; n++) {
      slices.decoding++;
      yield;
    }
    return namesSchema.decode(bytes);
  }
  return { ...namesSchema, inSlices: { encode, decode } };
}

it('a checkpoint that is written in slices is one state, whatever is committed meanwhile; reading one keeps nobody waiting', async () => {
  const driver = new SimpleStore();
  const written: { position: number; added: readonly string[] }[] = [];
  const key = checkpointKey('r', packageKey('p'), 'base');
  const write = driver.write.bind(driver);
  driver.write = async (to, body, options) => {
    if (to === key) {
      const [head = '', state = ''] = Buffer.from(body as Uint8Array)
        .toString()
        .split('\n');
      written.push({ position: JSON.parse(head).position, added: JSON.parse(state).added });
    }
    return write(to, body, options);
  };
  const slices = { encoding: 0, decoding: 0 };
  const open = async (): Promise<Space<Names>> => {
    const space = new Space<Names>({
      id: 'r',
      driver,
      runtime: testRuntime(1, new SlowClock()),
      schema: slow(slices),
      maxStaleness: 0,
      onFault: (error) => {
        throw error;
      },
    });
    await space.open();
    return space;
  };
  const a = await open();
  for (const name of ['1', '2', '3']) await a.commit('p', add(name));
  const behind = a.finish();
  for (let turn = 0; turn < 1_000 && slices.encoding < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(written).toEqual([]);
  // the checkpoint is under way, and this is answered before it is done
  await a.commit('p', add('4'));
  expect(written).toEqual([]);
  await behind;
  await a.close();
  expect(written.map(({ position, added }) => [position, added])).toEqual([
    [3, ['1', '2', '3']],
    [4, ['1', '2', '3', '4']],
  ]);

  const b = await open();
  const cold = b.read('p').then(({ state }) => state.added.length);
  let turns = 0;
  for (; turns < 1_000 && slices.decoding < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect(turns).toBeGreaterThan(20);
  await expect(cold).resolves.toBe(4);
  await b.close();
});
