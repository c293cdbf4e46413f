/**
 * Scopes: `{protocol|repository}:{type}:{name}:{action}`.
 *
 *     scope  = first ":" type ":" name ":" action        split at the first two and at the last ":"
 *     first  = "*" | 1*60( a-z 0-9 - )                   a protocol's name, or a repository's: then that repository only
 *     type   = "*" | 1*30( a-z - )                       package, repository, crate, gem, artifact, …
 *     name   = 1*400( any but controls, at most one "*") ":" and "/" are ordinary; "*" is any run of characters, also none, also across "/"
 *     action = "*" | read | pull | create | overwrite | push | write | delete | admin
 *
 * `pull` = read, `push` = create + overwrite, `write` = create + overwrite + delete, `*` = everything, administration included. A `*` in a name has no
 * escape: `npm:package:foo*:read` also covers `foobar`. What does not parse covers nothing. The name of a protocol in front always means the
 * protocol, never a repository that happens to be called like another protocol.
 */
import type { Action } from './principal.js';
import { ACTIONS } from './principal.js';

export interface Scope {
  readonly first: string;
  readonly type: string;
  readonly name: string;
  /** What it opens; never empty, in the order of `ACTIONS`. */
  readonly actions: readonly Action[];
}

/** What a scope is held against. `repository` is absent where only the protocol is known. */
export interface ScopedResource {
  readonly protocol: string;
  readonly repository?: string | undefined;
  readonly type: string;
  readonly name: string;
}

/** Scopes per token. */
export const MAX_SCOPES = 100;
const MAX_SCOPE_LENGTH = 512;

/** An ordinary user's rights: everything but administration, of whatever package the owner rule lets them change. */
export const ORDINARY_SCOPES: readonly string[] = ['*:*:*:read', '*:*:*:write'];
export const ADMIN_SCOPES: readonly string[] = ['*:*:*:*'];

const PROTOCOLS: ReadonlySet<string> = new Set(['oci', 'npm', 'maven', 'cargo', 'composer', 'pypi', 'rubygems', 'zig']);

const ACTION_WORDS: ReadonlyMap<string, readonly Action[]> = new Map<string, readonly Action[]>([
  ...ACTIONS.map((action): [string, readonly Action[]] => [action, [action]]),
  ['pull', ['read']],
  ['push', ['create', 'overwrite']],
  ['write', ['create', 'overwrite', 'delete']],
  ['*', ACTIONS],
]);

/** The actions that a word in a scope stands for; undefined when it is none of ours. */
export const actionsOf = (word: string): readonly Action[] | undefined => ACTION_WORDS.get(word);

const FIRST = /^(?:\*|[a-z0-9-]{1,60})$/;
const TYPE = /^(?:\*|[a-z-]{1,30})$/;
// Controls, and lone surrogates, which have no UTF-8 form of their own.
const NAME = /^[^\p{Cc}\p{Cs}]{1,400}$/u;

const MAX_PARSED = 1_000;
/** The scopes of a token are asked with every request. */
const parsed = new Map<string, Scope>();

/** Undefined: not a scope. */
export function parseScope(text: string): Scope | undefined {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const scope = readScope(text);
  if (scope === undefined) return undefined;
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(text, scope);
  return scope;
}

function readScope(text: string): Scope | undefined {
  if (text.length > MAX_SCOPE_LENGTH) return undefined;
  const one = text.indexOf(':');
  const two = text.indexOf(':', one + 1);
  const last = text.lastIndexOf(':');
  if (one < 0 || two < 0 || last <= two) return undefined;
  const [first, type, name] = [text.slice(0, one), text.slice(one + 1, two), text.slice(two + 1, last)];
  const actions = actionsOf(text.slice(last + 1));
  if (!actions || !FIRST.test(first) || !TYPE.test(type) || !NAME.test(name)) return undefined;
  if (name.indexOf('*') !== name.lastIndexOf('*')) return undefined;
  return { first, type, name, actions };
}

