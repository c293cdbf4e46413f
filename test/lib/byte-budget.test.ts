import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../ts/lib/byte-budget.js';

describe('ByteBudget', () => {
  it('grants at once what is free and takes it back once', async () => {
    const budget = new ByteBudget(10);
    const lease = await budget.acquire(6);
    expect(budget.available).toBe(4);
    lease.release();
    lease.release();
    expect(budget.available).toBe(10);
  });

  it('serves in the order of arrival: a small wish does not overtake a large one', async () => {
    const budget = new ByteBudget(10);
    const first = await budget.acquire(8);
    const order: string[] = [];
    const large = budget.acquire(9).then((lease) => {
      order.push('large');
      return lease;
    });
    const small = budget.acquire(1).then((lease) => {
      order.push('small');
      return lease;
    });
    expect(budget.waiting).toBe(2);
    first.release();
    (await large).release();
    (await small).release();
    expect(order).toEqual(['large', 'small']);
    expect(budget.available).toBe(10);
  });

  it('lets go of a wish that is aborted, and serves those behind it', async () => {
    const budget = new ByteBudget(10);
    const first = await budget.acquire(8);
    const abort = new AbortController();
    const large = budget.acquire(9, abort.signal);
    const small = budget.acquire(2);
    abort.abort(new Error('gone'));
    await expect(large).rejects.toThrow('gone');
    (await small).release();
    first.release();
    expect(budget.available).toBe(10);
    await expect(budget.acquire(1, abort.signal)).rejects.toThrow('gone');
  });

  it('tells who waits that the queue has moved, until it is their turn', async () => {
    const budget = new ByteBudget(10);
    const leases = [await budget.acquire(5), await budget.acquire(5)];
    let moved = 0;
    const last = budget.acquire(10, undefined, () => {
      moved += 1;
    });
    expect(moved).toBe(0);
    leases[0]?.release();
    expect(moved).toBe(1);
    leases[1]?.release();
    (await last).release();
    expect(moved).toBe(1);
  });

  it('refuses what could never be granted', async () => {
    const budget = new ByteBudget(10);
    await expect(budget.acquire(11)).rejects.toThrow(RangeError);
    await expect(budget.acquire(-1)).rejects.toThrow(RangeError);
    expect(() => new ByteBudget(0)).toThrow(RangeError);
  });
});
