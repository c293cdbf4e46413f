import type { IdentifyContext, Principal, Resource } from '../auth/principal.js';
import { RegistryError } from '../errors/registry-error.js';
import type { PackageHandle, Ruled } from '../packages/package-handle.js';
import { authorise, type Entry, isAbsent, listing, openToAll, unreadable } from './authorise.js';
import { IncomingBody } from './body.js';
import { RequestCaller } from './caller.js';
import { presenceOf, type RawResponse } from './context.js';
import { explain, writeError } from './fail.js';
import { headersOf } from './headers.js';
import { Lifetime } from './lifetime.js';
import { askOnce } from './one-time-password.js';
import type { WantedAccess } from './plugin.js';
import { queryOf } from './query.js';
import { type Answer, respond } from './respond.js';
import type { Call, HeaderBag, Listing, NamedListing, Query, Route } from './route.js';
import { canonicalPath, match, unmatched } from './router.js';
import type { RegistryRequest, Site } from './site.js';

/** Bodies that are shorter than this are read to their end and forgotten; for longer ones the connection is closed (reliability H10). */
const DRAINED = 64 * 1024;

/** Credentials that were shown within this time are not asked about again. */
const SHOWN_LATELY_MS = 1_000;

/** What is known of a request so far: also what an error needs. */
class Exchange {
  readonly site: Site;
  readonly request: RegistryRequest;
  readonly headers: HeaderBag;
  readonly lifetime: Lifetime;
  route: Route | undefined;
  principal: Principal | undefined;
  body: IncomingBody | undefined;
  /** Identity strings that the route has named. */
  names: readonly string[] = [];
  /** Set once a reader has been let in to a package that is not there. */
  absent: RegistryError | undefined;

  constructor(site: Site, request: RegistryRequest) {
    this.site = site;
    this.request = request;
    this.headers = request.bag ?? headersOf(request.headers);
    this.lifetime = new Lifetime(site.runtime.clock, site.limits.requestTimeoutMs, presenceOf(request));
  }

  get reading(): boolean {
    return this.request.method === 'GET' || this.request.method === 'HEAD';
  }

  /** What a challenge asks for. */
  get wanted(): readonly WantedAccess[] {
    const { route, names, prefix } = this;
    if (route?.access === 'filtered') return [{ ...this.resource('*'), actions: ['read'], list: true }];
    const actions = route === undefined || typeof route.access === 'string' ? [] : route.access;
    return names.map((name) => ({ ...this.resource(prefix + name), actions }));
  }

  get prefix(): string {
    return this.request.prefix ?? '';
  }

  resource(name: string, repository = this.site.source.name): Resource {
    const { instance } = this.site;
    return { repository, protocol: instance.protocol, type: instance.resourceType, name };
  }

  /** `repository`: another one of the same protocol. */
  caller(principal: Principal | undefined, repository?: string): RequestCaller {
    const { gate, instance } = this.site;
    const { actor, address, baseUrl } = this.request;
    const resource = (name: string): Resource => this.resource(name, repository);
    return new RequestCaller({
      gate,
      principal,
      resource,
      organisationOf: instance.organisationOf,
      confirm: askOnce({ gate, principal, headers: this.headers, baseUrl, passwords: instance.oneTimePasswords }),
      renew: (who) => this.renew(who),
      actor,
      address,
      userAgent: this.headers.get('user-agent'),
      lifetime: this.lifetime,
    });
  }

  /**
   * Uploads take their time, and a token that was revoked meanwhile must change nothing any more. One that has run out meanwhile was good when it was shown:
   * clients are not made to send everything again.
   */
  private async renew({ userId, token }: Principal): Promise<void> {
    const { gate, runtime } = this.site;
    const { expiresAt = Number.POSITIVE_INFINITY } = token;
    if (runtime.clock.monotonic() - this.lifetime.began < SHOWN_LATELY_MS || expiresAt <= runtime.clock.now()) return;
    const now = await gate.identify(this.headers, new Identifying(this));
    if (now?.userId !== userId) throw new RegistryError('unauthenticated', 'The credentials are not valid any more');
  }
}

