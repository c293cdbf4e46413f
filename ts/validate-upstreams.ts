import type { ProtocolName } from './config.js';
import { type Checks, type Fields, isFields } from './validate-checks.js';

/** Which protocols can serve packages of other registries. */
const SERVED: Readonly<Record<ProtocolName, boolean>> = {
  oci: false,
  npm: true,
  maven: false,
  cargo: false,
  composer: false,
  pypi: false,
  rubygems: false,
  zig: false,
};
const KEYS = ['enabled', 'upstreams', 'cache', 'resilience'];
const UPSTREAM_KEYS = ['id', 'url', 'priority', 'enabled', 'scopeRules', 'auth', 'alsoAt'];
const AUTH_KEYS = { none: [], bearer: ['token'], basic: ['username', 'password'] } as const;
const UPSTREAMS_MAX = 32;
const RULES_MAX = 1_000;
const PATTERN_MAX = 256;
const DAY = 86_400;
const HOUR_MS = 3_600_000;

/** What a `StaticUpstreamProvider` is given: upstreams by protocol. `path`: where it stands. Secrets are never repeated in a message. */
export function validateUpstreams(checks: Checks, path: string, value: unknown): void {
  const config = checks.fields(path, value);
  if (!config) return;
  checks.known(path, config, Object.keys(SERVED));
  for (const protocol of Object.keys(SERVED) as ProtocolName[]) {
    const given = Object.hasOwn(config, protocol) ? config[protocol] : undefined;
    if (given === undefined) continue;
    const at = `${path}.${protocol}`;
    if (!SERVED[protocol] && isFields(given) && given['enabled'] === true)
      checks.problem(at, `packages of other registries come with a later release for ${protocol}`);
    validateProtocolUpstreams(checks, at, given);
  }
}

/** The same for one protocol: what an `IUpstreamProvider` answers. */
export function validateProtocolUpstreams(checks: Checks, path: string, value: unknown): void {
  const given = checks.fields(path, value);
  if (!given) return;
  checks.known(path, given, KEYS);
  if (given['enabled'] === undefined) checks.problem(`${path}.enabled`, 'is missing');
  checks.flag(`${path}.enabled`, given['enabled']);
  validateCache(checks, `${path}.cache`, given['cache']);
  validateResilience(checks, `${path}.resilience`, given['resilience']);
  const ids = new Set<string>();
  for (const [at, upstream] of listOf(checks, `${path}.upstreams`, given['upstreams'] ?? null, UPSTREAMS_MAX)) {
    validateUpstream(checks, at, upstream);
    const id = isFields(upstream) ? upstream['id'] : undefined;
    if (typeof id !== 'string') continue;
    if (ids.has(id)) checks.problem(`${at}.id`, 'is the id of another upstream, too');
    ids.add(id);
  }
}

/** The objects of a list, each with its path. */
function listOf(checks: Checks, path: string, value: unknown, most: number): readonly (readonly [string, unknown])[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.length <= most) return value.map((one, at) => [`${path}[${at}]`, one] as const);
  checks.problem(path, `must be a list of at most ${most}`);
  return [];
}

