import type { PublisherAlgorithm } from './auth/trusted-publishers.js';
import { type Checks, type Fields, isFields } from './validate-checks.js';

const ALGORITHMS: readonly PublisherAlgorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const KEYS = ['issuer', 'audience', 'jwks', 'jwksUrl', 'algorithms', 'claims', 'packages', 'repository', 'user'];

/** `auth.trustedPublishers`. `publicUrl`: there is one, from which audiences follow. */
export function validatePublishers(checks: Checks, given: unknown, publicUrl: boolean): undefined {
  if (given === undefined) return;
  if (!Array.isArray(given)) return checks.problem('auth.trustedPublishers', 'must be a list');
  for (const [at, entry] of given.entries()) {
    const path = `auth.trustedPublishers[${at}]`;
    const publisher = checks.fields(path, entry);
    if (publisher) validatePublisher(checks, path, publisher, publicUrl);
  }
}

function validatePublisher(checks: Checks, path: string, publisher: Fields, publicUrl: boolean): void {
  checks.known(path, publisher, KEYS);
  for (const name of ['issuer', 'user'])
    if (publisher[name] === undefined) checks.problem(`${path}.${name}`, 'is missing');
    else checks.text(`${path}.${name}`, publisher[name]);
  checks.text(`${path}.repository`, publisher['repository']);
  if (publisher['audience'] === undefined && !publicUrl)
    checks.problem(`${path}.audience`, 'is missing: it follows from publicUrl only, never from what a request says');
  checks.text(`${path}.audience`, publisher['audience']);
  validateKeys(checks, path, publisher);
  const { algorithms = [], claims, packages } = publisher;
  if (!Array.isArray(algorithms)) checks.problem(`${path}.algorithms`, 'must be a list');
  else for (const [at, one] of algorithms.entries()) checks.oneOf(`${path}.algorithms[${at}]`, one ?? '', ALGORITHMS);
  const patterns = isFields(claims) ? Object.values(claims) : [];
  if (patterns.length === 0 || !patterns.every((one) => typeof one === 'string' && /[^*]/.test(one)))
    checks.problem(
      `${path}.claims`,
      'must name at least one claim, and what it must be: without, every build of the issuer could publish',
    );
  const names = Array.isArray(packages) ? packages : [];
  if (names.length === 0 || !names.every((one) => typeof one === 'string' && one !== ''))
    checks.problem(`${path}.packages`, 'must be a list of names, such as @acme/*');
}

function validateKeys(checks: Checks, path: string, { jwks, jwksUrl }: Fields): undefined {
  if ((jwks === undefined) === (jwksUrl === undefined)) return checks.problem(path, 'needs either jwks or jwksUrl');
  if (jwks !== undefined) {
    const keys = isFields(jwks) ? jwks['keys'] : undefined;
    if (!Array.isArray(keys) || keys.length === 0 || !keys.every((key) => isFields(key) && typeof key['kty'] === 'string'))
      return checks.problem(`${path}.jwks`, 'must be a set of keys: { "keys": [...] }');
    if (keys.some((key: Fields) => key['kty'] === 'oct' || key['d'] !== undefined))
      return checks.problem(`${path}.jwks`, 'must hold public keys only');
    return;
  }
  const url = typeof jwksUrl === 'string' && URL.canParse(jwksUrl) ? new URL(jwksUrl) : undefined;
  const local = url?.protocol === 'http:' && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (url?.protocol !== 'https:' && !local) checks.problem(`${path}.jwksUrl`, 'must be an https URL');
}
