import { adminTokenProblem } from './auth/admin.js';
import type { IRegistryConfig, ProtocolName } from './config.js';
import { ConfigError } from './errors/config-error.js';
import { isCidr } from './lib/cidr.js';
import type { Features } from './protocols/protocol.js';
import { StaticUpstreamProvider } from './upstream/provider.js';
import { Checks, type Fields, isFields } from './validate-checks.js';
import { validatePublishers } from './validate-publishers.js';
import { validateStorage } from './validate-storage.js';
import { validateUpstreams } from './validate-upstreams.js';

export const PROTOCOLS: readonly ProtocolName[] = ['oci', 'npm', 'maven', 'cargo', 'composer', 'pypi', 'rubygems', 'zig'];

/** Protocols of this release, by name, and what may be switched in their repositories. */
export type Available = ReadonlyMap<string, { readonly features?: Features }>;

/** One mounted repository, defaults filled in. */
export interface RepositoryPlan {
  /** Id and key prefix. */
  readonly name: string;
  readonly protocol: ProtocolName;
  /** Mount: empty for the root of the host, else `/…` without a trailing slash. Undecoded. */
  readonly basePath: string;
  /** Public base URL for generated links; undefined: taken from the request. */
  readonly registryUrl: string | undefined;
  readonly features: Readonly<Record<string, boolean>>;
  readonly anonymousRead: boolean;
  /** Where in the configuration it stands, for messages. */
  readonly path: string;
}

const TOKEN_KEYS: Readonly<Record<string, readonly string[]>> = {
  npmTokens: ['enabled', 'defaultReadonly'],
  ociTokens: ['enabled', 'realm', 'service'],
  pypiTokens: ['enabled'],
  rubygemsTokens: ['enabled'],
  mavenTokens: ['enabled'],
  cargoTokens: ['enabled'],
  composerTokens: ['enabled'],
  zigTokens: ['enabled'],
};
const AUTH_KEYS = ['jwtSecret', 'tokenStore', 'adminToken', 'selfRegistration', 'trustedPublishers'];
const OPTIONS = [
  'storage',
  'auth',
  'secret',
  'authProvider',
  'storageHooks',
  'upstreamProvider',
  'repositories',
  'anonymousRead',
];
const TUNING = ['publicUrl', 'trustProxy', 'maxStaleness', 'singleWriter', 'cacheBytes', 'onFault', 'runtime'];
const MOUNT_KEYS = ['enabled', 'basePath', 'registryUrl', 'features'];
const HOOKS = ['beforePut', 'afterPut', 'beforeDelete', 'afterDelete', 'beforeGet', 'afterGet'];
const PROVIDER = ['authenticate', 'validateToken', 'createToken', 'revokeToken', 'authorize'];

/**
 * Checks the whole configuration and answers the repositories that it asks for.
 * Throws a `ConfigError` that names every problem with its path.
 */
export function validateConfig(config: unknown, available: Available): readonly RepositoryPlan[] {
  const checks = new Checks();
  const given = checks.fields('config', config);
  if (!given) throw new ConfigError(checks.problems);
  checks.known('', given, [...OPTIONS, ...TUNING, ...PROTOCOLS]);
  validateStorage(checks, given['storage']);
  validateAuth(checks, given);
  validateExtensions(checks, given);
  validateTuning(checks, given);
  const plans = validateRepositories(checks, given as Fields & IRegistryConfig, available);
  if (checks.problems.length > 0) throw new ConfigError(checks.problems);
  return plans;
}

