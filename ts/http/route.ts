import type { Action, Principal } from '../auth/principal.js';
import type { FeedItem } from '../log/schema.js';
import type { PackageHandle, Ruled } from '../packages/package-handle.js';
import type { Reply } from './reply.js';

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

/** A path placeholder: what it may look like, and the value a handler is given. */
export interface Param<T> {
  /** Regular expression source over the undecoded path; no capture groups. May span segments. */
  readonly pattern: string;
  /** `raw` has been percent-decoded exactly once. Throws a RegistryError with the protocol's own code when it is not a valid T. */
  parse(raw: string): T;
  /** True: `parse` alone decides. Otherwise controls, backslashes and dot segments are refused before it sees them. */
  readonly anyText?: boolean;
}

type Names<P extends string> = P extends `${string}{${infer K}}${infer R}` ? K | Names<R> : never;
export type Params<P extends string> = { readonly [K in Names<P>]: Param<unknown> };
export type Values<S> = { readonly [K in keyof S]: S[K] extends Param<infer T> ? T : never };

/** Query parameters, parsed on first use; `+` is a space. */
export interface Query {
  get(name: string): string | undefined;
  getAll(name: string): readonly string[];
}

/** Request headers by any spelling of their names. Repeated ones are joined with `, `. */
export interface HeaderBag {
  get(name: string): string | undefined;
}

/** All packages that the caller may read. `shared`: it is the list that anonymous callers get too. */
export interface Listing {
  readonly items: readonly FeedItem[];
  readonly position: number;
  readonly complete: boolean;
}

/** A repository beside this one, and what the caller may read there. */
export interface NamedListing {
  readonly repository: string;
  /** What its names begin with here, with a slash at the end. */
  readonly prefix: string;
  listing(): Promise<Listing>;
}

/** All a handler can see. No driver, no config, no response object. */
export interface Call<V, B, S extends Ruled> {
  readonly params: V;
  readonly query: Query;
  readonly headers: HeaderBag;
  readonly body: B;
  /** Public base URL of this repository, without a trailing slash. */
  readonly baseUrl: string;
  /** What stands before this repository's names where the request came in, with a slash at its end; mostly empty. */
  readonly prefix: string;
  /** Repositories that are asked through this one, by their own mounts; this one is among them. */
  readonly neighbours: readonly NamedListing[];
  readonly principal: Principal | undefined;
  /** Peer address, for audit; undefined when unknown. */
  readonly address: string | undefined;
  readonly signal: AbortSignal;
  /** The packages that the route named, in its order; those behind the first only where the caller may read them. */
  readonly packages: readonly PackageHandle<S>[];
  /** The first of them; throws where the route names none. */
  readonly package: PackageHandle<S>;
  /** Work of ours on this request goes on: its time, in which something has to move, begins anew. */
  progress(): void;
  /** Lists what this caller may read, fresh. */
  listing(): Promise<Listing>;
}

/** A request body while it streams, already bounded in bytes and in time. */
export interface RequestBody {
  /** Declared length in bytes, where the client gave one. */
  readonly length: number | undefined;
  /** Content-Type as sent, with its parameters; empty when there was none. */
  readonly mediaType: string;
  stream(): AsyncIterable<Uint8Array>;
  /** The whole of it; only on routes whose limit is small. */
  bytes(): Promise<Uint8Array>;
  /** Strict JSON: depth ≤ 64, no duplicate keys beyond last-wins, own `__proto__` refused. Also what a framework has parsed already. */
  json(): Promise<unknown>;
  /** What a framework has parsed before us; undefined when the bytes are still to come. */
  readonly parsed: unknown;
}

export interface BodyRule<B> {
  /** Largest accepted body in bytes (after content decoding), declared or streamed. */
  readonly max: number;
  /** True where a parsed object must be refused because bytes matter. */
  readonly byteExact?: boolean;
  /** Content codings accepted on the request, decoded by the pipeline. Default: none. */
  readonly codings?: readonly 'gzip'[];
  /** Turns the body into what the handler wants. Omitted: the handler is given the `RequestBody`. */
  readonly parse?: (body: RequestBody) => Promise<B>;
}

