import { afterAll, describe, expect, it } from 'vitest';
import { operations } from './operations.js';
import { MAX_POINTS, REPLAY, tried } from './tried.js';

/** CI takes every first death; by hand every 61st one, another with each operation. */
const STRIDE = process.env['REQUIRE_CLIENTS'] ? 1 : 61;
if (STRIDE > 1) console.log(`shortened: every ${STRIDE}st first death; REQUIRE_CLIENTS=1 takes all`);

describe.skipIf(REPLAY !== undefined)('a death, and another one while it is tried again', () => {
  let runs = 0;
  afterAll(() => console.log(`double faults: ${runs} runs`));
  for (const [i, operation] of operations.entries()) {
    if (operation.long) continue;
    it(`INV1 INV4: ${operation.name}`, { timeout: 120_000 }, async () => {
      let deaths = 0;
      for (let at = 1 + (i % STRIDE); at <= MAX_POINTS; at += STRIDE) {
        if (!(await tried({ operation, kind: 'death', at }))) break;
        deaths += 1;
        for (let again = 1; again <= MAX_POINTS; again += 1) {
          if (!(await tried({ operation, kind: 'death', at, again }))) break;
          runs += 1;
        }
      }
      expect(deaths).toBeGreaterThanOrEqual(Math.floor(operation.points / STRIDE) - 1);
    });
  }
});
