import type { Action, Principal } from '../auth/principal.js';
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
}

/** Grants that `permits` may look at, for one action: what to ask the provider. */
export const grantsFor = (action: Action): readonly Action[] =>
  action === 'read' ? ['read'] : [...new Set<Action>([action, 'overwrite', 'admin'])];

/**
 * Provider and package rule in one place. `rule` is undefined where the package does not exist.
 * - read: with the grant; anonymous callers only public (or absent) packages of repositories that are open.
 * - changes: with the grant, and of an existing package with owners only its owners or an administrator.
 * - admin: the grant, or being an owner who may overwrite.
 */
export function permits(standing: Standing, action: Action, rule: Ruled | undefined): boolean {
  const { principal, granted, enforceOwners } = standing;
  if (!principal)
    return action === 'read' && granted.has('read') && standing.anonymousRead && (rule?.visibility ?? 'public') === 'public';
  if (action === 'read') return granted.has('read');
  const owner = rule?.owners.includes(principal.userId) === true;
  if (action === 'admin') return granted.has('admin') || (enforceOwners && owner && granted.has('overwrite'));
  if (!granted.has(action)) return false;
  return !enforceOwners || rule === undefined || rule.owners.length === 0 || owner || granted.has('admin');
}
