import { expect, it } from 'vitest';
import { USERS_SPACE, userLogKey, userSchema } from '../../ts/auth/users.js';
import { systemRuntime as runtime } from '../../ts/lib/clock.js';
import { Space } from '../../ts/log/space.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';

it('a change that arrives in the very moment in which the last batch ends is not left waiting', async () => {
  const driver = new SynchronousMemoryDriver({ runtime });
  const space = new Space({ id: USERS_SPACE, driver, runtime, schema: userSchema, maxStaleness: 0, keyOf: userLogKey });
  await space.open();
  const rename = () => ({ changes: [{ type: 'admin', by: 'test', admin: true }], result: undefined });
  const id = 'abcdefghijklmnopqrstuvwxyz234567';
  await space.commit(id, () => ({ changes: [{ type: 'user', by: 'test', name: 'x' }], result: undefined }));
  for (let turns = 0; turns < 24; turns++) {
    await space.commit(id, rename);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const next = space.commit(id, rename);
    const late = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), 5_000).unref());
    expect(await Promise.race([next.then(({ snapshot }) => snapshot.position), late]), `${turns} turns`).toBe(3 + 2 * turns);
  }
  await space.close();
});
