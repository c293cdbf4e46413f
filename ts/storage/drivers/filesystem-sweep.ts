import { stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Runtime } from '../../lib/clock.js';
import { temporaryName } from './filesystem-folders.js';

/** A writer that has not touched its temporary file for so long is dead; should it wake up, its `link` fails and it reports that. */
const DEAD_AFTER = 24 * 60 * 60 * 1_000;

/**
 * Removes temporary files that a crash has left behind. Their age is a difference of the file system's own times; this machine's clock only saves the
 * look when all of them are plainly young. Never fails: what cannot be removed stays for the next time.
 */
export async function sweepTemporaries(paths: readonly string[], { clock, random }: Runtime): Promise<void> {
  let now: number | undefined;
  for (const path of paths) {
    try {
      const { ctimeMs, mtimeMs } = await stat(path);
      const touched = Math.max(ctimeMs, mtimeMs);
      if (clock.now() - touched < DEAD_AFTER) continue;
      now ??= await timeOfStore(join(dirname(path), temporaryName(random)));
      if (now - touched >= DEAD_AFTER) await unlink(path);
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