/** `prefix`: see `Call`. */
type Ask<V> = (values: V, query: Query, prefix: string) => string | readonly string[];

/** What the request wants. It cannot be left out, and `'public'` has to be said aloud. */
export type AccessRule<V> =
  /** Anybody, no package. */
  | { readonly access: 'public'; readonly package?: never }
  /** Anybody with valid credentials, no package. */
  | { readonly access: 'authenticated'; readonly package?: never }
  /** A list filtered by what the caller may read; anonymous callers only where the repository is open to them. */
  | { readonly access: 'filtered'; readonly package?: never }
  /**
   * Any of these actions on the package (identity string) that the route names opens the door; what the handler then does asks for its own.
   * Where the route names several, that is about the first; the others are sources: given to the handler if the caller may read them.
   * `authenticated`: anonymous callers are refused even where they may read.
   */
  | { readonly access: Action | readonly Action[]; readonly package: Ask<V>; readonly authenticated?: boolean };

interface RouteFacts<P extends string, T extends Params<P>, B, S extends Ruled> {
  /** Stable name, used in logs, metrics, docs and tests: `packument`, `blob-upload-start`. */
  readonly id: string;
  readonly method: Method;
  /** A GET that hands out something once: HEAD, which would use it up and show nothing, is not offered. */
  readonly once?: true;
  /** Also answers at the root of the host, whatever the mount (npm's OIDC exchange, OCI's `/v2/`). */
  readonly root?: boolean;
  readonly path: P;
  readonly params: T;
  /** Omitted: a body is refused. */
  readonly body?: BodyRule<B>;
  readonly handler: (call: Call<Values<T>, NoInfer<B>, S>) => Promise<Reply>;
}

export type RouteDefinition<P extends string, T extends Params<P>, B, S extends Ruled> = RouteFacts<P, T, B, S> &
  AccessRule<Values<T>>;

/** A route with its types erased, ready to match. */
export interface Route {
  readonly id: string;
  readonly method: Method;
  readonly once: boolean;
  readonly path: string;
  readonly root: boolean;
  /** What stands in the placeholders of a path that is this route's. The expression is made when a path that begins so comes: there are many routes. */
  readonly places: (path: string) => readonly string[] | undefined;
  /** What every path of this route begins with. */
  readonly prefix: string;
  readonly names: readonly string[];
  readonly params: Readonly<Record<string, Param<unknown>>>;
  readonly access: 'public' | 'authenticated' | 'filtered' | readonly Action[];
  readonly authenticated: boolean;
  readonly package: Ask<Readonly<Record<string, unknown>>> | undefined;
  readonly body: BodyRule<unknown> | undefined;
  readonly handler: (call: Call<Readonly<Record<string, unknown>>, unknown, Ruled>) => Promise<Reply>;
}

/** Makes the `route` function of a protocol whose packages have state S. */
export const routesOf =
  <S extends Ruled>() =>
  <const P extends string, const T extends Params<P>, B = RequestBody>(def: RouteDefinition<P, T, B, S>): Route => {
    const params = def.params as unknown as Readonly<Record<string, Param<unknown>>>;
    const names: string[] = [];
    const source = def.path.split(/(\{[^}]+\})/).map((part) => {
      if (!part.startsWith('{')) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      const name = part.slice(1, -1);
      const param = params[name];
      if (!param) throw new TypeError(`route ${def.id}: no parser for {${name}}`);
      names.push(name);
      return `(${param.pattern})`;
    });
    let expression: RegExp | undefined;
    const access =
      Array.isArray(def.access) || ['public', 'authenticated', 'filtered'].includes(def.access as string)
        ? def.access
        : [def.access];
    return {
      id: def.id,
      method: def.method,
      once: def.once ?? false,
      path: def.path,
      root: def.root ?? false,
      places: (path: string) => {
        expression ??= new RegExp(`^${source.join('')}$`);
        return expression.exec(path)?.slice(1);
      },
      prefix: def.path.split('{')[0],
      names,
      params,
      access,
      authenticated: 'authenticated' in def && def.authenticated === true,
      package: def.package,
      body: def.body,
      handler: def.handler,
    } as unknown as Route;
  };
