import type { Accounts } from '../auth/accounts.js';
import { houseErrors } from '../compose-failure.js';
import type { OpenRepository } from '../compose-repositories.js';
import { invalid, notFound, RegistryError } from '../errors/registry-error.js';
import { parseJson } from '../formats/json.js';
import type { OneTimePasswords, ProtocolInstance } from '../http/plugin.js';
import { json, type Reply } from '../http/reply.js';
import { type Call, type Param, type Query, type RequestBody, type Route, routesOf } from '../http/route.js';
import { least } from '../lib/least.js';
import { steersTerminal } from '../lib/printable.js';
import { historyPage } from '../packages/history.js';
import type { Ruled } from '../packages/package-handle.js';
import { MAX_OWNERS } from '../packages/policy.js';
import type { LifeCycle } from '../protocols/protocol.js';
import { isThere, PackageLifeCycle } from './life-cycle.js';
import { limitOf, peopleIn, showPackage } from './shown-package.js';

const KiB = 1024;
const MAX_REASON = 4_096;
const MAX_NAME = 256;

const route = routesOf<Ruled>();
type Fields = Readonly<Record<string, unknown>>;

/** How a change brings a one-time password where its user has turned them on, or the package asks for them. */
const oneTimePasswords: OneTimePasswords = {
  header: 'entrepot-otp',
  challenge: async () => new RegistryError('unauthenticated', 'This needs a one-time password', { code: 'otp' }),
};

/** A JSON object, or nothing at all. */
export async function optionalFields(body: RequestBody): Promise<Fields> {
  const bytes = body.parsed === undefined ? await body.bytes() : undefined;
  if (bytes?.byteLength === 0) return {};
  const value = bytes ? parseJson(bytes) : await body.json();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('The body must be a JSON object');
  return value as Fields;
}

export const userOf = ({ principal }: Pick<Call<unknown, unknown, Ruled>, 'principal'>): string => {
  if (!principal) throw new RegistryError('unauthenticated', 'authentication required');
  return principal.userId;
};

const reasonOf = ({ reason }: Fields): string | undefined => {
  if (reason === undefined) return undefined;
  if (typeof reason !== 'string' || reason.length > MAX_REASON)
    throw invalid(`reason must be a text of at most ${MAX_REASON} characters`);
  if (steersTerminal(reason)) throw invalid('reason must not have control characters');
  return reason;
};

const purgeOf = (query: Query): boolean => {
  const text = query.get('purge') ?? 'false';
  if (text !== 'true' && text !== 'false') throw invalid('purge must be true or false');
  return text === 'true';
};

const texts = (parse: (text: string) => string): Param<string> => ({ pattern: '[^/]+', parse });

async function listPackages(call: Call<unknown, unknown, Ruled>): Promise<Reply> {
  const { items } = await call.listing();
  const [wanted, after, limit] = [call.query.get('q')?.toLowerCase(), call.query.get('after') ?? '', limitOf(call.query, '100')];
  const fits = (name: string): boolean => name > after && (!wanted || name.toLowerCase().includes(wanted));
  const names = least(items.map(({ identity }) => identity).filter(fits), limit + 1);
  const page = names.slice(0, limit);
  const next = names.length > limit ? { next: page.at(-1) } : {};
  return json({ packages: page.map((name) => ({ name })), ...next }, 'no-store');
}

/** The number of an entry; throws `invalid`. */
function entryOf(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw invalid('before must be the number of an entry');
  return Number(text);
}

/** The newest ones, or those before `before`. The log of a deleted package is for whoever may administer it: for readers it never was. */
async function showHistory(
  space: OpenRepository['space'],
  lifeCycle: LifeCycle<Ruled>,
  call: Call<unknown, unknown, Ruled>,
  accounts: Pick<Accounts, 'profile'>,
): Promise<Reply> {
  const { name, snapshot } = call.package;
  const limit = limitOf(call.query, '100');
  const end = Math.min(snapshot.position, entryOf(call.query.get('before') ?? String(snapshot.position)));
  const there = isThere(lifeCycle, snapshot) || (snapshot.position > 0 && (await call.package.may('admin')));
  if (!there) throw notFound(`package ${name}`);
  const onRecord = (): void => call.progress();
  const { records, before } = await historyPage(space, name, { before: end, limit, signal: call.signal, onRecord });
  const people = await peopleIn(
    accounts,
    records.map(({ by }) => by),
  );
  return json({ name, history: records, ...(before === undefined ? {} : { before }), people }, 'no-store');
}

