import parseVersion from 'semver/functions/parse.js';
import { invalid, RegistryError } from '../../errors/registry-error.js';
import { json, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import type { FeedItem } from '../../log/schema.js';
import { type SearchHit, SearchIndex } from '../../packages/search.js';
import type { NpmSummary } from './codec.js';
import type { FindUser } from './life-cycle.js';
import { type Filter, parseSearch } from './search-query.js';
import type { NpmState, Person } from './state.js';
import type { People } from './views.js';

type Plain = Call<Record<never, never>, unknown, NpmState>;

const summaryOf = (item: FeedItem): NpmSummary => item.summary as unknown as NpmSummary;

/** One index over everything that any caller was shown; what one caller finds is only what that caller may read now. */
class SharedIndex {
  private readonly index = new SearchIndex();
  private known: ReadonlyMap<string, FeedItem> = new Map();

  update(items: ReadonlyMap<string, FeedItem>, complete: boolean): SearchIndex {
    if (complete) this.known = items;
    else if ([...items].some(([key, item]) => this.known.get(key) !== item)) this.known = new Map([...this.known, ...items]);
    this.index.update({ items: this.known });
    return this.index;
  }
}

function count(query: string | undefined, standard: number, max: number): number {
  if (query === undefined) return standard;
  const value = Number(query);
  return Number.isSafeInteger(value) && value >= 0 ? Math.min(value, max) : standard;
}

/** Lists over all packages. https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md#get-v1search */
export class SearchHandlers {
  private readonly shared = new SharedIndex();
  private readonly people: People;
  private readonly findUser: FindUser;

  constructor(people: People, findUser: FindUser) {
    this.people = people;
    this.findUser = findUser;
  }

  search = async (call: Plain): Promise<Reply> => {
    const { text, filters } = parseSearch(call.query.get('text') ?? '');
    const { items, complete } = await call.listing();
    const readable = new Map(items.map((item) => [item.key, item]));
    const filter = await this.filterOf(filters);
    const page = this.shared.update(readable, complete).search({
      text,
      from: count(call.query.get('from'), 0, Number.MAX_SAFE_INTEGER),
      size: count(call.query.get('size'), 20, 250),
      visible: (item) => readable.get(item.key) === item && filter(item),
    });
    const people = await this.people(
      new Set(page.hits.flatMap(({ item }) => [summaryOf(item).by, ...(summaryOf(item).owners ?? [])])),
    );
    const newest = Math.max(0, ...page.hits.map(({ item }) => summaryOf(item).date));
    const time = new Date(newest).toISOString();
    return json({ objects: page.hits.map((hit) => found(hit, people, call.baseUrl)), total: page.total, time }, 'no-store');
  };

  /** `npm stars`. */
  starred = async (call: Plain): Promise<Reply> => {
    const [, name] = /^"([\x21\x23-\x7e]{1,128})"$/.exec(call.query.get('key') ?? '') ?? [];
    if (name === undefined) throw invalid('key must be a user name in double quotes');
    return json({ rows: (await this.starredBy(call, name)).map((value) => ({ value })) }, 'no-store');
  };

  /** `pnpm stars`. */
  stars = async (call: Call<{ readonly user: string }, unknown, NpmState>): Promise<Reply> =>
    json(await this.starredBy(call, call.params.user), 'no-store');

  /** `npm access list packages`: what a user may write to, of what the caller may read. */
  packagesOf = async (call: Call<{ readonly user: string }, unknown, NpmState>): Promise<Reply> => {
    const id = await this.findUser(call.params.user);
    // Which names are users is not for strangers.
    if (id === undefined && call.principal) throw new RegistryError('not_found', 'User not found');
    const { items } = await call.listing();
    const own = items.filter((item) => id !== undefined && summaryOf(item).owners?.includes(id));
    return json(Object.fromEntries(own.map(({ identity }) => [identity, 'write'])), 'no-store');
  };

  private async starredBy(call: Pick<Plain, 'listing'>, name: string): Promise<readonly string[]> {
    const id = await this.findUser(name);
    const { items } = await call.listing();
    return items.filter((item) => id !== undefined && summaryOf(item).stars?.includes(id)).map(({ identity }) => identity);
  }

  private async filterOf(filters: readonly Filter[]): Promise<(item: FeedItem) => boolean> {
    const tests = await Promise.all(filters.map((filter) => this.testOf(filter)));
    return (item) => tests.every((test) => test(item.identity, summaryOf(item)));
  }

  private async testOf({ field, value, not }: Filter): Promise<(name: string, summary: NpmSummary) => boolean> {
    if (field === 'maintainer') {
      const id = await this.findUser(value);
      return (_, { owners = [] }) => id !== undefined && owners.includes(id) !== not;
    }
    if (field === 'scope') return (name) => name.startsWith(`@${value.replace(/^@/, '')}/`) !== not;
    if (field === 'keywords') {
      const has = keywordTest(value);
      return (_, { keywords = [] }) => has(new Set(keywords.map((keyword) => keyword.toLowerCase()))) !== not;
    }
    if (field === 'author') return (_, { author = '' }) => author.toLowerCase().includes(value) !== not;
    return (_, summary) => flagged(summary, value) !== not;
  }
}

/** `a,b`: one of them; `a+b`: both; `-c`: not with that one. */
function keywordTest(value: string): (keywords: ReadonlySet<string>) => boolean {
  const terms = value.split(',').filter(Boolean);
  const unwanted = terms.filter((term) => term.startsWith('-')).map((term) => term.slice(1));
  // A sign at the end belongs to the word: c++.
  const wanted = terms.filter((term) => !term.startsWith('-')).map((term) => term.split(/\+(?=[^+])/));
  return (keywords) =>
    !unwanted.some((word) => keywords.has(word)) &&
    (wanted.length === 0 || wanted.some((all) => all.every((word) => keywords.has(word))));
}

const unstable = ({ version }: NpmSummary): boolean => (parseVersion(version)?.major ?? 0) < 1;

function flagged(summary: NpmSummary, flag: string): boolean {
  if (flag === 'unstable') return unstable(summary);
  return flag === 'deprecated' && summary.deprecated === true;
}

/** One result as npm reads it. There are no statistics here: scores say how well the words fit. */
function found({ item, rank }: SearchHit, people: ReadonlyMap<string, Person>, baseUrl: string): object {
  const summary = summaryOf(item);
  const name = item.identity;
  const user = (id: string): object => {
    const person = people.get(id);
    return { username: person?.name ?? id, email: person?.email ?? '' };
  };
  const { description, keywords = [], owners = [], author, homepage, repository, bugs, license } = summary;
  const score = (rank + 1) / 5;
  return {
    package: {
      name,
      scope: name.startsWith('@') ? name.slice(1, name.indexOf('/')) : 'unscoped',
      version: summary.version,
      ...(description === undefined ? {} : { description }),
      keywords,
      date: new Date(summary.date).toISOString(),
      links: {
        npm: `${baseUrl}/${name}`,
        ...(homepage === undefined ? {} : { homepage }),
        ...(repository === undefined ? {} : { repository }),
        ...(bugs === undefined ? {} : { bugs }),
      },
      ...(author === undefined ? {} : { author: { name: author } }),
      ...(license === undefined ? {} : { license }),
      publisher: user(summary.by),
      maintainers: owners.map(user),
    },
    score: { final: score, detail: { quality: score, popularity: score, maintenance: score } },
    searchScore: rank,
    flags: { ...(unstable(summary) ? { unstable: true } : {}), ...(summary.deprecated ? { deprecated: true } : {}) },
  };
}
