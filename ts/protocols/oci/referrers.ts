import { RegistryError } from '../../errors/registry-error.js';
import { bytesContent, document, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import { utf8 } from '../../lib/bytes.js';
import type { PackageHandle } from '../../packages/package-handle.js';
import { nameUnknown } from './errors.js';
import { nextLink, outerName, pathOf } from './locations.js';
import { annotationsOf, INDEX, manifestFields } from './manifest.js';
import type { Digest } from './names.js';
import type { Manifests } from './read.js';
import { pageSize } from './render.js';
import type { Manifest, OciState } from './state.js';

type ReferrersCall = Call<{ readonly name: string; readonly digest: Digest }, unknown, OciState>;

const MAX_PAGE = 1_000;
/** Clients read at most 4 MiB of an index. */
const MAX_BYTES = 3 * 1024 * 1024;

interface Page {
  readonly descriptors: readonly string[];
  readonly last: string | undefined;
}

/** The tag under which clients keep the list themselves where a registry does not (distribution-spec, referrers tag schema). */
const fallbackTag = ({ algorithm, hex }: Digest): string => `${algorithm}-${hex.slice(0, 64)}`;

/** What refers to a manifest, as an image index (distribution-spec, listing referrers). A subject that is not here has referrers all the same. */
export class Referrers {
  private readonly manifests: Manifests;

  constructor(manifests: Manifests) {
    this.manifests = manifests;
  }

  list = async (call: ReferrersCall): Promise<Reply> => {
    const { name, digest } = call.params;
    // an empty list would tell strangers that this is not one of the repositories that they may not see
    if (!call.principal && call.package.snapshot.state.createdAt === 0) throw nameUnknown(outerName(call, name));
    // one without a type is none: no manifest has an empty one
    const filter = call.query.get('artifactType') || undefined;
    const n = Math.max(1, pageSize(call.query.get('n'), MAX_PAGE));
    const { descriptors, last } = await this.page(call, filter, n);
    const body = `{"schemaVersion":2,"mediaType":"${INDEX}","manifests":[${descriptors.join(',')}]}`;
    const path = pathOf(call, name, `/referrers/${digest.text}`);
    return document(bytesContent(utf8(body), INDEX), 'revalidate', {
      headers: {
        ...(filter === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
        ...(last === undefined ? {} : { Link: nextLink(path, { artifactType: filter, n: call.query.get('n'), last }) }),
      },
    });
  };

  private async page(call: ReferrersCall, filter: string | undefined, n: number): Promise<Page> {
    const { state } = call.package.snapshot;
    const after = call.query.get('last');
    const digests = [...this.referring(call)]
      .filter((digest) => after === undefined || digest > after)
      .filter((digest) => filter === undefined || state.manifests.get(digest)?.artifactType === filter)
      .sort();
    const descriptors: string[] = [];
    let bytes = 0;
    for (const [at, digest] of digests.entries()) {
      const manifest = state.manifests.get(digest);
      if (!manifest || !(await this.isAdmitted(call, digest, manifest))) continue;
      const text = JSON.stringify(await this.descriptor(call.package, digest, manifest));
      bytes += Buffer.byteLength(text);
      if (descriptors.length > 0 && (descriptors.length >= n || bytes > MAX_BYTES)) return { descriptors, last: digests[at - 1] };
      descriptors.push(text);
    }
    return { descriptors, last: undefined };
  }

  /** What a host refuses is not spoken of: annotations are a part of it, and one that is refused must not cost the others. */
  private async isAdmitted(call: ReferrersCall, digest: string, manifest: Manifest): Promise<boolean> {
    if (!call.package.gated) return true;
    call.progress();
    try {
      await this.manifests.content(call.package, digest, manifest).admit?.(call.signal);
      return true;
    } catch (error) {
      if (error instanceof RegistryError && error.kind === 'forbidden') return false;
      throw error;
    }
  }

  /** Those that name this subject, and those that an index lists which a client of an older registry has pushed under the fallback tag. */
  private referring({ package: handle, params: { digest } }: ReferrersCall): ReadonlySet<string> {
    const { state } = handle.snapshot;
    const own = new Set(state.referrers.get(digest.text)?.keys() ?? []);
    const tagged = state.tags.get(fallbackTag(digest));
    const index = tagged === undefined ? undefined : state.manifests.get(tagged);
    if (tagged === undefined || index?.mediaType !== INDEX) return own;
    // what names another subject was listed by mistake
    const listed = index.children.filter((child) => {
      const manifest = state.manifests.get(child);
      return manifest !== undefined && manifest.subject === undefined && child !== digest.text;
    });
    return new Set([...own, ...listed]);
  }

  private async descriptor(handle: PackageHandle<OciState>, digest: string, manifest: Manifest): Promise<object> {
    const { mediaType, size, artifactType, subject } = manifest;
    const annotations =
      manifest.annotations === null || subject === undefined
        ? annotationsOf(await manifestFields(await this.manifests.bytes(handle, digest, manifest)))
        : manifest.annotations;
    return {
      mediaType,
      size,
      digest,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    };
  }
}