/** The management surface of one repository, as routes of their own beside the protocol's: same packages, same rules, same commit. */
export async function managementOf(
  repository: OpenRepository,
  accounts: Pick<Accounts, 'findUser' | 'profile'>,
): Promise<ProtocolInstance> {
  const { name: protocol, resourceType } = repository.protocol;
  const lifeCycle = await repository.protocol.lifeCycle();
  const params = { name: texts((text) => lifeCycle.identity(text)) };
  const both = { ...params, version: texts((text) => lifeCycle.version(text)) };
  const about = ({ name }: { readonly name: string }): string => name;
  const open = (call: Call<unknown, unknown, Ruled>): PackageLifeCycle =>
    new PackageLifeCycle(call.package, lifeCycle, repository.plan.features);
  const shown = (call: Call<unknown, unknown, Ruled>): Reply => json({ name: call.package.name, ok: true }, 'no-store');
  const routes: readonly Route[] = [
    route({ id: 'manage-packages', method: 'GET', path: '/packages', params: {}, access: 'filtered', handler: listPackages }),
    route({
      id: 'manage-package',
      method: 'GET',
      path: '/packages/{name}',
      params,
      access: 'read',
      package: about,
      handler: (call) => showPackage(call, lifeCycle, accounts),
    }),
    route({
      id: 'manage-history',
      method: 'GET',
      path: '/packages/{name}/history',
      params,
      access: 'read',
      authenticated: true,
      package: about,
      handler: (call) => showHistory(repository.space, lifeCycle, call, accounts),
    }),
    route({
      id: 'manage-yank',
      method: 'PUT',
      path: '/packages/{name}/versions/{version}/yank',
      params: both,
      access: 'overwrite',
      package: about,
      body: { max: 64 * KiB, parse: optionalFields },
      handler: async (call) => {
        await open(call).yank(call.params.version, userOf(call), reasonOf(call.body));
        return shown(call);
      },
    }),
    route({
      id: 'manage-restore',
      method: 'DELETE',
      path: '/packages/{name}/versions/{version}/yank',
      params: both,
      access: 'overwrite',
      package: about,
      handler: async (call) => {
        await open(call).restore(call.params.version, userOf(call));
        return shown(call);
      },
    }),
    ...deletions(both, open, shown),
    ...rules(params, open, shown, accounts),
  ];
  return { protocol, resourceType, oneTimePasswords, routes, errors: houseErrors };
}

function deletions(
  params: { readonly name: Param<string>; readonly version: Param<string> },
  open: (call: Call<unknown, unknown, Ruled>) => PackageLifeCycle,
  shown: (call: Call<unknown, unknown, Ruled>) => Reply,
): readonly Route[] {
  return [
    route({
      id: 'manage-delete-version',
      method: 'DELETE',
      path: '/packages/{name}/versions/{version}',
      params,
      access: 'delete',
      package: ({ name }) => name,
      handler: async (call) => {
        await open(call).deleteVersion(call.params.version, userOf(call), purgeOf(call.query));
        return shown(call);
      },
    }),
    route({
      id: 'manage-delete',
      method: 'DELETE',
      path: '/packages/{name}',
      params: { name: params.name },
      access: 'delete',
      package: ({ name }) => name,
      handler: async (call) => {
        await open(call).deleteAll(userOf(call), purgeOf(call.query));
        return shown(call);
      },
    }),
  ];
}

const visibilityOf = ({ visibility }: Fields): 'public' | 'restricted' => {
  if (visibility === 'public' || visibility === 'restricted') return visibility;
  throw invalid('visibility must be public or restricted');
};

/** Names become ids. A package without owners is everybody's who may push, so there is at least one. */
async function ownersOf({ owners }: Fields, accounts: Pick<Accounts, 'findUser'>): Promise<readonly string[]> {
  const named = Array.isArray(owners) && owners.length > 0 && owners.length <= MAX_OWNERS;
  if (!named || !owners.every((one): one is string => typeof one === 'string' && one.length <= MAX_NAME))
    throw invalid(`owners must be a list of 1 to ${MAX_OWNERS} names of users`);
  const ids: string[] = [];
  for (const name of new Set(owners)) {
    const id = await accounts.findUser(name);
    if (id === undefined) throw invalid(`there is no user ${name}`);
    ids.push(id);
  }
  return ids;
}

function rules(
  params: { readonly name: Param<string> },
  open: (call: Call<unknown, unknown, Ruled>) => PackageLifeCycle,
  shown: (call: Call<unknown, unknown, Ruled>) => Reply,
  accounts: Pick<Accounts, 'findUser'>,
): readonly Route[] {
  const shared = { params, access: 'admin', package: ({ name }: { readonly name: string }): string => name } as const;
  return [
    route({
      id: 'manage-visibility',
      method: 'PUT',
      path: '/packages/{name}/visibility',
      ...shared,
      body: { max: 64 * KiB, parse: optionalFields },
      handler: async (call) => {
        await open(call).setVisibility(visibilityOf(call.body), userOf(call));
        return shown(call);
      },
    }),
    route({
      id: 'manage-owners',
      method: 'PUT',
      path: '/packages/{name}/owners',
      ...shared,
      body: { max: 64 * KiB, parse: optionalFields },
      handler: async (call) => {
        await open(call).setOwners(await ownersOf(call.body, accounts), userOf(call));
        return shown(call);
      },
    }),
  ];
}
