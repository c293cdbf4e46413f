import type { Principal } from '../auth/principal.js';
import { houseErrors } from '../compose-failure.js';
import { forbidden, invalid, notFound } from '../errors/registry-error.js';
import type { ProtocolInstance } from '../http/plugin.js';
import { json, type Reply, textReply } from '../http/reply.js';
import { type Call, type Param, type Route, routesOf } from '../http/route.js';
import type { PackageSource, Ruled } from '../packages/package-handle.js';
import type { OpenRegistry } from '../smart-registry.js';
import { FORMAT_KEY } from '../storage/key.js';
import { optionalFields, userOf } from './management.js';
import { showRepositories } from './shown-repositories.js';
import { uiRoutes } from './ui-routes.js';

const KiB = 1024;
const READY_MS = 2_000;
const route = routesOf<Ruled>();

/** What the house knows of its own process. */
export interface HouseFacts {
  readonly registry: OpenRegistry;
  /** False from the moment at which the server begins to shut down. */
  serving(): boolean;
  /** Prometheus text over all processes. */
  metrics(): Promise<string>;
  /** True: a repository is mounted at the root of the host, and `/` belongs to it. */
  readonly rootTaken: boolean;
  /** Where the compiled scripts of the web page lie. Default: beside the server's own. */
  readonly uiFolder?: URL;
}

/** The house has no packages of its own. */
export const noPackages: PackageSource<Ruled> = {
  name: '-',
  protocol: 'house',
  anonymousRead: true,
  open: () => Promise.reject(notFound('package')),
  list: () => Promise.resolve({ position: 0, items: [] }),
};

/** Everything below `/-/` that is no repository's, and the page at `/`. */
export function houseRoutes(facts: HouseFacts): ProtocolInstance {
  const page = route({ id: 'root', method: 'GET', path: '/', params: {}, access: 'public', handler: async () => welcome(facts) });
  const routes = [
    ...(facts.rootTaken ? [] : [page]),
    ...states(facts),
    ...tokens(facts),
    ...upkeep(facts),
    ...uiRoutes(facts.uiFolder),
  ];
  return { protocol: 'house', resourceType: 'house', routes, errors: houseErrors };
}

const welcome = ({ registry }: HouseFacts): Reply => {
  const lines = registry.repositories.map(({ plan }) => `${`${plan.basePath}/`.padEnd(24)} ${plan.protocol} (${plan.name})`);
  return textReply(
    ['Entrepot: a package registry.', '', ...lines, '', '/-/ui/  /-/health  /-/ready  /-/metrics  /-/api/v1/', ''].join('\n'),
    'no-store',
  );
};

const states = (facts: HouseFacts): readonly Route[] => [
  route({
    id: 'health',
    method: 'GET',
    path: '/-/health',
    params: {},
    access: 'public',
    handler: async () => json({ status: 'up' }, 'no-store'),
  }),
  route({ id: 'ready', method: 'GET', path: '/-/ready', params: {}, access: 'public', handler: () => ready(facts) }),
  route({
    id: 'metrics',
    method: 'GET',
    path: '/-/metrics',
    params: {},
    access: 'public',
    handler: async () => textReply(await facts.metrics(), 'no-store', { mediaType: 'text/plain; version=0.0.4; charset=utf-8' }),
  }),
];

async function ready({ registry, serving }: HouseFacts): Promise<Reply> {
  if (!serving()) return json({ status: 'draining' }, 'no-store', { status: 503 });
  const { driver } = registry.storage;
  const { clock } = registry.runtime;
  const limit = new AbortController();
  const timer = clock.after(READY_MS, () => limit.abort(new Error('the storage did not answer in time')));
  const late = new Promise<undefined>((resolve) =>
    limit.signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  );
  try {
    const found = await Promise.race([driver.stat(FORMAT_KEY, { signal: limit.signal }), late]);
    return found
      ? json({ status: 'ready' }, 'no-store')
      : json({ status: 'storage does not answer' }, 'no-store', { status: 503 });
  } catch {
    return json({ status: 'storage does not answer' }, 'no-store', { status: 503 });
  } finally {
    timer.cancel();
  }
}

