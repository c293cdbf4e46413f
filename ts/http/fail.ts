import { HTTP_STATUS, RegistryError, unavailable } from '../errors/registry-error.js';
import { utf8 } from '../lib/bytes.js';
import type { Runtime } from '../lib/clock.js';
import { randomId } from '../lib/ids.js';
import { UnknownChange } from '../log/schema.js';
import { ObjectTooLarge } from '../storage/object-store.js';
import { StorageError } from '../storage/storage-error.js';
import { ResponseHeaders, safeReason } from './headers.js';
import { ClientGone, TimeIsUp } from './lifetime.js';
import type { ErrorFormat, WantedAccess } from './plugin.js';

/** A failure as the client hears of it. */
export interface Explained {
  readonly error: RegistryError;
  /** Present where the operator should hear of it as well. `incident` is what the client was told. */
  readonly fault: { readonly incident: string | undefined } | undefined;
}

const RETRY: Readonly<Record<string, string>> = { 'Retry-After': '1' };
const TOLD = { incident: undefined };

function explainStorage(cause: StorageError): Explained | undefined {
  if (cause.kind === 'full')
    return { error: new RegistryError('insufficient_storage', 'the registry is out of space', { cause }), fault: TOLD };
  if (cause.kind === 'unavailable' || cause.kind === 'conflict' || cause.kind === 'unknown')
    return { error: unavailable('storage is not available', { headers: RETRY, cause }), fault: TOLD };
  return undefined;
}

/** Puts any failure into the registry's words. What was not meant for clients becomes an opaque incident. Undefined: there is nobody to tell. */
export function explain(cause: unknown, runtime: Runtime): Explained | undefined {
  if (cause instanceof RegistryError && cause.kind !== 'internal') return { error: cause, fault: undefined };
  if (cause instanceof ClientGone || (cause instanceof StorageError && cause.kind === 'aborted')) return undefined;
  if (cause instanceof ObjectTooLarge) return { error: new RegistryError('too_large', 'too large', { cause }), fault: undefined };
  if (cause instanceof TimeIsUp)
    return { error: unavailable('the answer took too long', { headers: RETRY, cause }), fault: TOLD };
  if (cause instanceof UnknownChange)
    return { error: unavailable('written by a newer version of the registry', { headers: RETRY, cause }), fault: TOLD };
  const stored = cause instanceof StorageError ? explainStorage(cause) : undefined;
  if (stored) return stored;
  const incident = randomId(runtime.random).slice(0, 12);
  return { error: new RegistryError('internal', `internal error (incident ${incident})`, { cause }), fault: { incident } };
}

export interface Written {
  readonly status: number;
  /** Undefined: HTTP's own. */
  readonly statusText: string | undefined;
  readonly headers: ResponseHeaders;
  readonly body: Uint8Array;
}

/** A failure in a protocol's dialect. */
export function writeError(format: ErrorFormat, error: RegistryError, baseUrl: string, wanted: readonly WantedAccess[]): Written {
  const status = format.status?.(error) ?? HTTP_STATUS[error.kind];
  const body = utf8(format.body(error, status));
  const headers = new ResponseHeaders();
  headers.set('Content-Type', format.mediaType);
  headers.set('Content-Length', String(body.byteLength));
  headers.set('Cache-Control', 'no-store');
  headers.set('X-Content-Type-Options', 'nosniff');
  headers.set('Content-Security-Policy', "default-src 'none'; sandbox");
  if (status === 401) headers.set('WWW-Authenticate', format.challenge(baseUrl, wanted, error));
  headers.setAll(error.headers);
  return { status, statusText: format.plainReason ? undefined : safeReason(error.message), headers, body };
}