/** Splits `{protocol}:{type}:{name}` at the first two colons. */
export function parseResource(text: string): ScopedResource | undefined {
  const one = text.indexOf(':');
  const two = text.indexOf(':', one + 1);
  if (one <= 0 || two <= one + 1 || two + 1 >= text.length) return undefined;
  return { protocol: text.slice(0, one), type: text.slice(one + 1, two), name: text.slice(two + 1) };
}

/** Scopes that together open exactly `actions`, written as briefly as the words allow. */
export function formatScopes(first: string, type: string, name: string, actions: readonly Action[]): string[] {
  const left = new Set(actions);
  const words: string[] = [];
  for (const word of ['*', 'write', 'push', ...ACTIONS]) {
    const meant = actionsOf(word) ?? [];
    if (!meant.every((action) => left.has(action))) continue;
    words.push(word);
    for (const action of meant) left.delete(action);
  }
  return words.map((word) => `${first}:${type}:${name}:${word}`);
}

function nameCovers(pattern: string, name: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === name;
  return name.length >= pattern.length - 1 && name.startsWith(pattern.slice(0, star)) && name.endsWith(pattern.slice(star + 1));
}

function firstCovers(first: string, { protocol, repository }: ScopedResource): boolean {
  if (first === '*' || first === protocol) return true;
  return first === repository && !PROTOCOLS.has(first);
}

export const scopeAllows = (scope: Scope, resource: ScopedResource, action: Action): boolean =>
  scope.actions.includes(action) &&
  firstCovers(scope.first, resource) &&
  (scope.type === '*' || scope.type === resource.type) &&
  nameCovers(scope.name, resource.name);

export const scopesAllow = (scopes: readonly string[], resource: ScopedResource, action: Action): boolean =>
  scopes.some((text) => {
    const scope = parseScope(text);
    return scope !== undefined && scopeAllows(scope, resource, action);
  });

/** True: they open this action on every name of `{protocol}:{type}`. */
export function scopesAllowEvery(
  scopes: readonly string[],
  { protocol, type, repository }: Omit<ScopedResource, 'name'>,
  action: Action,
): boolean {
  const unnamed = { protocol, type, repository, name: '' };
  for (const text of scopes) {
    const scope = parseScope(text);
    if (scope?.name === '*' && scopeAllows(scope, unnamed, action)) return true;
  }
  return false;
}

const word = (a: string, b: string): string | undefined => (a === '*' ? b : b === '*' || a === b ? a : undefined);

function nameBoth(a: string, b: string): string | undefined {
  const [starA, starB] = [a.indexOf('*'), b.indexOf('*')];
  if (starA < 0) return nameCovers(b, a) ? a : undefined;
  if (starB < 0) return nameCovers(a, b) ? b : undefined;
  const heads = [a.slice(0, starA), b.slice(0, starB)].sort((x, y) => x.length - y.length) as [string, string];
  const tails = [a.slice(starA + 1), b.slice(starB + 1)].sort((x, y) => x.length - y.length) as [string, string];
  return heads[1].startsWith(heads[0]) && tails[1].endsWith(tails[0]) ? `${heads[1]}*${tails[1]}` : undefined;
}

/**
 * Scopes that open nothing but what both lists open. Never too much, sometimes less: a repository's scope and its protocol's have no common form, and two
 * patterns in one name give the longer ends of both. Used for all minting, so that a token never opens more than the one it came from.
 */
export function intersectScopes(requested: readonly string[], held: readonly string[]): string[] {
  const out = new Set<string>();
  const theirs = held.map(parseScope);
  for (const a of requested.map(parseScope)) {
    for (const b of theirs) {
      if (!a || !b) continue;
      const [first, type, name] = [word(a.first, b.first), word(a.type, b.type), nameBoth(a.name, b.name)];
      const actions = a.actions.filter((action) => b.actions.includes(action));
      if (first === undefined || type === undefined || name === undefined || actions.length === 0) continue;
      for (const scope of formatScopes(first, type, name, actions)) out.add(scope);
    }
  }
  return [...out];
}
