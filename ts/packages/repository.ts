import type { Runtime } from '../lib/clock.js';
import type { LogSchema, LogSpace, Snapshot } from '../log/schema.js';
import type { ObjectStore } from '../storage/object-store.js';
import { Handle } from './handle.js';
import type { FaultListener, HookRunner } from './hook-runner.js';
import type { Caller, ListedPackage, PackageHandle, PackageSource, Ruled } from './package-handle.js';
import type { UpstreamDocuments } from './upstream-format.js';

export interface RepositoryOptions<S extends Ruled> {
  /** As people and scopes name it. */
  readonly name: string;
  /** As stored keys name it: `[a-z0-9-]{1,60}`. */
  readonly id: string;
  readonly protocol: string;
  /** What a package is called in scopes and messages. */
  readonly resourceType: string;
  readonly anonymousRead: boolean;
  readonly space: LogSpace<S>;
  /** That of the space: says which packages exist. */
  readonly schema: Pick<LogSchema<S>, 'summarise'>;
  readonly objects: ObjectStore;
  readonly hooks: HookRunner;
  readonly runtime: Runtime;
  readonly onFault: FaultListener;
  /** Where packages are that nobody has published here. Absent: nowhere. */
  readonly elsewhere?: Elsewhere<S> | undefined;
}

/** Packages of upstreams (`upstream-handle.ts`). */
export interface Elsewhere<S extends Ruled> extends UpstreamDocuments {
  /** What readers get in the place of a package that was never published here; undefined: there is none elsewhere. `hosted`: the state of the name here. */
  open(parts: RepositoryParts<S>, name: string, caller: Caller, hosted: Snapshot<S>): Promise<PackageHandle<S> | undefined>;
  close(): Promise<void>;
}

/** What a handle needs of its repository. */
export interface RepositoryParts<S extends Ruled> extends RepositoryOptions<S> {
  exists(snapshot: Snapshot<S>): boolean;
}

/** A hosted repository: the packages of one space, with the rules and hooks that stand before them. */
export class Repository<S extends Ruled> implements PackageSource<S> {
  readonly name: string;
  readonly id: string;
  readonly protocol: string;
  readonly resourceType: string;
  readonly anonymousRead: boolean;
  readonly space: LogSpace<S>;
  /** The same, without what upstreams have: for those who look after what is here. */
  readonly ours: PackageSource<S>;
  private readonly parts: RepositoryParts<S>;
  private listed: { readonly from: unknown; readonly items: readonly ListedPackage[] } | undefined;

  constructor(options: RepositoryOptions<S>) {
    this.name = options.name;
    this.id = options.id;
    this.protocol = options.protocol;
    this.resourceType = options.resourceType;
    this.anonymousRead = options.anonymousRead;
    this.space = options.space;
    this.parts = { ...options, exists: (snapshot) => this.exists(snapshot) };
    this.ours = {
      name: this.name,
      protocol: this.protocol,
      anonymousRead: this.anonymousRead,
      open: (name, caller, purpose) => this.openOurs(name, caller, purpose),
      list: (signal) => this.list(signal),
    };
  }

  /** False for a package that was never published, or was deleted whole. */
  exists(snapshot: Snapshot<S>): boolean {
    return snapshot.position > 0 && this.parts.schema.summarise(snapshot.state) !== undefined;
  }

  open(name: string, caller: Caller, purpose: 'read' | 'change'): Promise<PackageHandle<S>> {
    const { elsewhere } = this.parts;
    return elsewhere && purpose === 'read' ? this.openAny(name, caller, elsewhere) : this.openOurs(name, caller, purpose);
  }

  private async openAny(name: string, caller: Caller, elsewhere: Elsewhere<S>): Promise<PackageHandle<S>> {
    const handle = await this.openOurs(name, caller, 'read');
    return (await elsewhere.open(this.parts, name, caller, handle.snapshot)) ?? handle;
  }

  private async openOurs(name: string, caller: Caller, purpose: 'read' | 'change'): Promise<PackageHandle<S>> {
    const { space } = this;
    // The caller is handed on whole: its signal is made when somebody asks, and nobody does who finds the state in memory.
    const snapshot = await (purpose === 'read' ? space.read(name, caller) : space.readForWrite(name, caller));
    return new Handle(this.parts, name, caller, snapshot, purpose);
  }

  async list(signal: AbortSignal): Promise<{ readonly position: number; readonly items: readonly ListedPackage[] }> {
    const { position, items } = await this.space.names({ signal });
    if (this.listed?.from !== items) {
      const ruled = [...items.values()]
        .filter(({ summary }) => summary !== undefined)
        .map(
          (item): ListedPackage => ({ item, rule: { owners: ownersOf(item.summary), visibility: visibilityOf(item.summary) } }),
        );
      this.listed = { from: items, items: ruled };
    }
    return { position, items: this.listed.items };
  }

  /** Waits for what goes on behind answers. The space is closed by whoever opened it. */
  async close(): Promise<void> {
    await Promise.all([this.parts.hooks.settled(), this.parts.elsewhere?.close()]);
  }
}

/** Those that the protocol records in its summaries; else nobody, who is shown no less than anybody. */
function ownersOf(summary: unknown): readonly string[] {
  const owners = typeof summary === 'object' && summary !== null && 'owners' in summary ? summary.owners : undefined;
  return Array.isArray(owners) ? owners.filter((owner) => typeof owner === 'string') : [];
}

/** A summary that does not say so is not shown to everybody. */
function visibilityOf(summary: unknown): 'public' | 'restricted' {
  const open = typeof summary === 'object' && summary !== null && 'visibility' in summary && summary.visibility === 'public';
  return open ? 'public' : 'restricted';
}
