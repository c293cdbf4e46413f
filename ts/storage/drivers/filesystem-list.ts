import { type Dirent, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { aborted } from '../body-source.js';
import type { ListedObject, ListOptions, ListPage } from '../driver.js';
import { isAbsent } from './filesystem-errors.js';
import { parentOf } from './filesystem-folders.js';
import { infoOf } from './filesystem-read.js';

const NAME = /^[A-Za-z0-9._~-]{1,255}$/;
/** Whether a name in a folder can be a part of a key: temporary files and what other programs leave behind cannot. */
export const isKeyName = (name: string): boolean => NAME.test(name);
const AT_ONCE = 32;

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
  for (const { key, isFolder } of await entriesOf(plan, folder)) {
    if (keys.length >= wanted) return;
    if (isFolder) await walk(plan, key.slice(0, -1), keys, wanted);
    else keys.push(key);
  }
}

async function entriesOf(plan: Walk, folder: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const entry of await readFolder(join(plan.root, folder))) {
    const kind = kindOf(entry, plan.root, folder);
    if (!isKeyName(entry.name) || kind === undefined) {
      plan.onStranger(folder, entry.name);
      continue;
    }
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    const found = kind === 'folder' ? { key: `${path}/`, isFolder: true } : { key: path, isFolder: false };
    if (isWanted(plan, found)) entries.push(found);
  }
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function isWanted({ prefix, after }: Walk, { key, isFolder }: Entry): boolean {
  if (!isFolder) return key.startsWith(prefix) && key > after;
  const mayHold = key.startsWith(prefix) || prefix.startsWith(key);
  return mayHold && (key > after || after.startsWith(key));
}

async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
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
