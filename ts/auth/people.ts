import type { Accounts } from './accounts.js';
import type { IUserProfile } from './provider.js';

const AT_ONCE = 8;

/** Public names and addresses from wherever the accounts are, a few at a time. Whoever is unknown there is left out. */
export async function profilesOf(
  accounts: Pick<Accounts, 'profile'>,
  userIds: ReadonlySet<string>,
): Promise<ReadonlyMap<string, IUserProfile>> {
  const profiles = new Map<string, IUserProfile>();
  const next = userIds.values();
  const worker = async (): Promise<void> => {
    for (const id of next) {
      const profile = await accounts.profile(id);
      if (profile) profiles.set(id, profile);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return profiles;
}
