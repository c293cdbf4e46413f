import type { Action } from '../../auth/principal.js';
import { forbidden, invalid, RegistryError } from '../../errors/registry-error.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import type { Json } from '../../lib/json.js';
import { nextTurn, Pace } from '../../lib/turns.js';
import type { NewChange } from '../../log/schema.js';
import { dataChange, deleteAllChange, ownersChange, statusChange, tagChange, untagChange } from '../../packages/changes.js';
import type { HookFile, PackageHandle } from '../../packages/package-handle.js';
import { MAX_OWNERS } from '../../packages/policy.js';
import { changeable } from './changeable.js';
import type { NpmPatch } from './codec.js';
import { staleRevision } from './errors.js';
import { type Fields, isFields } from './fields.js';
import { checkTags } from './limits.js';
import type { NpmName } from './names.js';
import { checkMessage } from './printed.js';
import type { SentVersion } from './publish-body.js';
import { removal } from './removal.js';
import { hookFile, isLive, liveReleases, type NpmRelease, type NpmSnapshot, type NpmState, revisionOf } from './state.js';
import { tagProblem } from './tags.js';
import { typedVersion, versionOfFile } from './versions.js';

type Handle = PackageHandle<NpmState>;
/** The user id that belongs to a public name. */
export type FindUser = (name: string) => Promise<string | undefined>;

const MAX_MESSAGE = 4_096;
/** Versions of a document whose manifests are read in one turn of the event loop. */
const VERSIONS_A_TURN = 256;
/** Whether a tag could be taken for a range is asked of a grammar. */
const TAGS_A_TURN = 256;
/** Versions that one document may leave out: clients leave out one. Each is looked for among all tags. */
const MAX_LEFT_OUT = 100;

/** What every change of a document is answered with. */
export const done = (snapshot: NpmSnapshot, status = 200): Reply =>
  json({ ok: true, success: true, id: snapshot.identity, rev: revisionOf(snapshot) }, 'no-store', { status });

/**
 * The state that a client had in hand when it sent `rev`, and a check for `decide` that it still is. The revision alone does not say so: changes that
 * are committed together share the position they begin at.
 */
async function atRevision(handle: Handle, rev: string | undefined): Promise<(snapshot: NpmSnapshot) => void> {
  if (rev === undefined) return () => {};
  const base = revisionOf(handle.snapshot) === rev ? handle.snapshot : await handle.readStrong();
  changeable(base);
  return (snapshot) => {
    if (revisionOf(base) !== rev || revisionOf(snapshot) !== rev || !sameState(base.state, snapshot.state)) throw staleRevision();
  };
}

const sameState = (a: NpmState, b: NpmState): boolean =>
  a.modifiedAt === b.modifiedAt &&
  a.weight === b.weight &&
  a.visibility === b.visibility &&
  a.releases.size === b.releases.size &&
  JSON.stringify([a.owners, [...a.tags]]) === JSON.stringify([b.owners, [...b.tags]]);

/** Commits what `decide` wants of a package that is there. */
export async function change(
  handle: Handle,
  action: Action,
  decide: (snapshot: NpmSnapshot) => readonly NewChange[],
  deletes: readonly HookFile[] = [],
): Promise<NpmSnapshot> {
  const committed = await handle.commit(action, (snapshot) => ({ changes: decide(changeable(snapshot)), result: undefined }), {
    deletes,
  });
  return committed.snapshot;
}

/** By whom: the pipeline has authenticated every caller who gets this far. */
export function actorOf(call: Pick<Call<unknown, unknown, NpmState>, 'principal'>): string {
  if (!call.principal) throw new RegistryError('unauthenticated', 'authentication required');
  return call.principal.userId;
}

function messageOf(manifest: Fields): string {
  const message = manifest['deprecated'];
  if (message === undefined || message === null || message === false) return '';
  if (typeof message !== 'string') throw invalid('deprecated must be a string');
  if (message.length > MAX_MESSAGE) throw invalid(`a deprecation message may have at most ${MAX_MESSAGE} characters`);
  return message;
}

/** One change per message, whatever the number of versions. Only `deprecated` is looked at; everything else in the document stays as it is. */
function deprecations(by: string, state: NpmState, wanted: ReadonlyMap<string, string>): readonly NewChange[] {
  const groups = new Map<string, string[]>();
  for (const [version, message] of wanted) {
    const release = state.releases.get(version);
    if (!isLive(release)) throw new RegistryError('conflict', `there is no version ${version} to deprecate`);
    const now = release.status === 'yanked' ? (release.reason ?? '') : '';
    if (now === message) continue;
    checkMessage(message);
    const others = groups.get(message);
    if (others) others.push(version);
    else groups.set(message, [version]);
  }
  return [...groups].map(([message, versions]) =>
    message === '' ? statusChange(by, versions, 'published') : statusChange(by, versions, 'yanked', message),
  );
}

