import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

/** What stands for content in manifests. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest or an index with everything below it. */
export interface Image {
  readonly digest: string;
  readonly descriptor: Descriptor;
  readonly manifest: Buffer;
  /** All bytes by digest: the manifest's own, its children's, configurations and layers. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** Digests of the layers of the first image. */
  readonly layers: readonly string[];
}

export interface ImageOptions {
  readonly architecture?: string;
  /** What the layers' files hold: a layer each. */
  readonly layers?: readonly (string | Buffer)[];
  readonly annotations?: Readonly<Record<string, string>>;
}

const OCI = 'application/vnd.oci.image';

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Content that no other test has, and that gzip makes no smaller. */
export const unique = (bytes = 2_048): Buffer => randomBytes(bytes);

/** A tar archive with one file. */
async function archive(name: string, content: string | Buffer): Promise<Buffer> {
  const made = pack();
  made.entry({ name, mode: 0o644, mtime: new Date(0) }, content);
  made.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of made) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** An image that a container engine can unpack. */
export async function makeImage(options: ImageOptions = {}): Promise<Image> {
  const { architecture = 'amd64', layers = [unique()], annotations } = options;
  const archives = await Promise.all(layers.map((content, at) => archive(`layer-${at}`, content)));
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      config: { Cmd: ['/layer-0'] },
      rootfs: { type: 'layers', diff_ids: archives.map(digestOf) },
    }),
  );
  const blobs = new Map<string, Buffer>();
  const add = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: add(`${OCI}.config.v1+json`, config),
    layers: archives.map((bytes) => add(`${OCI}.layer.v1.tar+gzip`, gzipSync(bytes, { level: 1 }))),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor = { ...add(manifest.mediaType, bytes), platform: { os: 'linux', architecture } };
  return { digest: descriptor.digest, descriptor, manifest: bytes, blobs, layers: manifest.layers.map(({ digest }) => digest) };
}

/** One index over images of several architectures. */
export function makeIndex(images: readonly Image[]): Image {
  const mediaType = `${OCI}.index.v1+json`;
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, manifests: images.map(({ descriptor }) => descriptor) }),
  );
  const digest = digestOf(manifest);
  const blobs = new Map([...images.flatMap((image) => [...image.blobs]), [digest, manifest]]);
  return {
    digest,
    descriptor: { mediaType, digest, size: manifest.length },
    manifest,
    blobs,
    layers: images[0]?.layers ?? [],
  };
}

/** Writes a folder in the OCI image layout, each image under its tag. Returns the folder. */
export function writeLayout(folder: string, images: Readonly<Record<string, Image>>): string {
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true });
  for (const { blobs } of Object.values(images))
    for (const [digest, bytes] of blobs) writeFileSync(join(folder, 'blobs', ...digest.split(':')), bytes);
  const manifests = Object.entries(images).map(([tag, { descriptor }]) => ({
    ...descriptor,
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }));
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests }));
  return folder;
}
