import type { Change } from '../log/schema.js';

/** `owner`: everything. `admin`: teams, packages, members but owners. `developer`: what the teams may. */
export type Role = 'owner' | 'admin' | 'developer';
export type Permission = 'read-only' | 'read-write';

/** Everybody in the organisation is in it, and it may change every package of the scope unless a grant says otherwise. */
export const DEVELOPERS = 'developers';

export interface Team {
  readonly description: string;
  /** User ids. Empty for `developers`: those are all members. */
  readonly users: ReadonlySet<string>;
  /** By `<repository>:<package>`. `none` takes away what `developers` has by itself. */
  readonly grants: ReadonlyMap<string, Permission | 'none'>;
}

/** Who may do what with the packages of one scope. */
export interface Organisation {
  /** Without the `@`. */
  readonly name: string;
  readonly created: number;
  /** User id to role. */
  readonly members: ReadonlyMap<string, Role>;
  readonly teams: ReadonlyMap<string, Team>;
  /** Rough bytes in memory. */
  readonly weight: number;
}

const NO_TEAM: Team = { description: '', users: new Set(), grants: new Map() };

const weightOf = ({ members, teams }: Pick<Organisation, 'members' | 'teams'>): number =>
  200 +
  members.size * 120 +
  [...teams.values()].reduce((sum, { users, grants }) => sum + 300 + users.size * 80 + grants.size * 200, 0);

const weighed = (organisation: Omit<Organisation, 'weight'>): Organisation => ({
  ...organisation,
  weight: weightOf(organisation),
});

function without<K, V>(map: ReadonlyMap<K, V>, key: K): Map<K, V> {
  const left = new Map(map);
  left.delete(key);
  return left;
}

function withTeam(organisation: Organisation, name: string, change: (team: Team) => Team): Organisation {
  const team = organisation.teams.get(name);
  return team ? weighed({ ...organisation, teams: new Map(organisation.teams).set(name, change(team)) }) : organisation;
}

function withoutMember(organisation: Organisation, user: string): Organisation {
  const teams = new Map(
    [...organisation.teams].map(([name, team]) => [
      name,
      { ...team, users: new Set([...team.users].filter((id) => id !== user)) },
    ]),
  );
  return weighed({ ...organisation, members: without(organisation.members, user), teams });
}

/**
 * The organisation behind one change; undefined: the change is about something else.
 *
 *     org         {name}                        must come first
 *     org-member  {user, role | null}           null: leaves, and all teams with it
 *     org-team    {team, description | null}    null: the team goes
 *     org-user    {team, user, in}
 *     org-grant   {team, package, permission | null}     package: `<repository>:<name>`
 */
export function applyOrganisation(before: Organisation | undefined, change: Change): Organisation | undefined {
  const {
    user = '',
    team = '',
    package: of = '',
  } = change as { readonly user?: string; readonly team?: string; readonly package?: string };
  if (change.type === 'org') {
    const name = typeof change['name'] === 'string' ? change['name'] : '';
    return before ?? weighed({ name, created: change.at, members: new Map(), teams: new Map([[DEVELOPERS, NO_TEAM]]) });
  }
  if (!before) return undefined;
  switch (change.type) {
    case 'org-member':
      if (change['role'] === null) return withoutMember(before, user);
      return weighed({ ...before, members: new Map(before.members).set(user, change['role'] as Role) });
    case 'org-team': {
      const description = change['description'];
      if (typeof description !== 'string') return weighed({ ...before, teams: without(before.teams, team) });
      return weighed({
        ...before,
        teams: new Map(before.teams).set(team, { ...(before.teams.get(team) ?? NO_TEAM), description }),
      });
    }
    case 'org-user':
      return withTeam(before, team, (one) => {
        const users = new Set([...one.users].filter((id) => id !== user));
        return { ...one, users: change['in'] === true ? users.add(user) : users };
      });
    case 'org-grant':
      return withTeam(before, team, (one) => {
        const grants = without(one.grants, of);
        return {
          ...one,
          grants: change['permission'] === null ? grants : grants.set(of, change['permission'] as Permission | 'none'),
        };
      });
    default:
      return undefined;
  }
}

/** As it stands in checkpoints. */
export interface StoredOrganisation {
  readonly name: string;
  readonly created: number;
  readonly members: readonly (readonly [string, Role])[];
  readonly teams: readonly {
    readonly name: string;
    readonly description: string;
    readonly users: readonly string[];
    readonly grants: readonly (readonly [string, Permission | 'none'])[];
  }[];
}

export const encodeOrganisation = ({ name, created, members, teams }: Organisation): StoredOrganisation => ({
  name,
  created,
  members: [...members],
  teams: [...teams].map(([team, { description, users, grants }]) => ({
    name: team,
    description,
    users: [...users],
    grants: [...grants],
  })),
});

export const decodeOrganisation = ({ name, created, members, teams }: StoredOrganisation): Organisation =>
  weighed({
    name,
    created,
    members: new Map(members),
    teams: new Map(
      teams.map((team) => [
        team.name,
        { description: team.description, users: new Set(team.users), grants: new Map(team.grants) },
      ]),
    ),
  });
