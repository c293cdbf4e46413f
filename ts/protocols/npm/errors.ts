import { RegistryError } from '../../errors/registry-error.js';
import type { ErrorFormat } from '../../http/plugin.js';

/** Where a client that answers an OTP challenge in the browser has to go. */
interface WebChallenge {
  readonly authUrl?: unknown;
  readonly doneUrl?: unknown;
}

const isWebChallenge = (detail: unknown): detail is WebChallenge =>
  typeof detail === 'object' && detail !== null && 'authUrl' in detail && 'doneUrl' in detail;

/**
 * npm prints `error`; CouchDB's own tools print `reason`. A 401 that means something else than "log in" says so in `WWW-Authenticate`: `OTP` (the client
 * asks for a one-time password) or `ipaddress` (this address may not use the token).
 */
export const npmErrors: ErrorFormat = {
  mediaType: 'application/json',
  plainReason: true,
  body(error) {
    const web = isWebChallenge(error.detail) ? { authUrl: error.detail.authUrl, doneUrl: error.detail.doneUrl } : {};
    // npm logs the `message` of a token exchange that failed, and no other field.
    const message = error.code === 'oidc' ? { message: error.message } : {};
    return JSON.stringify({ success: false, error: error.message, reason: error.code ?? error.kind, ...message, ...web });
  },
  challenge(baseUrl, _wanted, error) {
    if (error?.code === 'ipaddress') return 'ipaddress';
    if (error?.code === 'otp') return 'OTP';
    const realm = `realm="${baseUrl.replace(/["\\\r\n]/g, '')}"`;
    // To `Bearer` npm says that the saved token is invalid, and to log in: which is what was just tried.
    return error?.code === 'wrong_password' ? `Basic ${realm}` : `Bearer ${realm}`;
  },
  absent: () => new RegistryError('not_found', 'Not found'),
};

/** A 401 that asks for a one-time password; `web`: a page where it can be given, and where the client then fetches what it sends in its place. */
export const needsOtp = (web?: { readonly authUrl: string; readonly doneUrl: string }): RegistryError =>
  new RegistryError('unauthenticated', 'This operation needs a one-time password', { code: 'otp', detail: web });

export const staleRevision = (): RegistryError =>
  new RegistryError('conflict', 'Document update conflict: the package has changed, fetch it again', { code: 'conflict' });

/** npm's own words, which clients and scripts look for. */
export const alreadyPublished = (version: string): RegistryError =>
  new RegistryError('forbidden', `You cannot publish over the previously published versions: ${version}.`, {
    code: 'EPUBLISHCONFLICT',
  });
