import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemRuntime } from '../../ts/lib/clock.js';
import { FilesystemDriver, folderIdentity } from '../../ts/storage/drivers/filesystem.js';
import { ensureCapable } from '../../ts/storage/probe.js';
import { networkFileSystem, probeFolder } from '../../ts/storage/probe-folder.js';

const runtime = systemRuntime;
const system = vi.hoisted(() => ({
  link: undefined as undefined | ((from: string, to: string) => Promise<void>),
  type: undefined as number | undefined,
}));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return {
    ...real,
    link: (from: string, to: string) => (system.link ?? real.link)(from, to),
    statfs: async (path: string) => ({
      ...(await real.statfs(path)),
      ...(system.type === undefined ? {} : { type: system.type }),
    }),
  };
});

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'probe-folder-'));
});
afterEach(async () => {
  system.link = undefined;
  system.type = undefined;
  await rm(root, { recursive: true, force: true });
});

const failing = (code: string) => async (): Promise<void> => {
  throw Object.assign(new Error(code), { code });
};

describe('the folder probe', () => {
  it('passes a local folder and leaves no file behind', async () => {
    expect(await probeFolder(root, runtime)).toEqual([]);
    expect(await readdir(join(root, 'derived', 'probe'))).toEqual([]);
  });

  for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS']) {
    it(`refuses a file system without link (${code})`, async () => {
      system.link = failing(code);
      expect(await probeFolder(root, runtime)).toMatchObject([
        { level: 'refusal', message: expect.stringContaining('hard links') },
      ]);
      expect(await readdir(join(root, 'derived', 'probe'))).toEqual([]);
    });
  }

  it('refuses a file system on which link replaces', async () => {
    system.link = async (from, to) => writeFile(to, from);
    expect(await probeFolder(root, runtime)).toMatchObject([
      { level: 'refusal', message: expect.stringMatching(/32 succeeded in round 1/) },
    ]);
  });

  it('warns about network and user-space file systems, by name', async () => {
    for (const [type, name] of [
      [0x6969, 'NFS'],
      [0xff534d42 | 0, 'CIFS'],
      [0x65735546, 'FUSE'],
    ] as const) {
      system.type = type;
      expect(await probeFolder(root, runtime)).toMatchObject([{ level: 'warning', message: expect.stringContaining(name) }]);
    }
    expect(networkFileSystem(0xef53)).toBeUndefined();
  });

  it('a full, unwritable or broken folder is an error, not a verdict', async () => {
    for (const [code, kind] of [
      ['ENOSPC', 'full'],
      ['EACCES', 'denied'],
      ['EIO', 'unavailable'],
    ] as const) {
      system.link = failing(code);
      await expect(probeFolder(root, runtime)).rejects.toMatchObject({ name: 'StorageError', kind });
    }
    await writeFile(join(root, 'file'), '');
    await expect(probeFolder(join(root, 'file'), runtime)).rejects.toMatchObject({ name: 'StorageError' });
  });

  it('names the folder together with its kind of file system', () => {
    expect(folderIdentity(root)).toMatch(new RegExp(`^folder ${root} on \\d+$`));
    expect(folderIdentity(join(root, 'missing'))).toBe(`folder ${join(root, 'missing')}`);
  });

  it('serves through ensureCapable: passed once, then remembered', async () => {
    const driver = new FilesystemDriver(root);
    expect(await ensureCapable(driver, { runtime })).toMatchObject({ mode: 'multi', remembered: false, warnings: [] });
    expect(await ensureCapable(new FilesystemDriver(root), { runtime })).toMatchObject({ mode: 'multi', remembered: true });
  });
});
