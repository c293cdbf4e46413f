import { StorageError, type StorageErrorKind } from '../storage-error.js';

const KINDS: ReadonlyMap<string, StorageErrorKind> = new Map([
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EFBIG', 'full'],
  ['EACCES', 'denied'],
  ['EPERM', 'denied'],
  ['EROFS', 'denied'],
  ['ENOTSUP', 'denied'],
  ['EOPNOTSUPP', 'denied'],
  ['ENAMETOOLONG', 'invalid'],
  ['ENOTDIR', 'invalid'],
  ['EISDIR', 'invalid'],
  ['ENOTEMPTY', 'invalid'],
  ['EEXIST', 'invalid'],
  ['EXDEV', 'invalid'],
  ['ELOOP', 'invalid'],
]);

const MEANINGS: Readonly<Record<string, string>> = {
  full: 'no space left',
  denied: 'the file system refuses',
  invalid: 'the file system cannot hold this key',
  unavailable: 'the file system failed',
  unknown: 'the file system failed after the write had become visible',
};

/** The system's own code of a failed call: `ENOENT` and so on; empty for anything else. */
export const codeOf = (error: unknown): string => {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
};

/** True for "there is no such file", also where a part of its path is a file. */
export const isAbsent = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';

/** What the caller of the driver is told. `what` is the call and its key; the path of the folder stays inside, in `cause`. */
export function toStorageError(error: unknown, what: string, kind?: StorageErrorKind): StorageError {
  if (error instanceof StorageError) return error;
  const code = codeOf(error);
  const known = kind ?? KINDS.get(code) ?? 'unavailable';
  return new StorageError(known, `filesystem: ${what}: ${MEANINGS[known] ?? known}${code ? ` (${code})` : ''}`, error);
}