/** Getters of a class: an object that is made with getters of its own is dear. */
class Identifying implements IdentifyContext {
  readonly protocol: string;
  readonly repository: string;
  readonly address: string | undefined;
  private readonly lifetime: Lifetime;

  constructor({ site, request, lifetime }: Exchange) {
    this.protocol = site.instance.protocol;
    this.repository = site.source.name;
    this.address = request.address;
    this.lifetime = lifetime;
  }

  get signal(): AbortSignal {
    return this.lifetime.signal;
  }
}

/** Bad credentials are refused everywhere but where nobody asks for them. */
async function identify(exchange: Exchange, route: Route): Promise<Principal | undefined> {
  try {
    return await exchange.site.gate.identify(exchange.headers, new Identifying(exchange));
  } catch (cause) {
    if (route.access === 'public' && cause instanceof RegistryError && cause.kind === 'unauthenticated') return undefined;
    throw cause;
  }
}

function boundBody(exchange: Exchange, route: Route): IncomingBody | Promise<IncomingBody> {
  const { runtime, limits } = exchange.site;
  const body = new IncomingBody(exchange.request.body, exchange.headers, route.body, {
    clock: runtime.clock,
    progressMs: limits.bodyProgressMs,
    totalMs: limits.bodyTotalMs,
    lifetime: exchange.lifetime,
    onProgress: () => exchange.lifetime.touch(),
  });
  exchange.body = body;
  return route.body || body.none ? body : body.expectNone().then(() => body);
}

interface Understood {
  readonly values: Readonly<Record<string, unknown>>;
  readonly query: Query;
  readonly packages: readonly PackageHandle<Ruled>[];
  readonly body: unknown;
  readonly entry: Entry;
}

const neighboursOf = (exchange: Exchange): readonly NamedListing[] =>
  (exchange.request.neighbours ?? []).map(({ prefix, source }) => ({
    prefix,
    repository: source.name,
    listing: () => listing({ source, caller: exchange.caller(exchange.principal, source.name) }),
  }));

type AnyCall = Call<Readonly<Record<string, unknown>>, unknown, Ruled>;

class HandlerCall implements AnyCall {
  readonly params: Readonly<Record<string, unknown>>;
  readonly query: Query;
  readonly headers: HeaderBag;
  readonly body: unknown;
  readonly baseUrl: string;
  readonly prefix: string;
  readonly principal: Principal | undefined;
  readonly address: string | undefined;
  readonly packages: readonly PackageHandle<Ruled>[];
  readonly #exchange: Exchange;
  readonly #entry: Entry;

  constructor(exchange: Exchange, known: Understood) {
    this.params = known.values;
    this.query = known.query;
    this.headers = exchange.headers;
    this.body = known.body;
    this.baseUrl = exchange.request.baseUrl;
    this.prefix = exchange.prefix;
    this.principal = exchange.principal;
    this.address = exchange.request.address;
    this.packages = known.packages;
    this.#exchange = exchange;
    this.#entry = known.entry;
  }

  progress(): void {
    this.#exchange.lifetime.touch();
  }

