import { expect, it } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { composeByStream } from '../../ts/storage/abilities.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { withTimeLimit } from '../../ts/storage/time-limit.js';

it('a piece of another size than it should have is closed, not only refused', async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    cancel: () => {
      cancelled = true;
    },
  });
  class Odd extends MemoryDriver {
    override async read() {
      return { size: 5, modified: 0, body };
    }
  }
  await expect(composeByStream(new Odd(), [{ key: 'a', size: 6 }], 'b')).rejects.toMatchObject({ kind: 'corrupt' });
  expect(cancelled).toBe(true);
});

it('a call whose caller has gone already is told so', async () => {
  const seen: (boolean | undefined)[] = [];
  class Asked extends MemoryDriver {
    override async stat(_key: string, options?: { readonly signal?: AbortSignal | undefined }) {
      seen.push(options?.signal?.aborted);
      return undefined;
    }
  }
  const gone = AbortSignal.abort(new Error('gone'));
  await withTimeLimit(new Asked(), systemRuntime.clock, 60_000).stat('a', { signal: gone });
  expect(seen).toEqual([true]);
});
