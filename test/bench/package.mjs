import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/** One file as a tar entry (POSIX ustar). */
function tarEntry(name, content) {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\0', 257);
  header.write('00', 263);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

const WORDS =
  'amber basil cedar dune ember fjord grove heath iris jade kelp lark maple north opal pine quartz reed slate tide'.split(' ');
const word = (n) => WORDS[n % WORDS.length];

/** What a package.json of ordinary size says; the same for the same arguments. */
export function manifestOf(name, version, seed = 0) {
  return {
    name,
    version,
    description: `A ${word(seed)} ${word(seed * 7 + 3)} for ${word(seed * 3 + 5)} ${word(Math.floor(seed / 20))}, number ${seed}`,
    keywords: [word(seed), word(seed + 1), `k${seed % 100}`],
    license: 'MIT',
    author: { name: `Author ${seed % 50}` },
    main: 'lib/index.js',
    type: 'module',
    homepage: `https://docs.example/${name}`,
    repository: { type: 'git', url: `git+https://git.example/${name}.git` },
    bugs: { url: `https://git.example/${name}/issues` },
    engines: { node: '>=18' },
    dependencies: { [`${word(seed + 2)}-core`]: '^1.4.0', [`${word(seed + 3)}-tools`]: '~2.0.1' },
    devDependencies: { typescript: '^5.4.0', vitest: '^1.6.0' },
    scripts: { build: 'tsc -p tsconfig.json', test: 'vitest run' },
  };
}

/** A tarball as `npm pack` makes it, with its digests. */
export function tarballOf(manifest) {
  const json = Buffer.from(JSON.stringify(manifest, null, 2));
  const code = Buffer.from(`export const name = ${JSON.stringify(manifest.name)};\n`.repeat(8));
  const tar = Buffer.concat([tarEntry('package/package.json', json), tarEntry('package/lib/index.js', code), Buffer.alloc(1024)]);
  const bytes = gzipSync(tar, { level: 1 });
  return { bytes, fileCount: 2, unpackedSize: json.length + code.length, digests: digestsOf(bytes) };
}

const hex = (algorithm, bytes) => createHash(algorithm).update(bytes).digest('hex');

export const digestsOf = (bytes) => ({
  sha256: hex('sha256', bytes),
  sha512: hex('sha512', bytes),
  sha1: hex('sha1', bytes),
});

/** What `npm publish` sends. */
export function publishBody(name, version, seed = 0) {
  const manifest = manifestOf(name, version, seed);
  const { bytes, digests } = tarballOf(manifest);
  const file = `${name}-${version}.tgz`;
  const dist = {
    integrity: `sha512-${Buffer.from(digests.sha512, 'hex').toString('base64')}`,
    shasum: digests.sha1,
    tarball: `http://registry.example/${name}/-/${file}`,
  };
  return JSON.stringify({
    _id: name,
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { _id: `${name}@${version}`, ...manifest, dist } },
    access: 'public',
    _attachments: { [file]: { content_type: 'application/octet-stream', data: bytes.toString('base64'), length: bytes.length } },
  });
}
