/**
 * Who may do what, told from the documentation and not from the code: every route of the npm table in the table's own words, and what follows for a
 * caller. Nothing here imports anything of `ts/`.
 */
export type Need =
  | 'nothing'
  | 'to be somebody'
  | 'to look at the organisation'
  | 'to change the organisation'
  | 'to look at the own account'
  | 'to change the own account'
  | 'a list of repositories'
  | 'a list of what they may read'
  | 'to read'
  | 'to read, and to be somebody'
  | 'to read what has been'
  | 'to star'
  | 'to publish'
  | 'to change'
  | 'to delete'
  | 'to administer'
  | 'to administer everything';

/** By route id; where one route does several things, one line for each. */
export const NEEDS: Readonly<Record<string, Need>> = {
  ping: 'nothing',
  keys: 'nothing',
  advisories: 'nothing',
  'audit-quick': 'nothing',
  audit: 'nothing',
  'login-legacy': 'nothing',
  'login-legacy-rev': 'nothing',
  'login-web': 'nothing',
  'login-page': 'nothing',
  'login-confirm': 'nothing',
  'login-done': 'nothing',
  'confirm-page': 'nothing',
  confirm: 'nothing',
  'oidc-exchange': 'nothing',
  'confirm-done': 'nothing',
  whoami: 'to be somebody',
  user: 'to be somebody',
  profile: 'to be somebody',
  tokens: 'to look at the own account',
  logout: 'to change the own account',
  'token-create': 'to change the own account',
  'token-revoke': 'to change the own account',
  'profile-change': 'to change the own account',
  search: 'a list of what they may read',
  starred: 'a list of what they may read',
  stars: 'a list of what they may read',
  star: 'to star',
  unstar: 'to star',
  'user-packages': 'a list of what they may read',
  org: 'to look at the organisation',
  'org-packages': 'to look at the organisation',
  teams: 'to look at the organisation',
  'team-users': 'to look at the organisation',
  'team-packages': 'to look at the organisation',
  'org-set': 'to change the organisation',
  'org-remove': 'to change the organisation',
  'team-create': 'to change the organisation',
  'team-destroy': 'to change the organisation',
  'team-user-add': 'to change the organisation',
  'team-user-remove': 'to change the organisation',
  'team-grant': 'to change the organisation',
  'team-revoke': 'to change the organisation',
  packument: 'to read',
  manifest: 'to read',
  tarball: 'to read',
  'dist-tags': 'to read',
  visibility: 'to read',
  attestations: 'to read',
  collaborators: 'to read, and to be somebody',
  'publish: a version': 'to publish',
  'publish: a deprecation': 'to change',
  'publish: a star': 'to star',
  'publish: owners': 'to administer',
  'dist-tags-replace': 'to change',
  'dist-tags-add': 'to change',
  'dist-tag-put': 'to change',
  'dist-tag-post': 'to change',
  'dist-tag-remove': 'to change',
  'document-revision: fewer versions': 'to delete',
  'document-revision: owners': 'to administer',
  unpublish: 'to delete',
  'tarball-delete': 'to delete',
  access: 'to administer',
};

export interface Who {
  /** Credentials: none, some that are no good, or good ones. */
  readonly credentials: 'none' | 'bad' | 'good';
  /** What the token opens for the package in question. */
  readonly reads?: boolean;
  readonly writes?: boolean;
  readonly owner?: boolean;
  readonly admin?: boolean;
  readonly readonly?: boolean;
  /** The token opens the whole of its user's account. */
  readonly account?: boolean;
  /** Standing in the organisation `guild`, with a token that opens organisations. */
  readonly guild?: 'owner' | 'developer';
}

export type Standing = 'absent' | 'public' | 'restricted' | 'deleted';

/** `yes`: it happens. `missing`: they may, but there is nothing. Else the statuses of the refusal; 404 looks like an absent package. */
export type Verdict = 'yes' | 'missing' | readonly number[];

export function verdict(need: Need, who: Who, standing: Standing, open: boolean): Verdict {
  if (need === 'nothing') return 'yes';
  if (who.credentials === 'bad') return [401];
  const there = standing === 'public' || standing === 'restricted';
  if (who.credentials === 'none') {
    if (!open) return [401];
    if (need === 'a list of what they may read' || need === 'a list of repositories') return 'yes';
    if (need !== 'to read') return [401];
    return standing === 'public' ? 'yes' : [404];
  }
  switch (need) {
    case 'to be somebody':
    case 'a list of repositories':
    case 'a list of what they may read':
      return 'yes';
    case 'to administer everything':
      return who.admin ? 'yes' : [403];
    case 'to look at the organisation':
      return who.admin || who.guild ? 'yes' : [404];
    case 'to change the organisation':
      if (who.admin || (who.guild === 'owner' && !who.readonly)) return 'yes';
      return who.guild ? [403] : [404];
    case 'to look at the own account':
      return who.account ? 'yes' : [403];
    case 'to change the own account':
      return who.account && !who.readonly ? 'yes' : [403];
    case 'to read':
    case 'to read, and to be somebody':
      return who.reads && there ? 'yes' : [404];
    case 'to read what has been': {
      // of what is deleted: who could change its owners
      const may = who.admin || (who.writes && who.owner && !who.readonly);
      return (who.reads && there) || (may && standing === 'deleted') ? 'yes' : [404];
    }
  }
  // A change: nobody is told more than 403, and of what is not there 404 may be said to those who could read it.
  const no = there || !who.reads ? [403] : [403, 404];
  if (who.readonly) return no;
  if (need === 'to star') return !who.reads ? [403] : there ? 'yes' : 'missing';
  const mine = who.admin || (who.writes && who.owner);
  if (need === 'to publish' && standing === 'absent') return who.writes ? 'yes' : no;
  if (need === 'to publish') return mine ? 'yes' : no;
  if (standing === 'absent') return who.writes ? [403, 404] : no;
  if (!mine) return no;
  return there ? 'yes' : 'missing';
}
