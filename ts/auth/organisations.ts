import { forbidden, invalid, notFound, RegistryError } from '../errors/registry-error.js';
import type { NewChange } from '../log/schema.js';
import { nameHash } from '../storage/key.js';
import { DEVELOPERS, type Organisation, type Permission, type Role, type Team } from './organisation-state.js';
import type { OrganisationRights, Principal, Resource, Rights } from './principal.js';
import { scopesAllow } from './scope.js';
import { type UserDirectory, userChange } from './user-directory.js';

const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;
const MAX_MEMBERS = 1_000;
const MAX_TEAMS = 100;
const MAX_GRANTS = 5_000;
const MAX_DESCRIPTION = 1_000;

export const organisationIdentity = (name: string): string => `org-${nameHash(name)}`;

/** A team's name as clients send it. Throws `invalid`. */
function teamName(text: string): string {
  if (!NAME.test(text)) throw invalid('The name of a team has 1 to 100 of the characters a-z, 0-9, ".", "_" and "-"');
  return text;
}

const absent = (): RegistryError => notFound('Organisation');
const tooMany = (what: string): RegistryError => new RegistryError('conflict', `An organisation has at most ${what}`);

function teamOf({ teams }: Organisation, name: string): Team {
  const team = teams.get(name);
  if (!team) throw notFound('Team');
  return team;
}

const ownersLeft = ({ members }: Organisation, without: string): boolean =>
  [...members].some(([user, role]) => role === 'owner' && user !== without);

/** What a grant is about, in the organisation's log. */
export const grantKey = ({ repository, name }: Pick<Resource, 'repository' | 'name'>): string => `${repository}:${name}`;

/** What one member may do with one package. */
export function rightsIn(
  { members, teams }: Organisation,
  userId: string,
  resource: Pick<Resource, 'repository' | 'name'>,
): Rights {
  const role = members.get(userId);
  if (role === 'owner' || role === 'admin') return 'admin';
  const key = grantKey(resource);
  let best: Rights = 'none';
  for (const [name, { users, grants }] of teams) {
    if (name === DEVELOPERS ? role === undefined : !users.has(userId)) continue;
    const grant = grants.get(key) ?? (name === DEVELOPERS ? 'read-write' : 'none');
    if (grant === 'read-write') best = 'write';
    else if (grant === 'read-only' && best === 'none') best = 'read';
  }
  return best;
}

/** Organisations over the registry's own users: each has a scope, members with roles, and teams with packages. One log each. */
export class Organisations {
  private readonly directory: UserDirectory;

  constructor(directory: UserDirectory) {
    this.directory = directory;
  }

  /** Fresh. Undefined: nobody has this scope. */
  async find(name: string): Promise<Organisation | undefined> {
    if (!NAME.test(name)) return undefined;
    return (await this.directory.space.read(organisationIdentity(name))).state.organisation;
  }

  /** For the package rule. Undefined: no organisation has this scope. */
  async rights(name: string): Promise<OrganisationRights | undefined> {
    const organisation = await this.find(name);
    return organisation && { rightsOf: (userId, resource) => rightsIn(organisation, userId, resource) };
  }

  /** For its members and administrators; throws `not_found` for everybody else. */
  async look(principal: Principal, name: string): Promise<Organisation> {
    const organisation = await this.find(name);
    if (!organisation || this.standing(principal, organisation) === undefined) throw absent();
    return organisation;
  }

  /**
   * Sets a member's role. Where there is no such organisation it is made, if `founds` says that this caller may, or they are an administrator: its first
   * member is its owner. Throws `forbidden`, `not_found`, `invalid` (no owner would be left), `conflict` (too many members).
   */
  async setMember(
    principal: Principal,
    name: string,
    user: string,
    role: Role,
    founds: () => Promise<boolean>,
  ): Promise<Organisation> {
    const known = await this.find(name);
    const mayFound = known === undefined && NAME.test(name) && (await this.mayFound(principal, name, founds));
    if (known === undefined && role !== 'owner' && mayFound) throw invalid('The first member of an organisation is its owner');
    return this.change(principal, name, mayFound, (organisation, standing) => {
      const changes: NewChange[] = organisation ? [] : [userChange('org', principal.userId, { name })];
      if (!organisation) return [...changes, userChange('org-member', principal.userId, { user, role: 'owner' })];
      const before = organisation.members.get(user);
      if (before === role) return [];
      if ((role === 'owner' || before === 'owner') && standing !== 'owner') throw forbidden('Only owners make and unmake owners');
      if (before === 'owner' && !ownersLeft(organisation, user)) throw invalid('An organisation keeps at least one owner');
      if (before === undefined && organisation.members.size >= MAX_MEMBERS) throw tooMany(`${MAX_MEMBERS} members`);
      return [userChange('org-member', principal.userId, { user, role })];
    });
  }

