import type { Accounts } from '../auth/accounts.js';
import { profilesOf } from '../auth/people.js';
import type { Action } from '../auth/principal.js';
import { invalid, notFound } from '../errors/registry-error.js';
import { json, type Reply } from '../http/reply.js';
import type { Call, Query } from '../http/route.js';
import { streamToBuffer } from '../lib/streams.js';
import type { PackageHandle, Ruled } from '../packages/package-handle.js';
import type { About, LifeCycle, VersionPage } from '../protocols/protocol.js';

const MAX_PAGE = 1_000;
const MAX_NAMED = 500;
const MAX_README = 1024 * 1024;
const NOTHING: VersionPage = { versions: [], more: false, total: 0 };

/** The number of items that a list may have at most; throws `invalid`. */
export function limitOf(query: Query, standard: string): number {
  const text = query.get('limit') ?? standard;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_PAGE) throw invalid(`limit must be a whole number from 1 to ${MAX_PAGE}`);
  return limit;
}

/** Names of users, as a list: ids are not known to be harmless as keys. Who is beyond the first 500 goes by the id. */
export async function peopleIn(
  accounts: Pick<Accounts, 'profile'>,
  userIds: Iterable<string>,
): Promise<readonly { readonly id: string; readonly name: string }[]> {
  const wanted = new Set<string>();
  for (const id of userIds) if (wanted.size < MAX_NAMED) wanted.add(id);
  return [...(await profilesOf(accounts, wanted))].map(([id, { name }]) => ({ id, name }));
}

/** The newest of the versions that came before `before`. Throws `invalid`. */
function pageOf(state: Ruled, lifeCycle: LifeCycle<Ruled>, query: Query): VersionPage {
  const page = lifeCycle.newest(state, limitOf(query, String(MAX_PAGE)), query.get('before'));
  if (!page) throw invalid('before must be one of the versions');
  return page;
}

async function readmeOf(handle: PackageHandle<Ruled>, readme: About['readme']): Promise<string | undefined> {
  if (readme === undefined || typeof readme === 'string') return readme;
  const opened = await handle.content(readme, 'text/markdown').open();
  const bytes = opened instanceof Uint8Array ? opened : await streamToBuffer(opened, { limit: MAX_README });
  return Buffer.from(bytes).toString('utf8');
}

const WORDS: readonly (readonly [word: string, action: Action])[] = [
  ['yank', 'overwrite'],
  ['delete', 'delete'],
  ['administer', 'admin'],
];

/** What this caller could do now: a question, not a promise. */
async function mayOf(handle: PackageHandle<Ruled>, yanks: boolean): Promise<readonly string[]> {
  const asked = WORDS.filter(([word]) => word !== 'yank' || yanks);
  const answers = await Promise.all(asked.map(([, action]) => handle.may(action)));
  return asked.filter((_, at) => answers[at]).map(([word]) => word);
}

/** A package as the management surface shows it: versions oldest first, what it says of itself, who is who, what the caller may do. Throws `not_found`. */
export async function showPackage(
  call: Call<unknown, unknown, Ruled>,
  lifeCycle: LifeCycle<Ruled>,
  accounts: Pick<Accounts, 'profile'>,
): Promise<Reply> {
  const handle = call.package;
  const { state, position } = handle.snapshot;
  const { versions, more, total } = position === 0 ? NOTHING : pageOf(state, lifeCycle, call.query);
  if (total === 0) throw notFound(`package ${handle.name}`);
  const { readme, ...about } = lifeCycle.about?.(state) ?? {};
  const [text, people, may] = await Promise.all([
    readmeOf(handle, readme),
    peopleIn(accounts, [...state.owners, ...versions.map(({ publishedBy }) => publishedBy)]),
    mayOf(handle, lifeCycle.yanks ?? true),
  ]);
  const { visibility, owners } = state;
  const [oldest] = versions;
  const before = more && oldest ? { before: oldest.version } : {};
  const said = { ...about, ...(text === undefined ? {} : { readme: text }) };
  return json({ name: handle.name, visibility, owners, versions, ...before, total, about: said, people, may }, 'no-store');
}
