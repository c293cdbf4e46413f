import { constants } from 'node:fs';
import { copyFile, type FileHandle, open, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../../lib/clock.js';
import { aborted } from '../body-source.js';
import type { Piece, ProgressOptions } from '../driver.js';
import { StorageError } from '../storage-error.js';
import { isAbsent, toStorageError } from './filesystem-errors.js';
import { type Folders, parentOf, temporaryName } from './filesystem-folders.js';

/** Larger buffers are no faster, and this one is all the memory that joining takes. */
const BUFFER_BYTES = 1_024 * 1_024;

export interface ComposeJob extends ProgressOptions {
  readonly folders: Folders;
  readonly random: Random;
  readonly durable: boolean;
}

/** Joins files in a temporary one beside `to`, which then takes that name. Node has no call that appends below the file system's own. */
export async function composeFiles(job: ComposeJob, pieces: readonly Piece[], to: string): Promise<'written' | 'absent'> {
  const { folders, random, durable, signal } = job;
  const parent = parentOf(to);
  const temporary = join(folders.path(parent), temporaryName(random));
  try {
    const start = await begin(job, pieces[0], temporary);
    const file = await folders.within(parent, () => open(temporary, start > 0 ? 'r+' : 'wx'));
    try {
      await appendAll(job, file, start > 0 ? pieces.slice(1) : pieces, start);
      if (durable) await file.sync();
    } finally {
      // A network file system may tell only at the close that it has no room.
      await file.close();
    }
    if (signal?.aborted) throw aborted(signal);
    await rename(temporary, folders.path(to));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    if (error instanceof PieceGone) return 'absent';
    throw toStorageError(error, `compose ${to}`);
  }
  if (!durable) return 'written';
  try {
    await folders.sync(parent);
  } catch (error) {
    throw toStorageError(error, `compose ${to}`, 'unknown');
  }
  return 'written';
}

class PieceGone extends Error {}

const wrongSize = (key: string): StorageError => new StorageError('corrupt', `${key}: has not the size that it should have`);

/**
 * Bytes that need not be moved: on file systems that can share them, those of the first piece. Others say no at once, where a plain copy would hold a
 * thread for as long as it takes.
 */
async function begin({ folders }: ComposeJob, first: Piece | undefined, temporary: string): Promise<number> {
  if (!first || first.size === 0) return 0;
  try {
    await copyFile(folders.path(first.key), temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch {
    return 0;
  }
  const { size } = await stat(temporary);
  if (size !== first.size) throw wrongSize(first.key);
  return size;
}

async function appendAll(job: ComposeJob, file: FileHandle, pieces: readonly Piece[], start: number): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let at = start;
  for (const piece of pieces) {
    const source = await openPiece(job.folders, piece);
    try {
      await append(job, source, file, at, buffer);
    } finally {
      await source.close();
    }
    at += piece.size;
  }
  const { size } = await file.stat();
  if (size !== at) throw new StorageError('corrupt', `${size} bytes came together where ${at} should have`);
}

async function openPiece(folders: Folders, { key, size }: Piece): Promise<FileHandle> {
  const source = await open(folders.path(key), 'r').catch((error: unknown) => {
    throw isAbsent(error) ? new PieceGone() : error;
  });
  const stats = await source.stat();
  if (stats.isFile() && stats.size === size) return source;
  await source.close();
  throw stats.isFile() ? wrongSize(key) : new PieceGone();
}

async function append(job: ComposeJob, source: FileHandle, file: FileHandle, from: number, buffer: Buffer): Promise<void> {
  const { signal, onProgress } = job;
  for (let at = 0; ; ) {
    if (signal?.aborted) throw aborted(signal);
    const { bytesRead } = await source.read(buffer, 0, buffer.byteLength, at);
    if (bytesRead === 0) return;
    onProgress?.();
    for (let done = 0; done < bytesRead; ) {
      const { bytesWritten } = await file.write(buffer, done, bytesRead - done, from + at + done);
      done += bytesWritten;
    }
    at += bytesRead;
  }
}
