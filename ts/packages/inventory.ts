import type { PackageState } from './state.js';

/** An object that a state names: it must exist, with this size and digest. */
export interface NamedObject {
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
}

/** An object that a state named once and keeps until its retention time is over. */
export interface RetiredObject {
  readonly key: string;
  /** Number of the entry that retired it. */
  readonly entry: number;
  readonly purge: boolean;
}

/** Which objects a package's state speaks of: what collection spares and verification looks at. */
export interface Inventory<S> {
  named(state: S): Iterable<NamedObject>;
  retired(state: S): Iterable<RetiredObject>;
}

/** That of a package whose unit is a release with files. */
export const releaseInventory: Inventory<PackageState<unknown, unknown, unknown>> = {
  *named(state) {
    for (const { files, manifest } of state.releases.values()) {
      for (const { key, size, digests } of files) yield { key, size, sha256: digests.sha256 };
      if (manifest && 'key' in manifest) yield { key: manifest.key, size: manifest.size, sha256: manifest.sha256 };
    }
  },
  *retired(state) {
    for (const { retired = [] } of state.releases.values()) {
      for (const { key, entry, purge } of retired) yield { key, entry, purge };
    }
  },
};
