import { setFlagsFromString } from 'node:v8';

/** Units of bytecode that a function may run through before the engine looks whether to compile it better; V8 11 has 67,584. */
const BUDGET = 10_000;

/**
 * Makes the engine compile what is used sooner. A write goes through a thousand functions and runs each of them a few times: by the engine's own measure they
 * stay as they are for some thousand writes, at half the pace. Called when the server is open: a start runs most code once.
 * Node 20 only; later versions have a compiler in between, and measures of their own.
 */
export function compileSoon(): void {
  if (process.versions.v8.startsWith('11.')) setFlagsFromString(`--interrupt-budget=${BUDGET}`);
}
