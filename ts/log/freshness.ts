import type { Clock } from '../lib/clock.js';
import { NextFlight, unlessAborted } from '../lib/next-flight.js';
import { isSynchronous, type StorageDriver, type SynchronousDriver } from '../storage/driver.js';
import { feedSlot, parseMarkerName, pendingFolder } from '../storage/key.js';
import type { FeedState } from './feed.js';
import type { Log } from './log.js';
import { listMarkers } from './marker.js';
import type { Mutant } from './mutant.js';

export interface FreshnessOptions {
  readonly space: string;
  readonly driver: StorageDriver;
  readonly clock: Clock;
  readonly feed: Log<FeedState>;
  /** Milliseconds; ignored on drivers that are looked at synchronously. */
  readonly maxStaleness: number;
  /** A marker says that this package may have changed. */
  onMarker(marker: { readonly marker: string; readonly pkg: string }): void;
  /** Markers that nobody has swept for a while were seen. */
  onLeftover(): void;
  readonly mutants: ReadonlySet<Mutant>;
}

interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

/** What a finished probe knows: packages that are named by a marker and may not be in the feed. */
export interface Probe {
  readonly marked: ReadonlySet<string>;
}

interface AgeingProbe extends Probe {
  readonly began: Moment;
}

type Found = readonly { readonly marker: string; readonly pkg: string; readonly time: number }[];

const NONE: Probe = { marked: new Set() };

/** Markers older than this (by their writer's clock) make a probe ask for a sweep. */
const LEFTOVER_MS = 5000;

/**
 * One shared probe per space keeps every cached state fresh (design §1.2): it lists the markers first, then reads the feed's tail. The other order would
 * miss a package whose change moves from one to the other in between.
 */
export class Freshness {
  private readonly options: FreshnessOptions;
  private readonly flight: NextFlight<AgeingProbe>;
  private readonly local: SynchronousDriver | undefined;
  private last: AgeingProbe | undefined;
  private running: { readonly began: Moment; readonly probe: Promise<AgeingProbe> } | undefined;
  /** A look that has not begun: whoever asks now shares it. */
  private planned: Promise<Probe> | undefined;

  constructor(options: FreshnessOptions) {
    this.options = options;
    this.local = isSynchronous(options.driver) ? options.driver : undefined;
    this.flight = new NextFlight(() => this.start());
  }

  /** True where every look is strong. */
  get isLocal(): boolean {
    return this.local !== undefined;
  }

  /** How long an acknowledgement has to wait so that every instance's probes have begun after it. */
  get settleMs(): number {
    return this.local ? 0 : this.options.maxStaleness;
  }

  /** Resolves once a probe that is young enough has marked what changed. Answers whether this package was named by a marker. */
  async settle(pkg: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    // The signal is asked for only by who has to wait: making one is dear.
    const probe = this.local ? await this.look(this.local) : (this.recent() ?? (await this.settleAll(options.signal)));
    return probe.marked.has(pkg);
  }

  /** Like `settle`, for the whole space. */
  async settleAll(signal?: AbortSignal): Promise<Probe> {
    if (this.local) return this.look(this.local);
    const recent = this.recent();
    if (recent) return recent;
    if (this.running && this.young(this.running.began)) return unlessAborted(this.running.probe, signal);
    return unlessAborted(this.flight.run(), signal);
  }

  private recent(): AgeingProbe | undefined {
    return this.last && this.young(this.last.began) ? this.last : undefined;
  }

  private young(began: Moment): boolean {
    const { clock, maxStaleness } = this.options;
    // the larger of the two: monotonic time stands still while a machine is suspended, wall time may be set back
    const age = Math.max(clock.now() - began.wall, clock.monotonic() - began.monotonic);
    return !this.local && maxStaleness > 0 && age < maxStaleness;
  }

  /** One directory read and one existence check for all who have asked before they begin: requests that arrive in one turn of the event loop share. */
  private look(local: SynchronousDriver): Promise<Probe> {
    const { clock, mutants } = this.options;
    if (!clock.afterTurn) return this.lookNow(local);
    this.planned ??= new Promise((resolve) => {
      clock.afterTurn?.(() => {
        const found = this.lookNow(local);
        resolve(found);
        const begun = (): void => {
          this.planned = undefined;
        };
        // What has begun serves nobody who comes later.
        if (mutants.has('share-begun-look')) found.then(begun, begun);
        else begun();
      });
    });
    return this.planned;
  }

  private async lookNow(local: SynchronousDriver): Promise<Probe> {
    const { space, feed, mutants } = this.options;
    const readFeed = async (): Promise<void> => {
      if (local.existsSync(feedSlot(space, feed.snapshot?.position ?? 0))) await feed.refresh();
    };
    if (mutants.has('feed-before-markers')) await readFeed();
    const markers = local.namesSync(pendingFolder(space)).flatMap((name) => parseMarkerName(name) ?? []);
    this.mark(markers);
    if (!mutants.has('feed-before-markers')) await readFeed();
    return markers.length === 0 ? NONE : { marked: new Set(markers.map(({ pkg }) => pkg)) };
  }

  private mark(markers: Found): void {
    for (const marker of markers) this.options.onMarker(marker);
    const [oldest] = markers;
    if (oldest && this.options.clock.now() - oldest.time > LEFTOVER_MS) this.options.onLeftover();
  }

  private start(): Promise<AgeingProbe> {
    const began = { wall: this.options.clock.now(), monotonic: this.options.clock.monotonic() };
    const probe = this.probe(began);
    const running = { began, probe };
    this.running = running;
    const done = () => {
      if (this.running === running) this.running = undefined;
    };
    probe.then(done, done);
    return probe;
  }

  private async probe(began: Moment): Promise<AgeingProbe> {
    const { feed, mutants } = this.options;
    if (mutants.has('feed-before-markers')) await feed.refresh();
    const markers = await listMarkers(this.options.driver, this.options.space);
    this.mark(markers);
    if (!mutants.has('feed-before-markers')) await feed.refresh();
    this.last = { began, marked: new Set(markers.map(({ pkg }) => pkg)) };
    return this.last;
  }
}
