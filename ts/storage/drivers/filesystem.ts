import { readdirSync, statfsSync } from 'node:fs';
import { stat, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Runtime, systemRuntime } from '../../lib/clock.js';
import { later } from '../../lib/later.js';
import { aborted } from '../body-source.js';
import type {
  CallOptions,
  ComposingDriver,
  CopyingDriver,
  ListOptions,
  ListPage,
  ObjectInfo,
  Piece,
  PreparedWrite,
  PreparingDriver,
  ProgressOptions,
  ReadOptions,
  StoredObject,
  SynchronousDriver,
  WriteBody,
  WriteOptions,
} from '../driver.js';
import type { ProbedDriver, ProbeFinding } from '../probe-driver.js';
import { codeOf, isAbsent, toStorageError } from './filesystem-errors.js';
import { Folders, isKeyName, parentOf, TEMPORARY_MARK } from './filesystem-folders.js';
import type { WriteJob } from './filesystem-prepared.js';
import { infoOf, isFileSync, readFileAt } from './filesystem-read.js';
import { FileWriter } from './filesystem-write.js';

export interface FilesystemDriverOptions {
  readonly runtime?: Runtime | undefined;
  /** `false`: nothing is ever synced, whatever a write asks for. For tests. */
  readonly durable?: boolean | undefined;
  /** Milliseconds after which an unfinished file that nobody touches counts as left behind by a crash. Default: one day. */
  readonly temporaryLife?: number | undefined;
}

const UNLINKS_AT_ONCE = 16;

const { methods: composing } = later(() => import('./filesystem-compose.js'));
const { methods: listing } = later(() => import('./filesystem-list.js'));
const { methods: sweeping } = later(() => import('./filesystem-sweep.js'));

/** Names a folder for remembered results: a copy of the folder on another file system is another store. */
export function folderIdentity(root: string): string {
  try {
    return `folder ${root} on ${statfsSync(root).type}`;
  } catch {
    return `folder ${root}`;
  }
}

/**
 * Keys are paths below one folder. Any number of processes may use the folder at once: nothing is locked, what decides is `link` (create-only) and
 * `rename` (replace). A durable write has its bytes, its folder and all folders above it on stable storage before it resolves.
 */
export class FilesystemDriver implements CopyingDriver, ComposingDriver, PreparingDriver, SynchronousDriver, ProbedDriver {
  readonly name = 'filesystem';
  readonly root: string;
  private readonly folders: Folders;
  private readonly writer: FileWriter;
  private readonly durable: boolean;
  private readonly runtime: Runtime;
  private readonly temporaryLife: number;

  /** The folder is made by the first write. */
  constructor(root: string, options: FilesystemDriverOptions = {}) {
    this.root = resolve(root);
    this.runtime = options.runtime ?? systemRuntime;
    this.durable = options.durable ?? true;
    this.temporaryLife = options.temporaryLife ?? 24 * 60 * 60 * 1_000;
    this.folders = new Folders(this.root);
    this.writer = new FileWriter(this.folders, this.runtime.random);
  }

  get probeIdentity(): string {
    return folderIdentity(this.root);
  }

  async probe(): Promise<readonly ProbeFinding[]> {
    return (await import('../probe-folder.js')).probeFolder(this.root, this.runtime);
  }

  async stat(key: string, _options?: CallOptions): Promise<ObjectInfo | undefined> {
    try {
      const stats = await stat(this.folders.path(key));
      return stats.isFile() ? infoOf(stats) : undefined;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw toStorageError(error, `stat ${key}`);
    }
  }

  async read(key: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    try {
      return await readFileAt(this.folders.path(key), key, options);
    } catch (error) {
      throw toStorageError(error, `read ${key}`);
    }
  }

  write(key: string, body: WriteBody, options: WriteOptions = {}): Promise<'written' | 'exists'> {
    return this.writer.write(this.job(key, options), body);
  }

  prepare(key: string, body: WriteBody, options: WriteOptions = {}): Promise<PreparedWrite> {
    return this.writer.prepare(this.job(key, options), body);
  }

  async copy(from: string, to: string, options: CallOptions = {}): Promise<'written' | 'absent'> {
    try {
      return await this.writer.copy(from, { key: to, ifAbsent: false, durable: this.durable, signal: options.signal });
    } catch (error) {
      throw toStorageError(error, `copy ${to}`);
    }
  }

  compose(pieces: readonly Piece[], to: string, options: ProgressOptions = {}): Promise<'written' | 'absent'> {
    const { folders, durable } = this;
    return composing.composeFiles({ folders, random: this.runtime.random, durable, ...options }, pieces, to);
  }

  async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    const touched = new Set<string>();
    for (let at = 0; at < keys.length; at += UNLINKS_AT_ONCE) {
      if (options.signal?.aborted) throw aborted(options.signal);
      await Promise.all(keys.slice(at, at + UNLINKS_AT_ONCE).map((key) => this.deleteOne(key, touched)));
    }
    for (const folder of touched) await this.folders.prune(folder);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const strangers: string[] = [];
    const foreign: string[] = [];
    try {
      const page = await listing.listPage(this.root, prefix, options, (folder, name) => {
        const key = folder === '' ? name : `${folder}/${name}`;
        if (name.startsWith(TEMPORARY_MARK)) strangers.push(join(this.root, folder, name));
        else if (key.startsWith(prefix)) foreign.push(key);
      });
      if (strangers.length > 0) await sweeping.sweepTemporaries(strangers, this.temporaryLife, this.runtime);
      return foreign.length === 0 ? page : { ...page, foreign };
    } catch (error) {
      throw toStorageError(error, `list ${prefix}`);
    }
  }

  namesSync(folder: string): readonly string[] {
    try {
      const names: string[] = [];
      for (const entry of readdirSync(this.folders.path(folder), { withFileTypes: true })) {
        if (entry.isFile() && isKeyName(entry.name)) names.push(entry.name);
      }
      return names.sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw toStorageError(error, `list ${folder}`);
    }
  }

  existsSync(key: string): boolean {
    try {
      return isFileSync(this.folders.path(key));
    } catch (error) {
      throw toStorageError(error, `stat ${key}`);
    }
  }

  private job(key: string, { ifAbsent = false, durable = true, signal }: WriteOptions): WriteJob {
    return { key, ifAbsent, durable: durable && this.durable, signal };
  }

  private async deleteOne(key: string, touched: Set<string>): Promise<void> {
    try {
      await unlink(this.folders.path(key));
      touched.add(parentOf(key));
    } catch (error) {
      if (!isAbsent(error) && codeOf(error) !== 'EISDIR') throw toStorageError(error, `delete ${key}`);
    }
  }
}
