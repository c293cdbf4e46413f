import type { OpenAuth } from './compose-auth.js';
import type { OpenStorage } from './compose-storage.js';
import type { IRegistryConfig } from './config.js';
import type { ProtocolInstance } from './http/plugin.js';
import type { Site } from './http/site.js';
import { DEFAULT_LIMITS } from './http/site.js';
import type { Runtime } from './lib/clock.js';
import { later } from './lib/later.js';
import { Space } from './log/space.js';
import { HookRunner } from './packages/hook-runner.js';
import type { Ruled } from './packages/package-handle.js';
import { type Elsewhere, Repository } from './packages/repository.js';
import type { Protocol } from './protocols/protocol.js';
import type { RepositoryPlan } from './validate-config.js';

/** One repository at work. */
export interface OpenRepository {
  readonly plan: RepositoryPlan;
  readonly protocol: Protocol<Ruled>;
  readonly repository: Repository<Ruled>;
  readonly space: Space<Ruled>;
  readonly site: Site;
}

export interface RepositoryParts {
  readonly config: IRegistryConfig;
  readonly storage: OpenStorage;
  readonly auth: OpenAuth;
  readonly runtime: Runtime;
  readonly maxStaleness: number;
  readonly protocols: ReadonlyMap<string, Protocol<Ruled>>;
  onFault(error: unknown, where: string): void;
}

export interface OpenRepositories {
  readonly repositories: readonly OpenRepository[];
  /** Reads which packages each of them has; whatever is asked of their packages meanwhile waits for that. */
  load(): Promise<void>;
  close(): Promise<void>;
}

const CACHE_BYTES = 64 * 1024 * 1024;

/** All repositories: their logs, hooks and protocols. */
export function composeRepositories(parts: RepositoryParts, plans: readonly RepositoryPlan[]): OpenRepositories {
  const { config, runtime, onFault } = parts;
  const hooks = new HookRunner({ hooks: config.storageHooks, runtime, onFault: ({ error, where }) => onFault(error, where) });
  // Half of the memory for folded states, half for rendered documents, shared out evenly.
  const cacheBytes = Math.floor((config.cacheBytes ?? CACHE_BYTES) / 2 / Math.max(1, plans.length));
  const repositories = plans.map((plan) => composeRepository(parts, plan, hooks, cacheBytes));
  const load = async (): Promise<void> => {
    await Promise.all(repositories.map(({ space }) => space.open()));
  };
  const close = async (): Promise<void> => {
    await Promise.all(repositories.map(({ repository }) => repository.close()));
    await Promise.all(repositories.map(({ space }) => space.close()));
  };
  return { repositories, load, close };
}

/** Where packages are that nobody has published here: put together, and its modules loaded, when somebody asks for the first of them. */
function upstreamsOf(
  { config, storage, auth, runtime, onFault }: RepositoryParts,
  { name: repository }: RepositoryPlan,
  protocol: Protocol<Ruled>,
  about: { readonly space: Space<Ruled>; readonly cacheBytes: number; organisationOf(name: string): string | undefined },
): Elsewhere<Ruled> | undefined {
  const { upstreamProvider: provider } = config;
  const { upstream } = protocol;
  if (!provider || !upstream) return undefined;
  const isOurs = async (name: string): Promise<boolean> => {
    // organisations are written in lower case: no other spelling of their names is for an upstream
    const organisation = about.organisationOf(name)?.toLowerCase();
    return organisation !== undefined && (await auth.accounts.organisations?.find(organisation)) !== undefined;
  };
  const load = async (): Promise<Elsewhere<Ruled>> => {
    const [{ composeUpstreams }, format] = await Promise.all([import('./compose-upstreams.js'), upstream()]);
    const { driver } = storage;
    const { space, cacheBytes } = about;
    const parts = { provider, format, protocol: protocol.name, repository, driver, space, runtime, cacheBytes, isOurs, onFault };
    return composeUpstreams(parts);
  };
  let made: Promise<Elsewhere<Ruled>> | undefined;
  const loaded = (): Promise<Elsewhere<Ruled>> => {
    made ??= load();
    return made;
  };
  return {
    open: async (...asked) => (await loaded()).open(...asked),
    documents: async (...asked) => (await loaded()).documents(...asked),
    async close() {
      await (await made)?.close();
    },
  };
}

function composeRepository(parts: RepositoryParts, plan: RepositoryPlan, hooks: HookRunner, cacheBytes: number): OpenRepository {
  const { auth, runtime, maxStaleness, onFault } = parts;
  const { driver } = parts.storage;
  const { name, features, anonymousRead } = plan;
  const protocol = parts.protocols.get(plan.protocol);
  if (!protocol) throw new TypeError(`no protocol ${plan.protocol}`);
  const { resourceType, schema } = protocol;
  const { methods: objects } = later(
    async () => new (await import('./storage/driver-object-store.js')).DriverObjectStore(driver, runtime),
  );
  const copyAbove = (key: string, floor: number, signal: AbortSignal): Promise<string | undefined> =>
    objects.copyAbove(key, floor, signal);
  const space = new Space<Ruled>({ id: name, driver, runtime, schema, maxStaleness, cacheBytes, copyAbove, onFault });
  const faults = ({ error, where }: { readonly error: unknown; readonly where: string }): void => onFault(error, where);
  let instance: ProtocolInstance | undefined;
  const organisationOf = (of: string): string | undefined => instance?.organisationOf?.(of);
  const elsewhere = upstreamsOf(parts, plan, protocol, { space, cacheBytes, organisationOf });
  const repository = new Repository<Ruled>({
    name,
    id: name,
    protocol: plan.protocol,
    resourceType,
    anonymousRead,
    space,
    schema,
    objects,
    hooks,
    runtime,
    onFault: faults,
    elsewhere,
  });
  const { realm, service, enabled: sessions } = parts.config.auth?.ociTokens ?? {};
  instance = protocol.create({
    repository: name,
    driver,
    runtime,
    keys: auth.keys,
    accounts: auth.accounts,
    manager: auth.manager,
    trustedPublishers: auth.trustedPublishers,
    upstreams: elsewhere,
    realm,
    service,
    sessions,
    features,
    cacheBytes,
    onFault,
  });
  const site: Site = {
    instance,
    source: repository,
    gate: auth.manager,
    runtime,
    limits: DEFAULT_LIMITS,
    onFault: (error, { route, incident }) =>
      onFault(error, `${name}${route === undefined ? '' : ` ${route}`}${incident === undefined ? '' : ` incident ${incident}`}`),
  };
  return { plan, protocol, repository, space, site };
}
