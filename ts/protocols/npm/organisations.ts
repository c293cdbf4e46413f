import { type Accounts, notOffered } from '../../auth/accounts.js';
import type { Organisation, Permission, Role, Team } from '../../auth/organisation-state.js';
import { rightsIn } from '../../auth/organisations.js';
import type { Principal } from '../../auth/principal.js';
import { invalid, notFound, RegistryError } from '../../errors/registry-error.js';
import { empty, json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import { principalOf } from './account.js';
import type { NpmSummary } from './codec.js';
import type { Fields } from './fields.js';
import { parseName } from './names.js';
import { codeOf, type NpmOneTimePasswords } from './one-time-password.js';
import type { NpmState } from './state.js';
import type { People } from './views.js';

type OrgCall<B = unknown> = Call<{ readonly org: string }, B, NpmState>;
type TeamCall<B = unknown> = Call<{ readonly org: string; readonly team: string }, B, NpmState>;

const ROLES: readonly Role[] = ['owner', 'admin', 'developer'];

function textField(body: Fields, field: string): string {
  const value = body[field];
  if (typeof value !== 'string' || value === '') throw invalid(`${field} is missing`);
  return value;
}

function teamOf({ teams }: Organisation, name: string): Team {
  const team = teams.get(name);
  if (!team) throw notFound('Team');
  return team;
}

export interface OrganisationOptions {
  readonly accounts: Accounts;
  readonly people: People;
  readonly otp: NpmOneTimePasswords;
  /** The repository's name: grants are about its packages. */
  readonly repository: string;
}

/**
 * `npm org`, `npm team` and `npm access grant`. An organisation has the scope of its name.
 * https://github.com/npm/registry/blob/main/docs/orgs/memberships.md and teams.md beside it
 */
export class OrganisationHandlers {
  private readonly options: OrganisationOptions;

  constructor(options: OrganisationOptions) {
    this.options = options;
  }

  roster = async (call: OrgCall): Promise<Reply> => {
    const { members } = await this.looked(call);
    const names = await this.names([...members.keys()]);
    return json(Object.fromEntries([...members].map(([id, role]) => [names.get(id) ?? id, role])), 'no-store');
  };

  setMember = async (call: OrgCall<Fields>): Promise<Reply> => {
    const { org } = call.params;
    const role = ROLES.find((one) => one === (call.body['role'] ?? 'developer'));
    if (role === undefined) throw invalid(`role must be one of ${ROLES.join(', ')}`);
    const user = textField(call.body, 'user').replace(/^[~@]/, '');
    const changed = await this.changing(call, async (principal) => {
      const id = await this.userId(user);
      return this.all.setMember(principal, org, id, role, () => this.ownsScope(call, principal));
    });
    const { members } = changed;
    return json({ org: { name: org, size: members.size }, user, role }, 'no-store');
  };

  removeMember = async (call: OrgCall<Fields>): Promise<Reply> => {
    const user = textField(call.body, 'user').replace(/^[~@]/, '');
    await this.changing(call, async (principal) => this.all.removeMember(principal, call.params.org, await this.userId(user)));
    return empty(204);
  };

  /** What there is in the scope, as far as the caller may read it, and what they may do with it. */
  packages = async (call: OrgCall): Promise<Reply> => {
    const { org } = call.params;
    const principal = principalOf(call);
    const organisation = await this.looked(call);
    const mine = (await this.inScope(call)).map(({ name, owners }) => {
      const rights = rightsIn(organisation, principal.userId, { repository: this.options.repository, name });
      return [name, rights === 'write' || rights === 'admin' || owners.includes(principal.userId) ? 'write' : 'read'];
    });
    if (mine.length === 0) throw notFound(`Packages of ${org}`);
    return json(Object.fromEntries(mine), 'no-store');
  };

  teams = async (call: OrgCall): Promise<Reply> => {
    const { teams } = await this.looked(call);
    return json(
      [...teams.keys()].sort().map((team) => `${call.params.org}:${team}`),
      'no-store',
    );
  };

  createTeam = async (call: OrgCall<Fields>): Promise<Reply> => {
    const { name, description } = call.body;
    const team = typeof name === 'string' ? name : textField(call.body, 'name');
    const about = typeof description === 'string' ? description : '';
    await this.changing(call, (principal) => this.all.createTeam(principal, call.params.org, team, about));
    return json({ name: team }, 'no-store', { status: 201 });
  };

  destroyTeam = async (call: TeamCall): Promise<Reply> => {
    const { org, team } = call.params;
    await this.changing(call, (principal) => this.all.destroyTeam(principal, org, team));
    return empty(204);
  };

  teamUsers = async (call: TeamCall): Promise<Reply> => {
    const organisation = await this.looked(call);
    const { users } = teamOf(organisation, call.params.team);
    const ids = call.params.team === 'developers' ? [...organisation.members.keys()] : [...users];
    const names = await this.names(ids);
    return json(ids.map((id) => names.get(id) ?? id).sort(), 'no-store');
  };

  addTeamUser = async (call: TeamCall<Fields>): Promise<Reply> => {
    await this.setTeamUser(call, true);
    return json({}, 'no-store', { status: 201 });
  };

  removeTeamUser = async (call: TeamCall<Fields>): Promise<Reply> => {
    await this.setTeamUser(call, false);
    return empty(204);
  };

  teamPackages = async (call: TeamCall): Promise<Reply> => {
    const { grants } = teamOf(await this.looked(call), call.params.team);
    const standard = call.params.team === 'developers' ? 'read-write' : 'none';
    const rows = (await this.inScope(call)).flatMap(({ name }) => {
      const grant = grants.get(`${this.options.repository}:${name}`) ?? standard;
      return grant === 'none' ? [] : [[name, grant === 'read-write' ? 'write' : 'read'] as const];
    });
    return json(Object.fromEntries(rows), 'no-store');
  };

  grant = async (call: TeamCall<Fields>): Promise<Reply> => {
    const { permissions } = call.body;
    if (permissions !== 'read-only' && permissions !== 'read-write') throw invalid('permissions must be read-only or read-write');
    await this.setGrant(call, permissions);
    return json({}, 'no-store', { status: 201 });
  };

  revoke = async (call: TeamCall<Fields>): Promise<Reply> => {
    await this.setGrant(call, undefined);
    return empty(204);
  };

  private async setTeamUser(call: TeamCall<Fields>, within: boolean): Promise<void> {
    const { org, team } = call.params;
    const user = textField(call.body, 'user').replace(/^[~@]/, '');
    await this.changing(call, async (principal) => this.all.setTeamUser(principal, org, team, await this.userId(user), within));
  }

  private async setGrant(call: TeamCall<Fields>, permission: Permission | undefined): Promise<void> {
    const { org, team } = call.params;
    const name = parseName(textField(call.body, 'package'));
    if (name.scope !== org) throw invalid(`${name.full} is not in the scope of ${org}`);
    // A name that is not there is a slip of the pen, and would be a grant that nobody sees.
    const there = permission === undefined || (await this.inScope(call)).some((one) => one.name === name.full);
    if (!there) throw notFound('Package');
    const resource = { repository: this.options.repository, name: name.full };
    await this.changing(call, (principal) => this.all.setGrant(principal, org, team, resource, permission));
  }

  /** Changes of who may do what are changes of the account: whoever has a second factor is asked for it. */
  private changing<R>(call: OrgCall, change: (principal: Principal) => Promise<R>): Promise<R> {
    const principal = principalOf(call);
    return this.options.otp.asking(call, async () => {
      if (principal.token.secondFactor !== undefined) await this.options.accounts.confirm(principal, codeOf(call));
      return change(principal);
    });
  }

  private looked(call: OrgCall): Promise<Organisation> {
    return this.all.look(principalOf(call), call.params.org);
  }

  private async inScope(call: OrgCall): Promise<readonly { readonly name: string; readonly owners: readonly string[] }[]> {
    const { items } = await call.listing();
    return items
      .filter(({ identity }) => identity.startsWith(`@${call.params.org}/`))
      .map(({ identity, summary }) => ({ name: identity, owners: (summary as unknown as NpmSummary).owners ?? [] }));
  }

  /** Who owns every package of a scope, and at least one, has it already: that is made an organisation. */
  private async ownsScope(call: OrgCall, { userId, token }: Principal): Promise<boolean> {
    if (token.scopes.some((scope) => !/^[^:]*:[^:]*:\*:/.test(scope))) return false;
    const packages = await this.inScope(call);
    return packages.length > 0 && packages.every(({ owners }) => owners.includes(userId));
  }

  private async userId(name: string): Promise<string> {
    const id = await this.options.accounts.findUser(name);
    if (id === undefined) throw new RegistryError('not_found', `There is no user ${name.slice(0, 100)}`);
    return id;
  }

  private async names(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const people = await this.options.people(new Set(ids));
    return new Map([...people].map(([id, { name }]) => [id, name]));
  }

  private get all(): NonNullable<Accounts['organisations']> {
    const { organisations } = this.options.accounts;
    if (!organisations) throw notOffered('Organisations');
    return organisations;
  }
}
