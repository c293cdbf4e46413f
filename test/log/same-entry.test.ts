import { expect, it } from 'vitest';
import { Space } from '../../ts/log/space.js';
import { StorageError } from '../../ts/storage/storage-error.js';
import { add, type Names, namesSchema, TestClock, testRuntime } from './set-log.js';
import { SimpleStore } from './simple-store.js';

/** A store that holds each create of a slot until it is let go, or told to fail. */
class HeldStore extends SimpleStore {
  readonly held: { readonly go: () => void; readonly fail: () => void }[] = [];

  override async write(...args: Parameters<SimpleStore['write']>): ReturnType<SimpleStore['write']> {
    if (args[0].startsWith('log/'))
      await new Promise<void>((go, fail) => {
        this.held.push({ go, fail: () => fail(new StorageError('denied', 'the store says no')) });
      });
    return super.write(...args);
  }
}

const turns = () => new Promise((resolve) => setTimeout(resolve, 5));

/** Adds `1`, adds it again, and wants it added: all in one moment. */
async function three(driver: HeldStore) {
  const runtime = testRuntime(1);
  const space = new Space<Names>({ id: 'r', driver, runtime, schema: namesSchema, maxStaleness: 0, onFault: () => undefined });
  await space.open();
  const told: string[] = [];
  const tell = (who: string, asked: Promise<{ readonly changed: boolean }>) =>
    asked.then(
      ({ changed }) => told.push(`${who}: ${changed ? 'changed' : 'there already'}`),
      (error: Error) => told.push(`${who}: ${error.message}`),
    );
  const first = tell('first', space.commit('p', add('1')));
  const second = tell('second', space.commit('p', add('1')));
  const third = tell(
    'third',
    space.commit('p', (snapshot) => (snapshot.state.added.includes('1') ? { changes: [], result: '1' } : add('1')(snapshot))),
  );
  await turns();
  expect(driver.held).toHaveLength(1);
  return { told, all: Promise.all([first, second, third]), space };
}

it('what is refused or done already because of a change in the same entry is answered once that entry stands', async () => {
  const driver = new HeldStore();
  const { told, all, space } = await three(driver);
  expect(told).toEqual([]);
  driver.held[0]?.go();
  await all;
  expect(told.toSorted()).toEqual(['first: changed', 'second: 1 is there already', 'third: there already']);
  expect((await space.read('p')).state.added).toEqual(['1']);
});

it('when that entry comes to nothing, so do they', async () => {
  const driver = new HeldStore();
  const { told, all } = await three(driver);
  driver.held[0]?.fail();
  await all;
  expect(told.toSorted()).toEqual(['first', 'second', 'third'].map((who) => `${who}: the store says no`));
});

it('who finds it done already is answered when every instance sees it, as who did it is', async () => {
  const driver = new SimpleStore();
  const open = async (seed: number) => {
    const clock = new TestClock();
    const runtime = testRuntime(seed, clock);
    const space = new Space<Names>({ id: 'r', driver, runtime, schema: namesSchema, maxStaleness: 1_000 });
    await space.open();
    return { clock, space };
  };
  const [one, other] = [await open(1), await open(2)];
  await one.space.commit('p', add('1'));
  const { changed } = await other.space.commit('p', () => ({ changes: [], result: '1' }));
  expect(changed).toBe(false);
  expect([one.clock.slept, other.clock.slept]).toEqual([1_000, 1_000]);
  await other.space.commit('p', () => ({ changes: [], result: '1' }), { visible: 'named' });
  expect(other.clock.slept).toBe(1_000);
});
