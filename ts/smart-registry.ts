import type { AuthManager } from './auth/auth-manager.js';
import { composeAuth, type OpenAuth } from './compose-auth.js';
import { CommonMounts } from './compose-common-mounts.js';
import { houseFailure } from './compose-failure.js';
import { Mounts } from './compose-mounts.js';
import { recordRepositories } from './compose-records.js';
import { composeRepositories, type OpenRepository } from './compose-repositories.js';
import { type OpenStorage, openStorage } from './compose-storage.js';
import type { IRegistryConfig, ProtocolName } from './config.js';
import { RegistryError, unavailable } from './errors/registry-error.js';
import { baseUrlOf, outsideOf } from './http/base-url.js';
import type { IRequestContext, IResponse, RawHandler, RawResponse } from './http/context.js';
import { dispatch } from './http/dispatch.js';
import { headersOf } from './http/headers.js';
import { toIResponse } from './http/hosted-response.js';
import type { Neighbour } from './http/site.js';
import { type Located, locate } from './http/target.js';
import { type Networks, networks } from './lib/cidr.js';
import { keepAliveDuring, ProcessHold, type Runtime, systemRuntime } from './lib/clock.js';
import { later } from './lib/later.js';
import { notify } from './lib/notify.js';
import { PROTOCOL_TABLE } from './protocols/index.js';
import type { StorageDriver } from './storage/driver.js';
import { type RepositoryPlan, validateConfig } from './validate-config.js';

/** Everything that `init` has opened. */
export interface OpenRegistry {
  readonly storage: OpenStorage;
  readonly auth: OpenAuth;
  readonly repositories: readonly OpenRepository[];
  readonly runtime: Runtime;
  readonly trusted: Networks;
  /** The whole host's, where it is configured. */
  readonly publicUrl: string | undefined;
  onFault(error: unknown, where: string): void;
}

/** One repository, addressed by itself: requests need not begin with its mount. */
export interface IProtocolRegistry {
  readonly name: string;
  readonly protocol: ProtocolName;
  /** Empty for the root, else `/…`. */
  readonly basePath: string;
  handleRequest(context: IRequestContext): Promise<IResponse>;
}

interface Opened extends OpenRegistry {
  readonly mounts: Mounts<OpenRepository>;
  readonly common: CommonMounts;
  /** Reads which packages there are. Requests are answered meanwhile: those about packages wait for it. */
  load(): Promise<void>;
  close(): Promise<void>;
}

const DEFAULT_STALENESS_MS = 1_000;
const DRAIN_MS = 10_000;
/** Whoever comes while the registry opens waits so long for it: to a 503 clients come back much later. */
const OPENING_MS = 1_000;

/**
 * A package registry inside an application: storage and auth go in, requests are answered. Any number of instances, in one process or many, may work on one
 * storage.
 */
export class SmartRegistry implements RawHandler {
  private readonly config: IRegistryConfig;
  private readonly plans: readonly RepositoryPlan[];
  private readonly runtime: Runtime;
  private readonly trusted: Networks;
  /** Answers that are being made. */
  private underWay = 0;
  private onIdle: (() => void) | undefined;
  private readonly hold = new ProcessHold();
  /** Where repositories will be, until they are open. */
  private readonly planned: Mounts<RepositoryPlan>;
  private starting: Promise<Opened> | undefined;
  private composing: Promise<Opened> | undefined;
  /** From when requests can be answered; `opened` comes when `init` has done all. */
  private answering: Opened | undefined;
  private opened: Opened | undefined;
  private closing: Promise<void> | undefined;
  /** `fetch(request: Request): Promise<Response>`, bound: `export default { fetch: registry.fetch }`. */
  readonly fetch: (request: Request) => Promise<Response>;

  /** Throws a `ConfigError` that lists every problem at once. Touches nothing outside; `init` does. */
  constructor(config: IRegistryConfig) {
    this.plans = validateConfig(config, PROTOCOL_TABLE);
    this.config = config;
    this.runtime = config.runtime ?? systemRuntime;
    this.trusted = networks(config.trustProxy ?? []);
    this.planned = new Mounts(this.plans.map((target) => ({ basePath: target.basePath, target })));
    const { methods } = later(async () => {
      const { toFetchHandler } = await import('./http/fetch-host.js');
      return { fetch: toFetchHandler(this, { runtime: this.runtime }) };
    });
    // Deno hands the request only to functions that say they have a parameter.
    this.fetch = (request) => methods.fetch(request);
  }

