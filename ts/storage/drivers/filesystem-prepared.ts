import { closeSync, linkSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { aborted } from '../body-source.js';
import type { PreparedWrite } from '../driver.js';
import { StorageError } from '../storage-error.js';
import { codeOf, toStorageError } from './filesystem-errors.js';
import { type Folders, parentOf, syncOpen } from './filesystem-folders.js';
import { isFileSync } from './filesystem-read.js';

export interface WriteJob {
  readonly key: string;
  readonly ifAbsent: boolean;
  readonly durable: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A temporary file with all its bytes. */
export interface Draft {
  readonly job: WriteJob;
  readonly folders: Folders;
  /** Its path. */
  readonly temporary: string;
  readonly file: OpenFile;
  /** Its folder is new. */
  readonly made: boolean;
}

/** A file that waits for its name. Its bytes, and the place of a new folder, are synced from the beginning; the name and the folder by `commit`. */
export class PreparedFile implements PreparedWrite {
  private readonly draft: Draft;
  private readonly ready: Promise<void>;

  constructor(draft: Draft) {
    this.draft = draft;
    this.ready = draft.job.durable ? syncDraft(draft) : Promise.resolve();
    // told by `commit`, which may come later, or never
    this.ready.catch(() => undefined);
  }

  async commit(): Promise<'written' | 'exists'> {
    const { job, folders, file } = this.draft;
    let answer: 'written' | 'exists';
    try {
      await this.ready;
      if (job.signal?.aborted) throw aborted(job.signal);
      answer = this.publish();
    } catch (error) {
      await this.remove();
      throw toStorageError(error, `write ${job.key}`);
    } finally {
      file.letGo();
    }
    if (answer === 'written') await settle(folders, job);
    return answer;
  }

  async discard(): Promise<void> {
    // the file may not be closed under its sync
    await this.ready.catch(() => undefined);
    this.draft.file.letGo();
    await this.remove();
  }

  private publish(): 'written' | 'exists' {
    const { job, folders, temporary } = this.draft;
    const path = folders.path(job.key);
    if (!job.ifAbsent) {
      renameSync(temporary, path);
      return 'written';
    }
    try {
      linkSync(temporary, path);
    } catch (error) {
      // A network file system may have linked and lost its answer: then the file has two names.
      if (statSync(temporary, { throwIfNoEntry: false })?.nlink === 2) return 'written';
      if (codeOf(error) !== 'EEXIST') throw error;
      if (!isFileSync(path)) throw new StorageError('invalid', `filesystem: ${job.key}: is the folder of other keys`);
      return 'exists';
    } finally {
      tidy(temporary);
    }
    return 'written';
  }

  /** Not at once: it may be large. */
  private async remove(): Promise<void> {
    const { folders, temporary, job, made } = this.draft;
    await unlink(temporary).catch(() => undefined);
    if (made) await folders.prune(parentOf(job.key));
  }
}

/** From here on the object is visible, so a failure leaves the caller in doubt. */
export async function settle(folders: Folders, { key, durable }: WriteJob): Promise<void> {
  if (!durable) return;
  try {
    await folders.sync(parentOf(key));
  } catch (error) {
    throw toStorageError(error, `write ${key}`, 'unknown');
  }
}

async function syncDraft({ file, folders, job, made }: Draft): Promise<void> {
  if (!made) return syncOpen(file.handle);
  // Both are waited for whatever happens: the handle is closed behind them.
  const [own, place] = await Promise.allSettled([syncOpen(file.handle), folders.place(parentOf(job.key))]);
  if (own.status === 'rejected') throw own.reason;
  if (place.status === 'rejected') throw place.reason;
}

/** Takes the second name from what has another one; left behind it is swept. */
function tidy(temporary: string): void {
  try {
    unlinkSync(temporary);
  } catch {
    // in the way of nothing
  }
}

/** A file that is closed once. */
export class OpenFile {
  readonly handle: number;
  private closed = false;

  constructor(handle: number) {
    this.handle = handle;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    closeSync(this.handle);
  }

  /** Nothing can be learnt any more from closing it. */
  letGo(): void {
    try {
      this.close();
    } catch {
      // whatever it was, the sync has said it or the write has failed already
    }
  }
}
