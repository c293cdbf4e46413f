import { comparable, Mounts } from './compose-mounts.js';
import type { OpenRepository } from './compose-repositories.js';
import type { Route } from './http/route.js';
import { canonicalPath, match } from './http/router.js';
import type { Neighbour } from './http/site.js';

/** A repository that a name's first components have picked. */
export interface Picked {
  /** Undecoded, as long as it was matched. */
  readonly basePath: string;
  readonly place: { readonly repository: OpenRepository; readonly path: string; readonly prefix: string };
}

/** A repository that answers at the root of the host, for all that answer there. */
export interface AtRoot {
  readonly repository: OpenRepository;
  readonly neighbours: readonly Neighbour[];
}

const knows = (routes: readonly Route[], method: string, path: string): boolean => {
  const found = match(routes, method, path);
  return found.route !== undefined || found.allow.length > 0;
};

/**
 * What answers at the root of the host, whatever its mount. Where clients can name no mount, all repositories of a protocol share one path there, and a name's
 * first components say which is meant: `/v2/team/app/…` is `app` in the repository mounted at `/team`. A name that is no more than a mount names a package
 * like any other.
 */
export class CommonMounts {
  private readonly mounts: Mounts<OpenRepository>;
  private readonly neighbours = new Map<string, readonly Neighbour[]>();
  private readonly roots: readonly (AtRoot & { readonly routes: readonly Route[] })[];

  constructor(repositories: readonly OpenRepository[]) {
    const named = repositories.filter((one) => prefixOf(one) !== undefined);
    for (const { site } of repositories) {
      const { protocol } = site.instance;
      const others = named.filter((other) => other.site.instance.protocol === protocol);
      const neighbours = others.map((other) => ({ prefix: prefixOf(other) ?? '', source: other.site.source }));
      this.neighbours.set(protocol, neighbours);
    }
    this.mounts = new Mounts(
      named.map((target) => ({
        basePath: `${target.site.instance.commonMount ?? ''}/${prefixOf(target) ?? ''}`.replace(/\/$/, ''),
        target,
      })),
    );
    this.roots = repositories
      .map((repository) => ({
        repository,
        routes: repository.site.instance.routes.filter(({ root }) => root),
        neighbours: this.neighboursOf(repository),
      }))
      .filter(({ routes }) => routes.length > 0);
  }

  find(method: string, path: string): Picked | undefined {
    const found = this.mounts.find(path);
    if (!found) return undefined;
    const { target, basePath, path: below } = found;
    const { routes, commonMount } = target.site.instance;
    if (below.startsWith(`${commonMount}/`) || !knows(routes, method, below)) return undefined;
    return { basePath, place: { repository: target, path: below, prefix: prefixOf(target) ?? '' } };
  }

  /** The first repository with a route that answers this path at the root of the host. Throws `invalid` for a malformed path. */
  root(method: string, path: string): AtRoot | undefined {
    return this.roots.find(({ routes }) => knows(routes, method, canonicalPath(path)));
  }

  /**
   * Who answers whatever is asked below a common path, if only that there is no such thing: its clients read no errors but those of their own form. A host with
   * handlers of its own may have such paths too (`root`).
   */
  below(path: string): AtRoot | undefined {
    const wanted = comparable(path);
    return this.roots.find(({ repository }) => {
      const { commonMount } = repository.site.instance;
      return commonMount !== undefined && (wanted === commonMount || wanted.startsWith(`${commonMount}/`));
    });
  }

  /** Who answers beside this repository at the root of the host, itself included. */
  neighboursOf({ site }: OpenRepository): readonly Neighbour[] {
    return this.neighbours.get(site.instance.protocol) ?? [];
  }
}

/** A mount at the root, or at the common path itself, needs no name to be reached by. */
function prefixOf({ plan, site }: OpenRepository): string | undefined {
  const { commonMount } = site.instance;
  const { basePath } = plan;
  if (commonMount === undefined || basePath === '' || basePath === commonMount) return undefined;
  return `${basePath.startsWith(`${commonMount}/`) ? basePath.slice(commonMount.length + 1) : basePath.slice(1)}/`;
}
