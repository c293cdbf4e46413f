import { type RegistryError, unavailable } from '../errors/registry-error.js';
import type { Content } from '../lib/content.js';
import type { Snapshot } from '../log/schema.js';
import { UpstreamFailure } from '../upstream/ask.js';
import type { Complaints } from '../upstream/complaints.js';
import type { UpstreamDocuments } from '../upstream/documents.js';
import type { Upstreams } from '../upstream/upstreams.js';
import { Handle } from './handle.js';
import type { Caller, PackageHandle, StoredFile } from './package-handle.js';
import type { Elsewhere, RepositoryParts } from './repository.js';
import { isHosted } from './shown.js';
import type { AnyPackage } from './upstream-format.js';
import type { UpstreamAsker, UpstreamPackage, UpstreamPackages } from './upstream-packages.js';

type Parts = RepositoryParts<AnyPackage>;

/** Reads what an upstream has, like any other package. What changes a package opens it as one that is not there: the first publish makes the name ours. */
class UpstreamHandle extends Handle<AnyPackage> {
  readonly staleFor: number | undefined;
  private readonly packages: UpstreamPackages;
  private readonly found: UpstreamPackage;
  private readonly hosted: Snapshot<AnyPackage>;
  /** Files as the document has them, by the keys of their copies. */
  private readonly origins = new Map<string, StoredFile>();

  constructor(
    parts: Parts,
    name: string,
    caller: Caller,
    from: { packages: UpstreamPackages; found: UpstreamPackage; hosted: Snapshot<AnyPackage> },
  ) {
    super(parts, name, caller, from.found.snapshot, 'read');
    this.packages = from.packages;
    this.found = from.found;
    this.hosted = from.hosted;
    this.staleFor = from.found.staleFor;
  }

  override async readStrong(): Promise<Snapshot<AnyPackage>> {
    const now = await this.packages.find(this.hosted, this.name, { ...askerOf(this.caller), strong: true });
    return now?.snapshot ?? this.hosted;
  }

  override isForAll(): Promise<boolean> {
    return this.packages.isForAll(this.name, askerOf(this.caller));
  }

  override async here(file: StoredFile): Promise<StoredFile> {
    // what the host refuses is not fetched; once its bytes are here it is asked about those
    if (this.gated && !(await this.packages.isHere(this.found, file, this.caller.signal)))
      await this.admit({ ...file, digests: shownDigests(file) });
    const stored = await this.packages.here(this.found, file, askerOf(this.caller));
    this.origins.set(stored.key, file);
    return stored;
  }

  /** Copies may be deleted at any time: one that has gone since is fetched anew. */
  override content(stored: StoredFile, mediaType: string): Content {
    const file = this.origins.get(stored.key) ?? stored;
    const again = (): Promise<StoredFile> => this.packages.anew(this.found, file, stored.key, askerOf(this.caller));
    const gone = async (): Promise<RegistryError> => unavailable('the copy of this file has just been deleted');
    return super.content(stored, mediaType, gone, again);
  }
}

/** A document says no sha256. */
const shownDigests = ({ digests }: StoredFile): StoredFile['digests'] =>
  Object.fromEntries(Object.entries(digests).filter(([, digest]) => digest !== '')) as StoredFile['digests'];

const askerOf = (caller: Caller): UpstreamAsker => ({
  userId: caller.principal?.userId,
  signal: caller.signal,
  progress: () => caller.progress?.(),
});

export interface UpstreamSourceParts {
  readonly packages: UpstreamPackages;
  readonly documents: UpstreamDocuments<AnyPackage>;
  /** Documents that are about no package. */
  readonly small: UpstreamDocuments<Uint8Array>;
  readonly upstreams: Upstreams;
  readonly complaints: Complaints;
}

const SMALL = 256 * 1024;

/** What was never published here, from upstreams. */
export class UpstreamSource implements Elsewhere<AnyPackage> {
  private readonly packages: UpstreamPackages;
  private readonly large: UpstreamDocuments<AnyPackage>;
  private readonly small: UpstreamDocuments<Uint8Array>;
  private readonly upstreams: Upstreams;
  private readonly complaints: Complaints;

  constructor(parts: UpstreamSourceParts) {
    this.packages = parts.packages;
    this.large = parts.documents;
    this.small = parts.small;
    this.upstreams = parts.upstreams;
    this.complaints = parts.complaints;
  }

  async open(
    parts: Parts,
    name: string,
    caller: Caller,
    hosted: Snapshot<AnyPackage>,
  ): Promise<PackageHandle<AnyPackage> | undefined> {
    if (isHosted(hosted.state)) return undefined;
    const found = await this.packages.find(hosted, name, askerOf(caller));
    return found && new UpstreamHandle(parts, name, caller, { packages: this.packages, found, hosted });
  }

  async documents(target: string, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const asked = (await this.upstreams.all()).map(({ id, ask, cache }) =>
      this.small.get(
        {
          place: { upstream: id, pkg: '-', what: target },
          ask,
          target,
          accept: 'application/json',
          max: SMALL,
          cache,
          read: (bytes) => Promise.resolve(bytes),
          weigh: ({ byteLength }) => byteLength,
        },
        { signal },
      ),
    );
    const found = [];
    for (const answer of await Promise.allSettled(asked)) {
      if (answer.status === 'fulfilled') found.push(...(answer.value ? [answer.value.value] : []));
      else if (!(answer.reason instanceof UpstreamFailure)) throw answer.reason;
    }
    return found;
  }

  /** What goes on behind answers is not waited for as long as an upstream may take. */
  async close(): Promise<void> {
    this.complaints.end();
    this.upstreams.close();
    await Promise.all([this.large.settled(), this.small.settled()]);
  }
}
