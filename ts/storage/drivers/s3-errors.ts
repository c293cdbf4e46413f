import { StorageError, type StorageErrorKind } from '../storage-error.js';

/**
 * What a failed call tells about the store.
 * - `absent`, `exists`: answers, not faults (404 with the store's own code, 412).
 * - `refused`: the store says that it did nothing; trying again is safe whatever the call was.
 * - `busy`: the store got in its own way and did nothing; a create may be sent again too.
 * - `lost`: sent, and nobody knows whether it was applied. - `unsent`: never left this machine.
 */
export type FailureClass =
  | 'absent'
  | 'exists'
  | 'refused'
  | 'busy'
  | 'lost'
  | 'unsent'
  | Exclude<StorageErrorKind, 'unknown' | 'unavailable'>;

export interface Failure {
  readonly type: FailureClass;
  /** The store's code or the system's, for messages; never its text. */
  readonly code: string;
  /** What the store asked for in `Retry-After`, in milliseconds. */
  readonly retryAfter?: number;
}

interface ServiceErrorShape {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown };
  readonly $response?: { readonly statusCode?: unknown; readonly headers?: Record<string, string> };
}

const REFUSED = new Set([
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'TooManyRequests',
  'TooManyRequestsException',
  'ThrottlingException',
  'Throttling',
  'RequestLimitExceeded',
  'RequestThrottled',
  'BandwidthLimitExceeded',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'RequestExpired',
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'CredentialsProviderError',
]);
const CONFLICT = new Set(['ConditionalRequestConflict', 'OperationAborted']);
/** versitygw answers this to a write whose folder another call is just deleting. */
const BUSY = new Set(['ExistingObjectIsDirectory']);
const ABSENT = new Set(['NoSuchKey', 'NoSuchUpload']);
const FULL = new Set(['InsufficientStorage', 'QuotaExceeded', 'XMinioStorageFull', 'EntityQuotaExceeded']);
const UNSENT_SYSCALLS = new Set(['connect', 'getaddrinfo']);

/**
 * Reads what the SDK, or the socket below it, threw. `bodyless`: the answer to a HEAD, which cannot carry a code; elsewhere a 404 without the store's
 * own code comes from somebody else on the way and says nothing about the object.
 */
export function classify(error: unknown, bodyless = false): Failure {
  const shape = (typeof error === 'object' && error !== null ? error : {}) as ServiceErrorShape;
  const name = typeof shape.name === 'string' ? shape.name : '';
  const status = statusOf(shape);
  if (status !== undefined)
    return { type: byAnswer(name, status, bodyless), code: name || String(status), ...retryAfterOf(shape) };
  const code = typeof shape.code === 'string' ? shape.code : name || 'unknown failure';
  if (name === 'CredentialsProviderError') return { type: 'refused', code };
  if (typeof shape.syscall === 'string' && UNSENT_SYSCALLS.has(shape.syscall)) return { type: 'unsent', code };
  if (name === 'TimeoutError' && String(shape.message).includes('did not establish a connection'))
    return { type: 'unsent', code };
  return { type: 'lost', code };
}

function statusOf(shape: ServiceErrorShape): number | undefined {
  const status = shape.$metadata?.httpStatusCode ?? shape.$response?.statusCode;
  return typeof status === 'number' && status > 0 ? status : undefined;
}

function byAnswer(name: string, status: number, bodyless: boolean): FailureClass {
  if (CONFLICT.has(name)) return 'conflict';
  if (BUSY.has(name)) return 'busy';
  if (REFUSED.has(name) || status === 429) return 'refused';
  if (FULL.has(name) || status === 507) return 'full';
  if (name === 'NoSuchBucket') return 'denied';
  if (status === 404) return ABSENT.has(name) || bodyless ? 'absent' : 'lost';
  if (status === 412) return 'exists';
  if (status === 409) return 'conflict';
  if (status === 401 || status === 403) return 'denied';
  if (status === 501) return 'invalid';
  // A 2xx or 3xx that does not parse says nothing about what was done.
  if (status < 400 || status >= 500) return 'lost';
  return 'invalid';
}

function retryAfterOf(shape: ServiceErrorShape): { retryAfter?: number } {
  const seconds = Number(shape.$response?.headers?.['retry-after']);
  return Number.isFinite(seconds) && seconds >= 0 ? { retryAfter: seconds * 1_000 } : {};
}

/** What the caller of the driver is told. `changes`: the call may have changed the store, so a lost answer leaves it unknown. */
export function toStorageError(failure: Failure, what: string, changes: boolean, cause: unknown): StorageError {
  const say = (kind: StorageErrorKind, text: string): StorageError =>
    new StorageError(kind, `s3: ${what}: ${text} (${failure.code})`, harmless(cause));
  switch (failure.type) {
    case 'unsent':
      return say('unavailable', 'the store cannot be reached');
    case 'refused':
      return say('unavailable', 'the store asks to try again later');
    case 'lost':
      return changes ? say('unknown', 'the answer was lost') : say('unavailable', 'the store failed');
    case 'absent':
      return say('invalid', 'the store does not know what was named');
    case 'exists':
    case 'busy':
    case 'conflict':
      return say('conflict', 'another write is under way');
    case 'denied':
      return say('denied', failure.code === 'NoSuchBucket' ? 'there is no such bucket' : 'the store refuses');
    case 'full':
      return say('full', 'no space left');
    default:
      return say(failure.type, 'the store calls the request wrong');
  }
}

/** What an operator may see of the SDK's error: the error itself holds the signed request, session token included. */
export function harmless(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  const { name, code, $metadata } = error as ServiceErrorShape & { readonly $metadata?: { readonly requestId?: unknown } };
  const known = { name, code, status: $metadata?.httpStatusCode, requestId: $metadata?.requestId };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => typeof value === 'string' || typeof value === 'number'));
}