function canonical(version: string): string {
  const known = typedVersion(version);
  if (known === undefined) throw invalid(`${version} is not a version`);
  return known;
}

/** `npm deprecate`: the whole document comes back with messages in it. */
export async function deprecate(
  call: CallOnPackage,
  versions: ReadonlyMap<string, SentVersion>,
  rev: string | undefined,
): Promise<Reply> {
  const by = actorOf(call);
  const wanted = new Map<string, string>();
  const pace = new Pace(VERSIONS_A_TURN);
  for (const [version, manifest] of versions) {
    wanted.set(canonical(version), messageOf(await manifest.parse()));
    if (pace.due()) await nextTurn();
  }
  const check = await atRevision(call.package, rev);
  return done(
    await change(call.package, 'overwrite', (snapshot) => {
      check(snapshot);
      return deprecations(by, snapshot.state, wanted);
    }),
  );
}

export type CallOnPackage = Pick<Call<unknown, unknown, NpmState>, 'package' | 'principal'>;

/** `npm unpublish name@version`, first half: the document comes back without the version. */
export async function unpublish(
  call: CallOnPackage,
  rev: string,
  kept: ReadonlySet<string>,
  latest: string | undefined,
): Promise<Reply> {
  const by = actorOf(call);
  const check = await atRevision(call.package, rev);
  const keep = new Set<string>();
  const pace = new Pace(VERSIONS_A_TURN);
  for (const version of kept) {
    keep.add(canonical(version));
    if (pace.due()) await nextTurn();
  }
  if (keep.size === 0) throw invalid('a document without versions: delete the package instead');
  const goneFrom = (state: NpmState): NpmRelease[] => [...liveReleases(state)].filter(({ version }) => !keep.has(version));
  const deletes = goneFrom((await seen(call.package, rev)).state).flatMap(hookFile);
  const snapshot = await change(
    call.package,
    'delete',
    (current) => {
      check(current);
      for (const version of keep)
        if (!isLive(current.state.releases.get(version))) throw invalid(`there is no version ${version}`);
      const gone = goneFrom(current.state);
      // Whatever else is different in it would be left undone without a word.
      if (gone.length === 0)
        throw invalid('The document keeps all versions, and asks for no other change that this registry knows');
      if (gone.length > MAX_LEFT_OUT)
        throw invalid(`a document may leave out at most ${MAX_LEFT_OUT} versions: delete the package instead`);
      return removal(by, current.state, new Set(gone.map(({ version }) => version)), { latest });
    },
    deletes,
  );
  return done(snapshot, 201);
}

/** What `rev` stands for, for hooks; `atRevision` refuses what has changed since. */
async function seen(handle: Handle, rev: string): Promise<NpmSnapshot> {
  return revisionOf(handle.snapshot) === rev ? handle.snapshot : handle.readStrong();
}

/** `DELETE /<pkg>/-rev/<rev>`: all of it. Versions and owners stay taken. */
export async function unpublishAll(
  call: Call<{ readonly name: NpmName; readonly rev: string }, unknown, NpmState>,
): Promise<Reply> {
  const by = actorOf(call);
  const { rev } = call.params;
  const check = await atRevision(call.package, rev);
  const deletes = [...liveReleases((await seen(call.package, rev)).state)].flatMap(hookFile);
  const snapshot = await change(
    call.package,
    'delete',
    (current) => {
      check(current);
      return [deleteAllChange(by)];
    },
    deletes,
  );
  return done(snapshot);
}

/** `npm unpublish`, second half: the tarball of a version that the first half has removed; removes the version where it has not. */
export async function deleteTarball(
  call: Call<{ readonly name: NpmName; readonly file: string; readonly rev: string }, unknown, NpmState>,
): Promise<Reply> {
  const by = actorOf(call);
  const { name, file, rev } = call.params;
  const version = versionOfFile(name, file);
  const check = await atRevision(call.package, rev);
  const base = await seen(call.package, rev);
  const release = version === undefined ? undefined : base.state.releases.get(version);
  if (version === undefined || !release) throw new RegistryError('not_found', 'File not found');
  if (!isLive(release)) {
    // The first half has done it, and has used up the one-time password that npm sends with both.
    check(base);
    return done(base);
  }
  const snapshot = await change(
    call.package,
    'delete',
    (current) => {
      check(current);
      return isLive(current.state.releases.get(version)) ? removal(by, current.state, new Set([version])) : [];
    },
    hookFile(release),
  );
  return done(snapshot);
}

