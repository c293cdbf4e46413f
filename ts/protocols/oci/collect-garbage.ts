import { unavailable } from '../../errors/registry-error.js';
import { nextTurn, Pace } from '../../lib/turns.js';
import type { Mutant } from '../../log/mutant.js';
import type { NewChange, Snapshot } from '../../log/schema.js';
import type { Space } from '../../log/space.js';
import { packageFolders } from '../../packages/package-folders.js';
import { sweepUploads } from '../../packages/upload-sweep.js';
import type { StorageDriver } from '../../storage/driver.js';
import { logSlot } from '../../storage/key.js';
import { storeTime } from '../../storage/store-time.js';
import { dropChange, unmanifestChange } from './changes.js';
import { rulesOf } from './rules.js';
import { isKept, type OciState } from './state.js';

export interface OciCollection {
  readonly driver: StorageDriver;
  readonly space: Pick<Space<OciState>, 'id' | 'readStrongByKey' | 'commit'>;
  readonly features: Readonly<Record<string, boolean>>;
  /** Milliseconds by the store's clock that something may go unnamed. Default 24 hours. */
  readonly grace?: number | undefined;
  /** True: commits and deletes nothing. */
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears of each object whose bytes nobody may be served any more. */
  readonly onCondemned?: ((key: string) => void) | undefined;
  readonly onFault: (fault: { readonly where: string; readonly error: unknown }) => void;
  /** Tests only: see `Mutant`. */
  readonly mutants?: ReadonlySet<Mutant>;
}

const DAY = 24 * 60 * 60 * 1000;
const BY = '~collector';
/** Changes of one commit: they are made, written and folded in one turn of the event loop. */
const AT_ONCE = 250;
/** Manifests or blobs that are looked at in one turn. */
const LOOKED_AT = 4_096;

/** Things that one state no longer needs, each with the number of the entry since which that is so. */
interface Idle {
  readonly digest: string;
  readonly key: string;
  readonly since: number;
  /** The writer's clock then, in milliseconds. */
  readonly at: number;
}

/**
 * Ends the right to serve what nothing names any more (design §1.5): first manifests, where the repository's rules say so, then blobs. Each is committed
 * to the image repository's log, against the state that the commit meets; the bytes are orphans from then on, and the collector of orphans takes them.
 * A manifest that comes too late is told that its blob is unknown, and is never a hole.
 */
export async function collectImages(options: OciCollection): Promise<void> {
  const { driver, space, signal, onFault, dryRun = false, grace = DAY } = options;
  const now = await storeTime(driver, space.id, { signal });
  await sweepUploads({ driver, repository: space.id, now, grace, dryRun, signal });
  for await (const pkg of packageFolders(options.driver, options.space.id, options.signal)) {
    signal?.throwIfAborted();
    try {
      await new ImageCollection(options, pkg, now).run();
    } catch (error) {
      signal?.throwIfAborted();
      onFault({ where: `collection of ${space.id}/${pkg}`, error });
    }
  }
}

class ImageCollection {
  private readonly options: OciCollection;
  private readonly pkg: string;
  private readonly now: number;
  /** By entry: whether its time is over. */
  private readonly ripe = new Map<number, boolean>();

  constructor(options: OciCollection, pkg: string, now: number) {
    this.options = options;
    this.pkg = pkg;
    this.now = now;
  }

  async run(): Promise<void> {
    const { space, features } = this.options;
    const snapshot = await space.readStrongByKey(this.pkg);
    if (snapshot.broken !== undefined) throw unavailable(snapshot.broken);
    if (snapshot.position === 0 || !snapshot.named) return;
    let { state } = snapshot;
    if (rulesOf(features).collectUntagged) {
      state = await this.commit(snapshot.identity, await this.over(await untagged(state)), unmanifests, state);
    }
    await this.commit(snapshot.identity, await this.over(await unused(state)), drops, state);
  }

  private async over(idle: readonly Idle[]): Promise<readonly Idle[]> {
    const over: Idle[] = [];
    const pace = new Pace(AT_ONCE);
    for (const one of idle) {
      if (await this.isOver(one)) over.push(one);
      if (pace.due()) await nextTurn();
    }
    return over;
  }

  /** Ages are differences of the store's own times: when the entry was written, and now. */
  private async isOver({ since: entry, at }: Idle): Promise<boolean> {
    const known = this.ripe.get(entry);
    if (known !== undefined) return known;
    const { driver, space, grace = DAY, signal, mutants } = this.options;
    if (mutants?.has('age-by-writer-clock')) return this.now - at >= grace;
    const stored = await driver.stat(logSlot(space.id, this.pkg, entry), { signal });
    const over = stored !== undefined && this.now - stored.modified >= grace;
    this.ripe.set(entry, over);
    return over;
  }

  private async commit(
    identity: string,
    idle: readonly Idle[],
    changesOf: (state: OciState, idle: readonly Idle[]) => readonly NewChange[],
    before: OciState,
  ): Promise<OciState> {
    const { space, dryRun = false, signal, onCondemned, driver, mutants } = this.options;
    let state = before;
    for (let from = 0; from < idle.length; from += AT_ONCE) {
      const some = idle.slice(from, from + AT_ONCE);
      if (mutants?.has('delete-before-drop')) await driver.delete(some.map(({ key }) => key));
      if (!dryRun) {
        const committed = await space.commit(
          identity,
          (snapshot: Snapshot<OciState>) => ({ changes: changesOf(snapshot.state, some), result: undefined }),
          { signal },
        );
        state = committed.snapshot.state;
      }
      for (const { key } of some) onCondemned?.(key);
    }
    return state;
  }
}

/** Things of a large state that no longer have a use: others have their turn while it is looked through. */
async function idleOf<T>(things: Iterable<T>, idle: (thing: T) => Idle | undefined): Promise<readonly Idle[]> {
  const found: Idle[] = [];
  const pace = new Pace(LOOKED_AT);
  for (const thing of things) {
    const one = idle(thing);
    if (one) found.push(one);
    if (pace.due()) await nextTurn();
  }
  return found;
}

const unused = ({ blobs }: OciState): Promise<readonly Idle[]> =>
  idleOf(blobs, ([digest, { uses, key, idle, idleAt }]) => (uses === 0 ? { digest, key, since: idle, at: idleAt } : undefined));

/** Those that nobody has touched or named meanwhile. */
const drops = ({ blobs }: OciState, idle: readonly Idle[]): readonly NewChange[] =>
  idle
    .filter(({ digest, key, since }) => {
      const blob = blobs.get(digest);
      return blob !== undefined && blob.uses === 0 && blob.key === key && blob.idle === since;
    })
    .map(({ digest, key }) => dropChange(BY, digest, key));

/** Manifests that neither a tag, nor an index, nor a subject that is here keeps. */
const untagged = (state: OciState): Promise<readonly Idle[]> =>
  idleOf(state.manifests, ([digest, manifest]) =>
    isKept(state, digest, manifest) ? undefined : { digest, key: manifest.key, since: manifest.idle, at: manifest.at },
  );

const unmanifests = (state: OciState, idle: readonly Idle[]): readonly NewChange[] =>
  idle
    .filter(({ digest, since }) => {
      const manifest = state.manifests.get(digest);
      return manifest !== undefined && manifest.idle === since && !isKept(state, digest, manifest);
    })
    .map(({ digest }) => unmanifestChange(BY, digest));
