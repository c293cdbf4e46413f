import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { RegistryError } from '../../../ts/errors/registry-error.js';
import { readTar } from '../../../ts/formats/tar.js';
import { text } from '../../../ts/lib/bytes.js';
import { type Inspected, inspectTarball } from '../../../ts/protocols/npm/tarball.js';
import {
  hasBsdTar,
  hasGnuTar,
  hasNodeTar,
  hasNpm,
  hasPython,
  type Listing,
  listWithGnuTar,
  listWithNodeTar,
  listWithPython,
} from '../../formats/other-readers.js';
import { inPieces } from '../../formats/pieces.js';
import { archive, directory, file, globalPax, pax } from '../../formats/tar-maker.js';

const root = mkdtempSync(join(tmpdir(), 'entrepot-pack-'));
afterAll(() => rmSync(root, { recursive: true }));

const inspect = (tgz: Uint8Array): Promise<Inspected> => inspectTarball(inPieces(tgz));
const LONG = `lib/${'long-folder-name-'.repeat(5)}/${'long-folder-name-'.repeat(5)}/${'long-file-name-'.repeat(6)}.js`;

/** Fixture packages, by what is special about them. */
const PACKAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: { 'package.json': '{"name":"plain","version":"1.0.0"}', 'index.js': 'module.exports = 1\n', 'README.md': '# plain\n' },
  scoped: {
    'package.json': '{"name":"@scope/tst","version":"1.0.0-beta.1","bin":{"tst":"bin/tst.js"}}',
    'bin/tst.js': '#!/usr/bin/env node\n',
    'readme.txt': 'text',
    'lib/empty': '',
  },
  native: {
    'package.json': '{"name":"native","version":"1.0.0"}',
    'binding.gyp': '{}',
    'npm-shrinkwrap.json': '{"lockfileVersion":3,"packages":{}}',
  },
  bundling: {
    'package.json': '{"name":"bundling","version":"1.0.0","dependencies":{"a":"1","@s/b":"1"},"bundleDependencies":["a","@s/b"]}',
    'node_modules/a/package.json': '{"name":"a","version":"1.0.0"}',
    'node_modules/@s/b/package.json': '{"name":"@s/b","version":"1.0.0"}',
  },
  prefixed: {
    'package.json': '{"name":"prefixed","version":"1.0.0"}',
    [`${'folder/'.repeat(15)}${'long-name-'.repeat(8)}.js`]: 'split',
    'lib/ü.js': '',
  },
  unusual: {
    'package.json': '{"name":"unusual","version":"1.0.0"}',
    [LONG]: 'long',
    'ünïcödé/日本語.txt': 'ü',
    'with space/a+b&c(1)[2]{3}.js': '1',
    'large.bin': 'x'.repeat(3_000_000),
    'README.md': `# ${'ü'.repeat(100_000)}`,
  },
};