const nameOf = (maintainer: unknown): string => {
  const name = isFields(maintainer) ? maintainer['name'] : maintainer;
  if (typeof name !== 'string') throw invalid('maintainers must have names');
  return name;
};

/** `npm owner`: replaces the owners, never the versions. There is always one. */
export async function setOwners(
  call: CallOnPackage,
  rev: string | undefined,
  maintainers: readonly unknown[],
  find: FindUser,
): Promise<Reply> {
  const by = actorOf(call);
  if (maintainers.length === 0) throw invalid('Cannot remove the last owner of a package');
  if (maintainers.length > MAX_OWNERS) throw invalid(`a package has at most ${MAX_OWNERS} owners; more people are a team`);
  const owners: string[] = [];
  for (const name of new Set(maintainers.map(nameOf))) {
    const id = (await find(name)) ?? (call.package.snapshot.state.owners.includes(name) ? name : undefined);
    if (id === undefined) throw invalid(`there is no user ${name}`);
    owners.push(id);
  }
  const check = await atRevision(call.package, rev);
  return done(
    await change(call.package, 'admin', (snapshot) => {
      check(snapshot);
      return JSON.stringify(snapshot.state.owners) === JSON.stringify(owners) ? [] : [ownersChange(by, owners)];
    }),
    201,
  );
}

/** `npm star`, for the caller alone: other users in the document are not looked at. */
export async function star(call: CallOnPackage, starred: boolean): Promise<Reply> {
  const by = actorOf(call);
  if (call.principal?.readonly) throw forbidden('this token may only read');
  const patch: NpmPatch = starred ? { star: by } : { unstar: by };
  return done(
    await change(call.package, 'read', ({ state }) =>
      state.data.stars.includes(by) === starred ? [] : [dataChange(by, patch as Json)],
    ),
  );
}

function thereIs(state: NpmState, known: string): string {
  if (!isLive(state.releases.get(known))) throw new RegistryError('not_found', `version not found: ${known}`);
  return known;
}

const liveVersion = (state: NpmState, version: string): string => thereIs(state, canonical(version));

function tagOf({ params: { tag } }: { readonly params: { readonly tag: string } }): string {
  const problem = tagProblem(tag);
  if (problem) throw invalid(problem);
  return tag;
}

export async function setTag(call: Call<{ readonly name: NpmName; readonly tag: string }, string, NpmState>): Promise<Reply> {
  const by = actorOf(call);
  const tag = tagOf(call);
  const snapshot = await change(call.package, 'overwrite', ({ state }) => {
    const version = liveVersion(state, call.body);
    checkTags(state, [tag]);
    return state.tags.get(tag) === version ? [] : [tagChange(by, tag, version)];
  });
  return done(snapshot, 201);
}

export async function removeTag(call: Call<{ readonly name: NpmName; readonly tag: string }, unknown, NpmState>): Promise<Reply> {
  const by = actorOf(call);
  const tag = tagOf(call);
  if (tag === 'latest') throw invalid('the dist-tag latest cannot be removed');
  const snapshot = await change(call.package, 'overwrite', ({ state }) => {
    if (!state.tags.has(tag)) throw new RegistryError('not_found', `dist-tag not found: ${tag}`);
    return [untagChange(by, tag)];
  });
  return done(snapshot);
}

/** An object of tags: `PUT` replaces all of them (but `latest` stays where it is not named), `POST` adds. */
export async function setTags(
  call: Call<{ readonly name: NpmName }, ReadonlyMap<string, string>, NpmState>,
  replace: boolean,
): Promise<Reply> {
  const by = actorOf(call);
  const pace = new Pace(TAGS_A_TURN);
  const wanted = new Map<string, string>();
  for (const [tag, version] of call.body) {
    const problem = tagProblem(tag);
    if (problem) throw invalid(problem);
    wanted.set(tag, canonical(version));
    if (pace.due()) await nextTurn();
  }
  const snapshot = await change(call.package, 'overwrite', ({ state }) => {
    if (!replace) checkTags(state, call.body.keys());
    const changes: NewChange[] = [];
    for (const [tag, version] of wanted) {
      const known = thereIs(state, version);
      if (state.tags.get(tag) !== known) changes.push(tagChange(by, tag, known));
    }
    if (!replace) return changes;
    const gone = [...state.tags.keys()].filter((tag) => tag !== 'latest' && !call.body.has(tag));
    return [...changes, ...gone.map((tag) => untagChange(by, tag))];
  });
  return done(snapshot);
}
