/**
 * The logs of the space `~users`. A user's identity string is the user id (`userIdOf`), a web login's is `login-<id>`, that of a confirmation by browser
 * `confirm-<id>`, an organisation's `org-<hash of its name>`; all are their own folder names, so that neither keys nor feed ever hold a person's name or
 * address: those stand in changes, which can be erased.
 *
 *     user     {name, email?, admin, password?}          must come first
 *     profile  {email | null}          password {password}
 *     admin    {admin}                 disabled {disabled}
 *     token    {token: TokenRecord without created}      drops expired ones
 *     untoken  {ids}                   and all tokens made with them
 *     used     {ids}
 *     unjwt    {jti, expires}
 *     login    {user, expires, grant}  must come first
 *     claimed  {}
 *
 * `factor-…` changes are those of `second-factor-state.ts`, `org…` those of `organisation-state.ts`.
 */

import { text, utf8 } from '../lib/bytes.js';
import type { Json } from '../lib/json.js';
import { type Change, type LogSchema, UnknownChange } from '../log/schema.js';
import { applyOrganisation, decodeOrganisation, encodeOrganisation, type StoredOrganisation } from './organisation-state.js';
import type { PasswordRecord } from './passwords.js';
import { applyFactor } from './second-factor-state.js';
import { isLive, type LoginGrant, type LoginRecord, type TokenRecord, type UserRecord, type UserState } from './user-state.js';

export const USERS_SPACE = '~users';

/** `keyOf` of the space: identities are their own folder names. */
export const userLogKey = (identity: string): string => identity;

export const loginIdentity = (id: string): string => `login-${id}`;
export const confirmIdentity = (id: string): string => `confirm-${id}`;

/** Tokens that one user may have at a time. */
export const MAX_TOKENS = 1_000;
const MAX_REVOKED = 500;

type Fields = Readonly<Record<string, unknown>>;

function created(state: UserState, change: Fields & Change): UserRecord {
  const password = change['password'] as unknown as PasswordRecord | undefined;
  const email = change['email'] as string | undefined;
  const name = change['name'] as string | undefined;
  return {
    id: state.identity,
    name: name ?? '',
    ...(email === undefined ? {} : { email }),
    admin: change['admin'] === true,
    // Erased: the entry is a stub without a name.
    disabled: name === undefined,
    created: change.at,
    ...(password === undefined ? {} : { password }),
    tokens: new Map(),
    revoked: new Map(),
    sessionsFrom: 0,
  };
}

function withToken(user: UserRecord, change: Change): UserRecord {
  const token = { ...(change['token'] as object), created: change.at } as TokenRecord;
  const tokens = new Map([...user.tokens].filter(([, other]) => isLive(other, change.at)));
  return { ...user, tokens: tokens.set(token.id, token) };
}

/** Ids of these tokens and of all that were made with them. */
function family(tokens: ReadonlyMap<string, TokenRecord>, ids: readonly string[]): Set<string> {
  const gone = new Set(ids);
  // Parents are older than their children, and the map is in that order.
  for (const token of tokens.values()) if (token.parent !== undefined && gone.has(token.parent)) gone.add(token.id);
  return gone;
}

function withoutTokens(user: UserRecord, ids: readonly string[]): UserRecord {
  const gone = family(user.tokens, ids);
  return { ...user, tokens: new Map([...user.tokens].filter(([id]) => !gone.has(id))) };
}

function withUse(user: UserRecord, ids: readonly string[], at: number): UserRecord {
  const used = new Set(ids);
  return {
    ...user,
    tokens: new Map([...user.tokens].map(([id, token]) => [id, used.has(id) ? { ...token, lastUsed: at } : token])),
  };
}

function withRevoked(user: UserRecord, jti: string, expires: number, at: number): UserRecord {
  const live = new Map([...user.revoked].filter(([, until]) => until > at));
  // Too many to name: then all that were issued so far.
  if (live.size >= MAX_REVOKED) return { ...user, revoked: new Map(), sessionsFrom: at };
  return { ...user, revoked: live.set(jti, expires) };
}

