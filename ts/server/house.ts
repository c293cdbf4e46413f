import { Mounts } from '../compose-mounts.js';
import { baseUrlOf, outsideOf } from '../http/base-url.js';
import type { IRequestContext, RawHandler, RawResponse } from '../http/context.js';
import { dispatch } from '../http/dispatch.js';
import { headersOf } from '../http/headers.js';
import { DEFAULT_LIMITS, type Site } from '../http/site.js';
import { locate } from '../http/target.js';
import { type HouseFacts, houseRoutes, noPackages } from './house-routes.js';
import { managementOf } from './management.js';
import { isOwnPath } from './opening.js';

export interface HouseOptions extends HouseFacts {
  /** Everything that is not the house's own. */
  readonly rest: RawHandler;
}

const API = '/-/api/v1/repositories';
/** Told from its beginning alone: nearly every request. */
const isElsewhere = (target: string): boolean => /^\/[^-?#/]/.test(target);

/** The house's own paths, and behind them the repositories'. */
export class House implements RawHandler {
  private readonly options: HouseOptions;
  private readonly own: Site;
  private readonly managed: Mounts<Site>;

  private constructor(options: HouseOptions, own: Site, managed: Mounts<Site>) {
    this.options = options;
    this.own = own;
    this.managed = managed;
  }

  /** Knows each protocol's ways to manage its packages before anybody asks. */
  static async open(options: HouseOptions): Promise<House> {
    const { registry } = options;
    const base = {
      gate: registry.auth.manager,
      runtime: registry.runtime,
      limits: DEFAULT_LIMITS,
      onFault: (error: unknown) => registry.onFault(error, 'house'),
    };
    const managed = registry.repositories.map(async (repository) => {
      const instance = await managementOf(repository, registry.auth.accounts);
      return {
        basePath: `${API}/${repository.plan.name}`,
        target: { ...base, instance, source: repository.repository.ours },
      };
    });
    const own = { ...base, instance: houseRoutes(options), source: noPackages };
    return new House(options, own, new Mounts(await Promise.all(managed)));
  }

  handle(context: IRequestContext): Promise<RawResponse> {
    if (isElsewhere(context.rawUrl ?? context.path)) return this.options.rest.handle(context);
    const { path, query, prefix } = locate(context);
    const { rootTaken, rest } = this.options;
    if (prefix !== '' || !isOwnPath(path, rootTaken)) return rest.handle(context);
    const managed = this.managed.find(path);
    const site = managed?.target ?? this.own;
    return dispatch(site, {
      method: context.method,
      path: managed?.path ?? path,
      rawQuery: query,
      headers: context.headers,
      body: context.body,
      ...this.outside(context),
      actor: context.actor,
      signal: context.signal,
      client: context.client,
    });
  }

  private outside(context: IRequestContext): { readonly baseUrl: string; readonly address: string | undefined } {
    const { trusted, publicUrl } = this.options.registry;
    try {
      const outside = outsideOf(headersOf(context.headers), context.peer ?? {}, trusted);
      return { baseUrl: baseUrlOf(outside, { publicUrl, mount: '', hostPrefix: '' }), address: outside.address };
    } catch {
      // A malformed Host: no link is made, and the address is that of the connection.
      return { baseUrl: '', address: context.peer?.address };
    }
  }
}
