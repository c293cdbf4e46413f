import { expect, it } from 'vitest';
import { faults, opened } from './opened-space.js';
import type { Names } from './set-log.js';
import { SimpleStore } from './simple-store.js';

const notes = (count: number) => () => ({
  changes: Array.from({ length: count }, () => ({ type: 'note', by: 'u' })),
  result: count,
});

it('R1: an entry takes a thousand changes, and one request no more than an entry', async () => {
  const space = await opened(new SimpleStore());
  expect((await space.commit('p', notes(1_000))).snapshot.position).toBe(1);
  await expect(space.commit('p', notes(1_001))).rejects.toMatchObject({
    kind: 'too_large',
    message: 'this is more than 1000 changes at once: ask for fewer',
  });
  expect((await space.read('p')).position).toBe(1);
  await space.close();
});

it('R1: what would make an entry of the same moment too long gets the next one', async () => {
  // other files share the list
  faults.length = 0;
  const space = await opened(new SimpleStore());
  const committed = await Promise.all([400, 700, 500, 1].map((count) => space.commit<number>('p', notes(count))));
  expect(committed.map(({ result }) => result)).toEqual([400, 700, 500, 1]);
  const sizes: number[] = [];
  for await (const { changes } of space.history('p')) sizes.push(changes.length);
  expect(sizes).toEqual([901, 700]);
  expect((await space.read('p')).state satisfies Names).toMatchObject({ added: [] });
  expect(faults).toEqual([]);
  await space.close();
});
