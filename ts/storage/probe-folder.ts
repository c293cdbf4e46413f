import { link, mkdir, open, readdir, readFile, realpath, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runtime } from '../lib/clock.js';
import { randomId } from '../lib/ids.js';
import { probeScratchPrefix } from './key.js';
import type { ProbeFinding } from './probe-driver.js';
import { StorageError } from './storage-error.js';

const RACERS = 32;
const ROUNDS = 32;

/** Magic numbers of `statfs(2)` for file systems whose other side is not this kernel. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9P'],
  [0x00c36400, 'CephFS'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x5346414f, 'AFS'],
  [0x564c, 'NCP'],
  [0x786f4256, 'VirtualBox shared folders'],
]);
const LINK_UNSUPPORTED = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV', 'EINVAL']);

/**
 * What a folder's file system can promise: `link()` that exactly one of many wins, directories that can be synced, listings that are up to date.
 * Below a second on a local disk, because nothing is synced but one directory. Throws StorageErrors when the folder cannot be used at all.
 */
export async function probeFolder(root: string, runtime: Runtime): Promise<readonly ProbeFinding[]> {
  const scratch = join(root, probeScratchPrefix(randomId(runtime.random)));
  try {
    await mkdir(scratch, { recursive: true });
    const findings: ProbeFinding[] = [];
    const message = await raceLinks(scratch);
    if (message !== undefined) findings.push({ level: 'refusal', message });
    findings.push(...(await syncWarnings(scratch)), ...(await networkWarnings(root)));
    return findings;
  } catch (error) {
    throw asStorageError(error);
  } finally {
    await rm(scratch, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function raceLinks(scratch: string): Promise<string | undefined> {
  const sources = Array.from({ length: RACERS }, (_, racer) => join(scratch, `source-${racer}`));
  await Promise.all(sources.map((source, racer) => writeFile(source, `racer ${racer}`)));
  for (let round = 0; round < ROUNDS; round += 1) {
    const target = join(scratch, `race-${round}`);
    const answers = await Promise.all(sources.map((source) => tryLink(source, target)));
    if (answers.includes('unsupported'))
      return 'its file system has no hard links (link), on which creating a file exactly once rests';
    const winners = answers.flatMap((answer, racer) => (answer === 'won' ? [racer] : []));
    const wrong = winners.length !== 1 || (await readFile(target, 'utf8')) !== `racer ${winners[0]}`;
    if (wrong) {
      return `of ${RACERS} simultaneous creates (link) of one file ${winners.length} succeeded in round ${round + 1} of ${ROUNDS}`;
    }
    if (!(await readdir(scratch)).includes(`race-${round}`)) return 'a directory does not show a file that was just created';
  }
  const linked = await stat(join(scratch, 'race-0'));
  return linked.nlink >= 2 ? undefined : 'its hard links are copies, so that nothing is created exactly once';
}

async function tryLink(source: string, target: string): Promise<'won' | 'lost' | 'unsupported'> {
  try {
    await link(source, target);
    return 'won';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return 'lost';
    if (code !== undefined && LINK_UNSUPPORTED.has(code)) return 'unsupported';
    throw error;
  }
}

async function syncWarnings(scratch: string): Promise<readonly ProbeFinding[]> {
  try {
    const folder = await open(scratch, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    return [];
  } catch {
    const message = 'its directories cannot be synced: a power cut may lose what was acknowledged in the last seconds';
    return [{ level: 'warning', message }];
  }
}

async function networkWarnings(root: string): Promise<readonly ProbeFinding[]> {
  const { type } = await statfs(await realpath(root));
  const name = networkFileSystem(type);
  if (name === undefined) return [];
  const message =
    `it lies on a network or user-space file system (${name}): nothing there promises that other machines see a new file at once, ` +
    'or that synced bytes survive a crash of the server; run all instances on one machine, or use S3';
  return [{ level: 'warning', message }];
}

/** The name of a network file system by its `statfs` type; undefined for local ones. */
export const networkFileSystem = (type: number): string | undefined => NETWORK_FILE_SYSTEMS.get(type >>> 0);

function asStorageError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new StorageError('full', 'filesystem: no space left', error);
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
    return new StorageError('denied', 'filesystem: the folder cannot be written', error);
  }
  return code === undefined ? error : new StorageError('unavailable', `filesystem: the folder cannot be used (${code})`, error);
}