  /**
   * Opens and probes the storage, the auth provider and the repositories. May be called again after a failure. Throws a `ConfigError` for a store that is unfit,
   * was written by a newer program, or holds other repositories under these names; `StorageError`s when it cannot be reached.
   */
  async init(): Promise<void> {
    this.starting ??= keepAliveDuring(() => this.open());
    try {
      this.opened = await this.starting;
    } catch (error) {
      this.starting = undefined;
      this.composing = undefined;
      throw error;
    }
  }

  isInitialized(): boolean {
    return this.opened !== undefined;
  }

  /** Answers a request of any host. Never rejects: failures are answers too. */
  async handleRequest(context: IRequestContext): Promise<IResponse> {
    return toIResponse(await this.handle(context), this.runtime.clock, context.signal);
  }

  /** As `handleRequest`, for our own adapters. */
  handle(context: IRequestContext): Promise<RawResponse> {
    return this.answer(context, undefined);
  }

  /**
   * True when a repository is mounted at this undecoded path, or answers it at the root of the host; before `init` and after `destroy` too, when all that it
   * answers is a 503: a 404 of somebody else would be taken for the registry's.
   */
  handles(path: string): boolean {
    if (this.planned.find(path) !== undefined) return true;
    try {
      return this.answering?.common.root('GET', path) !== undefined;
    } catch {
      // no path of ours: whose it is, others say
      return false;
    }
  }

  /** The driver, behind the checks that are common to all. Throws before `init`. */
  getStorage(): StorageDriver {
    return this.ready().storage.driver;
  }

  /** Throws before `init`. */
  getAuthManager(): AuthManager {
    return this.ready().auth.manager;
  }

  /** The first repository of this protocol (or of this name); undefined when there is none. Throws before `init`. */
  getRegistry(protocol: ProtocolName | (string & {})): IProtocolRegistry | undefined {
    const { repositories } = this.ready();
    const found =
      repositories.find(({ plan }) => plan.protocol === protocol) ?? repositories.find(({ plan }) => plan.name === protocol);
    if (!found) return undefined;
    const { name, protocol: spoken, basePath } = found.plan;
    const handleRequest = async (context: IRequestContext): Promise<IResponse> =>
      toIResponse(await this.answer(context, found), this.runtime.clock, context.signal);
    return { name, protocol: spoken, basePath, handleRequest };
  }

  /** What the stand-alone server and the command line work with. Not covered by the promise of stable names. Throws before `init`. */
  get parts(): OpenRegistry {
    return this.ready();
  }

  /**
   * Waits (at most 10 s) for answers under way, finishes the work behind them, closes the storage. New requests are answered 503. Throws the first failure
   * of a provider or store that does not close, when all the rest is closed.
   */
  destroy(): Promise<void> {
    this.closing ??= keepAliveDuring(() => this.close()).finally(() => {
      this.closing = undefined;
    });
    return this.closing;
  }

  /** What `destroy` waits for. Whoever waits for an answer without a server of their own must not see the process end before it. */
  private began(): void {
    this.underWay++;
    this.hold.hold();
  }

  private ended(): void {
    this.underWay--;
    if (this.underWay > 0) return;
    this.hold.release();
    this.onIdle?.();
  }

