import { describe, expect, it } from 'vitest';
import { PART_BYTES, partBudgets } from '../../ts/storage/drivers/s3-part-memory.js';
import { partBytes } from '../../ts/storage/drivers/s3-upload.js';
import { answer } from '../servers/fake-s3.js';
import { bytes, chunks, kindOf, MIB, s3Fixture } from './s3-fixture.js';

describe('S3 writes', () => {
  const on = s3Fixture();

  it('a body up to 5 MiB is one signed PUT, whatever its form', async () => {
    await on.driver.write('objects/bytes', bytes('abc'));
    await on.driver.write('objects/empty', new Uint8Array(0));
    await on.driver.write('objects/iterable', chunks(5, 100_000));
    await on.driver.write('objects/exact', chunks(5, MIB));
    await on.driver.write('objects/stream', new Blob(['hello']).stream());
    expect(on.fake.requests.map(({ operation, bytes: size }) => [operation, size])).toEqual([
      ['put', 3],
      ['put', 0],
      ['put', 500_000],
      ['put', 5 * MIB],
      ['put', 5],
    ]);
    expect(on.fake.requests.every(({ bodySigned }) => bodySigned)).toBe(true);
    expect(on.fake.requests.every(({ headers }) => headers['transfer-encoding'] === undefined)).toBe(true);
  });

  it('a longer body goes in signed parts of 5 MiB and arrives whole', async () => {
    await on.driver.write('objects/long', chunks(14, MIB + 1, 9));
    const parts = on.fake.requests.filter(({ operation }) => operation === 'part');
    expect(parts.map((part) => part.bytes).sort((a, b) => b - a)).toEqual([PART_BYTES, PART_BYTES, 4 * MIB + 14]);
    expect(parts.every(({ bodySigned }) => bodySigned)).toBe(true);
    expect(on.fake.store.objects.get('objects/long')?.body.equals(Buffer.alloc(14 * (MIB + 1), 9))).toBe(true);
    expect(on.fake.store.uploads.size).toBe(0);
  });

  it('a body that ends exactly with a part makes no empty one', async () => {
    await on.driver.write('objects/exact', chunks(10, MIB));
    expect(on.fake.count('part')).toBe(2);
  });

  it('S10: parts grow so that 10,000 of them hold more than 200 GiB, and stay within S3 limits', () => {
    let sum = 0;
    for (let number = 1; number <= 10_000; number += 1) {
      expect(partBytes(number)).toBeGreaterThanOrEqual(5 * MIB);
      expect(partBytes(number)).toBeLessThanOrEqual(96 * MIB);
      sum += partBytes(number);
    }
    expect(sum).toBeGreaterThan(200 * 1_024 * MIB);
  });

  it('G4: a body that fails half-way leaves neither object nor open upload, and is let go of', async () => {
    for (const good of [0, 1, 3, 20]) {
      let closed = false;
      async function* failing(): AsyncGenerator<Uint8Array> {
        try {
          yield* chunks(good, MIB);
          throw new Error('client gone');
        } finally {
          closed = true;
        }
      }
      await expect(on.driver.write('objects/bad', failing())).rejects.toThrow('client gone');
      expect(closed).toBe(true);
    }
    expect(on.fake.store.objects.size).toBe(0);
    expect(on.fake.store.uploads.size).toBe(0);
  });

  it('G4: a part that fails for good aborts the upload and cancels the source', async () => {
    on.fake.fail('part', answer(403, 'AccessDenied'), 3);
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(MIB)),
      cancel: () => {
        cancelled = true;
      },
    });
    expect(await kindOf(on.driver.write('objects/bad', body))).toBe('denied');
    expect(cancelled).toBe(true);
    expect(on.fake.store.uploads.size).toBe(0);
  });

  it('S11: the caller’s signal ends an upload that waits for its source, and closes everything', async () => {
    const abort = new AbortController();
    let cancelled = false;
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulls += 1;
        if (pulls <= 12) return controller.enqueue(new Uint8Array(MIB));
        if (pulls === 13) abort.abort();
        return new Promise(() => undefined);
      },
      cancel: () => {
        cancelled = true;
      },
    });
    expect(await kindOf(on.driver.write('objects/bad', body, { signal: abort.signal }))).toBe('aborted');
    expect(cancelled).toBe(true);
    expect(on.fake.store.uploads.size).toBe(0);
    expect(on.fake.store.objects.size).toBe(0);
  });

  it('S5: parts are sent again after 503, resets and lost answers', async () => {
    // one at a time: together they may all meet the same part, which is tried three times and no more
    for (const fault of [answer(503, 'SlowDown'), { kind: 'reset' } as const, { kind: 'applied-reset' } as const]) {
      on.fake.fail('part', fault);
      await on.driver.write('objects/long', chunks(20, MIB));
      expect(on.fake.store.objects.get('objects/long')?.body.byteLength).toBe(20 * MIB);
    }
  });

  it('S5: Complete that answers 200 with an error is tried again, and is an error if it stays', async () => {
    const inBody = { ...answer(200, 'InternalError') };
    on.fake.fail('complete', inBody);
    await on.driver.write('objects/good', chunks(9, MIB));
    expect(on.fake.count('complete')).toBe(2);
    on.fake.fail('complete', inBody, 3);
    expect(await kindOf(on.driver.write('objects/bad', chunks(9, MIB)))).toBe('unknown');
    expect(on.fake.store.objects.has('objects/bad')).toBe(false);
    expect(on.fake.store.uploads.size).toBe(0);
  });

  it('S10: Complete that was applied but not answered counts as done', async () => {
    on.fake.fail('complete', { kind: 'applied-reset' });
    await on.driver.write('objects/good', chunks(9, MIB));
    expect(on.fake.store.objects.get('objects/good')?.body.byteLength).toBe(9 * MIB);
  });

  it('G4: an opened upload whose answer was lost is found and aborted', async () => {
    on.fake.fail('create-upload', { kind: 'applied-reset' });
    await on.driver.write('objects/good', chunks(9, MIB));
    expect(on.fake.store.uploads.size).toBe(0);
    on.fake.fail('create-upload', { kind: 'applied-reset' }, 3);
    expect(await kindOf(on.driver.write('objects/bad', chunks(9, MIB)))).toBe('unavailable');
    expect(on.fake.store.uploads.size).toBe(0);
  });

  it('a plain write is sent again when its answer is lost', async () => {
    on.fake.fail('put', { kind: 'applied-reset' });
    expect(await on.driver.write('derived/a', bytes('view'))).toBe('written');
    expect(on.fake.count('put')).toBe(2);
  });

  it('a plain write that never gets an answer is unknown', async () => {
    on.fake.fail('put', { kind: 'applied-reset' }, 3);
    expect(await kindOf(on.driver.write('derived/a', bytes('view')))).toBe('unknown');
  });

  it('S12: many streams share one budget and all arrive', async () => {
    const budgets = partBudgets(20 * MIB);
    const driver = on.another({ partBudgets: budgets });
    let most = 0;
    async function* watched(): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks(8, MIB)) {
        most = Math.max(most, budgets.parts.budget.capacity - budgets.parts.budget.available);
        yield chunk;
      }
    }
    const moved = new Array<number>(12).fill(0);
    const writes = moved.map((_, index) => {
      const onProgress = (): void => {
        moved[index] = (moved[index] ?? 0) + 1;
      };
      return driver.write(`objects/${index}`, watched(), { onProgress });
    });
    await Promise.all(writes);
    expect(on.fake.store.objects.size).toBe(12);
    // two parts each, and those who waited heard of others' turns
    expect(Math.min(...moved)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...moved)).toBeGreaterThan(4);
    expect(most).toBe(15 * MIB);
    for (const { budget, spare } of [budgets.first, budgets.parts])
      expect([budget.available, spare]).toEqual([budget.capacity, 0]);
  });

  it('S12: a stream that dribbles while others wait for its memory is cut, and the others go on', async () => {
    const driver = on.another({ partBudgets: partBudgets(5 * MIB), runtime: fastPatience(on.runtime) });
    async function* dribble(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(MIB);
      await new Promise(() => undefined);
    }
    const slow = kindOf(driver.write('objects/slow', dribble()));
    const quick = driver.write('objects/quick', chunks(9, MIB));
    expect(await slow).toBe('unavailable');
    await quick;
    expect([...on.fake.store.objects.keys()]).toEqual(['objects/quick']);
  });
});

/** Timers of the driver fire a hundred times sooner. */
function fastPatience<T extends { clock: { after(milliseconds: number, run: () => void): { cancel(): void } } }>(runtime: T): T {
  const { clock } = runtime;
  return {
    ...runtime,
    clock: { ...clock, after: (milliseconds: number, run: () => void) => clock.after(milliseconds / 100, run) },
  };
}
