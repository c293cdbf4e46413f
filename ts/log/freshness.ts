import type { Clock } from '../lib/clock.js';
import { NextFlight, unlessAborted } from '../lib/next-flight.js';
import { isSynchronous, type StorageDriver, type SynchronousDriver } from '../storage/driver.js';
import { feedSlot, pendingFolder } from '../storage/key.js';
import type { FeedState } from './feed.js';
import type { Log } from './log.js';
import { type ListedMarker, listMarkers } from './marker.js';
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
  readonly began: Moment;
  readonly marked: ReadonlySet<string>;
}

/** Markers older than this (by their writer's clock) make a probe ask for a sweep. */
const LEFTOVER_MS = 5000;

/**
 * One shared probe per space keeps every cached state fresh (design §1.2): it lists the markers first, then reads the feed's tail. The other order would
 * miss a package whose change moves from one to the other in between.
 */
export class Freshness {
  private readonly options: FreshnessOptions;
  private readonly flight: NextFlight<Probe>;
  private readonly local: SynchronousDriver | undefined;
  private last: Probe | undefined;
  private running: { readonly began: Moment; readonly probe: Promise<Probe> } | undefined;

  constructor(options: FreshnessOptions) {
    this.options = options;
    this.local = isSynchronous(options.driver) ? options.driver : undefined;
    this.flight = new NextFlight(() => this.start());
  }

  /** True where every look is strong and costs no turn of the event loop. */
  get isLocal(): boolean {
    return this.local !== undefined;
  }

  /** How long an acknowledgement has to wait so that every instance's probes have begun after it. */
  get settleMs(): number {
    return this.local ? 0 : this.options.maxStaleness;
  }

  /** Resolves once a probe that is young enough has marked what changed. Answers whether this package was named by a marker. */
  async settle(pkg: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    if (this.local) return this.look(this.local, pkg);
    const probe = await this.settleAll(options.signal);
    return probe.marked.has(pkg);
  }

  /** Like `settle`, for the whole space. */
  async settleAll(signal?: AbortSignal): Promise<Probe> {
    if (this.last && this.young(this.last.began)) return this.last;
    if (this.running && this.young(this.running.began)) return unlessAborted(this.running.probe, signal);
    return unlessAborted(this.flight.run(), signal);
  }

  private young(began: Moment): boolean {
    const { clock, maxStaleness } = this.options;
    // the larger of the two: monotonic time stands still while a machine is suspended, wall time may be set back
    const age = Math.max(clock.now() - began.wall, clock.monotonic() - began.monotonic);
    return !this.local && maxStaleness > 0 && age < maxStaleness;
  }

  /** One directory read and one existence check, for one package. */
  private async look(local: SynchronousDriver, pkg: string): Promise<boolean> {
    const { space, feed, onMarker } = this.options;
    let named = false;
    for (const name of local.namesSync(pendingFolder(space))) {
      if (!name.endsWith(pkg) || name.length !== pkg.length + 41) continue;
      named = true;
      onMarker({ marker: name.slice(0, 40), pkg });
    }
    if (local.existsSync(feedSlot(space, feed.snapshot?.position ?? 0))) await feed.refresh();
    return named;
  }

  private start(): Promise<Probe> {
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

  private async probe(began: Moment): Promise<Probe> {
    const { feed, mutants } = this.options;
    if (mutants.has('feed-before-markers')) await feed.refresh();
    const markers = await listMarkers(this.options.driver, this.options.space);
    for (const marker of markers) this.options.onMarker(marker);
    if (!mutants.has('feed-before-markers')) await feed.refresh();
    this.last = { began, marked: new Set(markers.map(({ pkg }) => pkg)) };
    if (this.leftover(markers)) this.options.onLeftover();
    return this.last;
  }

  private leftover(markers: readonly ListedMarker[]): boolean {
    const oldest = markers[0];
    return oldest !== undefined && this.options.clock.now() - oldest.time > LEFTOVER_MS;
  }
}
