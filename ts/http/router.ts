import { invalid, RegistryError } from '../errors/registry-error.js';
import { Recall } from '../lib/recall.js';
import { parameters } from './parameters.js';
import type { Route } from './route.js';

const MAX_PATH = 4096;

/** A route that a path belongs to, and what stands in the path's placeholders. */
export class Hit {
  readonly route: Route;
  readonly raw: readonly string[];
  private known: Readonly<Record<string, unknown>> | undefined;

  constructor(route: Route, raw: readonly string[]) {
    this.route = route;
    this.raw = raw;
  }

  /** Parsed by the placeholders' own grammars, once. Throws as `parameters` does. */
  get values(): Readonly<Record<string, unknown>> {
    this.known ??= parameters(this.route, this.raw);
    return this.known;
  }
}

export type Match = Hit | { readonly route: undefined; readonly allow: readonly string[] };

const UNRESERVED = /^[A-Za-z0-9._~-]$/;

/** The same paths are asked for again and again, and each request looks at its path for mounts and for routes. */
const canonicalPaths = new Recall<string>();
const matches = new WeakMap<readonly Route[], Recall<Match>>();

/**
 * The path as routes are matched against: percent-encoded unreserved characters plain (RFC 3986 §6.2.2.2: the same resource, so it must be the same
 * decision), everything else untouched. Throws `invalid` for what no client has reason to send: more than 4,096 characters, malformed escapes, dot
 * segments however spelled, backslashes, controls, characters beyond ASCII.
 */
export function canonicalPath(path: string): string {
  return canonicalPaths.get(path) ?? canonicalPaths.keep(path, canonicalised(path));
}

function canonicalised(path: string): string {
  if (path.length > MAX_PATH) throw invalid(`path is longer than ${MAX_PATH} characters`);
  if (!path.startsWith('/') || !/^[!-[\]-~]+$/.test(path)) throw invalid('malformed path');
  let canonical = path;
  if (path.includes('%')) {
    if (/%(?![0-9A-Fa-f]{2})/.test(path)) throw invalid('malformed percent-encoding in path');
    canonical = path.replace(/%[0-9A-Fa-f]{2}/g, (triplet) => {
      const char = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
      return UNRESERVED.test(char) ? char : triplet;
    });
  }
  if (/\/\.{1,2}(?:\/|$)/.test(canonical)) throw invalid('dot segments in path');
  return canonical;
}

/** First match wins, in table order; HEAD is GET, but for what is handed out once. A path that only other methods know yields those, for `Allow`. */
export function match(routes: readonly Route[], method: string, path: string): Match {
  let known = matches.get(routes);
  if (!known) {
    known = new Recall();
    matches.set(routes, known);
  }
  const asked = `${method} ${path}`;
  return known.get(asked) ?? known.keep(asked, search(routes, method, path));
}

function search(routes: readonly Route[], method: string, path: string): Match {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const allow = new Set<string>();
  for (const route of routes) {
    // Most routes are told apart by how they begin.
    if (!path.startsWith(route.prefix) || (route.method !== wanted && allow.has(route.method))) continue;
    const raw = route.places(path);
    if (!raw) continue;
    if (route.method === wanted && !(route.once && method === 'HEAD')) return new Hit(route, raw);
    allow.add(route.method);
    if (route.method === 'GET' && !route.once) allow.add('HEAD');
  }
  return { route: undefined, allow: [...allow] };
}

/** What to answer where nothing matches: 405 with `Allow` where another method would, else 404. */
export const unmatched = (allow: readonly string[]): RegistryError =>
  allow.length === 0
    ? new RegistryError('not_found', 'no such endpoint')
    : new RegistryError('method_not_allowed', 'method not allowed', { headers: { Allow: allow.join(', ') } });
