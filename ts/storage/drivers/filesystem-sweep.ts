import { stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Runtime } from '../../lib/clock.js';
import { temporaryName } from './filesystem-folders.js';

/**
 * Removes temporary files that a crash has left behind: those not touched for `life` milliseconds. Should their writer only have slept, its `link`
 * fails and it reports that. Their age is a difference of the file system's own times; this machine's clock only saves the
 * look when all of them are plainly young. Never fails: what cannot be removed stays for the next time.
 */
export async function sweepTemporaries(paths: readonly string[], life: number, { clock, random }: Runtime): Promise<void> {
  let now: number | undefined;
  for (const path of paths) {
    try {
      const { ctimeMs, mtimeMs } = await stat(path);
      const touched = Math.max(ctimeMs, mtimeMs);
      if (clock.now() - touched < life) continue;
      now ??= await timeOfStore(join(dirname(path), temporaryName(random)));
      if (now - touched >= life) await unlink(path);
    } catch {
      // gone already, or read-only
    }
  }
}

async function timeOfStore(scratch: string): Promise<number> {
  await writeFile(scratch, '', { flag: 'wx' });
  try {
    return (await stat(scratch)).ctimeMs;
  } finally {
    await unlink(scratch);
  }
}
