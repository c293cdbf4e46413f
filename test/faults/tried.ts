import { lineOf, type Point, Trial } from './trial.js';

/** A line that a failing run printed: only that one is run. */
export const REPLAY = process.env['FAULT_REPLAY'];
/** Far more calls than any operation makes. */
export const MAX_POINTS = 200;

/** False: the operation was over before the fault. */
export async function tried(point: Point): Promise<boolean> {
  try {
    return await new Trial(point).run();
  } catch (error) {
    const command = `FAULT_REPLAY='${lineOf(point)}' npx vitest run --config test/vitest.config.ts test/faults`;
    throw new Error(`${String(error)}\n  replay: ${command}`);
  }
}
