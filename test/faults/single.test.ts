import { afterAll, describe, expect, it } from 'vitest';
import { operations } from './operations.js';
import { KINDS, type Point, Trial } from './trial.js';
import { MAX_POINTS, REPLAY, tried } from './tried.js';

/** CI takes every call; by hand every sixteenth one is enough. */
const WHOLE = Boolean(process.env['REQUIRE_CLIENTS']);
if (!WHOLE) console.log('shortened: a fault at every sixteenth storage call; REQUIRE_CLIENTS=1 takes all');

describe.skipIf(REPLAY !== undefined)('a fault at every storage call', () => {
  const points = new Map<string, number>();
  afterAll(() => console.log(`fault points: ${[...points].map(([name, n]) => `${name} ${n}`).join(', ')}`));
  for (const operation of operations) {
    const stride = WHOLE ? 1 : operation.long ? 59 : 16;
    for (const kind of KINDS.filter((one) => !operation.without?.includes(one))) {
      it(`INV1 INV2 INV3 INV4 INV6: ${operation.name}, ${kind}`, { timeout: 120_000 }, async () => {
        const wrong: string[] = [];
        let at = 1;
        for (; at <= MAX_POINTS; at += stride) {
          const reached = await tried({ operation, kind, at }).catch((error: Error) => {
            wrong.push(error.message);
            return true;
          });
          if (!reached) break;
        }
        points.set(operation.name, (points.get(operation.name) ?? 0) + at - 1);
        expect(wrong.slice(0, 3).join('\n')).toBe('');
        expect(at - 1).toBeGreaterThanOrEqual(operation.points);
        expect(at).toBeLessThan(MAX_POINTS);
      });
    }
  }
});

async function replayed(line: string): Promise<void> {
  const [name, kind, at, again] = line.split(' / ');
  const operation = operations.find((one) => one.name === name);
  if (!operation || !KINDS.some((one) => one === kind)) throw new Error(`no such fault: ${line}`);
  const point = {
    operation,
    kind: kind as Point['kind'],
    at: Number(at),
    ...(again === undefined ? {} : { again: Number(again) }),
  };
  expect(await new Trial(point).run()).toBe(true);
}

const line = REPLAY ?? 'npm ';
if (!/^(npm|s3) /.test(line)) it(`replays ${line}`, () => replayed(line));