function folderOf(name: string): string {
  const folder = join(root, name, 'package');
  for (const [path, content] of Object.entries(PACKAGES[name] ?? {})) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const packs = new Map<string, Buffer>();

/** All of them by one npm: to start it costs more than to pack. */
function npmPack(name: string): Buffer {
  if (packs.size === 0) {
    const to = join(root, 'packed');
    mkdirSync(to);
    const names = Object.keys(PACKAGES);
    const options = ['--json', '--offline', '--ignore-scripts', '--pack-destination', to];
    const said = execFileSync('npm', ['pack', ...options, ...names.map(folderOf)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const made = JSON.parse(String(said)) as readonly { readonly name: string; readonly filename: string }[];
    for (const [at, { filename }] of made.entries()) packs.set(names[at] as string, readFileSync(join(to, filename)));
  }
  return packs.get(name) as Buffer;
}

/** What a command writes that runs beside the folder `package`. */
function made(name: string, command: string, ...args: readonly string[]): Buffer {
  folderOf(name);
  return execFileSync(command, args, { cwd: join(root, name), maxBuffer: 64 * 1024 ** 2, stdio: ['ignore', 'pipe', 'ignore'] });
}

/** The old format splits a name in two fields and has no longer ones. */
const fixtureFor = (format: string): string => (/^ustar/i.test(format) ? 'prefixed' : 'unusual');

async function listOurselves(tgz: Uint8Array): Promise<Listing> {
  const seen: string[] = [];
  for await (const { type, size, path } of readTar(inPieces(gunzipSync(tgz)))) seen.push(`${type[0]} ${size} ${path}`);
  return seen;
}

/** What has been accepted, and how we list it: the other readers get all of it at once. */
const accepted: { readonly what: string; readonly tgz: Uint8Array; readonly ours: Listing }[] = [];

async function accept(what: string, tgz: Uint8Array): Promise<void> {
  const ours = await listOurselves(tgz);
  expect(ours?.length).toBeGreaterThan(0);
  accepted.push({ what, tgz, ours });
}

describe.skipIf(!hasNpm)('a tarball made by npm pack', () => {
  it.each(Object.keys(PACKAGES))('M5: is accepted: %s', async (name) => {
    const tgz = npmPack(name);
    const files = Object.entries(PACKAGES[name] as Record<string, string>);
    const inspected = await inspect(tgz);
    expect(inspected.manifest).toEqual(JSON.parse(PACKAGES[name]?.['package.json'] as string));
    expect(inspected.fileCount).toBe(files.length);
    expect(inspected.unpackedSize).toBe(files.reduce((sum, [, content]) => sum + Buffer.byteLength(content), 0));
    expect(inspected.hasBindingGyp).toBe(name === 'native');
    expect(inspected.hasShrinkwrap).toBe(name === 'native');
    expect(inspected.bundled).toEqual(name === 'bundling' ? ['@s/b', 'a'] : []);
    const end = gunzipSync(tgz).subarray(-1024);
    expect(end.every((byte) => byte === 0)).toBe(true);
    await accept(`npm pack, ${name}`, tgz);
  });

  it('gives the readme, cut between characters', async () => {
    const { readme, readmeFilename } = await inspect(npmPack('unusual'));
    expect(readmeFilename).toBe('README.md');
    expect(readme).toBe(`# ${'ü'.repeat(32_767)}`);
  });
});

describe('a tarball made by another tool', () => {
  it.skipIf(!hasGnuTar).each(['ustar', 'gnu', 'oldgnu', 'pax', 'posix'])(
    'M5: is accepted: GNU tar --format=%s',
    async (format) => {
      const tgz = made(fixtureFor(format), 'tar', `--format=${format}`, '-cz', 'package');
      expect((await inspect(tgz)).manifest['name']).toBe(fixtureFor(format));
      await accept(`GNU tar, ${format}`, tgz);
    },
  );

  it.skipIf(!hasGnuTar)('is refused in the format of 1979, in which a directory looks like a file', async () => {
    await expect(inspect(made('plain', 'tar', '--format=v7', '-cz', 'package/package.json'))).rejects.toMatchObject({
      kind: 'invalid',
    });
  });

  it.skipIf(!hasPython).each(['USTAR_FORMAT', 'GNU_FORMAT', 'PAX_FORMAT'])(
    'M5: is accepted: Python tarfile, %s',
    async (format) => {
      const script = `import sys, tarfile\nt = tarfile.open(fileobj=sys.stdout.buffer, mode='w|gz', format=tarfile.${format})\nt.add('package')\nt.close()`;
      const tgz = made(fixtureFor(format), 'python3', '-c', script);
      expect((await inspect(tgz)).manifest['name']).toBe(fixtureFor(format));
      await accept(`Python tarfile, ${format}`, tgz);
    },
  );

  it.skipIf(!hasBsdTar).each(['ustar', 'pax', 'gnutar'])('M5: is accepted: bsdtar --format=%s', async (format) => {
    // compressed here: to a pipe bsdtar fills its gzip up with zeros, which no npm client does and we refuse
    const tgz = gzipSync(made(fixtureFor(format), 'bsdtar', `--format=${format}`, '-cf', '-', 'package'));
    expect((await inspect(tgz)).manifest['name']).toBe(fixtureFor(format));
    await accept(`bsdtar, ${format}`, tgz);
  });
});

describe('M5: what was accepted is listed alike', () => {
  for (const [reader, here, list] of [
    ["Python's tarfile", hasPython, listWithPython],
    ["npm's own reader", hasNodeTar, listWithNodeTar],
    ['GNU tar', hasGnuTar, listWithGnuTar],
  ] as const) {
    it.skipIf(!here)(`by ${reader}`, () => {
      expect(accepted.length).toBeGreaterThan(0);
      const theirs = list(accepted.map(({ tgz }) => tgz));
      expect(accepted.map(({ what }, at) => [what, theirs[at]])).toEqual(accepted.map(({ what, ours }) => [what, ours]));
    });
  }
});

const tarball = (...parts: readonly Uint8Array[]): Uint8Array => gzipSync(archive(...parts));
const MANIFEST = '{"name":"a","version":"1.0.0"}';

describe('inspectTarball', () => {
  it('takes any single top folder', async () => {
    const inspected = await inspect(
      tarball(globalPax(['comment', 'abc']), directory('a-1.0.0/'), file('a-1.0.0/package.json', MANIFEST)),
    );
    expect(inspected).toMatchObject({ manifest: { name: 'a', version: '1.0.0' }, fileCount: 1, unpackedSize: MANIFEST.length });
    expect(text(inspected.manifestText)).toBe(MANIFEST);
    expect(inspected.readme).toBeUndefined();
  });

  it('prefers a readme in Markdown, at the top only', async () => {
    const names = ['lib/README.md', 'README', 'readme.markdown', 'README.txt', 'README.js'];
    const inspected = await inspect(tarball(file('p/package.json', MANIFEST), ...names.map((name) => file(`p/${name}`, name))));
    expect(inspected).toMatchObject({ readme: 'readme.markdown', readmeFilename: 'readme.markdown', fileCount: 6 });
  });

  it('reads a package.json that begins with a byte order mark, as npm does', async () => {
    expect((await inspect(tarball(file('p/package.json', `\ufeff${MANIFEST}`)))).manifest['name']).toBe('a');
  });

  it.each([
    ['no package.json', tarball(file('package/index.js')), 'no package.json'],
    ['package.json further in only', tarball(file('package/lib/package.json', MANIFEST)), 'no package.json'],
    ['a directory for package.json', tarball(directory('package/package.json')), 'no package.json'],
    ['M1: package.json twice', tarball(file('p/package.json', MANIFEST), file('p/package.json', '{}')), 'two entries'],
    [
      'M1: package.json twice in another case',
      tarball(file('p/package.json', MANIFEST), file('p/Package.json', '{}')),
      'two entries',
    ],
    [
      'M1: package.json in two top folders',
      tarball(file('p/package.json', MANIFEST), file('q/package.json', '{}')),
      'more than one top folder',
    ],
    [
      'M1: package.json behind the end',
      gzipSync(Buffer.concat([archive(file('p/package.json', MANIFEST)), archive(file('p/package.json', '{}'))])),
      'behind its end',
    ],
    [
      'R14: a second gzip member',
      Buffer.concat([tarball(file('p/package.json', MANIFEST)), tarball(file('p/package.json', '{}'))]),
      'behind its end',
    ],
    ['a file outside of the folder', tarball(file('package.json', MANIFEST)), 'outside of a folder'],
    [
      'a package.json that is no JSON',
      tarball(file('p/package.json', '{"name":')),
      'package.json of the tarball is not valid JSON',
    ],
    ['a package.json that is no object', tarball(file('p/package.json', '[]')), 'package.json of the tarball is not an object'],
    ['P1: __proto__ in package.json', tarball(file('p/package.json', '{"scripts":{"__proto__":{}}}')), '__proto__'],
    [
      'R2: a symbolic link',
      tarball(file('p/package.json', MANIFEST), pax(['linkpath', '/etc/passwd']), file('p/x')),
      'unexpected key',
    ],
    ['a tar archive without gzip', archive(file('p/package.json', MANIFEST)), 'not gzip'],
    ['nothing', new Uint8Array(0), 'cut off'],
  ])('refuses %s', async (_, bytes, message) => {
    const error: unknown = await inspect(bytes).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ kind: 'invalid', message: expect.stringContaining(message) });
  });

  it('refuses a package.json beyond 1 MiB', async () => {
    const large = `{"x":"${'x'.repeat(1024 ** 2)}"}`;
    await expect(inspect(tarball(file('p/package.json', large)))).rejects.toMatchObject({ kind: 'too_large' });
  });

  it('R4: ends with its signal', async () => {
    const stop = new AbortController();
    async function* stuck(): AsyncGenerator<Uint8Array> {
      yield tarball(file('p/package.json', MANIFEST)).subarray(0, 40);
      await new Promise(() => undefined);
    }
    const reading = inspectTarball(stuck(), stop.signal);
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new RegistryError('request_timeout', 'too slow'));
    await expect(reading).rejects.toMatchObject({ kind: 'request_timeout' });
  });
});
