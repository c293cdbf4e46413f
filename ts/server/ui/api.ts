/** A refusal, in the registry's own words. Status 0: no answer came. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, message: string, code = '') {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** The credentials are good, but the change wants a one-time password too. */
  get wantsCode(): boolean {
    return this.status === 401 && this.code === 'otp';
  }
}

export interface Repository {
  readonly name: string;
  readonly protocol: string;
  readonly path: string;
  readonly anonymousRead: boolean;
  readonly setUp?: string;
}

export interface PackagePage {
  readonly packages: readonly { readonly name: string }[];
  /** What to ask for as `after` next; absent: these are the last. */
  readonly next?: string;
}

export interface Version {
  readonly version: string;
  readonly status: string;
  readonly reason?: string;
  /** Milliseconds. */
  readonly publishedAt: number;
  readonly publishedBy: string;
  /** Bytes. */
  readonly size: number;
  readonly tags: readonly string[];
}

export interface Person {
  readonly id: string;
  readonly name: string;
}

export interface About {
  readonly description?: string;
  readonly homepage?: string;
  readonly repository?: string;
  readonly license?: string;
  readonly author?: string;
  readonly keywords?: readonly string[];
  readonly readme?: string;
}

export interface Package {
  readonly name: string;
  readonly visibility: string;
  readonly owners: readonly string[];
  /** Oldest first. */
  readonly versions: readonly Version[];
  /** All there are. */
  readonly total: number;
  /** What to ask for as `before` next; absent: these are the oldest. */
  readonly before?: string;
  readonly about: About;
  readonly people: readonly Person[];
  /** `yank`, `delete`, `administer`. */
  readonly may: readonly string[];
}

export interface HistoryRecord {
  readonly entry: number;
  readonly at: string;
  readonly by: string;
  readonly type: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface History {
  readonly name: string;
  /** Oldest first. */
  readonly history: readonly HistoryRecord[];
  /** What to ask for as `before` next; absent: these are the oldest. */
  readonly before?: number;
  readonly people: readonly Person[];
}

/** Times are milliseconds. */
export interface Token {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly readonly: boolean;
  readonly cidr?: readonly string[];
  readonly protocol?: string;
  readonly created: number;
  readonly expires?: number;
  readonly lastUsed?: number;
  readonly operator?: boolean;
}

export interface Asked {
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: object;
  readonly signal?: AbortSignal;
  /** Another token than the session's: one that is being tried. */
  readonly token?: string;
}

export interface ApiParts {
  readonly fetch: typeof fetch;
  /** Where `/-/api/v1/` is, with a slash at its end. */
  readonly base: string;
  /** The session's token; undefined: nobody is logged in. */
  token(): string | undefined;
}

function refusalOf(status: number, value: unknown): ApiError {
  const error = typeof value === 'object' && value !== null && 'error' in value ? value.error : undefined;
  const { message, code } = typeof error === 'object' && error !== null ? (error as { message?: unknown; code?: unknown }) : {};
  const said = typeof message === 'string' && message !== '' ? message : `The registry answered ${status}`;
  return new ApiError(status, said, typeof code === 'string' ? code : '');
}

/** The management surface, with the caller's own token, which goes into a header and nowhere else. */
export class Api {
  private readonly parts: ApiParts;
  private code: string | undefined;

  constructor(parts: ApiParts) {
    this.parts = parts;
  }

  /** `path`: segments, not encoded yet. Throws an `ApiError`; what `signal` aborts throws as `fetch` does. */
  async ask<T>(method: string, path: readonly string[], asked: Asked = {}): Promise<T> {
    const { body, signal, token = this.parts.token() } = asked;
    const response = await this.send(this.address(path, asked.query), {
      method,
      headers: {
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.code === undefined || method === 'GET' ? {} : { 'entrepot-otp': this.code }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
      // No cookie and no password that the browser remembers: it would ask for one in a window of its own.
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
    });
    const value: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw refusalOf(response.status, value);
    if (value === undefined) throw new ApiError(0, 'The registry gave an answer that is no JSON');
    return value as T;
  }

  /** Changes that are asked for meanwhile bring this one-time password. */
  async withCode<T>(code: string, work: () => Promise<T>): Promise<T> {
    this.code = code === '' ? undefined : code;
    try {
      return await work();
    } finally {
      this.code = undefined;
    }
  }

  private async send(address: string, init: RequestInit): Promise<Response> {
    try {
      return await this.parts.fetch(address, init);
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      throw new ApiError(0, 'The registry cannot be reached');
    }
  }

  private address(path: readonly string[], query: Asked['query'] = {}): string {
    // A browser would take them for steps in the path.
    if (path.some((part) => part === '' || part === '.' || part === '..')) throw new ApiError(404, 'There is no such name');
    const asked = Object.entries(query).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [`${name}=${encodeURIComponent(value)}`],
    );
    return this.parts.base + path.map(encodeURIComponent).join('/') + (asked.length > 0 ? `?${asked.join('&')}` : '');
  }
}

const WORDS: ReadonlyMap<number, string> = new Map([
  [401, 'You are not logged in, or the token is not valid'],
  [403, 'You may not do this'],
  [404, 'Not found'],
  [409, 'Something else was changed at the same moment'],
  [413, 'This is too large'],
  [429, 'Too many attempts: wait a while'],
  [503, 'The registry cannot do this just now: try again in a moment'],
]);

/** What went wrong, for people. */
export function inWords(error: unknown): string {
  if (!(error instanceof ApiError)) return 'Something went wrong in this page';
  if (error.wantsCode) return 'A one-time password is needed, and this was none or not the right one';
  const words = WORDS.get(error.status);
  return words === undefined ? error.message : `${words}: ${error.message}`;
}