function validateAuth(checks: Checks, given: Fields): void {
  const secret = checks.secret('secret', given['secret']);
  if (given['auth'] === undefined) return;
  const auth = checks.fields('auth', given['auth']);
  if (!auth) return;
  checks.known('auth', auth, [...AUTH_KEYS, ...Object.keys(TOKEN_KEYS)]);
  validatePublishers(checks, auth['trustedPublishers'], given['publicUrl'] !== undefined);
  const jwtSecret = checks.secret('auth.jwtSecret', auth['jwtSecret']);
  if (secret !== undefined && jwtSecret !== undefined && secret !== jwtSecret)
    checks.problem('auth.jwtSecret', 'differs from secret; give one of them only');
  if (checks.oneOf('auth.tokenStore', auth['tokenStore'], ['memory', 'redis', 'database']) === 'redis')
    checks.problem('auth.tokenStore', 'redis comes with a later release; use database (the storage itself) or memory');
  const adminToken = checks.text('auth.adminToken', auth['adminToken']);
  const weak = adminToken === undefined ? undefined : adminTokenProblem(adminToken);
  if (weak !== undefined) checks.problem('auth.adminToken', weak);
  checks.flag('auth.selfRegistration', auth['selfRegistration']);
  for (const [name, keys] of Object.entries(TOKEN_KEYS)) {
    if (auth[name] === undefined) continue;
    const path = `auth.${name}`;
    const tokens = checks.fields(path, auth[name]);
    if (!tokens) continue;
    checks.known(path, tokens, keys);
    if (checks.flag(`${path}.enabled`, tokens['enabled']) === undefined && tokens['enabled'] === undefined)
      checks.problem(`${path}.enabled`, 'is missing');
    checks.flag(`${path}.defaultReadonly`, tokens['defaultReadonly']);
    checks.text(`${path}.realm`, tokens['realm']);
    checks.text(`${path}.service`, tokens['service']);
  }
}

function validateExtensions(checks: Checks, given: Fields): void {
  checks.methods('authProvider', given['authProvider'], PROVIDER, ['init', 'profile', 'findUser']);
  checks.methods('storageHooks', given['storageHooks'], [], HOOKS);
  const provider = given['upstreamProvider'];
  if (provider === undefined) return;
  if (provider instanceof StaticUpstreamProvider) validateUpstreams(checks, 'upstreamProvider', provider.config);
  else checks.methods('upstreamProvider', provider, ['upstreamsFor']);
}

function validateTuning(checks: Checks, given: Fields): undefined {
  checks.baseUrl('publicUrl', given['publicUrl']);
  checks.integer('maxStaleness', given['maxStaleness'], 0, 60_000);
  checks.flag('singleWriter', given['singleWriter']);
  checks.integer('cacheBytes', given['cacheBytes'], 1_048_576, 2 ** 40);
  if (given['onFault'] !== undefined && typeof given['onFault'] !== 'function') checks.problem('onFault', 'must be a function');
  if (given['runtime'] !== undefined) {
    const runtime = checks.fields('runtime', given['runtime']);
    checks.methods('runtime.clock', runtime?.['clock'] ?? null, ['now', 'monotonic', 'sleep', 'after']);
    checks.methods('runtime.random', runtime?.['random'] ?? null, ['bytes', 'fraction']);
  }
  if (given['trustProxy'] === undefined) return;
  if (!Array.isArray(given['trustProxy'])) return checks.problem('trustProxy', 'must be a list of addresses');
  for (const [at, address] of given['trustProxy'].entries())
    if (typeof address !== 'string' || !isCidr(address))
      checks.problem(`trustProxy[${at}]`, 'must be an IP address or a range such as 10.0.0.0/8');
}

function validateRepositories(checks: Checks, given: Fields, available: Available): readonly RepositoryPlan[] {
  const plans: Omit<RepositoryPlan, 'anonymousRead'>[] = [];
  for (const protocol of PROTOCOLS) {
    if (given[protocol] === undefined) continue;
    const mount = checks.fields(protocol, given[protocol]);
    if (!mount) continue;
    checks.known(protocol, mount, MOUNT_KEYS);
    plans.push(...planOf(checks, protocol, { ...mount, name: protocol, protocol }, available));
  }
  const listed = given['repositories'] ?? [];
  if (!Array.isArray(listed)) checks.problem('repositories', 'must be a list');
  else {
    for (const [at, entry] of listed.entries()) {
      const path = `repositories[${at}]`;
      const repository = checks.fields(path, entry);
      if (!repository) continue;
      checks.known(path, repository, ['name', 'protocol', ...MOUNT_KEYS]);
      plans.push(...planOf(checks, path, repository, available));
    }
  }
  refuseTwice(checks, plans);
  const open = validateAnonymous(checks, given['anonymousRead'], plans);
  return plans.map((plan) => ({ ...plan, anonymousRead: open === '*' || open.includes(plan.name) }));
}

