import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `type size name` per entry, in order; undefined where the reader gave up. */
export type Listing = readonly string[] | undefined;

const works = (command: string, ...args: string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

export const hasPython = works('python3', '-c', 'import tarfile');
export const hasGnuTar = /GNU tar/.test(String(spawnSync('tar', ['--version']).stdout));
export const hasBsdTar = works('bsdtar', '--version');
export const hasNpm = works('npm', '--version');

const nodeTarFolder = hasNpm ? join(String(execFileSync('npm', ['root', '-g'])).trim(), 'npm/node_modules/tar') : '';
/** The reader that npm itself installs with. */
export const hasNodeTar = nodeTarFolder !== '' && existsSync(join(nodeTarFolder, 'package.json'));

const PYTHON = `
import json, sys, tarfile
for path in sys.argv[1:]:
    try:
        with tarfile.open(path) as tar:
            print(json.dumps(['%s %d %s' % ('d' if e.isdir() else 'f' if e.isreg() else '?', e.size, e.name) for e in tar]))
    except Exception:
        print('null')
`;

const NODE_TAR = `
const { createRequire } = require('node:module');
const tar = createRequire(process.argv[1] + '/')(process.argv[1]);
for (const file of process.argv.slice(2)) {
  const seen = [];
  try {
    tar.list({ file, sync: true, strict: true, onentry: e => seen.push((e.type === 'Directory' ? 'd' : /^(Old)?File$/.test(e.type) ? 'f' : '?') + ' ' + e.size + ' ' + e.path.replace(/\\/$/, '')) });
    console.log(JSON.stringify(seen));
  } catch { console.log('null'); }
}
`;

/** Runs `list` on the archives as files in a folder of their own. */
function withFiles<T>(archives: readonly Uint8Array[], list: (paths: readonly string[]) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-tar-'));
  try {
    const paths = archives.map((_, at) => join(folder, `${at}.tar`));
    archives.forEach((bytes, at) => {
      writeFileSync(paths[at] as string, bytes);
    });
    return list(paths);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const lines = (command: string, args: readonly string[]): Listing[] =>
  String(execFileSync(command, args, { maxBuffer: 64 * 1024 ** 2, stdio: ['ignore', 'pipe', 'ignore'] }))
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as string[] | null) ?? undefined);

/** How Python's tarfile reads each archive. */
export const listWithPython = (archives: readonly Uint8Array[]): Listing[] =>
  withFiles(archives, (paths) => lines('python3', ['-c', PYTHON, ...paths]));

/** How npm's own reader reads each archive. */
export const listWithNodeTar = (archives: readonly Uint8Array[]): Listing[] =>
  withFiles(archives, (paths) => lines(process.execPath, ['-e', NODE_TAR, nodeTarFolder, ...paths]));

const GNU_LINE = /^(?<kind>.)\S+ \S+ +(?<size>\d+) \S+ \S+ (?<name>.*)$/;

/** How GNU tar reads each archive. */
export const listWithGnuTar = (archives: readonly Uint8Array[]): Listing[] =>
  withFiles(archives, (paths) =>
    paths.map((path) => {
      const { status, stdout } = spawnSync('tar', ['--quoting-style=literal', '-tvf', path], {
        env: { ...process.env, LC_ALL: 'C.UTF-8' },
      });
      if (status !== 0) return undefined;
      return String(stdout)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const { kind = '?', size = '', name = line } = GNU_LINE.exec(line)?.groups ?? {};
          return `${kind === '-' ? 'f' : kind} ${size} ${name.replace(/\/$/, '')}`;
        });
    }),
  );
