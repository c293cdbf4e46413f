import { type Param, type Route, routesOf } from '../../http/route.js';
import type { Asked } from '../../lib/later.js';
import { jsonObject } from './fields.js';
import { textParam } from './names.js';
import type { OrganisationHandlers } from './organisations.js';
import type { NpmState } from './state.js';

const body = { max: 16 * 1024, parse: jsonObject };
const route = routesOf<NpmState>();

/** With or without the `@`, as clients spell it. */
const org: Param<string> = { ...textParam, parse: (raw) => textParam.parse(raw).replace(/^@/, '') };
const team = textParam;

/** Who may do what in a scope. Handlers ask for the standing in the organisation; for these routes the pipeline asks for credentials. */
export const organisationRoutes = (on: Asked<OrganisationHandlers>): readonly Route[] => [
  route({ id: 'org', method: 'GET', path: '/-/org/{org}/user', params: { org }, access: 'authenticated', handler: on.roster }),
  route({
    id: 'org-set',
    method: 'PUT',
    path: '/-/org/{org}/user',
    params: { org },
    access: 'authenticated',
    body,
    handler: on.setMember,
  }),
  route({
    id: 'org-remove',
    method: 'DELETE',
    path: '/-/org/{org}/user',
    params: { org },
    access: 'authenticated',
    body,
    handler: on.removeMember,
  }),
  route({
    id: 'org-packages',
    method: 'GET',
    path: '/-/org/{org}/package',
    params: { org },
    access: 'authenticated',
    handler: on.packages,
  }),
  route({ id: 'teams', method: 'GET', path: '/-/org/{org}/team', params: { org }, access: 'authenticated', handler: on.teams }),
  route({
    id: 'team-create',
    method: 'PUT',
    path: '/-/org/{org}/team',
    params: { org },
    access: 'authenticated',
    body,
    handler: on.createTeam,
  }),
  route({
    id: 'team-destroy',
    method: 'DELETE',
    path: '/-/team/{org}/{team}',
    params: { org, team },
    access: 'authenticated',
    handler: on.destroyTeam,
  }),
  route({
    id: 'team-users',
    method: 'GET',
    path: '/-/team/{org}/{team}/user',
    params: { org, team },
    access: 'authenticated',
    handler: on.teamUsers,
  }),
  route({
    id: 'team-user-add',
    method: 'PUT',
    path: '/-/team/{org}/{team}/user',
    params: { org, team },
    access: 'authenticated',
    body,
    handler: on.addTeamUser,
  }),
  route({
    id: 'team-user-remove',
    method: 'DELETE',
    path: '/-/team/{org}/{team}/user',
    params: { org, team },
    access: 'authenticated',
    body,
    handler: on.removeTeamUser,
  }),
  route({
    id: 'team-packages',
    method: 'GET',
    path: '/-/team/{org}/{team}/package',
    params: { org, team },
    access: 'authenticated',
    handler: on.teamPackages,
  }),
  route({
    id: 'team-grant',
    method: 'PUT',
    path: '/-/team/{org}/{team}/package',
    params: { org, team },
    access: 'authenticated',
    body,
    handler: on.grant,
  }),
  route({
    id: 'team-revoke',
    method: 'DELETE',
    path: '/-/team/{org}/{team}/package',
    params: { org, team },
    access: 'authenticated',
    body,
    handler: on.revoke,
  }),
];
