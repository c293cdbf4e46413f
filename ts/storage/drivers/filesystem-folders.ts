import { closeSync, existsSync, fstatSync, fsync, mkdirSync, openSync, type Stats, statSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import { promisify } from 'node:util';
import type { Random } from '../../lib/clock.js';
import { randomId } from '../../lib/ids.js';
import { NextFlight } from '../../lib/next-flight.js';
import { codeOf } from './filesystem-errors.js';

const fsyncOf = promisify(fsync);
/** Makes an open file's or folder's bytes last. The one call of a write that waits for the disk: others are not worth a thread. */
export const syncOpen = (handle: number): Promise<void> => fsyncOf(handle);
const ATTEMPTS = 32;
const REMEMBERED = 20_000;
/** Folders at the top two levels stay: `pending/<space>` is emptied and filled again by every change. */
const KEPT_DEPTH = 2;
/** Some network file systems do not know how to sync a folder; their operator is warned by the probe, not by each write. */
const CANNOT_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP']);

/** The folders below one root: made when first needed, put on stable storage together with their own places, removed when empty. */
export class Folders {
  private readonly root: string;
  private readonly flights = new Map<string, NextFlight<void>>();
  /** Folders whose own place is known to be on stable storage, by path: a mark that a folder made anew at that path does not have. */
  private readonly settled = new Map<string, string>();

  constructor(root: string) {
    this.root = root;
  }

  path(folder: string): string {
    return folder === '' ? this.root : this.root + sep + folder;
  }

  /** Makes a folder and those above it. Another process may remove any of them meanwhile. */
  make(folder: string): void {
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (folder === '') mkdirSync(this.root, { recursive: true, mode: 0o700 });
        else mkdirSync(this.path(folder));
        return;
      } catch (error) {
        if (folder !== '' && codeOf(error) === 'EEXIST') return;
        if (folder === '' || codeOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw error;
        this.make(parentOf(folder));
      }
    }
  }

  /** Runs what needs the folder, making the folder as often as it turns out to be missing. */
  async within<T>(folder: string, work: () => T | Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw error;
        this.make(folder);
      }
    }
  }

  /** The same for work that is done at once; tells whether the folder had to be made. */
  withinNow<T>(folder: string, work: () => T): { readonly result: T; readonly made: boolean } {
    const path = this.path(folder);
    // looked for where nothing is known of it: told by an error of the work, its absence would cost twenty times as much
    let made = !this.settled.has(path) && !existsSync(path);
    if (made) this.make(folder);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return { result: work(), made };
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw error;
        this.make(folder);
        made = true;
      }
    }
  }

  /** The folder's own place on stable storage, with all above it: what `sync` would otherwise have to wait for beside the folder's entries. */
  async place(folder: string): Promise<void> {
    const path = this.path(folder);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return;
    const mark = markOf(stats);
    if (this.settled.get(path) === mark) return;
    await this.syncAbove(folder);
    this.remember(path, mark);
  }

  /**
   * The folder's entries on stable storage, and the folder's own place with all above it. Callers at the same folder share a sync that has not begun.
   */
  async sync(folder: string): Promise<void> {
    const path = this.path(folder);
    let flight = this.flights.get(path);
    if (!flight) {
      if (this.flights.size >= REMEMBERED) this.flights.clear();
      flight = new NextFlight(() => this.syncNow(folder, path));
      this.flights.set(path, flight);
    }
    await flight.run();
  }

  /** Removes the folders that a delete has emptied, upwards. Whoever is about to create something in one of them makes it again. */
  async prune(folder: string): Promise<void> {
    for (let at = folder; at.split('/').length > KEPT_DEPTH; at = parentOf(at)) {
      try {
        await rmdir(this.path(at));
      } catch {
        return;
      }
    }
  }

  private async syncNow(folder: string, path: string): Promise<void> {
    if (process.platform === 'win32') return;
    const handle = open(path);
    if (handle === undefined) return;
    try {
      const mark = markOf(fstatSync(handle));
      if (this.settled.get(path) === mark) return await syncHandle(handle);
      // Both are waited for whatever happens: the handle is closed behind them.
      const [own, above] = await Promise.allSettled([syncHandle(handle), this.syncAbove(folder)]);
      if (own.status === 'rejected') throw own.reason;
      if (above.status === 'rejected') throw above.reason;
      this.remember(path, mark);
    } finally {
      closeSync(handle);
    }
  }

  private remember(path: string, mark: string): void {
    if (this.settled.size >= REMEMBERED) this.settled.clear();
    this.settled.set(path, mark);
  }

  private async syncAbove(folder: string): Promise<void> {
    if (folder !== '') return this.sync(parentOf(folder));
    const handle = open(dirname(this.root));
    if (handle === undefined) return;
    try {
      await syncHandle(handle);
    } finally {
      closeSync(handle);
    }
  }
}

export function parentOf(key: string): string {
  const slash = key.lastIndexOf('/');
  return slash === -1 ? '' : key.slice(0, slash);
}

const NAME = /^[A-Za-z0-9._~-]{1,255}$/;
/** Whether a name in a folder can be a part of a key: temporary files and what other programs leave behind cannot. */
export const isKeyName = (name: string): boolean => NAME.test(name);

/** First character of the names of files that are not finished. No key can have it. */
export const TEMPORARY_MARK = '#';
export const temporaryName = (random: Random): string => `${TEMPORARY_MARK}${randomId(random)}`;

/** Of a folder: another one than of a folder that is made anew at the same path. */
const markOf = ({ dev, ino, birthtimeMs }: Stats): string => `${dev} ${ino} ${birthtimeMs}`;

/** Undefined when the folder is gone: then nothing in it is left to sync. */
function open(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function syncHandle(handle: number): Promise<void> {
  try {
    await syncOpen(handle);
  } catch (error) {
    if (!CANNOT_SYNC.has(codeOf(error))) throw error;
  }
}