function planOf(checks: Checks, path: string, given: Fields, available: Available): Omit<RepositoryPlan, 'anonymousRead'>[] {
  if (given['enabled'] === undefined) checks.problem(`${path}.enabled`, 'is missing');
  const enabled = checks.flag(`${path}.enabled`, given['enabled']) === true;
  const name = checks.text(`${path}.name`, given['name'] ?? '');
  if (name !== undefined && !/^[a-z0-9-]{1,60}$/.test(name))
    checks.problem(`${path}.name`, 'must be 1 to 60 of the characters a-z, 0-9 and -');
  const protocol = checks.oneOf(`${path}.protocol`, given['protocol'] ?? '', PROTOCOLS);
  if (enabled && protocol !== undefined && !available.has(protocol))
    checks.problem(path, `the ${protocol} protocol is not in this release; there is: ${[...available].join(', ')}`);
  const registryUrl = checks.baseUrl(`${path}.registryUrl`, given['registryUrl']);
  const basePath = validateMount(checks, `${path}.basePath`, given['basePath'] ?? `/${name ?? ''}`);
  const features = validateFeatures(checks, `${path}.features`, given['features'], available.get(protocol ?? ''));
  if (!enabled || name === undefined || protocol === undefined || basePath === undefined) return [];
  return [{ name, protocol, basePath, registryUrl, features, path }];
}

/** A mount is compared with the undecoded path, so it must look the same in every spelling. */
function validateMount(checks: Checks, path: string, value: unknown): string | undefined {
  if (value === '/') return '';
  const segments = typeof value === 'string' && value.startsWith('/') ? value.slice(1).replace(/\/$/, '').split('/') : [];
  const plain = segments.length > 0 && segments.every((part) => /^[A-Za-z0-9._~-]{1,100}$/.test(part) && !/^\.\.?$/.test(part));
  if (!plain) return checks.problem(path, 'must be a path such as /npm or /team/npm, of letters, digits and . _ ~ -');
  if (segments[0] === '-') return checks.problem(path, 'must not lie below /-/: that is the house itself');
  return `/${segments.join('/')}`;
}

function validateFeatures(
  checks: Checks,
  path: string,
  value: unknown,
  spoken: { readonly features?: Features } | undefined,
): Readonly<Record<string, boolean>> {
  if (value === undefined) return {};
  if (!isFields(value)) {
    checks.problem(path, 'must be an object of true and false');
    return {};
  }
  const { names = [], open } = spoken?.features ?? {};
  const isOpen = (name: string): boolean => open !== undefined && name.startsWith(open.prefix);
  if (spoken) checks.known(path, Object.fromEntries(Object.entries(value).filter(([name]) => !isOpen(name))), names);
  for (const [name, on] of Object.entries(value)) {
    checks.flag(`${path}.${name}`, on ?? null);
    const wrong = isOpen(name) ? open?.wrong(name.slice(open.prefix.length)) : undefined;
    if (wrong !== undefined) checks.problem(`${path}.${name}`, wrong);
  }
  return value as Readonly<Record<string, boolean>>;
}

function refuseTwice(checks: Checks, plans: readonly Omit<RepositoryPlan, 'anonymousRead'>[]): void {
  const names = new Map<string, string>();
  const mounts = new Map<string, string>();
  for (const { name, basePath, path } of plans) {
    const namesake = names.get(name);
    if (namesake) checks.problem(`${path}.name`, `${name} is also the name of ${namesake}`);
    else names.set(name, path);
    const neighbour = mounts.get(basePath);
    if (neighbour) checks.problem(`${path}.basePath`, `${basePath || '/'} is also where ${neighbour} is mounted`);
    else mounts.set(basePath, path);
  }
}

function validateAnonymous(checks: Checks, value: unknown, plans: readonly { readonly name: string }[]): '*' | readonly string[] {
  if (value === undefined) return [];
  if (value === '*') return '*';
  if (!Array.isArray(value)) {
    checks.problem('anonymousRead', "must be '*' or a list of repository names");
    return [];
  }
  const known = plans.map(({ name }) => name);
  for (const [at, name] of value.entries())
    if (!known.includes(name)) checks.problem(`anonymousRead[${at}]`, `there is no repository ${JSON.stringify(name)}`);
  return value;
}
