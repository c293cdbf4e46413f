import type { Accounts } from '../../auth/accounts.js';
import type { Person } from './render.js';
import type { People } from './views.js';

const AT_ONCE = 8;

/** Names and addresses from wherever the accounts are, a few at a time. Whoever is unknown there goes by the id. */
export const peopleOf =
  (accounts: Pick<Accounts, 'profile'>): People =>
  async (userIds) => {
    const people = new Map<string, Person>();
    const next = userIds.values();
    const worker = async (): Promise<void> => {
      for (const id of next) {
        const profile = await accounts.profile(id);
        if (profile) people.set(id, { name: profile.name, email: profile.email ?? '' });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return people;
  };
