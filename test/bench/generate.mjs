/*
 * Writes registries of any size straight into a folder: log entries, objects, feed and checkpoints, with the library's own encodings and keys.
 *   node test/bench/generate.mjs DIST FOLDER COUNT
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { digestsOf, manifestOf, tarballOf } from './package.mjs';

export const REPOSITORY = 'npm';
/** The first administrator's token, wherever a server is started. */
export const ADMIN_TOKEN = randomBytes(32).toString('base64url');
const FIRST = Date.UTC(2024, 0, 1);
const FEED_BATCH = 500;

/** The library's inner parts, from what was built. */
export async function partsOf(dist) {
  const load = (path) => import(pathToFileURL(join(dist, path)).href);
  const parts = await Promise.all(
    [
      'index.js',
      'lib/clock.js',
      'lib/ids.js',
      'log/entry.js',
      'log/feed.js',
      'log/fold.js',
      'log/checkpoint.js',
      'packages/changes.js',
      'protocols/npm/codec.js',
      'protocols/npm/manifest.js',
      'protocols/oci/changes.js',
      'protocols/oci/fold.js',
      'storage/key.js',
      'storage/drivers/filesystem.js',
      'storage/drivers/memory.js',
      'storage/drivers/s3.js',
    ].map(load),
  );
  return Object.assign({}, ...parts);
}

/** Opens a registry on the folder once, as a first start does, and answers the administrator's user id. */
export async function firstStart(lib, folder) {
  const registry = new lib.SmartRegistry({
    storage: { driver: 'filesystem', root: folder },
    auth: { adminToken: ADMIN_TOKEN },
    npm: { enabled: true },
  });
  await registry.init();
  const { userId } = (await registry.getAuthManager().identify(
    { get: (name) => (name === 'authorization' ? `Bearer ${ADMIN_TOKEN}` : undefined) },
    {
      protocol: 'npm',
      repository: REPOSITORY,
      address: undefined,
      signal: new AbortController().signal,
    },
  )) ?? { userId: undefined };
  await registry.destroy();
  if (userId === undefined) throw new Error('no administrator');
  return userId;
}

/** Fills one repository of a folder; call `finish` at the end. */
export class Generator {
  constructor(lib, folder, by, repository = REPOSITORY) {
    this.repository = repository;
    this.lib = lib;
    this.folder = folder;
    this.by = by;
    this.items = [];
    this.at = FIRST;
    this.objects = 0;
  }

