import type { IRequestContext } from './context.js';

/** Undecoded path and query of a request target. Parsed by hand: `new URL` would take `//host/…` for a host and resolve dot segments. */
export function parseTarget(target: string): { readonly path: string; readonly query: string } {
  const fragment = target.indexOf('#');
  let rest = fragment < 0 ? target : target.slice(0, fragment);
  const absolute = rest.startsWith('/') ? null : /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?]*/.exec(rest);
  if (absolute) rest = rest.slice(absolute[0].length);
  const mark = rest.indexOf('?');
  const path = mark < 0 ? rest : rest.slice(0, mark);
  return { path: path === '' ? '/' : path, query: mark < 0 ? '' : rest.slice(mark + 1) };
}

export interface Located {
  /** Undecoded, below the host's mount prefix. */
  readonly path: string;
  readonly query: string | IRequestContext['query'];
  /** What the host has cut off the front of the path; empty or `/…` without a slash at its end. */
  readonly prefix: string;
}

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

/** Where `path` begins inside the undecoded path, also when the host has decoded it; undefined when it is not its tail. */
function tailAt(raw: string, path: string): number | undefined {
  if (raw.endsWith(path) && path.startsWith('/')) return raw.length - path.length;
  if (path === '/' || path === '') return raw.length;
  for (let at = 0; at >= 0; at = raw.indexOf('/', at + 1)) if (decoded(raw.slice(at)) === path) return at;
  return undefined;
}

/** Path, query and mount prefix of a request as a host hands it over (public-api.md, `IRequestContext`). */
export function locate(context: Pick<IRequestContext, 'path' | 'rawUrl' | 'query'>): Located {
  if (context.rawUrl === undefined) {
    const { path, query } = parseTarget(context.path);
    return { path, query: query === '' ? context.query : query, prefix: '' };
  }
  const { path, query } = parseTarget(context.rawUrl);
  const at = path.length > 8192 ? 0 : tailAt(path, parseTarget(context.path).path);
  const below = at === undefined ? path : path.slice(at);
  const prefix = at === undefined ? '' : path.slice(0, at).replace(/\/+$/, '');
  return { path: below === '' ? '/' : below, query, prefix };
}