function validateUpstream(checks: Checks, path: string, value: unknown): void {
  const upstream = checks.fields(path, value);
  if (!upstream) return;
  checks.known(path, upstream, UPSTREAM_KEYS);
  const { id, url, alsoAt, scopeRules } = upstream;
  if (typeof id !== 'string' || !/^[a-z0-9-]{1,40}$/.test(id))
    checks.problem(`${path}.id`, 'must be 1 to 40 of the characters a-z, 0-9 and -');
  if (url === undefined) checks.problem(`${path}.url`, 'is missing');
  else if (checks.baseUrl(`${path}.url`, url) !== undefined && /[?#@\s\\]/.test(String(url)))
    checks.problem(`${path}.url`, 'must be a plain URL: no credentials, query, fragment, space or backslash');
  checks.integer(`${path}.priority`, upstream['priority'], -1_000_000, 1_000_000);
  checks.flag(`${path}.enabled`, upstream['enabled']);
  validateAuth(checks, `${path}.auth`, upstream['auth']);
  for (const [at, rule] of listOf(checks, `${path}.scopeRules`, scopeRules, RULES_MAX)) validateRule(checks, at, rule);
  for (const [at, one] of listOf(checks, `${path}.alsoAt`, alsoAt, UPSTREAMS_MAX))
    if (!isOrigin(one)) checks.problem(at, 'must be an origin such as https://files.example');
}

function isOrigin(value: unknown): boolean {
  if (typeof value !== 'string' || !/^https?:\/\/[^/?#@\s\\]+\/?$/i.test(value) || !URL.canParse(value)) return false;
  return new URL(value).hostname !== '';
}

function validateRule(checks: Checks, path: string, value: unknown): void {
  const rule = checks.fields(path, value);
  if (!rule) return;
  checks.known(path, rule, ['pattern', 'action']);
  const { pattern, action } = rule;
  if (typeof pattern !== 'string' || pattern === '' || pattern.length > PATTERN_MAX)
    checks.problem(`${path}.pattern`, `must be a text of 1 to ${PATTERN_MAX} characters, such as @acme/*`);
  checks.oneOf(`${path}.action`, action ?? '', ['include', 'exclude']);
}

function validateAuth(checks: Checks, path: string, value: unknown): void {
  if (value === undefined) return;
  const auth = checks.fields(path, value);
  const type = auth && checks.oneOf(`${path}.type`, auth['type'] ?? '', ['none', 'bearer', 'basic']);
  if (!auth || type === undefined) return;
  const needed: readonly string[] = AUTH_KEYS[type];
  checks.known(path, auth, ['type', ...needed]);
  for (const name of needed) validateSecret(checks, `${path}.${name}`, name, auth[name]);
}

/** What a header can carry: a token without a space, a user name without the colon that would end it. */
function validateSecret(checks: Checks, path: string, name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') checks.problem(path, 'must be a text that is not empty');
  else if (name === 'token' && !/^[\x21-\x7e]+$/.test(value))
    checks.problem(path, 'must not hold spaces or other than ASCII characters');
  else if (/\p{Cc}/u.test(value)) checks.problem(path, 'must not hold control characters');
  else if (name === 'username' && value.includes(':')) checks.problem(path, 'must not hold a colon');
}

function validateCache(checks: Checks, path: string, value: unknown): void {
  const cache = optional(checks, path, value, [
    'enabled',
    'ttlSeconds',
    'staleWhileRevalidate',
    'staleIfErrorSeconds',
    'negativeTtlSeconds',
  ]);
  checks.flag(`${path}.enabled`, cache['enabled']);
  checks.integer(`${path}.ttlSeconds`, cache['ttlSeconds'], 0, 30 * DAY);
  checks.flag(`${path}.staleWhileRevalidate`, cache['staleWhileRevalidate']);
  checks.integer(`${path}.staleIfErrorSeconds`, cache['staleIfErrorSeconds'], 0, 3_650 * DAY);
  checks.integer(`${path}.negativeTtlSeconds`, cache['negativeTtlSeconds'], 0, 60);
}

function validateResilience(checks: Checks, path: string, value: unknown): void {
  const resilience = optional(checks, path, value, ['timeoutMs', 'retries', 'breakerFailures', 'breakerPauseMs']);
  checks.integer(`${path}.timeoutMs`, resilience['timeoutMs'], 1, 600_000);
  checks.integer(`${path}.retries`, resilience['retries'], 0, 10);
  checks.integer(`${path}.breakerFailures`, resilience['breakerFailures'], 1, 1_000);
  checks.integer(`${path}.breakerPauseMs`, resilience['breakerPauseMs'], 0, HOUR_MS);
}

function optional(checks: Checks, path: string, value: unknown, keys: readonly string[]): Fields {
  const given = value === undefined ? undefined : checks.fields(path, value);
  if (given) checks.known(path, given, keys);
  return given ?? {};
}