  private idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.underWay === 0) resolve();
      else this.onIdle = resolve;
    });
  }

  private ready(): Opened {
    if (!this.opened) throw new Error('the registry is not initialised: call init() first');
    return this.opened;
  }

  private async close(): Promise<void> {
    const opened = this.opened ?? (await this.starting?.catch(() => undefined));
    this.answering = undefined;
    this.opened = undefined;
    this.starting = undefined;
    this.composing = undefined;
    if (!opened) return;
    const limit = new AbortController();
    await Promise.race([this.idle(), this.runtime.clock.sleep(DRAIN_MS, limit.signal).catch(() => undefined)]);
    limit.abort();
    try {
      await opened.close();
    } finally {
      this.hold.end();
    }
  }

  private async open(): Promise<Opened> {
    this.composing = this.compose();
    const opened = await this.composing;
    this.answering = opened;
    try {
      await opened.load();
      return opened;
    } catch (error) {
      this.answering = undefined;
      this.composing = undefined;
      await opened.close().catch((reason: unknown) => this.fault(reason, 'closing'));
      throw error;
    }
  }

  /** What requests are answered with, waited for a while where it is on its way. */
  private async soon(): Promise<Opened> {
    const limit = new AbortController();
    const late = this.runtime.clock.sleep(OPENING_MS, limit.signal).catch(() => undefined);
    const opened = await Promise.race([this.composing?.catch(() => undefined), late]);
    limit.abort();
    if (!opened) throw unavailable('the registry is starting or stopping');
    return opened;
  }

  private async compose(): Promise<Opened> {
    const { config, runtime, plans } = this;
    const maxStaleness = config.maxStaleness ?? DEFAULT_STALENESS_MS;
    const onFault = (error: unknown, where: string): void => this.fault(error, where);
    const storage = await openStorage(config, runtime);
    const closers = [async () => storage.driver.close?.()];
    const close = (): Promise<void> => closeAll(closers.splice(0).reverse());
    try {
      await recordRepositories({ driver: storage.driver, runtime, maxStaleness, onFault }, plans);
      const auth = await composeAuth({ config, storage, runtime, maxStaleness, onFault });
      closers.push(() => auth.close());
      const parts = { config, storage, auth, runtime, maxStaleness, onFault, protocols: PROTOCOL_TABLE };
      const { repositories, load, close: closeRepositories } = composeRepositories(parts, plans);
      closers.push(closeRepositories);
      const mounts = new Mounts(repositories.map((target) => ({ basePath: target.plan.basePath, target })));
      const common = new CommonMounts(repositories);
      const { trusted } = this;
      const { publicUrl } = config;
      return { storage, auth, repositories, runtime, trusted, publicUrl, onFault, mounts, common, load, close };
    } catch (error) {
      await close().catch((reason: unknown) => onFault(reason, 'closing'));
      throw error;
    }
  }

  /** `chosen`: the repository that the caller has picked; else the path says. */
  private async answer(context: IRequestContext, chosen: OpenRepository | undefined): Promise<RawResponse> {
    const head = context.method === 'HEAD';
    this.began();
    try {
      const opened = this.answering ?? (await this.soon());
      const located = locate(context);
      const found = placeOf(opened, context.method, located, chosen);
      if (!found) throw new RegistryError('not_found', 'nothing is mounted here');
      const { site, plan } = found.repository;
      const headers = headersOf(context.headers);
      const outside = outsideOf(headers, context.peer ?? {}, this.trusted);
      const { registryUrl, basePath: mount } = plan;
      const { publicUrl } = this.config;
      const place = found.mounted
        ? { registryUrl, publicUrl, mount }
        : { publicUrl: originOf(registryUrl ?? publicUrl), mount: '' };
      const baseUrl = baseUrlOf(outside, { ...place, hostPrefix: located.prefix });
      const { prefix, neighbours } = found;
      return await dispatch(site, {
        method: context.method,
        path: found.path,
        rawQuery: located.query,
        headers: context.headers,
        bag: headers,
        body: context.body,
        baseUrl,
        ...(prefix === undefined ? {} : { prefix }),
        ...(neighbours === undefined ? {} : { neighbours }),
        address: outside.address,
        actor: context.actor,
        signal: context.signal,
        client: context.client,
      });
    } catch (error) {
      if (error instanceof RegistryError && error.kind !== 'internal') return houseFailure(error, head);
      this.fault(error, 'request');
      return houseFailure(new RegistryError('internal', 'internal error'), head);
    } finally {
      this.ended();
    }
  }

  private fault(error: unknown, where: string): void {
    const { onFault } = this.config;
    notify(() => (onFault ? onFault(error, where) : console.error(`entrepot: ${where}:`, error)));
  }
}

/** One after the other, all of them; throws the first failure at last. */
async function closeAll(closers: readonly (() => Promise<void>)[]): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  for (const closer of closers) {
    try {
      await closer();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure) throw failure.error;
}

interface Place {
  readonly repository: OpenRepository;
  readonly path: string;
  /** Found below its own mount; else at the root of the host, whatever the mount: so are its links. */
  readonly mounted?: true;
  /** What names begin with there. */
  readonly prefix?: string;
  /** Who answers there too. */
  readonly neighbours?: readonly Neighbour[];
}

const originOf = (url: string | undefined): string | undefined => (url === undefined ? undefined : new URL(url).origin);

function placeOf(opened: Opened, method: string, { path }: Located, chosen: OpenRepository | undefined): Place | undefined {
  const mounted = opened.mounts.find(path);
  if (chosen) return { repository: chosen, path: mounted?.target === chosen ? mounted.path : path, mounted: true };
  const common = opened.common.find(method, path);
  if (common && common.basePath.length >= (mounted?.basePath.length ?? -1)) return common.place;
  if (!mounted) return rootOf(opened, method, path);
  const { target } = mounted;
  const neighbours = mounted.basePath === target.site.instance.commonMount ? opened.common.neighboursOf(target) : undefined;
  return { repository: target, path: mounted.path, mounted: true, ...(neighbours ? { neighbours } : {}) };
}

function rootOf({ common }: Opened, method: string, path: string): Place | undefined {
  const found = common.below(path) ?? common.root(method, path);
  return found && { repository: found.repository, path, neighbours: found.neighbours };
}
