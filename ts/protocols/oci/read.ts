import { RegistryError } from '../../errors/registry-error.js';
import { document, json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import { ByteLru } from '../../lib/byte-lru.js';
import type { Content } from '../../lib/content.js';
import { Hasher } from '../../lib/digest.js';
import { streamToBuffer } from '../../lib/streams.js';
import type { PackageHandle } from '../../packages/package-handle.js';
import { manifestUnknown, nameUnknown } from './errors.js';
import { MAX_MANIFEST } from './limits.js';
import { outerName, pathOf } from './locations.js';
import { digestOf, type Reference } from './names.js';
import { linked, pageOfTags } from './render.js';
import type { Manifest, OciState } from './state.js';

type Handle = PackageHandle<OciState>;
type Named<B = unknown> = Call<{ readonly name: string }, B, OciState>;
type ManifestCall = Call<{ readonly name: string; readonly reference: Reference }, unknown, OciState>;

/** Manifests in memory by their digests: under a digest there is only ever one. Whether a caller may see it, the log says each time. */
export class Manifests {
  private readonly kept: ByteLru<string, Uint8Array>;

  /** @param cacheBytes for manifests in memory */
  constructor(cacheBytes: number) {
    this.kept = new ByteLru(cacheBytes);
  }

  /** The very bytes that were pushed; `open` throws `internal` for any others. Hooks are asked each time, whatever is kept. */
  content(handle: Handle, digest: string, manifest: Manifest): Content {
    const { mediaType, size } = manifest;
    const kept = handle.gated ? undefined : this.kept.get(digest);
    if (kept) return { size, mediaType, etag: digest, inMemory: true, open: async () => kept };
    const stored = storedManifest(handle, digest, manifest);
    return {
      size,
      mediaType,
      etag: digest,
      ...(stored.admit ? { admit: stored.admit } : {}),
      open: async (_range, signal) => this.read(stored, digest, signal),
    };
  }

  async bytes(handle: Handle, digest: string, manifest: Manifest, signal?: AbortSignal): Promise<Uint8Array> {
    const known = handle.gated ? undefined : this.kept.get(digest);
    return known ?? this.read(storedManifest(handle, digest, manifest), digest, signal);
  }

  private async read(stored: Content, digest: string, signal?: AbortSignal): Promise<Uint8Array> {
    const opened = await stored.open(undefined, signal);
    const bytes = opened instanceof Uint8Array ? opened : await streamToBuffer(opened, { limit: MAX_MANIFEST });
    if (!isDigestOf(digest, bytes)) throw new RegistryError('internal', `${digest}: stored bytes have another digest`);
    this.kept.set(digest, bytes, bytes.byteLength + 256);
    return bytes;
  }
}

const storedManifest = (handle: Handle, digest: string, { key, size, sha256, mediaType }: Manifest): Content =>
  handle.content({ key, size, digests: { sha256 }, name: digest, version: digest }, mediaType, async () =>
    (await handle.readStrong()).state.manifests.get(digest)?.key === key ? undefined : manifestUnknown(digest),
  );

function isDigestOf(digest: string, bytes: Uint8Array): boolean {
  const parsed = digestOf(digest);
  if (!parsed) return false;
  const hasher = new Hasher([parsed.algorithm]);
  hasher.update(bytes);
  return hasher.digests()[parsed.algorithm] === parsed.hex;
}

const resolve = (state: OciState, { tag, digest }: Reference): string | undefined =>
  tag === undefined ? digest.text : state.tags.get(tag);

/** Handlers that answer what is here. */
export class Reads {
  private readonly manifests: Manifests;

  constructor(manifests: Manifests) {
    this.manifests = manifests;
  }

  /** The bytes and the type that were pushed, whatever Accept says: a conversion would be another manifest. */
  manifest = async (call: ManifestCall): Promise<Reply> => {
    const { reference } = call.params;
    const found = find(call.package.snapshot.state, reference) ?? find((await call.package.readStrong()).state, reference);
    if (!found) throw manifestUnknown(reference.tag ?? reference.digest.text);
    const content = this.manifests.content(call.package, found.digest, found.manifest);
    return document(content, reference.tag === undefined ? 'immutable' : 'revalidate', {
      headers: { 'Docker-Content-Digest': found.digest },
    });
  };

  tags = async (call: Named): Promise<Reply> => {
    const { name } = call.params;
    const { state } = call.package.snapshot;
    if (state.createdAt === 0) throw nameUnknown(outerName(call, name));
    const { items, next } = pageOfTags(state.tags, call.query);
    const path = pathOf(call, name, '/tags/list');
    return json({ name: outerName(call, name), tags: items }, 'revalidate', linked(path, next));
  };
}

function find(state: OciState, reference: Reference): { readonly digest: string; readonly manifest: Manifest } | undefined {
  const digest = resolve(state, reference);
  const manifest = digest === undefined ? undefined : state.manifests.get(digest);
  return digest === undefined || !manifest ? undefined : { digest, manifest };
}