  get neighbours(): readonly NamedListing[] {
    return neighboursOf(this.#exchange);
  }

  get signal(): AbortSignal {
    return this.#exchange.lifetime.signal;
  }

  get package(): PackageHandle<Ruled> {
    const [first] = this.packages;
    if (!first) throw new TypeError(`route ${this.#exchange.route?.id} names no package`);
    return first;
  }

  listing(): Promise<Listing> {
    return listing(this.#entry);
  }
}

/** The way of every request, in reading order (design §3). */
async function answer(exchange: Exchange): Promise<Answer> {
  const { site, request } = exchange;
  const found = match(site.instance.routes, request.method, canonicalPath(request.path));
  if (!found.route) throw unmatched(found.allow);
  const { route } = found;
  exchange.route = route;
  const { values } = found;
  const query = queryOf(request.rawQuery);
  const named = route.package?.(values, query, exchange.prefix) ?? [];
  const names = typeof named === 'string' ? [named] : named;
  const actions = typeof route.access === 'string' ? [] : route.access;
  exchange.names = names;
  exchange.principal = await identify(exchange, route);
  const incoming = await boundBody(exchange, route);
  const caller = exchange.caller(exchange.principal);
  const { reading, prefix } = exchange;
  const entry: Entry = { route, reading, names, prefix, caller, source: site.source, errors: site.instance.errors };
  const packages = await authorise(entry);
  const [first] = packages;
  if (reading && actions.every((action) => action === 'read') && first && isAbsent(first.snapshot))
    exchange.absent = unreadable(entry, first.name);
  const body = route.body?.parse ? await route.body.parse(incoming) : incoming;
  const reply = await route.handler(new HandlerCall(exchange, { values, query, packages, body, entry }));
  return respond(
    {
      method: request.method,
      headers: exchange.headers,
      shared: () => openToAll(entry, packages, () => (exchange.principal ? exchange.caller(undefined) : caller)),
      perCaller: route.access === 'filtered',
      staleFor: first?.staleFor,
      lifetime: exchange.lifetime,
    },
    reply,
  );
}

function report(exchange: Exchange, cause: unknown, incident: string | undefined): void {
  const { site, route } = exchange;
  try {
    site.onFault(cause, { repository: site.source.name, protocol: site.instance.protocol, route: route?.id, incident });
  } catch {
    // A log that fails must not cost the client its answer.
  }
}

/** The client's next request would begin in the middle of this one's body. */
function mustClose({ body, headers, request }: Exchange): boolean {
  if (body) return body.remaining > DRAINED;
  if (headers.get('transfer-encoding') !== undefined) return true;
  return request.body !== undefined && Number(headers.get('content-length') ?? 0) > DRAINED;
}

function finished(exchange: Exchange, { status, headers, body }: Answer, statusText?: string): RawResponse {
  if (mustClose(exchange)) headers.set('Connection', 'close');
  const { site, route, principal } = exchange;
  const about = { repository: site.source.name, route: route?.id, user: principal?.userId };
  return { status, statusText, headers: headers.record(), body, about };
}

function failed(exchange: Exchange, cause: unknown): RawResponse {
  const { site, request } = exchange;
  const explained = explain(cause, site.runtime);
  if (!explained) return gone(exchange);
  const { error: known, fault } = explained;
  if (fault) report(exchange, cause, fault.incident);
  const error = known.kind === 'not_found' && exchange.absent ? exchange.absent : known;
  const { status, statusText, headers, body } = writeError(site.instance.errors, error, request.baseUrl, exchange.wanted);
  if (error.kind === 'request_timeout') headers.set('Connection', 'close');
  return finished(exchange, { status, headers, body: request.method === 'HEAD' ? undefined : body }, statusText);
}

/** Nobody hears this; 499 is what logs call it. */
function gone({ site, route, principal }: Exchange): RawResponse {
  const about = { repository: site.source.name, route: route?.id, user: principal?.userId };
  return { status: 499, statusText: 'Client Closed Request', headers: { Connection: 'close' }, body: undefined, about };
}

/** An answer that nobody wants any more: what it has opened is closed. A stream that has its reader is its reader's business. */
function discard({ body }: Pick<Answer, 'body'>): void {
  if (body && !(body instanceof Uint8Array)) body.cancel().catch(() => undefined);
}

/** The protocol's own voice has failed: the last words are ours. */
function speechless(exchange: Exchange, cause: unknown): RawResponse {
  report(exchange, cause, undefined);
  return {
    ...gone(exchange),
    status: 500,
    statusText: 'Internal Server Error',
    headers: { Connection: 'close', 'Content-Length': '0' },
  };
}

/** Answers one request to one repository. Never rejects. */
export async function dispatch(site: Site, request: RegistryRequest): Promise<RawResponse> {
  const exchange = new Exchange(site, request);
  const { lifetime } = exchange;
  let streaming = false;
  try {
    const raw = finished(exchange, await lifetime.race(answer(exchange), discard));
    streaming = raw.body !== undefined && !(raw.body instanceof Uint8Array);
    if (streaming) lifetime.signal.addEventListener('abort', () => discard(raw), { once: true });
    return raw;
  } catch (cause) {
    try {
      return failed(exchange, cause);
    } catch (fault) {
      return speechless(exchange, fault);
    }
  } finally {
    lifetime.answered(streaming);
  }
}
