import { RegistryError } from '../../ts/errors/registry-error.js';
import type { Clock, Runtime } from '../../ts/lib/clock.js';
import { type Decide, type LogSchema, UnknownChange } from '../../ts/log/schema.js';

/** A log of names that may be added once: the smallest package. */
export interface Names {
  readonly name: string;
  readonly added: readonly string[];
}

export const namesSchema: LogSchema<Names> = {
  revision: 'names-1',
  initial: (name) => ({ name, added: [] }),
  apply: (state, change) => {
    if (change.type === 'note') return state;
    if (change.type !== 'add') throw new UnknownChange(`change ${change.type}`);
    return { ...state, added: [...state.added, String(change['value'] ?? '(redacted)')] };
  },
  encode: (state) => new TextEncoder().encode(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Names,
  weigh: (state) => 100 + state.added.reduce((sum, value) => sum + value.length, 0),
  summarise: (state) => (state.added.length > 0 ? { count: state.added.length } : undefined),
};

/** Adds `value`; refuses it when it is there already. */
export const add =
  (value: string, objects?: readonly { readonly key: string }[]): Decide<Names, string> =>
  ({ state }) => {
    if (state.added.includes(value)) throw new RegistryError('conflict', `${value} is there already`);
    return {
      changes: [{ type: 'add', by: 'u', value, ...(objects ? { objects: objects.map(({ key }) => key) } : {}) }],
      result: value,
    };
  };

/** Time that stands still unless a test moves it; sleeps end at once, timers are run by hand. */
export class TestClock implements Clock {
  wall = 1_700_000_000_000;
  mono = 0;
  slept = 0;
  readonly timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return this.mono;
  }

  async sleep(milliseconds: number): Promise<void> {
    this.slept += milliseconds;
    this.mono += milliseconds;
  }

  after(milliseconds: number, run: () => void): { cancel(): void } {
    const timer = { at: this.mono + milliseconds, run };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }

  advance(milliseconds: number): void {
    this.wall += milliseconds;
    this.mono += milliseconds;
    for (const timer of [...this.timers]) {
      if (timer.at > this.mono) continue;
      this.timers.delete(timer);
      timer.run();
    }
  }
}

/** Reproducible "randomness". */
export function testRuntime(seed: number, clock: Clock = new TestClock()): Runtime {
  let state = (seed * 2654435761) >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return {
    clock,
    random: { bytes: (count) => Uint8Array.from({ length: count }, () => next() & 255), fraction: () => next() / 2 ** 32 },
  };
}
