import { describe, expect, it } from 'vitest';
import { later } from '../../ts/lib/later.js';

class Counter {
  private count: number;

  constructor(start: number) {
    this.count = start;
  }

  async add(more: number): Promise<number> {
    this.count += more;
    return this.count;
  }

  fail = async (): Promise<never> => {
    throw new Error('as it is');
  };
}

describe('an object that is made later', () => {
  it('is made by the first call, once, and answers all of them', async () => {
    let made = 0;
    const { methods } = later(async () => new Counter(++made * 10));
    const { add } = methods;
    expect(made).toBe(0);
    expect(await Promise.all([add(1), methods.add(2), add(3)])).toEqual([11, 13, 16]);
    await expect(methods.fail()).rejects.toThrow('as it is');
    expect(made).toBe(1);
  });

  it('is made by `load` too', async () => {
    let made = 0;
    const counter = later(async () => new Counter(++made));
    await Promise.all([counter.load(), counter.load()]);
    expect([made, await counter.methods.add(0), made]).toEqual([1, 1, 1]);
  });

  it('whose making fails tells whoever asked, and is tried again by the next one', async () => {
    let tries = 0;
    const counter = later(async () => {
      tries += 1;
      if (tries < 3) throw new Error(`try ${tries}`);
      return new Counter(0);
    });
    await expect(counter.methods.add(1)).rejects.toThrow('try 1');
    await expect(counter.load()).rejects.toThrow('try 2');
    expect(await counter.methods.add(1)).toBe(1);
  });
});
