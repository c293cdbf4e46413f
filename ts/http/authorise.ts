import type { Action, Rights } from '../auth/principal.js';
import { forbidden, notFound, RegistryError } from '../errors/registry-error.js';
import type { Caller, PackageHandle, PackageSource, Ruled } from '../packages/package-handle.js';
import { asksRights, grantsFor, permits, type Standing } from '../packages/policy.js';
import type { ErrorFormat } from './plugin.js';
import type { Listing, Route } from './route.js';

/** A caller who may know without being asked name by name. */
export interface Asker extends Caller {
  /** `listed`: for one of many names of a list. */
  rights?(name: string, listed?: boolean): Promise<Rights | undefined>;
  /** True: every name would be granted for reading. */
  readsEvery?(): boolean;
  /** As they could be with another session of theirs. */
  wider?(): Asker | undefined;
  /** Who they are where names are listed: sessions say whether they may show names that they do not open. */
  lister?(): Asker;
}

/** Who wants to get in, and where. */
export interface Entry {
  readonly route: Route;
  /** GET or HEAD. */
  readonly reading: boolean;
  /** Identity strings that the route named. */
  readonly names: readonly string[];
  /** What callers write before each of them; default: nothing. */
  readonly prefix?: string;
  readonly caller: Asker;
  readonly source: PackageSource<Ruled>;
  readonly errors: ErrorFormat;
}

type Handle = PackageHandle<Ruled>;

const narrow = (): RegistryError =>
  new RegistryError('unauthenticated', 'the token does not open this', { code: 'insufficient_scope' });

/**
 * In the words of scopes, so that who reads it knows which right to look for: clients show nothing else. `owned`: the credentials are good enough, but it
 * belongs to others.
 */
const denial = (actions: readonly Action[], owned: boolean): string =>
  owned
    ? `access denied: only an owner of it may ${actions.join(' or ')} here`
    : `access denied: with these credentials you may not ${actions.join(' or ')} here`;

const unauthenticated = (): RegistryError => new RegistryError('unauthenticated', 'authentication required');

/** A log that holds nothing but a collector's floors is no package yet. */
export const isAbsent = ({ position, named }: Handle['snapshot']): boolean => position === 0 || !named;

const ruleOf = (snapshot: Handle['snapshot']): Ruled | undefined => (isAbsent(snapshot) ? undefined : snapshot.state);

const READING: ReadonlySet<Action> = new Set(['read']);
const NOTHING: ReadonlySet<Action> = new Set();

async function grantedOf(caller: Asker, name: string, actions: readonly Action[]): Promise<ReadonlySet<Action>> {
  const [only] = actions;
  // Nearly every request reads, and asks for nothing else.
  if (only === 'read' && actions.length === 1)
    return caller.readsEvery?.() === true || (await caller.granted(name, only)) ? READING : NOTHING;
  const asked = [...new Set(actions.flatMap(grantsFor))];
  const answers = await Promise.all(asked.map((action) => caller.granted(name, action)));
  return new Set(asked.filter((_, at) => answers[at]));
}

/** May this caller do any of that, with these grants, to a package with this rule? A promise only where an organisation may have a say. */
function permitted(
  { caller, source: { anonymousRead } }: Pick<Entry, 'caller' | 'source'>,
  name: string,
  granted: ReadonlySet<Action>,
  actions: readonly Action[],
  rule: Ruled | undefined,
  listed = false,
): boolean | Promise<boolean> {
  const { principal, enforceOwners } = caller;
  const standing = { principal, granted, anonymousRead, enforceOwners };
  if (principal && caller.rights && asksRights(principal, actions, rule))
    return within(caller, name, standing, actions, rule, listed);
  return actions.some((action) => permits(standing, action, rule));
}

async function within(
  caller: Asker,
  name: string,
  standing: Standing,
  actions: readonly Action[],
  rule: Ruled | undefined,
  listed: boolean,
): Promise<boolean> {
  const rights = await caller.rights?.(name, listed);
  // Whom the organisation gives nothing may still be an administrator, which nobody has asked about for reading.
  const admin = rights === 'none' && !standing.granted.has('admin') && (await caller.granted(name, 'admin'));
  const granted = admin ? new Set([...standing.granted, 'admin' as const]) : standing.granted;
  const administrator = actions.some((action) => action !== 'read') && (await caller.administers?.(name)) === true;
  return actions.some((action) => permits({ ...standing, granted, rights, administrator }, action, rule));
}

/**
 * What a caller hears who may not read a package, and also who asks for an absent one: the same, byte for byte, or existence could be learnt.
 * In a repository that is closed to anonymous callers they never come this far.
 */
export function unreadable(
  { errors, caller, prefix = '' }: Pick<Entry, 'errors' | 'caller' | 'prefix'>,
  name: string,
): RegistryError {
  if (!caller.principal && errors.anonymousDenied === 'unauthenticated') return unauthenticated();
  return errors.absent?.(prefix + name) ?? notFound('package');
}

