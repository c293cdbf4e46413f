import { forbidden, notFound } from '../errors/registry-error.js';
import { nextTurn } from '../lib/turns.js';
import type { NewChange, Snapshot } from '../log/schema.js';
import { deleteAllChange, ownersChange, statusChange, visibilityChange } from '../packages/changes.js';
import type { HookFile, PackageHandle, Ruled } from '../packages/package-handle.js';
import type { LifeCycle, VersionSummary } from '../protocols/protocol.js';

/** Versions whose files are told of in one turn of the event loop. */
const FILES_A_TURN = 256;

/** A package as the command line shows it. */
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

  /** With all versions at once: for a process of its own. Throws `not_found`. */
  show(): PackageSummary {
    const { snapshot, name } = this.handle;
    this.present(snapshot);
    const { visibility, owners } = snapshot.state;
    const all = this.lifeCycle.newest(snapshot.state, Number.MAX_SAFE_INTEGER, undefined);
    return { name, visibility, owners, versions: all?.versions ?? [] };
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
    const deletes = await this.filesOf(state);
    await this.handle.commit(
      'delete',
      (snapshot) => {
        this.present(snapshot);
        this.checkRules(snapshot, this.lifeCycle.units(snapshot.state));
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

  /** Each once: a manifest goes by its digest and by its tags. */
  private async filesOf(state: Ruled): Promise<readonly HookFile[]> {
    const files = new Map<string, HookFile>();
    const all = [...this.lifeCycle.units(state)];
    for (let from = 0; from < all.length; from += FILES_A_TURN) {
      if (from > 0) await nextTurn();
      for (const file of this.lifeCycle.files(state, all.slice(from, from + FILES_A_TURN)))
        if (!files.has(file.fileName)) files.set(file.fileName, file);
    }
    return [...files.values()];
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

  private checkRules({ state }: Snapshot<Ruled>, versions: Iterable<string>): void {
    const why = this.features && this.lifeCycle.keeps?.(state, [...versions], this.features);
    if (why !== undefined) throw forbidden(why);
  }

  private present(snapshot: Snapshot<Ruled>): void {
    if (!isThere(this.lifeCycle, snapshot)) throw notFound(`package ${this.handle.name}`);
  }

  private version(snapshot: Snapshot<Ruled>, version: string): void {
    this.present(snapshot);
    if (!this.lifeCycle.has(snapshot.state, version)) throw notFound(`version ${version} of ${this.handle.name}`);
  }
}

/** False: it never was, or all of it is deleted. */
export function isThere(lifeCycle: LifeCycle<Ruled>, { position, state }: Snapshot<Ruled>): boolean {
  if (position === 0) return false;
  for (const _ of lifeCycle.units(state)) return true;
  return false;
}

const isSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((owner) => other.includes(owner));
