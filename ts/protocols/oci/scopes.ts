import type { Action } from '../../auth/principal.js';
import { scopesAllow } from '../../auth/scope.js';
import type { NamedListing } from '../../http/route.js';
import { isName } from './names.js';

export const PROTOCOL = 'oci';
const TYPE = 'repository';
const MAX_SCOPES = 50;
/** Words of the distribution scopes that mean something here. */
const WORDS: ReadonlyMap<string, readonly Action[]> = new Map<string, readonly Action[]>([
  ['pull', ['read']],
  ['push', ['create', 'overwrite']],
  ['delete', ['delete']],
  ['*', ['read', 'create', 'overwrite', 'delete', 'admin']],
]);
/** What `*` is where it is not everything. */
const PARTS: readonly string[] = ['pull', 'push', 'delete'];
const CATALOG = 'registry:catalog:*';

/** Where scopes are asked for, which says what names mean. */
export interface Asked {
  /** The repository that was asked. */
  readonly repository: string;
  readonly prefix: string;
  readonly baseUrl: string;
  readonly neighbours: readonly Pick<NamedListing, 'prefix' | 'repository'>[];
}

export interface AskedScopes {
  /** In the house's own words. */
  readonly scopes: readonly string[];
  /** Names may be listed. */
  readonly lists: boolean;
  /** Those of them that these scopes open, in the words in which they were asked for. */
  granted(held: readonly string[]): readonly string[];
}

interface Wanted {
  /** As the client knows it. */
  readonly outer: string;
  readonly repository: string;
  readonly name: string;
  readonly words: readonly string[];
}

/** Names may be written with the host in front, port included: `images.example:5000/team/app`. */
function withoutHost(name: string, baseUrl: string): string {
  const host = /^[a-z]+:\/\/([^/]+)/i.exec(baseUrl)?.[1]?.toLowerCase();
  return host !== undefined && name.startsWith(`${host}/`) ? name.slice(host.length + 1) : name;
}

/** A name as clients know it is that of a package of one repository; undefined: of none. */
function named(outer: string, { repository, prefix, neighbours }: Asked): Pick<Wanted, 'repository' | 'name'> | undefined {
  const own = outer.startsWith(prefix) ? { repository, name: outer.slice(prefix.length) } : undefined;
  const [picked] = neighbours
    .filter((other) => outer.startsWith(other.prefix))
    .sort((a, b) => b.prefix.length - a.prefix.length)
    .map((other) => ({ repository: other.repository, name: outer.slice(other.prefix.length) }));
  return [picked, own].find((one) => one !== undefined && isName(one.name));
}

/** `type:name:action,action`, split at the first and the last colon: a name may begin with a host and port. Others count for nothing. */
function wantedOf(text: string, asked: Asked): Wanted | undefined {
  const first = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (first < 0 || last <= first || text.slice(0, first).replace(/\([^)]*\)$/, '') !== TYPE) return undefined;
  const outer = text.slice(first + 1, last);
  const words = text
    .slice(last + 1)
    .split(',')
    .filter((word) => WORDS.has(word));
  const found = named(withoutHost(outer, asked.baseUrl), asked);
  return found && { outer, words: [...new Set(words)], ...found };
}

/** Scopes of one request: repeated, or several in one text with blanks between them (https://distribution.github.io/distribution/spec/auth/scope/). */
export function askedScopes(texts: readonly string[], asked: Asked): AskedScopes {
  const all = texts
    .flatMap((value) => value.split(' '))
    .filter((value) => value !== '')
    .slice(0, MAX_SCOPES);
  const wanted = all.map((text) => wantedOf(text, asked)).filter((one) => one !== undefined);
  const lists = all.includes(CATALOG);
  return {
    lists,
    // credentials may speak of the protocol or of the repository, and the two have no common form
    scopes: wanted.flatMap(({ repository, name, words }) =>
      [...new Set([PROTOCOL, repository])].flatMap((one) => words.map((word) => `${one}:${TYPE}:${name}:${word}`)),
    ),
    granted(held) {
      const open = ({ repository, name }: Wanted, word: string): boolean =>
        (WORDS.get(word) ?? []).every((action) =>
          scopesAllow(held, { protocol: PROTOCOL, repository, type: TYPE, name }, action),
        );
      const granted = wanted.flatMap((one) => {
        const words = new Set(one.words.flatMap((word) => (word === '*' && !open(one, word) ? PARTS : [word])));
        const opened = [...words].filter((word) => open(one, word));
        return opened.length === 0 ? [] : [`${TYPE}:${one.outer}:${opened.join(',')}`];
      });
      return lists ? [...granted, CATALOG] : granted;
    },
  };
}
