import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { firstStart, Generator, partsOf } from './generate.mjs';

export const IMAGES = 'oci';
export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
/** Manifests of one entry: it stays below its mebibyte. */
const BATCH = 400;
const LAYERS = 100;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** The text of an image's manifest. */
export const imageManifest = (config, layer, annotations) =>
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, ...config },
    layers: [{ mediaType: LAYER, ...layer }],
    ...(annotations === undefined ? {} : { annotations }),
  });

/** What `name` must hold for a manifest of `imageManifest` to be taken. */
export const sharedBlob = (name) => {
  const bytes = Buffer.from(`{"shared":"${name}"}`);
  return { digest: `sha256:${sha256(bytes)}`, size: bytes.length };
};

/** An image repository of `count` manifests, each with its own configuration, one of a hundred layers and a tag. Layers and configurations have no bytes. */
async function imageRepository(made, name, count) {
  const { lib, by } = made;
  const pkg = lib.packageKey(name);
  let snapshot = lib.emptySnapshot(lib.ociSchema, name, pkg);
  const commit = (changes) => {
    made.at += 1;
    snapshot = made.entry(lib.ociSchema, snapshot, lib.logSlot(IMAGES, pkg, snapshot.position), name, changes);
  };
  const blob = (text) => {
    const bytes = Buffer.from(text);
    const hex = sha256(bytes);
    return { digest: `sha256:${hex}`, key: made.freshKey(pkg), size: bytes.length, sha256: hex };
  };
  const layers = Array.from({ length: LAYERS }, (_, n) => blob(`layer ${n} of ${name}`));
  commit([...layers, blob(`{"shared":"${name}"}`)].map((one) => lib.blobChange(by, one)));
  for (let from = 0; from < count; from += BATCH) {
    const changes = [];
    for (let n = from; n < Math.min(count, from + BATCH); n += 1) {
      const config = blob(`{"config":${n}}`);
      const layer = layers[n % LAYERS];
      const bytes = Buffer.from(
        imageManifest({ digest: config.digest, size: config.size }, { digest: layer.digest, size: layer.size }),
      );
      const hex = sha256(bytes);
      const { key } = made.object(pkg, { bytes });
      const manifest = { digest: `sha256:${hex}`, key, size: bytes.length, sha256: hex, mediaType: MANIFEST, children: [] };
      const blobs = [config.digest, layer.digest];
      changes.push(lib.blobChange(by, config), lib.manifestChange(by, { ...manifest, blobs }));
      changes.push(lib.tagChange(by, `v${String(n).padStart(6, '0')}`, manifest.digest));
    }
    commit(changes);
  }
  await made.checkpoint(lib.ociSchema, snapshot, (part) => lib.checkpointKey(IMAGES, pkg, part));
  made.items.push({ key: pkg, identity: name, to: snapshot.position, summary: lib.ociSchema.summarise(snapshot.state) });
}

/** A folder whose container registry has these repositories: names to numbers of manifests. */
export async function generateImages(dist, folder, repositories) {
  mkdirSync(folder, { recursive: true });
  const lib = await partsOf(dist);
  const made = new Generator(lib, folder, await firstStart(lib, folder), IMAGES);
  mkdirSync(join(folder, 'pending', IMAGES), { recursive: true });
  for (const [name, count] of Object.entries(repositories)) await imageRepository(made, name, count);
  await made.finish();
}
