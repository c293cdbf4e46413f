import { RegistryError } from '../../errors/registry-error.js';
import { ByteLru } from '../../lib/byte-lru.js';
import type { Runtime } from '../../lib/clock.js';
import type { Content } from '../../lib/content.js';
import { streamToBuffer } from '../../lib/streams.js';
import type { PackageHandle } from '../../packages/package-handle.js';
import { DocumentCache } from './documents.js';
import { parseName } from './names.js';
import { type RenderInput, renderAbbreviated, renderFull, renderVersion } from './render.js';
import {
  exists,
  liveReleases,
  type NpmRelease,
  type NpmSnapshot,
  type NpmState,
  type Person,
  README,
  representative,
  revisionOf,
} from './state.js';

/** Public names of user ids. Ids that nobody has any more are left out. */
export type People = (userIds: ReadonlySet<string>) => Promise<ReadonlyMap<string, Person>>;

export interface ViewOptions {
  /** Bytes for rendered documents and large manifests. */
  readonly cacheBytes: number;
  readonly people: People;
  readonly runtime: Runtime;
}

type Handle = PackageHandle<NpmState>;

/** How long a document shows a name or an address that its owner has changed since. */
const PEOPLE_KEPT_MS = 600_000;
const LOADS_AT_ONCE = 16;
const MAX_LOADED = 16 * 1024 * 1024;

export const noPackage = (): RegistryError => new RegistryError('not_found', 'Not found');

/** The snapshot of a package that exists. Throws `not_found`. */
export function present(snapshot: NpmSnapshot): NpmSnapshot {
  if (!exists(snapshot.state)) throw noPackage();
  return snapshot;
}

/** A package's documents, rendered once per change and form. */
export class PackageViews {
  private readonly documents: DocumentCache;
  private readonly manifests: ByteLru<string, Uint8Array>;
  private readonly people: People;
  private readonly runtime: Runtime;

  constructor({ cacheBytes, people, runtime }: ViewOptions) {
    this.documents = new DocumentCache(Math.floor(cacheBytes * 0.75));
    this.manifests = new ByteLru(Math.floor(cacheBytes * 0.25));
    this.people = people;
    this.runtime = runtime;
  }

  full(handle: Handle, baseUrl: string): Promise<Content> {
    const { state } = present(handle.snapshot);
    return this.view(handle, baseUrl, 'full', 'application/json', async () => {
      const readme = state.data.readme ?? (await this.storedReadme(handle));
      return renderFull(
        await this.input(handle, baseUrl, [...liveReleases(state)], [...state.owners, ...state.data.stars], readme),
      );
    });
  }

  abbreviated(handle: Handle, baseUrl: string): Promise<Content> {
    const { state } = present(handle.snapshot);
    return this.view(handle, baseUrl, 'abbreviated', 'application/vnd.npm.install-v1+json', async () =>
      renderAbbreviated(await this.input(handle, baseUrl, [...liveReleases(state)], undefined)),
    );
  }

  version(handle: Handle, baseUrl: string, release: NpmRelease): Promise<Content> {
    return this.view(handle, baseUrl, `version/${release.version}`, 'application/json', async () =>
      renderVersion(await this.input(handle, baseUrl, [release], handle.snapshot.state.owners), release),
    );
  }

  private view(
    handle: Handle,
    baseUrl: string,
    form: string,
    mediaType: string,
    render: () => Promise<Uint8Array>,
  ): Promise<Content> {
    const { key, position, head } = handle.snapshot;
    const period = Math.floor(this.runtime.clock.now() / PEOPLE_KEPT_MS);
    return this.documents.content([key, position, head, form, period, baseUrl].join('\n'), mediaType, render);
  }

  /** `others`: users that the document names beside the publishers; undefined: it names nobody. */
  private async input(
    handle: Handle,
    baseUrl: string,
    releases: readonly NpmRelease[],
    others: readonly string[] | undefined,
    readme?: string,
  ): Promise<RenderInput> {
    const { snapshot } = handle;
    const users = new Set(others === undefined ? [] : [...others, ...releases.map(({ publishedBy }) => publishedBy)]);
    // releases of an upstream were published by nobody here
    users.delete('');
    const [loaded, people] = await Promise.all([
      this.loadAll(handle, releases),
      users.size > 0 ? this.people(users) : new Map<string, Person>(),
    ]);
    return {
      name: parseName(handle.name),
      state: snapshot.state,
      rev: revisionOf(snapshot),
      baseUrl,
      manifest: (release) => manifestOf(release, loaded),
      person: (userId) => people.get(userId) ?? { name: userId, email: '' },
      readme,
    };
  }

  /** Manifests too large for the state, from cache or storage, a few at a time. */
  private async loadAll(handle: Handle, releases: readonly NpmRelease[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const loaded = new Map<string, Uint8Array>();
    const wanted = releases.flatMap(({ manifest }) => (manifest && 'key' in manifest ? [manifest] : [])).values();
    const worker = async (): Promise<void> => {
      for (const { key, size, sha256 } of wanted) {
        const bytes =
          this.manifests.get(key) ?? (await read(handle.content({ key, size, digests: { sha256 } }, 'application/json')));
        this.manifests.set(key, bytes, bytes.byteLength);
        loaded.set(key, bytes);
      }
    };
    await Promise.all(Array.from({ length: LOADS_AT_ONCE }, worker));
    return loaded;
  }

  private async storedReadme(handle: Handle): Promise<string | undefined> {
    const release = representative(handle.snapshot.state);
    const stored = release?.files.find(({ name }) => name === README);
    if (!stored) return undefined;
    return Buffer.from(
      await read(handle.content({ key: stored.key, size: stored.size, digests: stored.digests }, 'text/markdown')),
    ).toString('utf8');
  }
}

async function read(content: Content): Promise<Uint8Array> {
  const opened = await content.open();
  return opened instanceof Uint8Array ? opened : streamToBuffer(opened, { limit: MAX_LOADED });
}

function manifestOf({ manifest, version }: NpmRelease, loaded: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const bytes = manifest && ('bytes' in manifest ? manifest.bytes : loaded.get(manifest.key));
  if (!bytes) throw new RegistryError('internal', `the manifest of ${version} is missing`);
  return bytes;
}
