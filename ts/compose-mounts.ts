import { canonicalPath } from './http/router.js';

/** Something that is mounted at one or more places of the host. */
export interface Mount<T> {
  /** Empty for the root, else `/…` without a trailing slash. */
  readonly basePath: string;
  readonly target: T;
}

export interface Mounted<T> {
  readonly target: T;
  readonly basePath: string;
  /** Undecoded path below the mount, with its leading slash. */
  readonly path: string;
}

/** Which mount an undecoded path belongs to: the longest one whose segments the path begins with. */
export class Mounts<T> {
  private readonly mounts: readonly (Mount<T> & { readonly below: string })[];

  constructor(mounts: readonly Mount<T>[]) {
    this.mounts = mounts
      .map(({ basePath, target }) => ({ basePath, target, below: `${basePath}/` }))
      .sort((a, b) => b.basePath.length - a.basePath.length);
  }

  find(path: string): Mounted<T> | undefined {
    const wanted = comparable(path);
    for (const { basePath, target, below } of this.mounts) {
      if (wanted !== basePath && !wanted.startsWith(below)) continue;
      return { target, basePath, path: wanted.slice(basePath.length) || '/' };
    }
    return undefined;
  }
}

/** `%6e` is `n` wherever it stands, also in a mount's name. A path that is no good stays as it is: the pipeline refuses it in the protocol's own words. */
export function comparable(path: string): string {
  try {
    return canonicalPath(path);
  } catch {
    return path;
  }
}
