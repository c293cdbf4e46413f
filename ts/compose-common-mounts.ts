import { Mounts } from './compose-mounts.js';
import type { OpenRepository } from './compose-repositories.js';
import { match } from './http/router.js';
import type { Neighbour } from './http/site.js';

/** A repository that a name's first components have picked. */
export interface Picked {
  /** Undecoded, as long as it was matched. */
  readonly basePath: string;
  readonly place: { readonly repository: OpenRepository; readonly path: string; readonly prefix: string };
}

/**
 * Where clients can name no mount, all repositories of a protocol share one path at the root of the host, and a name's first components say which is meant:
 * `/v2/team/app/…` is `app` in the repository mounted at `/team`. A name that is no more than a mount names a package like any other.
 */
export class CommonMounts {
  private readonly mounts: Mounts<OpenRepository>;
  private readonly repositories: readonly OpenRepository[];

  constructor(repositories: readonly OpenRepository[]) {
    this.repositories = repositories.filter((one) => prefixOf(one) !== undefined);
    this.mounts = new Mounts(
      this.repositories.map((target) => ({
        basePath: `${target.site.instance.commonMount ?? ''}/${prefixOf(target) ?? ''}`.replace(/\/$/, ''),
        target,
      })),
    );
  }

  find(method: string, path: string): Picked | undefined {
    const found = this.mounts.find(path);
    if (!found) return undefined;
    const { target, basePath, path: below } = found;
    const { routes, commonMount } = target.site.instance;
    if (below.startsWith(`${commonMount}/`)) return undefined;
    const matched = match(routes, method, below);
    if (!matched.route && matched.allow.length === 0) return undefined;
    return { basePath, place: { repository: target, path: below, prefix: prefixOf(target) ?? '' } };
  }

  /** Who answers beside this repository at the root of the host, itself included. */
  neighboursOf({ site }: OpenRepository): readonly Neighbour[] {
    return this.repositories
      .filter((other) => other.site.instance.protocol === site.instance.protocol)
      .map((other) => ({ prefix: prefixOf(other) ?? '', source: other.site.source }));
  }
}

/** A mount at the root, or at the common path itself, needs no name to be reached by. */
function prefixOf({ plan, site }: OpenRepository): string | undefined {
  const { commonMount } = site.instance;
  const { basePath } = plan;
  if (commonMount === undefined || basePath === '' || basePath === commonMount) return undefined;
  return `${basePath.startsWith(`${commonMount}/`) ? basePath.slice(commonMount.length + 1) : basePath.slice(1)}/`;
}
