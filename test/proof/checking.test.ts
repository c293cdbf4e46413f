import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type House, openHouse } from './house.js';
import { check, type Operation, until } from './linearizability.js';
import { LooseDriver } from './loose-driver.js';
import { type Input, type Output, packageModel } from './package-model.js';
import { type Instance, type Recorded, record } from './workload.js';

const seed = Number(process.env['PROOF_SEED'] ?? Math.floor(Math.random() * 1e6));
const WHOLE = process.env['REQUIRE_CLIENTS'] === '1';
const RUNS = WHOLE ? 20 : 8;
/** On a store that keeps its conditions; more where there is time. */
const QUIET_RUNS = WHOLE ? RUNS : 4;
if (!WHOLE) console.log(`shortened: ${RUNS} and ${QUIET_RUNS} histories that are checked; REQUIRE_CLIENTS=1 records 20 of each`);
const INSTANCES = 4;
const JSON_TYPE = { 'content-type': 'application/json' };

/**
 * A store that loses entries soon makes instances refuse to go on, and what nobody knows the end of makes checking long: the beginning is looked at first,
 * up to the first such operation, then up to the second, …
 */
function hasAnomaly(history: readonly Operation<Input, Output>[]): boolean {
  const unknown = history.filter(({ output }) => output === undefined).map(({ called }) => called);
  const moments = [...unknown.sort((a, b) => a - b).slice(0, 6), ...(unknown.length > 6 ? [] : [Number.POSITIVE_INFINITY])];
  return moments.some((moment) => {
    try {
      return !check(packageModel, until(history, moment), 30_000).linearizable;
    } catch {
      return false; // Undecided is not found.
    }
  });
}

describe.each([
  { loose: true, runs: RUNS, what: 'ignores its conditions: an anomaly in each' },
  { loose: false, runs: QUIET_RUNS, what: 'keeps them: none' },
])(`4(c): $runs short runs of ${INSTANCES} instances on a store that $what, seeds from ${seed}`, ({ loose, runs }) => {
  const driver = new LooseDriver();
  const houses: House[] = [];
  let instances: readonly Instance[] = [];

  beforeAll(async () => {
    for (let n = 0; n < INSTANCES; n += 1) houses.push(await openHouse({ driver }));
    const ann = await houses[0]?.user('ann', true);
    instances = houses.map(
      ({ ask }): Instance =>
        (method, path, body) =>
          ask(method, path, {
            token: ann?.token,
            ...(body === undefined ? {} : { body: JSON.stringify(body), headers: JSON_TYPE }),
          }),
    );
    driver.loose = loose;
  });
  afterAll(async () => {
    for (const house of houses) await house.close();
  });

  it.each(Array.from({ length: runs }, (_, run) => run))('run %i', async (run) => {
    const options = {
      instances,
      clients: 8,
      operations: 50,
      packages: 1,
      seed: seed + run,
      prefix: `run-${run}-`,
      meeting: true,
    };
    const { histories, counts }: Recorded = await record(options);
    // Clients must have met, or nothing has been shown.
    expect(counts['publish ok'] ?? 0).toBeGreaterThan(loose ? 1 : 7);
    expect([...histories.values()].some(hasAnomaly)).toBe(loose);
  });
});
