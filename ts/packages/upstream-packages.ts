import { notFound } from '../errors/registry-error.js';
import type { Clock } from '../lib/clock.js';
import { sha256Hex } from '../lib/digest.js';
import type { LogSpace, Snapshot } from '../log/schema.js';
import { type Ask, UpstreamFailure } from '../upstream/ask.js';
import type { Copies, Place } from '../upstream/copies.js';
import { type Found, moving, type UpstreamDocuments, type Wanted } from '../upstream/documents.js';
import { Flights, type Waiting } from '../upstream/flights.js';
import type { ChosenUpstream, Upstreams } from '../upstream/upstreams.js';
import { shownChange } from './changes.js';
import type { FaultListener } from './hook-runner.js';
import type { StoredFile } from './package-handle.js';
import { differs, pinned, unseen } from './shown.js';
import type { AnyPackage, UpstreamFormat } from './upstream-format.js';

export interface UpstreamPackagesParts {
  readonly upstreams: Upstreams;
  readonly format: UpstreamFormat<AnyPackage>;
  readonly documents: UpstreamDocuments<AnyPackage>;
  readonly copies: Copies;
  /** Where what was seen is written down. */
  readonly space: LogSpace<AnyPackage>;
  /** True for names that belong to somebody here although nothing was published: no upstream is told of them. */
  isOurs(name: string): Promise<boolean>;
  readonly onFault: FaultListener;
  onFailure(upstream: string, failure: UpstreamFailure): void;
  readonly clock: Clock;
}

/** Who asks, and for what. */
export interface UpstreamAsker extends Waiting {
  readonly userId: string | undefined;
  /** As it is now: the state must not be older than some seconds. */
  readonly strong?: boolean;
}

/** A package of an upstream. */
export interface UpstreamPackage {
  readonly upstream: string;
  readonly ask: Ask;
  readonly snapshot: Snapshot<AnyPackage>;
  /** Milliseconds since it was confirmed, where the upstream fails now. */
  readonly staleFor: number | undefined;
}

interface Merged {
  /** Of the hosted log that it was made with. */
  readonly head: string | null;
  readonly snapshot: Snapshot<AnyPackage>;
  /** Until when, by the clock that never runs backwards. What could not be written down is tried again. */
  readonly until: number;
}

/** Bytes of JSON that one change may say is new: half of what an entry may have. */
const SHOWN_AT_ONCE = 512 * 1024;
/** A "no" by exact name is not older than this. */
const STRONG_MS = 5_000;
/** So long a store that takes nothing is left alone. */
const UNRECORDED_MS = 5_000;

/** Packages that are published elsewhere, as states of the same kind as those published here. */
export class UpstreamPackages {
  private readonly parts: UpstreamPackagesParts;
  private readonly fetches = new Flights<StoredFile>();
  private readonly merged = new WeakMap<AnyPackage, Merged>();

  constructor(parts: UpstreamPackagesParts) {
    this.parts = parts;
  }

  /**
   * The package of the first upstream that has it; once one had a name, no other is asked for it as long as that one may be. Undefined: none has it. Throws
   * where one that might have it does not say: a name never falls through to the next because of a failure.
   */
  async find(hosted: Snapshot<AnyPackage>, name: string, who: UpstreamAsker): Promise<UpstreamPackage | undefined> {
    for (const upstream of await this.candidates(hosted, name, who)) {
      const found = await this.parts.documents.get(this.wanted(upstream, hosted.key, name), {
        ...who,
        ...(who.strong ? { notOlderThan: STRONG_MS } : {}),
      });
      if (!found) continue;
      const { id, ask } = upstream;
      return { upstream: id, ask, snapshot: await this.snapshot(hosted, name, id, found), staleFor: found.staleFor };
    }
    return undefined;
  }

  /** Whether anonymous callers are sent to the same upstreams for this name. */
  async isForAll(name: string, { userId }: UpstreamAsker): Promise<boolean> {
    if (userId === undefined) return true;
    const idsFor = async (user: string | undefined): Promise<string> =>
      (await this.parts.upstreams.chosen(name, user)).map(({ id }) => id).join();
    try {
      return (await idsFor(userId)) === (await idsFor(undefined));
    } catch {
      // the operator has been told; who has an answer keeps it
      return false;
    }
  }

  /** Whether a file of it is stored here. */
  async isHere(found: UpstreamPackage, file: StoredFile, signal?: AbortSignal): Promise<boolean> {
    return (await this.parts.copies.find(placeOf(found, file), signal)) !== undefined;
  }

  /** The same as `here`, where the bytes of the copy with this key are missing. */
  async anew(found: UpstreamPackage, file: StoredFile, missing: string, who: Waiting): Promise<StoredFile> {
    await this.parts.copies.lost(placeOf(found, file), missing, who.signal);
    return this.here(found, file, who);
  }

