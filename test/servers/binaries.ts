import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export type VersitygwVersion = '1.8.0' | '1.7.0';

/** The program, from `VERSITYGW_1_8_0` (…) or from `.tools/` of the checkout; undefined when it is not there. */
export function versitygwPath(version: VersitygwVersion): string | undefined {
  const named = process.env[`VERSITYGW_${version.replaceAll('.', '_')}`];
  const path = named ?? join(ROOT, '.tools', `versitygw-${version}`, 'versitygw');
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    return undefined;
  }
}

/**
 * For `describe.skipIf(…)`: true when the program is missing, with a printed reason. With `REQUIRE_CLIENTS=1` nothing is skipped: the starter then
 * fails, and says what is missing.
 */
export function lacksVersitygw(version: VersitygwVersion): boolean {
  if (versitygwPath(version) !== undefined) return false;
  if (process.env.REQUIRE_CLIENTS === '1') return false;
  console.warn(`SKIPPED: versitygw ${version} is not installed; run .ci/install-s3`);
  return true;
}