const tokenId: Param<string> = {
  pattern: '[^/]+',
  parse(text) {
    if (!/^[!-~]{1,512}$/.test(text)) throw invalid('This is no id of a token');
    return text;
  },
};

const tokens = ({ registry: { auth } }: HouseFacts): readonly Route[] => [
  route({
    id: 'manage-tokens',
    method: 'GET',
    path: '/-/api/v1/tokens',
    params: {},
    access: 'authenticated',
    handler: async (call) => json({ tokens: await auth.accounts.listTokens(caller(call)) }, 'no-store'),
  }),
  route({
    id: 'manage-token-create',
    method: 'POST',
    path: '/-/api/v1/tokens',
    params: {},
    access: 'authenticated',
    body: { max: 64 * KiB, parse: optionalFields },
    handler: async (call) => {
      const { token, info } = await auth.accounts.createToken(caller(call), tokenRequest(call.body));
      return json({ ...info, token }, 'no-store', { status: 201 });
    },
  }),
  route({
    id: 'manage-token-revoke',
    method: 'DELETE',
    path: '/-/api/v1/tokens/{id}',
    params: { id: tokenId },
    access: 'authenticated',
    handler: async (call) => {
      await auth.accounts.revokeToken(caller(call), call.params.id);
      return json({ ok: true }, 'no-store');
    },
  }),
];

function caller(call: Call<unknown, unknown, Ruled>): Principal {
  userOf(call);
  return call.principal as Principal;
}

const REQUEST_FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  name: (value) => typeof value === 'string',
  readonly: (value) => typeof value === 'boolean',
  ttl: (value) => typeof value === 'number',
  protocol: (value) => typeof value === 'string',
  scopes: isTexts,
  cidr: isTexts,
};

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length <= 1_000 && value.every((item) => typeof item === 'string');
}

/** The limits that are asked for; `createToken` holds them against the caller's own. */
function tokenRequest(body: Readonly<Record<string, unknown>>): Readonly<Record<string, never>> {
  for (const [field, value] of Object.entries(body)) {
    if (!REQUEST_FIELDS[field]?.(value)) throw invalid(`${field.slice(0, 50)} is not a field of a token, or has another type`);
  }
  return body as Readonly<Record<string, never>>;
}

const upkeep = ({ registry }: HouseFacts): readonly Route[] => [
  route({
    id: 'manage-repositories',
    method: 'GET',
    path: '/-/api/v1/repositories',
    params: {},
    access: 'filtered',
    handler: async (call) => showRepositories(registry, call),
  }),
  route({
    id: 'manage-gc',
    method: 'POST',
    path: '/-/api/v1/gc',
    params: {},
    access: 'authenticated',
    body: { max: KiB, parse: optionalFields },
    handler: async (call) => {
      await requireOperator(registry, caller(call));
      const { dryRun = false, ...others } = call.body;
      if (typeof dryRun !== 'boolean') throw invalid('dryRun must be true or false');
      // what was meant to try deletes nothing
      const [unknown] = Object.keys(others);
      if (unknown !== undefined || call.query.get('dryRun') !== undefined)
        throw invalid(
          `the body may hold dryRun, and nothing else is read${unknown === undefined ? '' : `: ${unknown.slice(0, 40)}`}`,
        );
      const how = { dryRun, signal: call.signal, onProgress: () => call.progress() };
      const { collectAll } = await import('./house-keeping.js');
      return json({ dryRun, repositories: await collectAll(registry, how) }, 'no-store');
    },
  }),
];

/** Administers everything in every repository. */
async function requireOperator({ auth, repositories }: OpenRegistry, principal: Principal): Promise<void> {
  for (const { plan, protocol } of repositories) {
    const resource = { repository: plan.name, protocol: plan.protocol, type: protocol.resourceType, name: '*' };
    if (!(await auth.manager.allows(principal, resource, 'admin'))) throw forbidden('This needs an administrator');
  }
}
