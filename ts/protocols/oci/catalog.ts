import { json, type Reply } from '../../http/reply.js';
import type { Call, Listing } from '../../http/route.js';
import { rootPathOf } from './locations.js';
import { linked, pageOf, pageSize } from './render.js';
import type { OciState } from './state.js';

type ListCall = Call<Record<never, never>, unknown, OciState>;

/** Items of one page of a search, however many are asked for. */
const MAX_FOUND = 100;
const DEFAULT_FOUND = 25;
const MAX_TERM = 200;

const holdsManifests = (summary: unknown): boolean =>
  typeof summary === 'object' && summary !== null && 'manifests' in summary && Number(summary.manifests) > 0;

/** Whoever asked for one that begins with a longer mount would ask another repository. */
const namesIn = ({ items }: Listing, prefix: string, mounts: readonly string[]): readonly string[] =>
  items
    .filter(({ summary }) => holdsManifests(summary))
    .map(({ identity }) => prefix + identity)
    .filter((name) => !mounts.some((mount) => mount.length > prefix.length && name.startsWith(mount)));

/** Handlers that answer which image repositories there are: filtered by what the caller may read before anything is counted. */
export class Catalog {
  private readonly repository: string;

  /** @param repository this one's name */
  constructor(repository: string) {
    this.repository = repository;
  }

  /** Docker's `GET /v2/_catalog`. At the root of the host: of all repositories that answer there. */
  list = async (call: ListCall): Promise<Reply> => {
    const { items: repositories, next } = pageOf(await this.names(call), call.query);
    return json({ repositories }, 'revalidate', linked(`${rootPathOf(call)}/_catalog`, next));
  };

  /** Docker's `GET /v1/search?q=…&n=…&page=…`. */
  search = async (call: ListCall): Promise<Reply> => {
    const term = (call.query.get('q') ?? '').slice(0, MAX_TERM);
    const names = (await this.names(call)).filter((name) => name.includes(term.toLowerCase()));
    const size = Math.max(1, pageSize(call.query.get('n') ?? String(DEFAULT_FOUND), MAX_FOUND));
    const page = Math.max(1, pageSize(call.query.get('page') ?? '1', Number.MAX_SAFE_INTEGER));
    const results = names.slice((page - 1) * size, page * size).map((name) => ({
      name,
      description: '',
      star_count: 0,
      is_official: false,
      is_automated: false,
      is_trusted: false,
    }));
    const counts = { num_results: names.length, num_pages: Math.ceil(names.length / size), page, page_size: size };
    return json({ query: term, ...counts, results }, 'revalidate');
  };

  private async names(call: ListCall): Promise<readonly string[]> {
    const { neighbours } = call;
    const mounts = neighbours.map(({ prefix }) => prefix);
    const names = [...namesIn(await call.listing(), call.prefix, mounts)];
    for (const { repository, prefix, listing } of neighbours)
      if (repository !== this.repository) names.push(...namesIn(await listing(), prefix, mounts));
    return names.sort();
  }
}
