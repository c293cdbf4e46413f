import { describe, expect, it } from 'vitest';
import { operations } from './operations.js';
import { KINDS, lineOf, type Point, Trial } from './trial.js';

const REPLAY = process.env['FAULT_REPLAY'];
/** Far more calls than any operation makes. */
const MAX_POINTS = 200;

async function tried(point: Point): Promise<boolean> {
  try {
    return await new Trial(point).run();
  } catch (error) {
    throw new Error(
      `${String(error)}\n  replay: FAULT_REPLAY='${lineOf(point)}' npx vitest run --config test/vitest.config.ts test/faults`,
    );
  }
}

describe.skipIf(REPLAY !== undefined)('a fault at every storage call', () => {
  for (const operation of operations) {
    for (const kind of KINDS) {
      it(`INV1 INV2 INV3 INV4 INV6: ${operation.name}, ${kind}`, { timeout: 120_000 }, async () => {
        const wrong: string[] = [];
        let at = 1;
        for (; at <= MAX_POINTS; at += 1) {
          const reached = await tried({ operation, kind, at }).catch((error: Error) => {
            wrong.push(error.message);
            return true;
          });
          if (!reached) break;
        }
        expect(wrong.slice(0, 3).join('\n')).toBe('');
        expect(at - 1).toBeGreaterThanOrEqual(operation.points);
        expect(at).toBeLessThan(MAX_POINTS);
      });
    }
  }
});

it.skipIf(REPLAY === undefined)(`replays ${REPLAY}`, async () => {
  const [name, kind, at, again] = (REPLAY ?? '').split(' / ');
  const operation = operations.find((one) => one.name === name);
  if (!operation || !KINDS.some((one) => one === kind)) throw new Error(`no such fault: ${REPLAY}`);
  const point = {
    operation,
    kind: kind as Point['kind'],
    at: Number(at),
    ...(again === undefined ? {} : { again: Number(again) }),
  };
  expect(await new Trial(point).run()).toBe(true);
});
