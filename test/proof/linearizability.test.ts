import { describe, expect, it } from 'vitest';
import { noise } from '../fuzz/archives.js';
import { checkBounded } from './bounded.js';
import { check, type Model, type Operation } from './linearizability.js';
import { type Input, NOTHING, type Output, packageModel, seenOf } from './package-model.js';

type Put = { readonly put: number } | 'get';
const register: Model<number, Put, number> = {
  initial: 0,
  step: (state, input, output) => {
    if (input !== 'get') return input.put;
    return output === undefined || output === state ? state : undefined;
  },
  key: String,
};
const op = <I, O>(called: number, returned: number, input: I, output: O | undefined): Operation<I, O> => ({
  client: 0,
  called,
  returned,
  input,
  output,
});
const put = (called: number, returned: number, value: number) => op<Put, number>(called, returned, { put: value }, 0);
const get = (called: number, returned: number, value: number) => op<Put, number>(called, returned, 'get', value);
const lost = (called: number, value: number) => op<Put, number>(called, Number.POSITIVE_INFINITY, { put: value }, undefined);

const GOOD: Readonly<Record<string, readonly Operation<Put, number>[]>> = {
  'nothing at all': [],
  'one after the other': [put(0, 1, 5), get(2, 3, 5), put(4, 5, 6), get(6, 7, 6)],
  'a read during a write sees the old value': [put(0, 10, 5), get(1, 2, 0)],
  'a read during a write sees the new value': [put(0, 10, 5), get(1, 2, 5)],
  'two writes at once, either order': [put(0, 10, 1), put(0, 10, 2), get(11, 12, 1)],
  'two writes at once, the other order': [put(0, 10, 1), put(0, 10, 2), get(11, 12, 2)],
  'reads at once see a write in turn': [put(0, 20, 1), get(1, 5, 0), get(6, 9, 1), get(10, 12, 1)],
  'a lost write that took effect late': [lost(0, 7), get(1, 2, 0), get(3, 4, 0), get(5, 6, 7)],
  'a lost write that never took effect': [lost(0, 7), get(1, 2, 0), put(3, 4, 1), get(5, 6, 1)],
  'Herlihy and Wing, concurrent writers': [put(0, 4, 1), put(2, 6, 2), get(3, 8, 1), get(5, 9, 2)],
};
const BAD: Readonly<Record<string, readonly Operation<Put, number>[]>> = {
  'a stale read': [put(0, 1, 5), get(2, 3, 0)],
  'a value out of nowhere': [put(0, 1, 5), get(2, 3, 9)],
  'a value before it was written': [get(0, 1, 5), put(2, 3, 5)],
  'back in time': [put(0, 20, 1), get(1, 5, 1), get(6, 9, 0)],
  'two readers see two writes in two orders': [put(0, 9, 1), put(0, 9, 2), get(10, 11, 1), get(12, 13, 2)],
  'a lost write that took effect and was undone': [lost(0, 7), get(1, 2, 7), get(3, 4, 0)],
  'one write seen twice': [put(0, 1, 1), put(2, 3, 2), get(4, 5, 1)],
};

describe('the checker', () => {
  it.each(Object.entries(GOOD))('finds an order for: %s', (_, history) => {
    expect(check(register, history)).toEqual({ linearizable: true });
  });

  it.each(Object.entries(BAD))('finds none for: %s', (_, history) => {
    expect(check(register, history).linearizable).toBe(false);
  });

  it('agrees with trying every order, on 3,000 small histories', () => {
    const random = noise(400_000, 7);
    let at = 0;
    const next = (below: number): number => (random[at++] ?? 0) % below;
    let good = 0;
    for (let run = 0; run < 3_000; run += 1) {
      const history = Array.from({ length: 5 }, () => {
        const called = next(12);
        const value = next(3);
        const ends = called + 1 + next(8);
        if (next(8) === 0) return lost(called, value);
        return next(2) === 0 ? put(called, ends, value) : get(called, ends, value);
      });
      const expected = anyOrder(history);
      if (expected) good += 1;
      expect(check(register, history).linearizable, JSON.stringify(history)).toBe(expected);
    }
    expect(good).toBeGreaterThan(300);
    expect(good).toBeLessThan(2_700);
  });

  it('finds its way through 600 operations, up to 8 at once', () => {
    const random = noise(100_000, 3);
    let value = 0;
    const history: Operation<Put, number>[] = [];
    for (let n = 0; n < 600; n += 1) {
      const span = 1 + ((random[n] ?? 0) % 4);
      // Takes effect at n; called before and returned behind.
      if ((random[n + 4_000] ?? 0) % 3 === 0) {
        value = n;
        history.push(put(n - span, n + span, value));
      } else history.push(get(n - span, n + span, value));
    }
    expect(check(register, history).linearizable).toBe(true);
    const read = history.findIndex(({ input }, index) => index > 450 && input === 'get');
    history[read] = { ...(history[read] as Operation<Put, number>), output: 3 };
    expect(check(register, history).linearizable).toBe(false);
  });
});

/** The definition itself. */
function anyOrder(history: readonly Operation<Put, number>[], state = 0): boolean {
  if (history.every(({ output }) => output === undefined)) return true;
  return history.some((one, index) => {
    if (history.some((other) => other.returned < one.called)) return false;
    const after = register.step(state, one.input, one.output);
    return after !== undefined && anyOrder(history.toSpliced(index, 1), after);
  });
}

const did = (called: number, input: Input, output: Output | undefined, length = 1): Operation<Input, Output> =>
  op(called, output === undefined ? Number.POSITIVE_INFINITY : called + length, input, output);
