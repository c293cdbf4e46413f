import { describe, expect, it } from 'vitest';
import { fanOut } from '../../ts/lib/fan-out.js';

const piece = (value: number): Uint8Array => Uint8Array.of(value);

function counting(count: number) {
  const state = { pulled: 0, closed: false };
  async function* source() {
    try {
      for (let value = 0; value < count; value++) {
        state.pulled++;
        yield piece(value);
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, source: source() };
}

const all = async (bytes: AsyncIterable<Uint8Array>): Promise<number[]> => {
  const seen: number[] = [];
  for await (const part of bytes) seen.push(...part);
  return seen;
};

describe('fanOut', () => {
  it('gives every consumer every piece, and their results in order', async () => {
    const { source, state } = counting(5);
    const [first, second, sum] = await fanOut(source, all, all, async (bytes) => (await all(bytes)).reduce((a, b) => a + b));
    expect(first).toEqual([0, 1, 2, 3, 4]);
    expect(second).toEqual(first);
    expect(sum).toBe(10);
    expect(state).toEqual({ pulled: 5, closed: true });
  });

  it('lets the slowest hold the others', async () => {
    const { source, state } = counting(1000);
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const slow = async (bytes: AsyncIterable<Uint8Array>) => {
      let seen = 0;
      for await (const _ of bytes) if (++seen === 3) await gate;
      return seen;
    };
    const both = fanOut(source, all, slow);
    await new Promise((resolve) => setImmediate(resolve));
    expect(state.pulled).toBe(3);
    go();
    expect((await both)[1]).toBe(1000);
  });

  it('goes on without a consumer that leaves early or never reads', async () => {
    const { source } = counting(10);
    const results = await fanOut(
      source,
      async (bytes) => {
        for await (const [value] of bytes) if (value === 3) return 'enough';
        return 'all';
      },
      async () => 'nothing',
      all,
    );
    expect(results).toEqual(['enough', 'nothing', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  });

  it('closes the source when every consumer has left', async () => {
    const { source, state } = counting(10);
    const one = async (bytes: AsyncIterable<Uint8Array>) => {
      for await (const _ of bytes) break;
    };
    await fanOut(source, one, one);
    expect(state).toEqual({ pulled: 1, closed: true });
  });

  it('tells the others when one fails, closes the source, and throws the first error', async () => {
    const { source, state } = counting(1000);
    const failure = new Error('full');
    let told: unknown;
    const failing = async (bytes: AsyncIterable<Uint8Array>) => {
      for await (const [value] of bytes) if (value === 2) throw failure;
    };
    const other = async (bytes: AsyncIterable<Uint8Array>) => {
      try {
        await all(bytes);
      } catch (error) {
        told = error;
        throw new Error('cleaned up');
      }
    };
    await expect(fanOut(source, other, failing)).rejects.toBe(failure);
    expect(told).toBe(failure);
    expect(state.closed).toBe(true);
    expect(state.pulled).toBeLessThan(5);
  });

  it('waits for the others before it throws', async () => {
    const { source } = counting(1000);
    let settled = false;
    const slow = async (bytes: AsyncIterable<Uint8Array>) => {
      try {
        await all(bytes);
      } finally {
        await new Promise((resolve) => setImmediate(resolve));
        settled = true;
      }
    };
    await expect(fanOut(source, slow, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(settled).toBe(true);
  });

  it('tells every consumer when the source fails', async () => {
    const failure = new Error('cut off');
    async function* failing() {
      yield piece(1);
      throw failure;
    }
    const told: unknown[] = [];
    const noting = async (bytes: AsyncIterable<Uint8Array>) => {
      await all(bytes).catch((error: unknown) => told.push(error));
    };
    await expect(fanOut(failing(), noting, all)).rejects.toBe(failure);
    expect(told).toEqual([failure]);
  });
});
