import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/** One file as a tar entry (POSIX ustar). */
function tarEntry(name: string, content: Buffer): Buffer {
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

/** A package as `npm pack` makes it. */
export function tarball(name: string, version: string): Buffer {
  const manifest = Buffer.from(JSON.stringify({ name, version }));
  return gzipSync(Buffer.concat([tarEntry('package/package.json', manifest), Buffer.alloc(1024)]));
}

/** What `npm publish` sends. */
export function publishBody(name: string, version: string, access: 'public' | 'restricted' = 'restricted'): string {
  const bytes = tarball(name, version);
  const file = `${name}-${version}.tgz`;
  const dist = {
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
    shasum: createHash('sha1').update(bytes).digest('hex'),
    tarball: `http://registry.example/${name}/-/${file}`,
  };
  return JSON.stringify({
    _id: name,
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { name, version, dist } },
    access,
    _attachments: { [file]: { content_type: 'application/octet-stream', data: bytes.toString('base64'), length: bytes.length } },
  });
}

/** Publishes and fails unless that worked. `base` is the repository's URL. */
export async function publish(
  base: string,
  token: string,
  name: string,
  version: string,
  access?: 'public' | 'restricted',
): Promise<void> {
  const response = await fetch(`${base}/${encodeURIComponent(name)}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: publishBody(name, version, access),
  });
  if (response.status !== 201) throw new Error(`publish: ${response.status} ${await response.text()}`);
}