  /** The member leaves all teams. Throws like `setMember`. */
  async removeMember(principal: Principal, name: string, user: string): Promise<void> {
    await this.change(principal, name, false, (organisation, standing) => {
      const role = organisation?.members.get(user);
      if (!organisation || role === undefined) throw notFound('Member');
      if (role === 'owner' && standing !== 'owner') throw forbidden('Only owners make and unmake owners');
      if (role === 'owner' && !ownersLeft(organisation, user)) throw invalid('An organisation keeps at least one owner');
      return [userChange('org-member', principal.userId, { user, role: null })];
    });
  }

  async createTeam(principal: Principal, name: string, team: string, description: string): Promise<void> {
    teamName(team);
    await this.managed(principal, name, ({ teams }) => {
      if (teams.has(team)) throw new RegistryError('conflict', `There is a team ${team} already`);
      if (teams.size >= MAX_TEAMS) throw tooMany(`${MAX_TEAMS} teams`);
      return [userChange('org-team', principal.userId, { team, description: description.slice(0, MAX_DESCRIPTION) })];
    });
  }

  async destroyTeam(principal: Principal, name: string, team: string): Promise<void> {
    await this.managed(principal, name, (organisation) => {
      teamOf(organisation, team);
      if (team === DEVELOPERS) throw invalid(`The team ${DEVELOPERS} is everybody in the organisation, and stays`);
      return [userChange('org-team', principal.userId, { team, description: null })];
    });
  }

  /** Members of the organisation only. */
  async setTeamUser(principal: Principal, name: string, team: string, user: string, within: boolean): Promise<void> {
    await this.managed(principal, name, (organisation) => {
      const { users } = teamOf(organisation, team);
      if (team === DEVELOPERS) throw invalid(`The team ${DEVELOPERS} is everybody in the organisation`);
      if (within && !organisation.members.has(user)) throw invalid('A team has members of its organisation only');
      if (!within && !users.has(user)) throw notFound('Member');
      return users.has(user) === within ? [] : [userChange('org-user', principal.userId, { team, user, in: within })];
    });
  }

  /** Undefined: takes the grant back. */
  async setGrant(
    principal: Principal,
    name: string,
    team: string,
    resource: Pick<Resource, 'repository' | 'name'>,
    permission: Permission | undefined,
  ): Promise<void> {
    const key = grantKey(resource);
    await this.managed(principal, name, (organisation) => {
      const { grants } = teamOf(organisation, team);
      const wanted = permission ?? (team === DEVELOPERS ? 'none' : null);
      if ((grants.get(key) ?? null) === wanted) return [];
      if (!grants.has(key) && grants.size >= MAX_GRANTS) throw tooMany(`${MAX_GRANTS} grants to one team`);
      return [userChange('org-grant', principal.userId, { team, package: key, permission: wanted })];
    });
  }

  /** Changes by an owner or admin of the organisation, or by an administrator. */
  private async managed(
    principal: Principal,
    name: string,
    decide: (organisation: Organisation) => readonly NewChange[],
  ): Promise<void> {
    await this.change(principal, name, false, (organisation) => {
      if (!organisation) throw absent();
      return decide(organisation);
    });
  }

  private async change(
    principal: Principal,
    name: string,
    mayFound: boolean,
    decide: (organisation: Organisation | undefined, standing: Role) => readonly NewChange[],
  ): Promise<Organisation> {
    if (!NAME.test(name)) throw absent();
    const may = !principal.readonly && this.scoped(principal, name, 'overwrite');
    const { snapshot } = await this.directory.space.commit(organisationIdentity(name), ({ state: { organisation } }) => {
      if (!organisation && !mayFound) throw absent();
      const standing = organisation ? this.standing(principal, organisation) : 'owner';
      if (standing === undefined) throw absent();
      if (!may || standing === 'developer') throw forbidden('Only owners and admins change an organisation');
      return { changes: decide(organisation, standing), result: undefined };
    });
    const { organisation } = snapshot.state;
    if (!organisation) throw absent();
    return organisation;
  }

  /** An administrator stands in every organisation like an owner. */
  private standing(principal: Principal, { name, members }: Organisation): Role | undefined {
    if (this.scoped(principal, name, 'admin')) return 'owner';
    return this.scoped(principal, name, 'read') ? members.get(principal.userId) : undefined;
  }

  private async mayFound(principal: Principal, name: string, founds: () => Promise<boolean>): Promise<boolean> {
    if (principal.readonly || !this.scoped(principal, name, 'overwrite'))
      throw forbidden('This token may not change organisations');
    if (this.scoped(principal, name, 'admin') || (await founds())) return true;
    throw forbidden('An organisation is founded by an administrator, or by the one who owns every package of the scope');
  }

  private scoped({ token }: Principal, name: string, action: 'read' | 'overwrite' | 'admin'): boolean {
    return scopesAllow(token.scopes, { protocol: 'npm', type: 'organisation', name }, action);
  }
}
