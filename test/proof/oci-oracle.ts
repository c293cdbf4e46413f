/**
 * Who may do what to an image repository, told from the documentation and not from the code: every route of the table in its own words, and what follows
 * for a caller. Nothing here imports anything of `ts/`.
 */
export type Need =
  | 'nothing'
  | 'to be somebody'
  | 'good credentials or none'
  | 'a list of what they may read'
  | 'to read'
  | 'to push'
  | 'to push, and their own upload'
  | 'to move a tag'
  | 'to delete';

export type ManagementNeed =
  | 'nothing'
  | 'a list of repositories'
  | 'a list of what they may read'
  | 'to look at the own account'
  | 'to change the own account'
  | 'to administer everything'
  | 'to read'
  | 'to read what has been'
  | 'to change'
  | 'to delete'
  | 'to administer';

/** By route id; where one route does several things, one line for each. */
export const NEEDS: Readonly<Record<string, Need>> = {
  ping: 'to be somebody',
  token: 'good credentials or none',
  'token-form': 'nothing',
  catalog: 'a list of what they may read',
  search: 'a list of what they may read',
  extensions: 'a list of what they may read',
  'extensions-for': 'to read',
  blob: 'to read',
  manifest: 'to read',
  'manifest: by digest': 'to read',
  tags: 'to read',
  referrers: 'to read',
  'upload-start': 'to push',
  'upload-start: whole': 'to push',
  'upload-start: mount': 'to push',
  'upload-chunk': 'to push, and their own upload',
  'upload-finish': 'to push, and their own upload',
  'upload-status': 'to push, and their own upload',
  'upload-cancel': 'to push, and their own upload',
  'manifest-put: a new tag': 'to push',
  'manifest-put: by digest': 'to push',
  'manifest-put: a tag that moves': 'to move a tag',
  'manifest-delete: a tag': 'to delete',
  'manifest-delete: a digest': 'to delete',
  'blob-delete': 'to delete',
};

export type Standing = 'absent' | 'public' | 'restricted' | 'deleted';

export interface Who {
  readonly credentials: 'none' | 'bad' | 'good';
  /** What the token opens for the repository in question: all of them, or those. */
  readonly reads?: boolean | readonly Standing[];
  readonly creates?: boolean;
  readonly overwrites?: boolean;
  readonly deletes?: boolean;
  readonly owner?: boolean;
  readonly admin?: boolean;
  readonly readonly?: boolean;
  /** The uploads under way are theirs. */
  readonly uploads?: boolean;
  /** The token opens the whole of its user's account. */
  readonly account?: boolean;
  /** A session with less than its user may: they are told to fetch another. */
  readonly narrow?: boolean;
}

/** `yes`: it happens. `missing`: they may, but there is nothing. Else the statuses of the refusal. */
export type Verdict = 'yes' | 'missing' | readonly number[];

const readable = ({ reads = false }: Who, standing: Standing): boolean =>
  typeof reads === 'boolean' ? reads : reads.includes(standing);

export function verdict(need: Need, who: Who, standing: Standing, open: boolean): Verdict {
  if (need === 'nothing') return 'yes';
  if (who.credentials === 'bad') return [401];
  // a session is what these are exchanged for, and cannot be exchanged again
  if (need === 'good credentials or none') return who.narrow ? [401] : 'yes';
  const there = standing === 'public' || standing === 'restricted';
  if (who.credentials === 'none') {
    if (need === 'a list of what they may read' && open) return 'yes';
    // of what is closed and of what is not there they hear that credentials might help
    return need === 'to read' && open && (standing === 'public' || standing === 'deleted') ? (there ? 'yes' : 'missing') : [401];
  }
  if (need === 'to be somebody' || need === 'a list of what they may read') return 'yes';
  if (need === 'to read') return !readable(who, standing) ? [404] : there ? 'yes' : 'missing';
  const refused = who.narrow ? [401, 403] : [403];
  const hidden = readable(who, standing) ? refused : [...refused, 404];
  if (who.readonly) return there ? refused : [...refused, 404];
  const mine = who.admin === true || who.owner === true || standing === 'absent';
  switch (need) {
    case 'to push':
      return who.creates && mine ? 'yes' : refused;
    case 'to move a tag':
      if (!mine) return refused;
      // where there is no such tag yet, it is a new one
      return there ? (who.overwrites ? 'yes' : refused) : who.creates ? 'yes' : refused;
    case 'to push, and their own upload':
      if (who.uploads && mine && who.creates) return 'yes';
      return [...hidden, 404];
    default:
      if (!mine || !who.deletes) return there ? refused : [...hidden, 404];
      return there ? 'yes' : 'missing';
  }
}

const mayChange = ({ admin, owner, readonly }: Who): boolean => !readonly && (admin === true || owner === true);

/** The same for the management surface: what it asks for stands in the words of the npm table. */
export function managementVerdict(need: ManagementNeed, who: Who, standing: Standing, open: boolean): Verdict {
  if (need === 'nothing') return 'yes';
  if (who.credentials === 'bad') return [401];
  // a session is for images, and nothing else hears of it
  const own = /the own account|administer everything|list of repositories/.test(need);
  if (who.narrow && own) return [401];
  const there = standing === 'public' || standing === 'restricted';
  if (who.credentials === 'none') {
    if (need.startsWith('a list of ') && open) return 'yes';
    if (need !== 'to read' || !open) return [401];
    return standing === 'public' ? 'yes' : [404];
  }
  const sees = there && readable(who, standing);
  const rules = mayChange(who) && who.overwrites === true;
  const refused = there || !readable(who, standing) ? [403] : [403, 404];
  const change = (may: boolean): Verdict => (!may ? refused : there ? 'yes' : standing === 'absent' ? [403, 404] : 'missing');
  switch (need) {
    case 'a list of repositories':
    case 'a list of what they may read':
      return 'yes';
    case 'to administer everything':
      return who.admin ? 'yes' : [403];
    case 'to look at the own account':
      return who.account ? 'yes' : [403];
    case 'to change the own account':
      return who.account && !who.readonly ? 'yes' : [403];
    case 'to read':
      return sees ? 'yes' : [404];
    case 'to read what has been':
      return sees || (rules && standing === 'deleted') ? 'yes' : [404];
    case 'to delete':
      return change(mayChange(who) && who.deletes === true);
    default:
      return change(rules);
  }
}