/** Another session would be let in, as far as can be said without the package: clients are told to fetch it, and cannot be told so twice. */
async function isNarrow({ caller, errors, source }: Entry, name: string, actions: readonly Action[], rule: Ruled | undefined) {
  const wider = errors.narrowDenied === undefined ? undefined : caller.wider?.();
  return (
    wider !== undefined &&
    (await permitted({ caller: wider, source }, name, await grantedOf(wider, name, actions), actions, rule))
  );
}

async function refusal(entry: Entry, name: string, actions: readonly Action[], rule: Ruled | undefined): Promise<RegistryError> {
  const { caller, reading } = entry;
  if (!caller.principal) return reading ? unreadable(entry, name) : unauthenticated();
  if (await isNarrow(entry, name, actions, rule)) return narrow();
  const readable = await permitted(entry, name, await grantedOf(caller, name, ['read']), ['read'], rule);
  if (reading && !readable) return unreadable(entry, name);
  // whether it has owners is for those to know who may read it
  const owned = readable && rule !== undefined && rule.owners.length > 0 && !rule.owners.includes(caller.principal.userId);
  const granted = owned ? await grantedOf(caller, name, actions) : NOTHING;
  return forbidden(
    denial(
      actions,
      actions.some((action) => granted.has(action)),
    ),
  );
}

/** The package that the route is about, or the refusal. Nothing is loaded for callers whom no state could let in. */
async function admitTo(entry: Entry, name: string, actions: readonly Action[]): Promise<Handle> {
  const { caller, source } = entry;
  const granted = await grantedOf(caller, name, actions);
  if (granted.size === 0) throw await refusal(entry, name, actions, undefined);
  const handle = await source.open(name, caller, entry.reading ? 'read' : 'change');
  let rule = ruleOf(handle.snapshot);
  if (await permitted(entry, name, granted, actions, rule)) return handle;
  if (!entry.reading) {
    // What a change begins with may be behind: a refusal never rests on it.
    rule = ruleOf(await handle.readStrong());
    if (await permitted(entry, name, granted, actions, rule)) return handle;
  }
  throw await refusal(entry, name, actions, rule);
}

/** A package that the request merely refers to: not given where the caller may not read it. */
async function sourceOf(entry: Entry, name: string): Promise<Handle | undefined> {
  const granted = await grantedOf(entry.caller, name, ['read']);
  if (granted.size === 0) {
    if (await isNarrow(entry, name, ['read'], undefined)) throw narrow();
    return undefined;
  }
  const handle = await entry.source.open(name, entry.caller, 'read');
  return (await permitted(entry, name, granted, ['read'], ruleOf(handle.snapshot))) ? handle : undefined;
}

/**
 * Lets a request in, or throws: 401 where credentials, or other ones, could help, 403 for changes, 404 where existence must not be learnt (design §3).
 * Answers handles on the packages that the route named.
 */
export async function authorise(entry: Entry): Promise<readonly Handle[]> {
  const { route, caller, source, names } = entry;
  if (route.access === 'public') return [];
  const closed = route.access === 'authenticated' || route.authenticated || !source.anonymousRead;
  if (!caller.principal && closed) throw unauthenticated();
  if (route.access === 'filtered' && entry.errors.narrowDenied && caller.lister?.() === caller && caller.wider?.())
    throw narrow();
  if (typeof route.access === 'string') return [];
  const [first, ...others] = names;
  if (first === undefined) throw new TypeError(`route ${route.id} names no package`);
  const handles = [await admitTo(entry, first, route.access)];
  for (const name of others) {
    const handle = await sourceOf(entry, name);
    if (handle) handles.push(handle);
  }
  return handles;
}

/** True when anonymous callers would have been given the same answer. `callerWithout`: makes one without credentials. */
export function openToAll(entry: Entry, packages: readonly Handle[], callerWithout: () => Asker): boolean | Promise<boolean> {
  const { route, source } = entry;
  if (route.access === 'public') return true;
  if (route.access === 'authenticated' || route.authenticated || !source.anonymousRead) return false;
  if (route.access === 'filtered') return !entry.caller.principal;
  return route.access.includes('read') && readableBy(callerWithout(), source, packages);
}

async function readableBy(anonymous: Asker, source: Entry['source'], packages: readonly Handle[]): Promise<boolean> {
  for (const handle of packages) {
    const { name, snapshot } = handle;
    const granted = await grantedOf(anonymous, name, ['read']);
    if (!(await permitted({ caller: anonymous, source }, name, granted, ['read'], ruleOf(snapshot)))) return false;
    if (!(await handle.isForAll())) return false;
  }
  return true;
}

/** All packages that the caller may read, fresh. Filtered before anybody can page through it. */
export async function listing(entry: Pick<Entry, 'caller' | 'source'>): Promise<Listing> {
  const { source } = entry;
  const caller = entry.caller.lister?.() ?? entry.caller;
  const { position, items } = await source.list(caller.signal);
  const visible = [];
  // Ten thousand questions take a tenth of a second, even where each is answered at once.
  const every = caller.readsEvery?.() === true ? READING : undefined;
  for (const { item, rule } of items) {
    const granted = every ?? (await grantedOf(caller, item.identity, ['read']));
    const may = permitted({ caller, source }, item.identity, granted, ['read'], rule, true);
    if (may === true || (may !== false && (await may))) visible.push(item);
  }
  return { items: visible, position, complete: visible.length === items.length };
}
