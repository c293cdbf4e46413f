import { ConfigError } from '../errors/config-error.js';
import type { NewChange } from '../log/schema.js';
import { ADMIN_SCOPES } from './scope.js';
import { secretProblem } from './secret.js';
import { digestToken, looksLikeToken, newToken, tokenUser, userIdOf } from './token-format.js';
import { SYSTEM, type UserDirectory, userChange } from './user-directory.js';
import type { UserRecord } from './user-state.js';

/** Name of the first administrator. */
export const ADMIN_NAME = 'admin';

/** Why this cannot be the operator's token; undefined when it can. */
export function adminTokenProblem(token: string): string | undefined {
  if (!/^[\x21-\x7e]{32,512}$/.test(token)) return 'must have 32 to 512 characters of printable ASCII, without spaces';
  if (token.startsWith('eyJ') && token.includes('.')) return 'must not be a JWT';
  return secretProblem(token);
}

export interface EnsuredAdmin {
  readonly userId: string;
  /** Made by this very call: show it once, it cannot be had again. Absent when somebody else was first, or when the operator gave one. */
  readonly token?: string;
}

function first(user: UserRecord | undefined): NewChange[] {
  return user ? [] : [userChange('user', SYSTEM, { name: ADMIN_NAME, admin: true })];
}

/** The operator's token takes the place of an earlier one. */
async function withOperatorToken(directory: UserDirectory, userId: string, token: string): Promise<void> {
  const problem =
    looksLikeToken(token) && tokenUser(directory.keys, token) !== userId
      ? 'looks like a token of another registry or user'
      : adminTokenProblem(token);
  if (problem) throw new ConfigError([{ path: 'auth.adminToken', message: problem }]);
  const digest = digestToken(directory.keys, token);
  await directory.space.commit(userId, ({ state: { user } }) => {
    const old = [...(user?.tokens.values() ?? [])].filter((one) => one.operator && one.id !== digest.id).map((one) => one.id);
    const changes = first(user);
    if (old.length > 0) changes.push(userChange('untoken', SYSTEM, { ids: old }));
    if (!user?.tokens.has(digest.id)) {
      const record = { ...digest, name: 'operator', scopes: ADMIN_SCOPES, readonly: false, operator: true };
      changes.push(userChange('token', SYSTEM, { token: record }));
    }
    return { changes, result: undefined };
  });
}

/**
 * The first administrator. With the operator's own token: that one works from now on. Without: made on the first start only, and of several instances
 * that start at once exactly one gets a token to show. Throws a ConfigError for a token that is too weak.
 */
export async function ensureAdmin(directory: UserDirectory, operatorToken?: string): Promise<EnsuredAdmin> {
  const userId = userIdOf(ADMIN_NAME);
  if (operatorToken !== undefined) {
    await withOperatorToken(directory, userId, operatorToken);
    return { userId };
  }
  if (await directory.get(userId)) return { userId };
  const token = newToken(directory.keys, userId, directory.runtime.random);
  const { result: won } = await directory.space.commit(userId, ({ state: { user } }) => {
    if (user) return { changes: [], result: false };
    const record = { ...digestToken(directory.keys, token), name: 'first start', scopes: ADMIN_SCOPES, readonly: false };
    return { changes: [...first(user), userChange('token', SYSTEM, { token: record })], result: true };
  });
  return won ? { userId, token } : { userId };
}