  write(key, bytes) {
    const path = join(this.folder, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  }

  freshKey(pkg) {
    this.objects += 1;
    return this.lib.objectKey(
      this.repository,
      pkg,
      this.at,
      String(this.objects)
        .padStart(26, 'a')
        .replace(/[0189]/g, (digit) => 'abcd'['0189'.indexOf(digit)]),
    );
  }

  /** An object with its own key; `file`: bytes that are there already under another name. */
  object(pkg, { bytes, file }) {
    const key = this.freshKey(pkg);
    if (file === undefined) return { key, path: this.write(key, bytes) };
    const path = join(this.folder, key);
    mkdirSync(dirname(path), { recursive: true });
    linkSync(file, path);
    return { key, path };
  }

  /** The next entry of a log, as its writer would have left it; the state behind it. */
  entry(schema, snapshot, slot, name, changes) {
    const { lib } = this;
    const n = snapshot.position;
    const bytes = lib.encodeEntry({
      n,
      prev: snapshot.head,
      id: lib.randomId(lib.systemRuntime.random),
      at: this.at,
      salt: lib.systemRuntime.random.bytes(16),
      markers: [],
      ...(n === 0 ? { name } : {}),
      changes: changes.map((change) => ({ ...change, at: this.at })),
    });
    this.write(slot, bytes);
    const next = lib.foldEntry(schema, snapshot, lib.decodeEntry(bytes, n), lib.NOTHING_ERASED);
    if (next.broken !== undefined) throw new Error(next.broken);
    return next;
  }

  /**
   * A package with these versions, one entry each, as publishing them would have left it. `tarball`: of one version; default: a small one, made once and
   * linked everywhere (each package has its own key). `checkpoint`: also the folded state, as a server leaves it behind.
   */
  async package(name, versions, { seed = 0, checkpoint = false, tarball } = {}) {
    const { lib, by } = this;
    const pkg = lib.packageKey(name);
    let snapshot = lib.emptySnapshot(lib.npmSchema, name, pkg);
    for (const [n, version] of versions.entries()) {
      this.at += 1;
      const manifest = manifestOf(name, version, seed);
      const packed = tarball ?? this.sharedTarball();
      const { key, path } = this.object(pkg, packed);
      if (packed.file === undefined) packed.file = path;
      const text = lib.composeManifest(
        { full: name, bare: name },
        version,
        { ...manifest, _id: `${name}@${version}` },
        { manifest, hasShrinkwrap: false, hasBindingGyp: false },
      );
      const { digests, fileCount, unpackedSize } = packed;
      const change = lib.publishChange(by, {
        version,
        manifest: text,
        files: [
          {
            name: `${name}-${version}.tgz`,
            size: packed.size ?? packed.bytes.length,
            digests,
            key,
            data: { fileCount, unpackedSize },
          },
        ],
        tags: { latest: version },
        data: { readme: `# ${name}\n\n${manifest.description}\n`, readmeFilename: 'README.md' },
      });
      snapshot = this.entry(lib.npmSchema, snapshot, lib.logSlot(this.repository, pkg, n), name, [change]);
    }
    if (checkpoint) await this.checkpoint(lib.npmSchema, snapshot, (part) => lib.checkpointKey(this.repository, pkg, part));
    this.items.push({ key: pkg, identity: name, to: snapshot.position, summary: lib.npmSchema.summarise(snapshot.state) });
    return snapshot;
  }

  sharedTarball() {
    // ext4 gives one file at most 65,000 names.
    if (!this.shared || this.objects % 50_000 === 0) this.shared = tarballOf(manifestOf('shared', '1.0.0'));
    return this.shared;
  }

  async checkpoint(schema, snapshot, keyOf) {
    const driver = { name: 'generator', write: async (key, bytes) => this.write(key, bytes) && 'written' };
    await new this.lib.Checkpoints(this.lib.systemRuntime.clock, driver, schema, keyOf).write(snapshot, this.lib.NO_CHECKPOINT);
  }

  /** The feed with all packages, and its checkpoint. */
  async finish() {
    const { lib, repository } = this;
    let snapshot = lib.emptySnapshot(lib.feedSchema, repository, repository);
    for (let from = 0; from < this.items.length; from += FEED_BATCH) {
      const changes = this.items.slice(from, from + FEED_BATCH).map((item) => lib.fedChange(item, 0));
      snapshot = this.entry(lib.feedSchema, snapshot, lib.feedSlot(repository, snapshot.position), repository, changes);
    }
    await this.checkpoint(lib.feedSchema, snapshot, (part) => lib.feedCheckpointKey(repository, part));
  }
}

/** Versions 1.0.0, 1.1.0, … */
export const versionsOf = (count) => Array.from({ length: count }, (_, n) => `1.${n}.0`);

/** A tarball of this many bytes, written piece by piece: nothing in it is ever unpacked when it is served. */
export function largeTarball(path, size) {
  const piece = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < piece.length; at += 4) piece.writeUInt32LE((at * 2654435761) >>> 0, at);
  const file = openSync(path, 'w');
  for (let done = 0; done < size; done += piece.length) writeSync(file, piece);
  fsyncSync(file);
  closeSync(file);
  // The server does not hash what it serves.
  return { file: path, size, digests: digestsOf(Buffer.from(path)), fileCount: 1, unpackedSize: size };
}

export const SMALL = 'bench-small';
export const LARGE = 'bench-thousand';
export const HUGE = 'bench-huge';
/** One version less than a thousand: for those who publish the next ones. */
export const GROWING = 'bench-growing';
export const GIB = 1024 * 1024 * 1024;

/** The registry that all tables are measured on: `count` packages of one version, and the special ones. */
export async function generate(dist, folder, count, { huge = true } = {}) {
  mkdirSync(folder, { recursive: true });
  const lib = await partsOf(dist);
  const made = new Generator(lib, folder, await firstStart(lib, folder));
  // A registry that was ever published to has it.
  mkdirSync(join(folder, 'pending', REPOSITORY), { recursive: true });
  await made.package(SMALL, ['1.0.0', '1.1.0', '1.2.0', '2.0.0'], { checkpoint: true });
  await made.package(LARGE, versionsOf(1000), { checkpoint: true });
  await made.package(GROWING, versionsOf(999), { checkpoint: true });
  if (huge) await made.package(HUGE, ['1.0.0'], { tarball: largeTarball(join(folder, 'objects', 'huge'), GIB) });
  for (let n = 0; n < count; n += 1) await made.package(`pkg-${n}`, ['1.0.0'], { seed: n });
  await made.finish();
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [dist, folder, count] = process.argv.slice(2);
  await generate(dist, folder, Number(count), { huge: false });
}