const publish = (version: string, shasum = 'a', tag = 'latest'): Input => ({ op: 'publish', version, shasum, tag });
const read = (called: number, seen: string): Operation<Input, Output> => did(called, { op: 'read' }, { seen });

describe('the model of a package', () => {
  const one = seenOf({ '1.0.0': ['a', ''] }, { latest: '1.0.0' });
  const both = seenOf({ '1.0.0': ['a', ''], '2.0.0': ['b', ''] }, { latest: '2.0.0' });

  it('follows a life', () => {
    const history = [
      read(0, NOTHING),
      did(2, { op: 'tag', tag: 'x', version: '1.0.0' }, 'no'),
      did(4, publish('1.0.0'), 'ok'),
      did(6, publish('1.0.0', 'z'), 'no'),
      read(8, one),
      did(10, publish('2.0.0', 'b'), 'ok'),
      read(12, both),
      did(14, { op: 'unpublish', version: '2.0.0', seen: one }, 'stale'),
      did(16, { op: 'unpublish', version: '2.0.0', seen: both }, 'ok'),
      read(18, one),
      did(20, publish('2.0.0', 'b'), 'no'),
      did(22, { op: 'deprecate', version: '1.0.0', message: 'old' }, 'ok'),
      read(24, seenOf({ '1.0.0': ['a', 'old'] }, { latest: '1.0.0' })),
    ];
    expect(check(packageModel, history)).toEqual({ linearizable: true });
  });

  it.each<[string, readonly Operation<Input, Output>[]]>([
    [
      'a version that was acknowledged and lost',
      [did(0, publish('1.0.0'), 'ok'), did(0, publish('2.0.0', 'b'), 'ok'), read(5, one)],
    ],
    ['two winners of one version', [did(0, publish('1.0.0'), 'ok'), did(0, publish('1.0.0', 'b'), 'ok')]],
    [
      "the loser's bytes",
      [
        did(0, publish('1.0.0', 'b'), 'no', 9),
        did(0, publish('1.0.0'), 'ok', 9),
        read(20, seenOf({ '1.0.0': ['b', ''] }, { latest: '1.0.0' })),
      ],
    ],
    ['a refusal without a reason', [did(0, publish('1.0.0'), 'no'), read(2, NOTHING)]],
    [
      'a deleted version that comes back',
      [
        did(0, publish('1.0.0'), 'ok'),
        did(2, publish('2.0.0', 'b'), 'ok'),
        did(4, { op: 'unpublish', version: '2.0.0', seen: both }, 'ok'),
        read(6, both),
      ],
    ],
    [
      'a change made from what was not there any more',
      [
        did(0, publish('1.0.0'), 'ok'),
        did(2, publish('2.0.0', 'b'), 'ok'),
        did(4, { op: 'tag', tag: 'x', version: '1.0.0' }, 'ok'),
        did(6, { op: 'unpublish', version: '2.0.0', seen: both }, 'ok'),
        read(8, one),
      ],
    ],
    [
      'two instances that each see only their own',
      [
        did(0, publish('1.0.0'), 'ok', 9),
        did(0, publish('2.0.0', 'b'), 'ok', 9),
        read(20, one),
        read(22, seenOf({ '2.0.0': ['b', ''] }, { latest: '2.0.0' })),
      ],
    ],
  ])('refuses %s', (_, history) => {
    expect(check(packageModel, history).linearizable).toBe(false);
  });

  it('a publish without an answer may have happened, or not, but not both', () => {
    const unknown = did(0, publish('1.0.0'), undefined);
    expect(check(packageModel, [unknown, read(2, NOTHING), read(4, one)]).linearizable).toBe(true);
    expect(check(packageModel, [unknown, read(2, NOTHING), read(4, NOTHING)]).linearizable).toBe(true);
    expect(check(packageModel, [unknown, read(2, one), read(4, NOTHING)]).linearizable).toBe(false);
  });
});

describe('the check for instances that may be behind', () => {
  const one = seenOf({ '1.0.0': ['a', ''] }, { latest: '1.0.0' });
  const both = seenOf({ '1.0.0': ['a', ''], '2.0.0': ['b', ''] }, { latest: '2.0.0' });
  const by = (instance: number, operation: Operation<Input, Output>) => ({ ...operation, instance });
  const first = by(0, did(0, publish('1.0.0'), 'ok'));
  const second = by(0, did(2, publish('2.0.0', 'b'), 'ok', 10));

  it.each([
    ['another instance does not show yet what waits', [first, second, by(1, read(4, both)), by(2, read(6, one))]],
    ['a refusal tells what no reader sees yet', [first, second, by(1, did(3, publish('2.0.0'), 'no')), by(2, read(6, one))]],
    ['all see it behind the acknowledgement', [first, second, by(1, read(14, both)), by(2, read(14, both))]],
  ])('lets pass: %s', (_, history) => {
    expect(checkBounded(history)).toEqual({ linearizable: true });
  });

  it.each([
    ['what was acknowledged is not seen', [first, second, by(1, read(14, one))]],
    ['one instance goes back', [first, second, by(1, read(4, both)), by(1, read(6, one))]],
    ['something from nowhere', [first, by(1, read(4, both))]],
    ['two winners', [first, by(1, did(3, publish('1.0.0', 'b'), 'ok'))]],
    ['a refusal without a reason', [first, by(1, did(3, publish('2.0.0', 'b'), 'no'))]],
  ])('refuses: %s', (_, history) => {
    expect(checkBounded(history).linearizable).toBe(false);
  });
});
