export const HTTP_STATUS = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  request_timeout: 408,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  unprocessable: 422,
  rate_limited: 429,
  internal: 500,
  upstream_failed: 502,
  unavailable: 503,
  upstream_timeout: 504,
  insufficient_storage: 507,
} as const satisfies Record<string, number>;

/** What went wrong, in the registry's own words. A protocol says how that looks on the wire. */
export type ErrorKind = keyof typeof HTTP_STATUS;

export interface RegistryErrorOptions {
  /** The protocol's own code, for example `MANIFEST_UNKNOWN`. */
  readonly code?: string;
  /** Safe to show to the client. */
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** A failure that the client is told about: `message` must be safe to show. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly kind: ErrorKind;
  readonly code: string | undefined;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(kind: ErrorKind, message: string, options: RegistryErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.code = options.code;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }
}

export const notFound = (what: string, options?: RegistryErrorOptions): RegistryError =>
  new RegistryError('not_found', `${what} not found`, options);
export const invalid = (message: string, options?: RegistryErrorOptions): RegistryError =>
  new RegistryError('invalid', message, options);
export const forbidden = (message: string, options?: RegistryErrorOptions): RegistryError =>
  new RegistryError('forbidden', message, options);
export const unavailable = (message: string, options?: RegistryErrorOptions): RegistryError =>
  new RegistryError('unavailable', message, { headers: { 'retry-after': '1' }, ...options });
