import { createHash } from 'node:crypto';

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';
const EMPTY = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: `sha256:${createHash('sha256').update('{}').digest('hex')}`,
  size: 2,
};

export interface BadManifest {
  readonly title: string;
  /** Default: an image's. */
  readonly type?: string;
  readonly body: () => string | Uint8Array;
  /** Default 400. */
  readonly status?: number;
}

const image = (fields: object = {}): Record<string, unknown> => ({
  schemaVersion: 2,
  mediaType: IMAGE,
  config: EMPTY,
  layers: [],
  ...fields,
});
const whole = JSON.stringify(image());
const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const withMember = (member: string): string => `{${member},${whole.slice(1)}`;
const of = (title: string, fields: object, type?: string): BadManifest => ({
  title,
  body: () => JSON.stringify(image(fields)),
  ...(type === undefined ? {} : { type }),
});
const text = (title: string, body: () => string | Uint8Array, status?: number): BadManifest => ({
  title,
  body,
  ...(status === undefined ? {} : { status }),
});
const layer = (fields: object): object => ({ layers: [{ ...EMPTY, ...fields }] });
const digest = EMPTY.digest;

/** Bodies of `PUT …/manifests/…` that must be refused. The empty descriptor's blob is there. */
export const BAD_MANIFESTS: readonly BadManifest[] = [
  of('O1: layers and manifests at once', { manifests: [] }),
  of('O1: layers and manifests at once, as an index', { mediaType: INDEX, manifests: [] }, INDEX),
  of('O1: layers and manifests at once, without a type of its own', { mediaType: undefined, manifests: [] }, INDEX),
  of('O1: a config and manifests', { layers: undefined, manifests: [] }),
  of('O1: fsLayers and manifests', { config: undefined, layers: undefined, fsLayers: [], manifests: [] }, INDEX),
  of('O1: an image sent as an index', {}, INDEX),
  of('O1: an image that says it is one, sent as an index', { manifests: [], config: undefined, layers: undefined }, INDEX),
  of('O1: an index that says it is an image', { mediaType: IMAGE, config: undefined, layers: undefined, manifests: [] }),
  of('O1: an index without manifests', { mediaType: INDEX, config: undefined, layers: undefined }, INDEX),
  of('O1: an image for Docker sent as one of OCI', { mediaType: DOCKER }),
  of('O1: an image of OCI sent as one for Docker', {}, DOCKER),
  of('schema 1', { mediaType: undefined, schemaVersion: 1 }, 'application/vnd.docker.distribution.manifest.v1+prettyjws'),
  of('a schema version of 1', { schemaVersion: 1 }),
  of('a schema version as a text', { schemaVersion: '2' }),
  of('no schema version', { schemaVersion: undefined }),
  of('a mediaType that is a number', { mediaType: 7 }),
  of('a media type of 2,000 characters', { mediaType: `application/${'x'.repeat(2_000)}` }, `application/${'x'.repeat(2_000)}`),
  of('no config', { config: undefined }),
  of('a config that is null', { config: null }),
  of('a config that is a list', { config: [EMPTY] }),
  of('a config without digest', { config: { ...EMPTY, digest: undefined } }),
  of('a config without size', { config: { ...EMPTY, size: undefined } }),
  of('a config without type', { config: { ...EMPTY, mediaType: undefined } }),
  of('layers that are an object', { layers: {} }),
  of('layers that are a text', { layers: 'x' }),
  of('a layer that is null', { layers: [null] }),
  of('a layer that is a text', { layers: [digest] }),
  of('8,193 layers', { layers: Array.from({ length: 8_193 }, () => EMPTY) }),
  of('a digest in upper case', layer({ digest: digest.toUpperCase() })),
  of('a digest that is too short', layer({ digest: digest.slice(0, -1) })),
  of('a digest that is too long', layer({ digest: `${digest}0` })),
  of('a digest by md5', layer({ digest: 'md5:d41d8cd98f00b204e9800998ecf8427e' })),
  of('a digest with a way out', layer({ digest: 'sha256:../../../../etc/passwd' })),
  of('a digest that is a list', layer({ digest: [digest] })),
  of('O3: a digest by sha256 called sha512', layer({ digest: digest.replace('256', '512') })),
  of('a negative size', layer({ size: -1 })),
  of('half a byte', layer({ size: 2.5 })),
  of('a size as a text', layer({ size: '2' })),
  of('a size beyond all numbers', layer({ size: 2 ** 60 })),
  of('a size that is not that of the blob', layer({ size: 3 })),
  of('a subject that is a text', { subject: digest }),
  of('a subject with a bad digest', { subject: { ...EMPTY, digest: 'sha256:x' } }),
  of('a subject without size', { subject: { ...EMPTY, size: undefined } }),
  of('an artifactType that is a number', { artifactType: 7 }),
  of('an artifactType of 2,000 characters', { artifactType: 'x'.repeat(2_000) }),
  of('index: a child that is a text', { mediaType: INDEX, config: undefined, layers: undefined, manifests: [digest] }, INDEX),
  of('index: manifests that are an object', { mediaType: INDEX, config: undefined, layers: undefined, manifests: {} }, INDEX),
  text('P3: a member twice', () => withMember('"schemaVersion":2')),
  text('P3: layers twice', () => withMember('"layers":[]')),
  text('P3: a config twice', () => withMember(`"config":${JSON.stringify(EMPTY)}`)),
  text('P3: a mediaType twice', () => withMember(`"mediaType":"${IMAGE}"`)),
  text('P3: 10,000 deep', () => withMember(`"x":${deep(10_000)}`)),
  text('P3: 1,000,000 deep, from the first byte', () => '['.repeat(1_000_000)),
  text('P3: a comma too many', () => whole.replace(/\}$/, ',}')),
  text('P3: something behind the end', () => `${whole} {}`),
  text('P3: a byte order mark', () => `\ufeff${whole}`),
  text('P3: NUL between members', () => withMember('\0')),
  text('P3: NaN', () => withMember('"x":NaN')),
  text('P3: a control character in a text', () => withMember('"x":"a\u0001b"')),
  text('P3: half an escape', () => withMember('"x":"\\u12"')),
  text('not UTF-8', () => Buffer.concat([Buffer.from('{"x":"'), Buffer.of(0xff, 0xfe), Buffer.from(`",${whole.slice(1)}`)])),
  text('UTF-16', () => Buffer.from(whole, 'utf16le')),
  ...[0.1, 0.5, 0.9].map((part) => text(`cut off at ${part}`, () => whole.slice(0, Math.floor(whole.length * part)))),
  text('a list', () => '[]'),
  text('a text', () => '"x"'),
  text('null', () => 'null'),
  text('a number of a million digits', () => '9'.repeat(1_000_000)),
  text('nothing', () => ''),
  text('no JSON', () => '<html></html>'),
  text('O4: more than 4 MiB', () => JSON.stringify(image({ annotations: { x: 'x'.repeat(4 * 1024 * 1024) } })), 413),
  text('O4: 4 MiB and a byte of blanks', () => Buffer.alloc(4 * 1024 * 1024 + 1, 0x20), 413),
];