  /** A file of it, stored here: fetched now if it was not. What arrives is looked at before anybody gets it. Throws `not_found`, and `UpstreamFailure`s. */
  async here(found: UpstreamPackage, file: StoredFile, who: Waiting): Promise<StoredFile> {
    const { copies, format } = this.parts;
    const { upstream, ask } = found;
    const place = placeOf(found, file);
    return this.fetches.run(`${upstream}/${place.pkg}/${place.what}`, who, async ({ signal, progress }) => {
      const stored = (await copies.find(place, signal)) ?? (await this.telling(upstream, fetched));
      return { ...file, key: stored.key, size: stored.size, digests: stored.digests };

      async function fetched() {
        const answer = await ask({ target: file.key, max: format.maxFile, as: 'artifact', signal });
        if (answer.kind !== 'content') throw notFound('file');
        const digests = (['sha512', 'sha1', 'md5'] as const).filter((one) => file.digests[one] !== undefined);
        const { etag, lastModified, body } = answer;
        const check = (arrived: Pick<StoredFile, 'digests'>): void => checkDigests(file, arrived);
        const validators = { etag, lastModified };
        return copies.keep(place, moving(body, progress), validators, { max: format.maxFile, digests, check, signal });
      }
    });
  }

  private async telling<R>(upstream: string, work: () => Promise<R>): Promise<R> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof UpstreamFailure) this.parts.onFailure(upstream, error);
      throw error;
    }
  }

  private async candidates(hosted: Snapshot<AnyPackage>, name: string, { userId }: UpstreamAsker) {
    const { upstreams, isOurs } = this.parts;
    const chosen = await upstreams.chosen(name, userId);
    if (chosen.length === 0 || (await isOurs(name))) return [];
    const before = chosen.filter(({ id }) => hosted.state.shown?.has(id));
    return before.length > 0 ? before : chosen;
  }

  private wanted({ id, ask, cache }: ChosenUpstream, pkg: string, name: string): Wanted<AnyPackage> {
    const { format } = this.parts;
    return {
      ...format.document(name),
      place: { upstream: id, pkg, what: 'document' },
      ask,
      cache,
      read: (bytes) => format.read(name, bytes),
      weigh: ({ weight }) => weight,
    };
  }

  private async snapshot(hosted: Snapshot<AnyPackage>, name: string, upstream: string, { value, sha256 }: Found<AnyPackage>) {
    const known = this.merged.get(value);
    const { clock } = this.parts;
    if (known && known.head === hosted.head && clock.monotonic() < known.until) return known.snapshot;
    const { now, whole } = await this.recorded(hosted, name, upstream, value);
    const { head, position, at, floor, key, state } = now;
    const shown = state.shown?.get(upstream);
    const snapshot: Snapshot<AnyPackage> = {
      identity: name,
      named: true,
      key,
      // a package that is there has a history, whoever keeps it
      position: Math.max(1, position),
      head: sha256Hex(`${upstream}\n${sha256}\n${head}`),
      at,
      floor,
      state: shown ? pinned(value, shown) : value,
    };
    const until = whole ? Number.POSITIVE_INFINITY : clock.monotonic() + UNRECORDED_MS;
    this.merged.set(value, { head, snapshot, until });
    return snapshot;
  }

  /** Writes down what is shown for the first time. A store that takes nothing now keeps nobody from reading. */
  private async recorded(hosted: Snapshot<AnyPackage>, name: string, upstream: string, value: AnyPackage) {
    const { space, onFault } = this.parts;
    let now = hosted;
    let whole = false;
    try {
      for (let more = unseen(now.state, upstream, value); more.length > 0; more = unseen(now.state, upstream, value)) {
        const files = atOnce(more);
        const committed = await space.commit(
          name,
          ({ state }) => {
            const left = state === now.state ? files : atOnce(unseen(state, upstream, value));
            return { changes: left.length > 0 ? [shownChange(upstream, left)] : [], result: undefined };
          },
          { visible: 'named' },
        );
        now = committed.snapshot;
      }
      whole = true;
    } catch (error) {
      onFault({ where: 'upstream: what was seen', error });
    }
    this.tell(now.state, upstream, value);
    return { now, whole };
  }

  private tell({ shown }: AnyPackage, upstream: string, value: AnyPackage): void {
    const first = shown?.get(upstream);
    const changed = [...value.releases.values()].flatMap(({ files }) =>
      files.filter((file) => differs(file, first?.get(file.name)?.digests)),
    );
    for (const { name } of changed.slice(0, 16)) {
      const error = new Error(`${upstream} shows other bytes of ${name} than at first; those of the first time stay`);
      this.parts.onFault({ where: 'upstream', error });
    }
  }
}

const placeOf = ({ upstream, snapshot }: UpstreamPackage, { name = '', digests }: StoredFile): Place => ({
  upstream,
  pkg: snapshot.key,
  what: `file ${name}\n${digests.sha512 ?? digests.sha1 ?? ''}`,
});

/** As many as fit into one change, from the first; at least one. */
function atOnce<R>(rows: readonly R[]): readonly R[] {
  let left = SHOWN_AT_ONCE;
  const over = rows.findIndex((row) => {
    left -= JSON.stringify(row).length + 1;
    return left < 0;
  });
  return over < 0 ? rows : rows.slice(0, Math.max(1, over));
}

function checkDigests(file: StoredFile, arrived: Pick<StoredFile, 'digests'>): void {
  if (differs(file, arrived.digests))
    throw new UpstreamFailure('upstream_failed', 'the upstream registry sent other bytes than it says this file has');
}
