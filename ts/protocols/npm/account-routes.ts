import { type Route, routesOf } from '../../http/route.js';
import type { Asked } from '../../lib/later.js';
import type { AccountHandlers } from './account.js';
import type { ConfirmationHandlers } from './confirmation.js';
import { jsonObject } from './fields.js';
import { nameParam, revParam, textParam, userParam } from './names.js';
import type { ProfileHandlers } from './profile.js';
import type { NpmState } from './state.js';
import type { TrustedPublishingHandlers } from './trusted-publishing.js';

const KiB = 1024;
const route = routesOf<NpmState>();

export interface AccountTables {
  readonly trusted: Asked<TrustedPublishingHandlers>;
  readonly accounts: Asked<AccountHandlers>;
  readonly profiles: Asked<ProfileHandlers>;
  readonly confirmations: Asked<ConfirmationHandlers>;
}

/** Users, tokens, logins. */
export const accountRoutes = ({ accounts: on, profiles, confirmations, trusted }: AccountTables): readonly Route[] => [
  route({
    id: 'login-legacy',
    method: 'PUT',
    path: '/-/user/org.couchdb.user:{user}',
    params: { user: userParam },
    access: 'public',
    body: { max: 64 * KiB, parse: jsonObject },
    handler: on.loginLegacy,
  }),
  route({
    id: 'login-legacy-rev',
    method: 'PUT',
    path: '/-/user/org.couchdb.user:{user}/-rev/{rev}',
    params: { user: userParam, rev: revParam },
    access: 'public',
    body: { max: 64 * KiB, parse: jsonObject },
    handler: on.loginLegacy,
  }),
  route({
    id: 'user',
    method: 'GET',
    path: '/-/user/org.couchdb.user:{user}',
    params: { user: userParam },
    access: 'authenticated',
    handler: on.user,
  }),
  route({
    id: 'logout',
    method: 'DELETE',
    path: '/-/user/token/{token}',
    params: { token: textParam },
    access: 'authenticated',
    handler: on.logout,
  }),
  route({
    id: 'login-web',
    method: 'POST',
    path: '/-/v1/login',
    params: {},
    access: 'public',
    body: { max: 64 * KiB },
    handler: on.loginWeb,
  }),
  route({
    id: 'login-page',
    method: 'GET',
    path: '/-/v1/login/{session}',
    params: { session: textParam },
    access: 'public',
    handler: on.loginPage,
  }),
  route({
    id: 'login-confirm',
    method: 'POST',
    path: '/-/v1/login/{session}',
    params: { session: textParam },
    access: 'public',
    body: { max: 16 * KiB },
    handler: on.loginConfirm,
  }),
  route({
    id: 'login-done',
    method: 'GET',
    once: true,
    path: '/-/v1/done/{session}',
    params: { session: textParam },
    access: 'public',
    handler: on.loginDone,
  }),
  route({ id: 'tokens', method: 'GET', path: '/-/npm/v1/tokens', params: {}, access: 'authenticated', handler: on.tokens }),
  route({
    id: 'token-create',
    method: 'POST',
    path: '/-/npm/v1/tokens',
    params: {},
    access: 'authenticated',
    body: { max: 64 * KiB, parse: jsonObject },
    handler: on.createToken,
  }),
  route({
    id: 'token-revoke',
    method: 'DELETE',
    path: '/-/npm/v1/tokens/token/{token}',
    params: { token: textParam },
    access: 'authenticated',
    handler: on.revokeToken,
  }),
  route({ id: 'profile', method: 'GET', path: '/-/npm/v1/user', params: {}, access: 'authenticated', handler: profiles.get }),
  route({
    id: 'profile-change',
    method: 'POST',
    path: '/-/npm/v1/user',
    params: {},
    access: 'authenticated',
    body: { max: 64 * KiB, parse: jsonObject },
    handler: profiles.change,
  }),
  route({
    id: 'confirm-page',
    method: 'GET',
    path: '/-/v1/confirm/{session}',
    params: { session: textParam },
    access: 'public',
    handler: confirmations.page,
  }),
  route({
    id: 'confirm',
    method: 'POST',
    path: '/-/v1/confirm/{session}',
    params: { session: textParam },
    access: 'public',
    body: { max: 16 * KiB },
    handler: confirmations.confirm,
  }),
  route({
    id: 'confirm-done',
    method: 'GET',
    once: true,
    path: '/-/v1/confirmed/{session}',
    params: { session: textParam },
    access: 'public',
    handler: confirmations.done,
  }),
  // npm drops the registry's path from this URL. What comes with it is judged by the handler: it is no token of ours.
  route({
    id: 'oidc-exchange',
    method: 'POST',
    root: true,
    path: '/-/npm/v1/oidc/token/exchange/package/{name}',
    params: { name: nameParam },
    access: 'public',
    body: { max: 4 * KiB },
    handler: trusted.exchange,
  }),
];
