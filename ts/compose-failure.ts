import { notFound, type RegistryError } from './errors/registry-error.js';
import type { RawResponse } from './http/context.js';
import { writeError } from './http/fail.js';
import type { ErrorFormat } from './http/plugin.js';

/** The house's own voice, where no protocol speaks: `{"error": {"code", "message"}}`. */
export const houseErrors: ErrorFormat = {
  mediaType: 'application/json',
  body: (error) => JSON.stringify({ error: { code: error.code ?? error.kind, message: error.message } }),
  challenge: () => 'Bearer realm="entrepot", Basic realm="entrepot"',
  absent: (name) => notFound(`package ${name}`),
};

/** A failure outside of any repository. */
export function houseFailure(error: RegistryError, head: boolean): RawResponse {
  const { status, statusText, headers, body } = writeError(houseErrors, error, '', []);
  // Nobody has read the body, so the connection cannot be used again.
  headers.set('Connection', 'close');
  return {
    status,
    statusText,
    headers: headers.record(),
    body: head ? undefined : body,
    about: { repository: undefined, route: undefined, user: undefined },
  };
}
