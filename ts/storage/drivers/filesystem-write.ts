import { constants, openSync, writeSync, writev, writevSync } from 'node:fs';
import { copyFile, link, open, rename, unlink } from 'node:fs/promises';
import { sep } from 'node:path';
import { promisify } from 'node:util';
import type { Random } from '../../lib/clock.js';
import { PieceSize } from '../../lib/piece-size.js';
import { aborted, BodySource } from '../body-source.js';
import type { PreparedWrite, WriteBody } from '../driver.js';
import { codeOf, toStorageError } from './filesystem-errors.js';
import { type Folders, parentOf, temporaryName } from './filesystem-folders.js';
import { OpenFile, PreparedFile, settle, type WriteJob } from './filesystem-prepared.js';
import { isFileSync } from './filesystem-read.js';

/** Of a stream there is one batch being gathered and one being written. */
const batches = new PieceSize({ total: 16 * 1_024 * 1_024, least: 128 * 1_024, most: 1_024 * 1_024 });
const BATCH_CHUNKS = 512;
/** Bytes that go into the system's memory sooner than a thread would have taken them over. */
const AT_ONCE_BYTES = 64 * 1_024;
const writevOf = promisify(writev);
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

/**
 * Writes files that appear whole or not at all. The bytes go to a temporary file in the same folder, so that it is on the same mount and keeps the
 * folder from being removed; its name is then linked (create-only) or renamed (replace) to the key.
 * What only touches the system's memory (names, a small file's bytes) is done at once: the way to a thread and back takes several times as long, and longer
 * still behind others' syncs.
 */
export class FileWriter {
  private readonly folders: Folders;
  private readonly random: Random;

  constructor(folders: Folders, random: Random) {
    this.folders = folders;
    this.random = random;
  }

  async write(job: WriteJob, body: WriteBody): Promise<'written' | 'exists'> {
    return (await this.prepare(job, body)).commit();
  }

  /** Takes the body into a temporary file, whose sync has begun when this resolves. */
  async prepare(job: WriteJob, body: WriteBody): Promise<PreparedWrite> {
    if (body instanceof Uint8Array && body.byteLength <= AT_ONCE_BYTES) return this.prepareSmall(job, body);
    const source = new BodySource(body, job.signal);
    try {
      if (this.isTaken(job)) return TAKEN;
      return await this.begin(job, (file) => fill(file, source));
    } catch (error) {
      source.close(error);
      throw source.isFailure(error) ? error : toStorageError(error, `write ${job.key}`);
    } finally {
      source.close();
    }
  }

  /** By hard link, so no byte is moved; where the file system has none, or no more for this file, by a copy below the file system's own calls. */
  async copy(from: string, job: WriteJob): Promise<'written' | 'absent'> {
    const temporary = this.temporary(job.key);
    try {
      await this.duplicate(from, temporary, parentOf(job.key));
    } catch (error) {
      if (error instanceof SourceGone) return 'absent';
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
    try {
      if (job.durable) await syncFile(temporary);
      if (job.signal?.aborted) throw aborted(job.signal);
      await rename(temporary, this.folders.path(job.key));
    } finally {
      // Renaming one name of a file to another of its names does nothing at all.
      await unlink(temporary).catch(() => undefined);
    }
    await settle(this.folders, job);
    return 'written';
  }

  private async duplicate(from: string, temporary: string, folder: string): Promise<void> {
    const source = this.folders.path(from);
    await this.folders.within(folder, async () => {
      try {
        await link(source, temporary);
      } catch (error) {
        if (!isFileSync(source)) throw new SourceGone();
        if (codeOf(error) === 'ENOENT') throw error;
        await copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      }
    });
  }

  private async prepareSmall(job: WriteJob, bytes: Uint8Array): Promise<PreparedWrite> {
    try {
      return this.isTaken(job) ? TAKEN : await this.begin(job, (file) => writeAtOnce(file, bytes));
    } catch (error) {
      throw toStorageError(error, `write ${job.key}`);
    }
  }

  /** Saves the losers of a race a file and an fsync; whoever passes is judged by `link`. */
  private isTaken({ ifAbsent, key }: WriteJob): boolean {
    return ifAbsent && isFileSync(this.folders.path(key));
  }

  private async begin(job: WriteJob, fill: (file: OpenFile) => void | Promise<void>): Promise<PreparedWrite> {
    const { folders } = this;
    const temporary = this.temporary(job.key);
    const { result: handle, made } = folders.withinNow(parentOf(job.key), () => openSync(temporary, NEW_FILE));
    const file = new OpenFile(handle);
    try {
      const filling = fill(file);
      if (filling) await filling;
      // A network file system may tell only at the close that it has no room.
      if (!job.durable) file.close();
    } catch (error) {
      file.letGo();
      // Not at once: it may be large.
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
    return new PreparedFile({ job, folders, temporary, file, made });
  }

  private temporary(key: string): string {
    return this.folders.path(parentOf(key)) + sep + temporaryName(this.random);
  }
}

class SourceGone extends Error {}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

const TAKEN: PreparedWrite = { commit: () => Promise.resolve('exists'), discard: () => Promise.resolve() };

function writeAtOnce({ handle }: OpenFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength; ) at += writeSync(handle, bytes, at);
}

/** Up to a mebibyte per call, and the next one gathered while the last is written. */
async function fill(file: OpenFile, source: BodySource): Promise<void> {
  let writing: Promise<void> | undefined;
  const leave = batches.enter();
  try {
    for (let ended = false; !ended; ) {
      const batch: Uint8Array[] = [];
      let bytes = 0;
      while (!ended && bytes < batches.bytes && batch.length < BATCH_CHUNKS) {
        const chunk = await source.next();
        if (chunk === undefined) ended = true;
        else bytes += batch[batch.push(chunk) - 1]?.byteLength ?? 0;
      }
      await writing;
      writing = bytes > 0 ? writeAll(file.handle, batch, bytes) : undefined;
      writing?.catch(() => undefined);
    }
    await writing;
  } finally {
    leave();
    // The file may not be closed and removed under a write.
    await writing?.catch(() => undefined);
  }
}

async function writeAll(handle: number, batch: readonly Uint8Array[], bytes: number): Promise<void> {
  let rest = batch;
  for (let left = bytes; left > 0; ) {
    const written = left <= AT_ONCE_BYTES ? writevSync(handle, rest) : (await writevOf(handle, rest)).bytesWritten;
    left -= written;
    if (left > 0) rest = behind(rest, written);
  }
}

/** What a short write has left over. */
function behind(batch: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = written;
  for (const chunk of batch) {
    if (skip < chunk.byteLength) rest.push(chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.byteLength);
  }
  return rest;
}
