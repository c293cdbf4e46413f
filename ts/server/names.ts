import type { Accounts } from '../auth/accounts.js';
import { SYSTEM } from '../auth/user-directory.js';

/** What people call a user; who is nobody's any more goes by the id. */
export type NameOf = (userId: string) => Promise<string>;

/** Nobody's name is taken for the operator's own hand. */
const nameOr = (userId: string, name: string | undefined): string => (name === undefined || name === SYSTEM ? userId : name);

/** Asks for each user once. */
export function namesFrom(accounts: Pick<Accounts, 'profile'>): NameOf {
  const known = new Map<string, Promise<string>>();
  return (userId) => {
    const name = known.get(userId) ?? accounts.profile(userId).then((profile) => nameOr(userId, profile?.name));
    known.set(userId, name);
    return name;
  };
}
