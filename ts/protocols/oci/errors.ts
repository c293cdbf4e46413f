import type { Action } from '../../auth/principal.js';
import { type ErrorKind, RegistryError } from '../../errors/registry-error.js';
import type { ErrorFormat, WantedAccess } from '../../http/plugin.js';
import { rootOf } from './locations.js';

/** Codes of distribution-spec 1.1 and those that Docker's clients know besides, where an error names none itself. */
const CODES: { readonly [K in ErrorKind]?: string } = {
  unauthenticated: 'UNAUTHORIZED',
  forbidden: 'DENIED',
  // of paths alone: what is not there names a code, and for NAME_UNKNOWN clients give up where they would have tried something else
  not_found: 'UNSUPPORTED',
  method_not_allowed: 'UNSUPPORTED',
  unsupported_media_type: 'UNSUPPORTED',
  too_large: 'SIZE_INVALID',
  range_not_satisfiable: 'RANGE_INVALID',
  rate_limited: 'TOOMANYREQUESTS',
  unavailable: 'UNAVAILABLE',
};

export const nameUnknown = (name: string): RegistryError =>
  new RegistryError('not_found', 'repository name not known to registry', { code: 'NAME_UNKNOWN', detail: { name } });

export const blobUnknown = (digest: string): RegistryError =>
  new RegistryError('not_found', 'blob unknown to registry', { code: 'BLOB_UNKNOWN', detail: { digest } });

export const manifestUnknown = (reference: string): RegistryError =>
  new RegistryError('not_found', 'manifest unknown', { code: 'MANIFEST_UNKNOWN', detail: { reference } });

export const manifestBlobUnknown = (digest: string): RegistryError =>
  new RegistryError('not_found', 'manifest references something that this repository does not have', {
    code: 'MANIFEST_BLOB_UNKNOWN',
    detail: { digest },
  });

export const manifestInvalid = (message: string, detail?: unknown): RegistryError =>
  new RegistryError('invalid', message, { code: 'MANIFEST_INVALID', ...(detail === undefined ? {} : { detail }) });

export const digestInvalid = (message: string): RegistryError =>
  new RegistryError('invalid', message, { code: 'DIGEST_INVALID' });

export const sizeInvalid = (message: string): RegistryError => new RegistryError('invalid', message, { code: 'SIZE_INVALID' });

export const denied = (message: string): RegistryError => new RegistryError('forbidden', message, { code: 'DENIED' });

/** `allow`: methods that are there all the same (RFC 9110 §15.5.6). */
export const unsupported = (message: string, allow: readonly string[]): RegistryError =>
  new RegistryError('method_not_allowed', message, { code: 'UNSUPPORTED', headers: { Allow: allow.join(', ') } });

/** Whose tokens the challenge speaks of. */
export interface ChallengeOptions {
  /** Absolute URL of the token endpoint; default: `/v2/token` where the request came in. */
  readonly realm?: string | undefined;
  /** Default: the host of the realm. */
  readonly service?: string | undefined;
  /** False: there are no sessions, and Basic is asked for. */
  readonly sessions?: boolean | undefined;
}

const WORDS: Readonly<Record<Action, readonly string[]>> = {
  read: ['pull'],
  create: ['pull', 'push'],
  overwrite: ['pull', 'push'],
  delete: ['delete'],
  admin: ['*'],
};

const scopeOf = ({ name, actions, list }: WantedAccess): string =>
  list ? 'registry:catalog:*' : `repository:${name}:${[...new Set(actions.flatMap((action) => WORDS[action]))].join(',')}`;

/** The first is what the request is about; others are sources that it merely reads. */
const scopesOf = (wanted: readonly WantedAccess[]): string =>
  wanted.map((one, at) => scopeOf(at === 0 ? one : { ...one, actions: ['read'] })).join(' ');

const quoted = (text: string): string => `"${text.replace(/["\\\r\n]/g, '')}"`;

const hostOf = (url: string): string => /^[a-z]+:\/\/([^/]+)/i.exec(url)?.[1] ?? 'registry';

/** `unauthenticated` for want of credentials is said in these words; in all others, some were presented that are no good. */
const MISSING = 'authentication required';

/** The session is good, and opens less than the caller may have (RFC 6750 §3.1). */
const NARROW = 'insufficient_scope';

export const ociErrors = (options: ChallengeOptions): ErrorFormat => ({
  mediaType: 'application/json',
  body(error) {
    const { message, detail } = error;
    const code = error.code !== undefined && /^[A-Z_]+$/.test(error.code) ? error.code : (CODES[error.kind] ?? 'UNKNOWN');
    return JSON.stringify({ errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] });
  },
  challenge(baseUrl, wanted, error) {
    const realm = options.realm ?? `${rootOf(baseUrl)}/token`;
    const service = quoted(options.service ?? hostOf(realm));
    if (options.sessions === false) return `Basic realm=${service}`;
    const parts = [`realm=${quoted(realm)}`, `service=${service}`];
    if (wanted.length > 0) parts.push(`scope=${quoted(scopesOf(wanted))}`);
    if (error?.code === NARROW) parts.push(`error="${NARROW}"`);
    else if (error !== undefined && error.message !== MISSING) parts.push('error="invalid_token"');
    return `Bearer ${parts.join(',')}`;
  },
  absent: nameUnknown,
  anonymousDenied: 'unauthenticated',
  narrowDenied: 'unauthenticated',
});
