import { forbidden, notFound } from '../errors/registry-error.js';
import type { NewChange, Snapshot } from '../log/schema.js';
import { deleteAllChange, ownersChange, statusChange, visibilityChange } from '../packages/changes.js';
import type { HookFile, PackageHandle, Ruled } from '../packages/package-handle.js';
import type { LifeCycle, VersionSummary } from '../protocols/protocol.js';

/** A package as the management surface shows it. */
export interface PackageSummary {
  readonly name: string;
  readonly visibility: string;
  /** User ids. */
  readonly owners: readonly string[];
  readonly versions: readonly VersionSummary[];
}

/** One package in the hands of the management surface or the command line: what stock clients have no verb for. Every change asks for its own action. */
export class PackageLifeCycle {
  private readonly handle: PackageHandle<Ruled>;
  private readonly lifeCycle: LifeCycle<Ruled>;
  private readonly features: Readonly<Record<string, boolean>> | undefined;

  /** `features`: of the repository, whose rules hold; absent: the operator asks, who has made them. */
  constructor(handle: PackageHandle<Ruled>, lifeCycle: LifeCycle<Ruled>, features?: Readonly<Record<string, boolean>>) {
    this.handle = handle;
    this.lifeCycle = lifeCycle;
    this.features = features;
  }

  /** Throws `not_found`. */
  show(): PackageSummary {
    const { snapshot, name } = this.handle;
    const { visibility, owners } = snapshot.state;
    return { name, visibility, owners, versions: this.present(snapshot) };
  }

  /** Yanks or deprecates, whatever the protocol calls it. Throws `not_found`. */
  async yank(version: string, by: string, reason: string | undefined): Promise<void> {
    await this.setStatus(version, (known) => statusChange(by, [known], 'yanked', reason));
  }

  /** Throws `not_found`. */
  async restore(version: string, by: string): Promise<void> {
    await this.setStatus(version, (known) => statusChange(by, [known], 'published'));
  }

  /** A tombstone stays where the protocol says so. Throws `not_found`, and `forbidden` where the repository's rules keep it. */
  async deleteVersion(version: string, by: string, purge: boolean): Promise<void> {
    const known = this.lifeCycle.version(version);
    const files = this.lifeCycle.files((await this.fresh()).state, [known]);
    await this.handle.commit(
      'delete',
      (snapshot) => {
        this.version(snapshot, known);
        this.checkRules(snapshot, [known]);
        return { changes: this.lifeCycle.remove(snapshot.state, [known], by, purge), result: undefined };
      },
      { deletes: files },
    );
  }

  /** Throws `not_found`, and `forbidden` where the repository's rules keep a version. */
  async deleteAll(by: string, purge: boolean): Promise<void> {
    const { state } = await this.fresh();
    const versions = this.lifeCycle.versions(state).map(({ version }) => version);
    const deletes: readonly HookFile[] = this.lifeCycle.files(state, versions);
    await this.handle.commit(
      'delete',
      (snapshot) => {
        const present = this.present(snapshot).map(({ version }) => version);
        this.checkRules(snapshot, present);
        return { changes: [deleteAllChange(by, purge)], result: undefined };
      },
      { deletes },
    );
  }

  /** Throws `not_found`. */
  async setVisibility(visibility: 'public' | 'restricted', by: string): Promise<void> {
    await this.administer((state) => (state.visibility === visibility ? [] : [visibilityChange(by, visibility)]));
  }

  /** @param owners user ids. Throws `not_found`. */
  async setOwners(owners: readonly string[], by: string): Promise<void> {
    await this.administer((state) => (isSame(state.owners, owners) ? [] : [ownersChange(by, owners)]));
  }

  private async administer(changes: (state: Ruled) => readonly NewChange[]): Promise<void> {
    await this.handle.commit('admin', (snapshot) => {
      this.present(snapshot);
      return { changes: changes(snapshot.state), result: undefined };
    });
  }

  private async setStatus(version: string, change: (known: string) => ReturnType<typeof statusChange>): Promise<void> {
    const known = this.lifeCycle.version(version);
    await this.handle.commit('overwrite', (snapshot) => {
      this.version(snapshot, known);
      return { changes: [change(known)], result: undefined };
    });
  }

  /** What a change begins with may be behind; the files that hooks hear of should not be. */
  private fresh(): Promise<Snapshot<Ruled>> {
    return this.handle.readStrong();
  }

  private checkRules({ state }: Snapshot<Ruled>, versions: readonly string[]): void {
    const why = this.features && this.lifeCycle.keeps?.(state, versions, this.features);
    if (why !== undefined) throw forbidden(why);
  }

  private present(snapshot: Snapshot<Ruled>): readonly VersionSummary[] {
    const versions = snapshot.position === 0 ? [] : this.lifeCycle.versions(snapshot.state);
    if (versions.length === 0) throw notFound(`package ${this.handle.name}`);
    return versions;
  }

  private version(snapshot: Snapshot<Ruled>, version: string): void {
    if (!this.present(snapshot).some((one) => one.version === version))
      throw notFound(`version ${version} of ${this.handle.name}`);
  }
}

const isSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((owner) => other.includes(owner));