function changeUser(user: UserRecord, change: Change): UserRecord {
  const fields: Fields = change;
  switch (change.type) {
    case 'profile': {
      const { email: _old, ...rest } = user;
      return typeof fields['email'] === 'string' ? { ...rest, email: fields['email'] } : rest;
    }
    case 'password': {
      const { password: _old, ...rest } = user;
      const password = fields['password'] as PasswordRecord | undefined;
      return password ? { ...rest, password, sessionsFrom: change.at } : rest;
    }
    case 'admin':
      return { ...user, admin: fields['admin'] === true };
    case 'disabled':
      return { ...user, disabled: fields['disabled'] === true };
    case 'token':
      return fields['token'] ? withToken(user, change) : user;
    case 'untoken':
      return withoutTokens(user, fields['ids'] as readonly string[]);
    case 'used':
      return withUse(user, fields['ids'] as readonly string[], change.at);
    case 'unjwt':
      return withRevoked(user, fields['jti'] as string, fields['expires'] as number, change.at);
    default:
      return withFactor(user, change);
  }
}

function withFactor(user: UserRecord, change: Change): UserRecord {
  const fields = applyFactor(user, change);
  if (!fields) throw new UnknownChange(`users: ${change.type}`);
  const { secondFactor: _one, pendingFactor: _two, wrongCodes: _three, ...rest } = user;
  return { ...rest, ...fields };
}

function apply(state: UserState, change: Change): UserState {
  if (change.type === 'user') return { ...state, user: state.user ?? created(state, change) };
  if (change.type === 'login') {
    const { user, expires, grant } = change as unknown as { user: string; expires: number; grant?: LoginGrant };
    return { ...state, login: state.login ?? { user, expires, grant: grant ?? {}, claimed: false } };
  }
  if (state.login) {
    if (change.type !== 'claimed') throw new UnknownChange(`users: ${change.type}`);
    return { ...state, login: { ...state.login, claimed: true } };
  }
  const organisation = applyOrganisation(state.organisation, change);
  if (organisation) return { ...state, organisation };
  if (!state.user) throw new UnknownChange(`users: ${change.type} before user`);
  return { ...state, user: changeUser(state.user, change) };
}

interface Stored {
  readonly identity: string;
  readonly login?: LoginRecord;
  readonly organisation?: StoredOrganisation;
  readonly user?: Omit<UserRecord, 'tokens' | 'revoked'> & {
    readonly tokens: readonly TokenRecord[];
    readonly revoked: readonly (readonly [string, number])[];
  };
}

function encode({ identity, user, login, organisation }: UserState): Uint8Array {
  const stored: Stored = {
    identity,
    ...(login ? { login } : {}),
    ...(organisation ? { organisation: encodeOrganisation(organisation) } : {}),
    ...(user ? { user: { ...user, tokens: [...user.tokens.values()], revoked: [...user.revoked] } } : {}),
  };
  return utf8(JSON.stringify(stored));
}

function decode(bytes: Uint8Array): UserState {
  const { identity, user, login, organisation } = JSON.parse(text(bytes)) as Stored;
  return {
    identity,
    login,
    ...(organisation ? { organisation: decodeOrganisation(organisation) } : {}),
    user: user && { ...user, tokens: new Map(user.tokens.map((token) => [token.id, token])), revoked: new Map(user.revoked) },
  };
}

function redact(change: Change): Change {
  const {
    name: _name,
    email: _email,
    password: _password,
    grant: _grant,
    secret: _secret,
    recovery: _recovery,
    ...rest
  } = change;
  const { token, ...kept } = rest;
  // A token's own name may be a person's; without its hash it opens nothing.
  return token === undefined ? (kept as Change) : ({ ...kept, token: null } as Change);
}

export const userSchema: LogSchema<UserState> = {
  revision: 'users-2',
  initial: (identity) => ({ identity, user: undefined, login: undefined }),
  apply,
  encode,
  decode,
  weigh: ({ user, organisation }) =>
    400 + (user ? user.tokens.size * 600 + user.revoked.size * 80 : 0) + (organisation?.weight ?? 0),
  // No name: the feed cannot be erased.
  summarise: ({ user }): Json | undefined => user && { admin: user.admin, disabled: user.disabled },
  redact,
};
