import type { Action, Principal, Rights } from '../auth/principal.js';
import type { Ruled } from './package-handle.js';

/** What is known of a caller with regard to one package name. */
export interface Standing {
  readonly principal: Principal | undefined;
  /** What the auth provider allows this caller on this name. */
  readonly granted: ReadonlySet<Action>;
  /** The repository is open to anonymous readers. */
  readonly anonymousRead: boolean;
  /** The owner rule applies (the default provider; others when they say so). */
  readonly enforceOwners: boolean;
  /** What the organisation that has this name's scope gives the caller; undefined: none has it. */
  readonly rights?: Rights | undefined;
  /** An administrator of this name, of whose rights a session opens a part: changes that it opens are not for owners alone. */
  readonly administrator?: boolean;
}

/** Owners of one package. Lists decide by them, so they must fit into the feed's line; more people are a team. */
export const MAX_OWNERS = 100;

/** Grants that `permits` may look at, for one action: what to ask the provider. */
export const grantsFor = (action: Action): readonly Action[] =>
  action === 'read' ? ['read'] : [...new Set<Action>([action, 'overwrite', 'admin'])];

/**
 * Provider and package rule in one place. `rule` is undefined where the package does not exist.
 * - read: with the grant; anonymous callers only public (or absent) packages of repositories that are open; restricted ones in the scope of an organisation
 *   only its owners, an administrator, and whom the organisation lets read.
 * - changes: with the grant, and of an existing package with owners only its owners, an administrator, or whom the organisation lets write; what is new in
 *   the scope of an organisation only the latter two.
 * - admin: the grant, or being an owner or the organisation's admin who may overwrite.
 */
export function permits(standing: Standing, action: Action, rule: Ruled | undefined): boolean {
  const { principal, granted, enforceOwners } = standing;
  if (!principal)
    return action === 'read' && granted.has('read') && standing.anonymousRead && (rule?.visibility ?? 'public') === 'public';
  const owner = rule?.owners.includes(principal.userId) === true;
  const { rights } = standing;
  if (action === 'read')
    return granted.has('read') && (rule?.visibility !== 'restricted' || owner || rights !== 'none' || granted.has('admin'));
  const admin = owner || rights === 'admin';
  if (action === 'admin') return granted.has('admin') || (enforceOwners && admin && granted.has('overwrite'));
  if (!granted.has(action)) return false;
  if (!enforceOwners || admin || rights === 'write' || granted.has('admin') || standing.administrator === true) return true;
  return rights === undefined && (rule === undefined || rule.owners.length === 0);
}

/** Must `permits` be told the organisation's rights? Reading what is public, or one's own, never depends on them. */
export const asksRights = (principal: Principal, actions: readonly Action[], rule: Ruled | undefined): boolean =>
  actions.some((action) => action !== 'read') || (rule?.visibility === 'restricted' && !rule.owners.includes(principal.userId));

/** Grants of `permits` for reading a restricted package in the scope of an organisation. */
export const READ_RESTRICTED: readonly Action[] = ['read', 'admin'];

/**
 * What a change needs besides the right to make it: nothing; a one-time password; or one of a caller who cannot have any, because they have not turned
 * two-factor authentication on.
 */
export function confirmationFor(principal: Principal | undefined, rule: Ruled | undefined): 'none' | 'code' | 'impossible' {
  const { secondFactor, unattended } = principal?.token ?? {};
  if (unattended === 'workload') return 'none';
  const own = secondFactor === 'changes' && unattended === undefined;
  const asked = rule?.confirmation === 'everybody' || (rule?.confirmation === 'people' && unattended === undefined);
  if (!own && !asked) return 'none';
  return secondFactor === undefined ? 'impossible' : 'code';
}
