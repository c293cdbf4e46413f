import type { Accounts } from '../../auth/accounts.js';
import { profilesOf } from '../../auth/people.js';
import type { People } from './views.js';

/** Names and addresses as documents show them. Whoever is unknown goes by the id. */
export const peopleOf =
  (accounts: Pick<Accounts, 'profile'>): People =>
  async (userIds) => {
    const profiles = await profilesOf(accounts, userIds);
    return new Map([...profiles].map(([id, { name, email }]) => [id, { name, email: email ?? '' }]));
  };
