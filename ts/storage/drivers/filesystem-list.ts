import { type Dir, type Dirent, opendirSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { nextTurn, Pace } from '../../lib/turns.js';
import { aborted } from '../body-source.js';
import type { ListedObject, ListOptions, ListPage } from '../driver.js';
import { isAbsent } from './filesystem-errors.js';
import { isKeyName, parentOf } from './filesystem-folders.js';
import { infoOf } from './filesystem-read.js';

const AT_ONCE = 32;
/** Names that are read in one turn of the event loop: a folder may have a hundred thousand. */
const READ_AT_ONCE = 1_024;

/** Hears of entries that are no keys: temporary files. */
export type StrangerListener = (folder: string, name: string) => void;

interface Entry {
  /** The key of a file; of a folder with its final slash, which is what its keys begin with and so where they sort. */
  readonly key: string;
  readonly isFolder: boolean;
}

/**
 * One page of the keys below a root, in byte order of the whole key. Folders are opened as the walk reaches them, and left out where `prefix` and
 * `after` show that nothing of them is wanted.
 */
export async function listPage(
  root: string,
  prefix: string,
  options: ListOptions,
  onStranger: StrangerListener,
): Promise<ListPage> {
  const { after = '', limit = 1_000, signal } = options;
  const keys: string[] = [];
  await walk({ root, prefix, after, signal, onStranger }, parentOf(prefix), keys, limit + 1);
  const more = keys.length > limit;
  if (more) keys.pop();
  const objects = await describe(root, keys);
  const next = keys.at(-1);
  return more && next !== undefined ? { objects, next } : { objects };
}

interface Walk {
  readonly root: string;
  readonly prefix: string;
  readonly after: string;
  readonly signal: AbortSignal | undefined;
  readonly onStranger: StrangerListener;
}

async function walk(plan: Walk, folder: string, keys: string[], wanted: number): Promise<void> {
  if (plan.signal?.aborted) throw aborted(plan.signal);
  for (const { key, isFolder } of await entriesOf(plan, folder, wanted - keys.length)) {
    if (keys.length >= wanted) return;
    if (isFolder) await walk(plan, key.slice(0, -1), keys, wanted);
    else keys.push(key);
  }
}

/** In order; behind so many files as are wanted there is none. */
async function entriesOf(plan: Walk, folder: string, wanted: number): Promise<readonly Entry[]> {
  const names = openFolder(join(plan.root, folder));
  if (!names) return [];
  const first = new First(wanted);
  const pace = new Pace(READ_AT_ONCE);
  try {
    for (let entry = names.readSync(); entry; entry = names.readSync()) {
      const found = entryOf(plan, folder, entry);
      if (found && isWanted(plan, found)) first.add(found);
      if (pace.due()) await nextTurn();
      if (plan.signal?.aborted) throw aborted(plan.signal);
    }
  } finally {
    names.closeSync();
  }
  return first.sorted();
}

function entryOf(plan: Walk, folder: string, entry: Dirent): Entry | undefined {
  const kind = kindOf(entry, plan.root, folder);
  if (!isKeyName(entry.name) || kind === undefined) {
    plan.onStranger(folder, entry.name);
    return undefined;
  }
  const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
  return kind === 'folder' ? { key: `${path}/`, isFolder: true } : { key: path, isFolder: false };
}

/** The first of many entries, up to so many files: a page of a large folder is no larger than one of a small. */
class First {
  private readonly wanted: number;
  private entries: Entry[] = [];
  /** Whatever is above this is not among them. */
  private last: string | undefined;

  constructor(wanted: number) {
    this.wanted = wanted;
  }

  add(entry: Entry): void {
    if (this.last !== undefined && entry.key > this.last) return;
    this.entries.push(entry);
    if (this.entries.length >= 4 * this.wanted + READ_AT_ONCE) this.cut();
  }

  sorted(): readonly Entry[] {
    this.cut();
    return this.entries;
  }

  private cut(): void {
    this.entries.sort((a, b) => (a.key < b.key ? -1 : 1));
    let files = 0;
    const end = this.entries.findIndex(({ isFolder }) => !isFolder && ++files === this.wanted);
    if (end < 0) return;
    this.entries.length = end + 1;
    this.last = this.entries[end]?.key;
  }
}

function isWanted({ prefix, after }: Walk, { key, isFolder }: Entry): boolean {
  if (!isFolder) return key.startsWith(prefix) && key > after;
  const mayHold = key.startsWith(prefix) || prefix.startsWith(key);
  return mayHold && (key > after || after.startsWith(key));
}

/** Read without a thread: most folders hold a few names. */
function openFolder(path: string): Dir | undefined {
  try {
    return opendirSync(path, { bufferSize: READ_AT_ONCE });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Operators put a part of the tree on another disk by a symbolic link. */
function kindOf(entry: Dirent, root: string, folder: string): 'file' | 'folder' | undefined {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  if (!entry.isSymbolicLink()) return undefined;
  const target = statSync(join(root, folder, entry.name), { throwIfNoEntry: false });
  if (target?.isDirectory()) return 'folder';
  return target?.isFile() ? 'file' : undefined;
}

/** Sizes and times; what was deleted meanwhile is left out. */
async function describe(root: string, keys: readonly string[]): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const batch = keys.slice(at, at + AT_ONCE).map((key) => describeOne(root, key));
    for (const object of await Promise.all(batch)) if (object) objects.push(object);
  }
  return objects;
}

async function describeOne(root: string, key: string): Promise<ListedObject | undefined> {
  try {
    return { key, ...infoOf(await stat(join(root, key))) };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
