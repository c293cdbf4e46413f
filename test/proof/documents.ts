import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { archive, file } from '../formats/tar-maker.js';

export const tgz = (...entries: readonly Uint8Array[]): Buffer => gzipSync(archive(...entries), { level: 1 });

/** A package as `npm pack` makes it. */
export const tarballOf = (name: string, version: string, salt = ''): Buffer =>
  tgz(file('package/package.json', JSON.stringify({ name, version, ...(salt === '' ? {} : { salt }) })));

export interface DocumentOptions {
  readonly name: string;
  readonly version: string;
  readonly tarball?: Uint8Array;
  readonly tag?: string;
  readonly access?: string | null;
  /** Makes the bytes differ from another publish of the same version. */
  readonly salt?: string;
  /** Fields that overrule. */
  readonly dist?: object;
  readonly manifest?: object;
  readonly attachment?: object;
  readonly document?: object;
}

const digest = (algorithm: string, bytes: Uint8Array, form: 'hex' | 'base64'): string =>
  createHash(algorithm).update(bytes).digest(form);

export const shasum = (bytes: Uint8Array): string => digest('sha1', bytes, 'hex');

/** What `npm publish` sends. */
export function documentOf(options: DocumentOptions): Record<string, unknown> {
  const { name, version, tag = 'latest', access = null } = options;
  const bytes = options.tarball ?? tarballOf(name, version, options.salt);
  const fileName = `${name}-${version}.tgz`;
  const dist = {
    integrity: `sha512-${digest('sha512', bytes, 'base64')}`,
    shasum: shasum(bytes),
    tarball: `http://registry.example/npm/${name}/-/${fileName}`,
    ...options.dist,
  };
  return {
    _id: name,
    name,
    'dist-tags': { [tag]: version },
    versions: { [version]: { name, version, dist, ...options.manifest } },
    access,
    _attachments: {
      [fileName]: {
        content_type: 'application/octet-stream',
        data: Buffer.from(bytes).toString('base64'),
        length: bytes.length,
        ...options.attachment,
      },
    },
    ...options.document,
  };
}

/** A package's path segment, as npm writes it. */
export const at = (name: string): string => `/${name.replace('/', '%2f')}`;
