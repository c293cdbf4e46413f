import { describe, expect, it } from 'vitest';
import { toStorageError } from '../../ts/storage/drivers/filesystem-errors.js';
import { StorageError } from '../../ts/storage/storage-error.js';

const failure = (code: string) => Object.assign(new Error(`${code}: some failure, open '/srv/data/secret/path'`), { code });

describe('failures of a file system', () => {
  for (const [kind, codes] of [
    ['full', ['ENOSPC', 'EDQUOT']],
    ['unavailable', ['EMFILE', 'ENFILE', 'EIO', 'ESTALE', 'EBUSY', 'ENOENT', 'EUNHEARDOF']],
    ['denied', ['EACCES', 'EPERM', 'EROFS']],
    ['invalid', ['ENAMETOOLONG', 'ENOTDIR', 'EISDIR']],
  ] as const) {
    it(`${codes.join(', ')}: ${kind}, with the code, the key and the cause, without the path`, () => {
      for (const code of codes) {
        const cause = failure(code);
        const error = toStorageError(cause, 'read a/b');
        expect(error).toMatchObject({ name: 'StorageError', kind, cause });
        expect(error.message).toContain(code);
        expect(error.message).toContain('a/b');
        expect(error.message).not.toContain('/srv');
      }
    });
  }

  it('what is a StorageError already is passed on', () => {
    const error = new StorageError('aborted', 'x');
    expect(toStorageError(error, 'read a')).toBe(error);
  });
});
