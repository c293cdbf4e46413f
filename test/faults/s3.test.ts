import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacksVersitygw } from '../servers/binaries.js';
import { driverFor } from '../servers/s3-driver.js';
import { type RunningS3, startVersitygw } from '../servers/versitygw.js';
import { operations } from './operations.js';
import { DatedStore } from './s3-store.js';
import { type Kind, lineOf, type Point, Trial } from './trial.js';
import { MAX_POINTS, REPLAY } from './tried.js';
import { World } from './world.js';

const NAMES = ['collection', 'verification', 'repair'];
const KINDS: readonly Kind[] = ['before', 'after', 'torn', 'slow-down', 'exists-though-ours', 'death'];
/** A trial makes hundreds of calls: each kind of fault meets some of them, and not the same ones. */
const STRIDE = 23;
const START = 's3 ';
const wanted = REPLAY === undefined ? Boolean(process.env['REQUIRE_CLIENTS']) : REPLAY.startsWith(START);
if (!wanted && REPLAY === undefined)
  console.log('skipped: faults in front of a real S3 server take minutes; REQUIRE_CLIENTS=1 runs them');

describe.skipIf(!wanted || lacksVersitygw('1.8.0'))('faults in front of a real S3 server', () => {
  let server: RunningS3;
  let trials = 0;
  beforeAll(async () => {
    server = await startVersitygw({ version: '1.8.0' });
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    console.log(`${trials} trials on S3`);
  });

  /** Each trial has the bucket's folder of its own. */
  async function tried(point: Point): Promise<boolean> {
    trials += 1;
    const driver = driverFor(server, { prefix: `trial-${trials}` });
    let world: World | undefined;
    const store = new DatedStore(driver, () => world?.time ?? 0);
    world = new World(store, () => store.busy);
    try {
      return await new Trial(point, world).run();
    } catch (error) {
      const command = `FAULT_REPLAY='${START}${lineOf(point)}' npx vitest run --config test/vitest.config.ts test/faults/s3`;
      throw new Error(`${String(error)}\n  replay: ${command}`);
    } finally {
      await driver.close();
    }
  }

  const chosen = operations.filter(({ name }) => NAMES.includes(name));
  const line = REPLAY;
  if (line !== undefined) {
    it(`replays ${line}`, async () => {
      const [name, kind, at] = line.slice(START.length).split(' / ');
      const operation = chosen.find((one) => one.name === name);
      if (!operation) throw new Error(`no such fault: ${line}`);
      expect(await tried({ operation, kind: kind as Kind, at: Number(at) })).toBe(true);
    });
    return;
  }
  for (const [i, operation] of chosen.entries()) {
    it(`INV1 INV2 INV3 INV4 INV6: ${operation.name}`, { timeout: 600_000 }, async () => {
      let reached = 0;
      for (const [k, kind] of KINDS.entries()) {
        for (let at = 1 + ((5 * i + 3 * k) % STRIDE); at <= MAX_POINTS; at += STRIDE) {
          if (!(await tried({ operation, kind, at }))) break;
          reached += 1;
        }
      }
      expect(reached).toBeGreaterThanOrEqual(KINDS.length / 2);
    });
  }
});
