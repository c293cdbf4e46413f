import { describe, expect, it } from 'vitest';
import type { Scenario } from './schedules.js';
import { exploreAll } from './traces.js';

type Steps = (key: (method: 'read' | 'write' | 'list', key: string) => Promise<string>) => Promise<void>;

/** Processes that read and write keys; `final` hears what lies under `x` in the end. */
const scenarioOf = (
  scripts: Readonly<Record<string, Steps>>,
  final: (x: string) => string | undefined = () => undefined,
): Scenario => ({
  name: 'keys',
  processes: Object.keys(scripts),
  play: async (stage) => ({
    scripts: Object.fromEntries(
      Object.entries(scripts).map(([name, steps]) => [
        name,
        () => {
          const driver = stage.driver(name);
          return steps(async (method, key) => {
            if (method === 'list') return (await driver.list(key)).objects.map((one) => one.key).join();
            if (method === 'write') return driver.write(key.split('=')[0] as string, Buffer.from(key.split('=')[1] ?? ''));
            const found = await driver.read(key);
            return found ? Buffer.from(found.body as Uint8Array).toString('utf8') : '';
          });
        },
      ]),
    ),
    violated: () => undefined,
    afterwards: async () => final(Buffer.from(stage.store.objects.get('x')?.bytes ?? []).toString('utf8')),
  }),
});

const count = async (scripts: Readonly<Record<string, Steps>>): Promise<number> => {
  const { schedules, complete, wrong } = await exploreAll(scenarioOf(scripts), 10_000);
  expect([complete, wrong]).toEqual([true, undefined]);
  return schedules;
};

const writes =
  (...keys: readonly string[]): Steps =>
  async (ask) => {
    for (const key of keys) await ask('write', `${key}=1`);
  };

describe('schedules that stand for others', () => {
  it('steps that do not meet have one order', async () => {
    expect(await count({ a: writes('a', 'a', 'a'), b: writes('b', 'b', 'b'), c: writes('c') })).toBe(1);
    expect(await count({ a: (ask) => ask('read', 'x').then(), b: (ask) => ask('read', 'x').then() })).toBe(1);
    expect(await count({ a: (ask) => ask('list', 'p/').then(), b: writes('q/x') })).toBe(1);
  });

  it('steps that meet have every order', async () => {
    expect(await count({ a: writes('x'), b: writes('x') })).toBe(2);
    expect(await count({ a: writes('x'), b: writes('x'), c: writes('x') })).toBe(6);
    expect(await count({ a: writes('x', 'x'), b: writes('x', 'x') })).toBe(6);
    expect(await count({ a: (ask) => ask('list', 'p/').then(), b: writes('p/x', 'q') })).toBe(2);
    // Two pairs that meet, each in both orders, but not against the order of each process.
    expect(await count({ a: writes('x', 'y'), b: writes('y', 'x') })).toBe(3);
  });

  it('finds the one order that loses a change', async () => {
    const adds: Steps = async (ask) => {
      const before = Number(await ask('read', 'x'));
      await ask('read', 'elsewhere');
      await ask('write', `x=${before + 1}`);
    };
    const scenario = scenarioOf({ a: adds, b: adds, c: writes('elsewhere') }, (x) => (x === '2' ? undefined : `x is ${x}`));
    const found = await exploreAll(scenario, 1_000);
    expect(found.wrong).toBe('x is 1');
    expect(found.replay).toMatch(/^keys order [012]+$/);
  });

  it('says when it has not looked at everything', async () => {
    const found = await exploreAll(scenarioOf({ a: writes('x', 'x'), b: writes('x', 'x') }), 3);
    expect(found).toMatchObject({ complete: false, schedules: 3, wrong: undefined });
  });
});
