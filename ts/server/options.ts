import { readFileSync } from 'node:fs';
import type { IRegistryConfig } from '../config.js';
import { ConfigError, type ConfigProblem } from '../errors/config-error.js';
import { nearest } from '../lib/nearest.js';
import { type IUpstream, StaticUpstreamProvider } from '../upstream/provider.js';
import { type Available, PROTOCOLS, validateConfig } from '../validate-config.js';
import { LOG_LEVELS, type LogFormat, type LogLevel, OPTION_ROWS } from './option-rows.js';
import { parseStorage } from './storage-url.js';

/** What the stand-alone server and the command line were told. */
export interface ServerOptions {
  readonly port: number;
  readonly host: string;
  readonly workers: number;
  /** Undefined: text on a terminal, else json. */
  readonly logFormat: LogFormat | undefined;
  readonly logLevel: LogLevel;
  readonly registry: IRegistryConfig;
}

/** Flags as `parseArgs` gives them, and where else values may stand. */
export interface OptionSources {
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Protocols of this release; those that the file does not mention are on. */
  readonly protocols: Available;
}

/** Keys of the file that are handed to the registry as they are; `SmartRegistry` checks them. */
const REGISTRY_KEYS = ['repositories', 'auth', 'maxStaleness', 'singleWriter', 'cacheBytes', ...PROTOCOLS] as const;

/** A value and where it came from, for messages. */
interface Given {
  readonly value: unknown;
  readonly path: string;
}

/** Takes one option after the other out of its sources; every check goes on after a problem. */
class OptionReader {
  readonly problems: ConfigProblem[] = [];
  readonly file: Readonly<Record<string, unknown>>;
  private readonly sources: OptionSources;

  constructor(sources: OptionSources) {
    this.sources = sources;
    this.file = readConfigFile(sources.flags['config'], this.problems);
  }

  given(key: string): Given | undefined {
    const { flags, env } = this.sources;
    const row = OPTION_ROWS.find((one) => one.key === key);
    if (row?.flag !== undefined && flags[row.flag] !== undefined) return { value: flags[row.flag], path: `--${row.flag}` };
    if (row?.env !== undefined && env[row.env]) return { value: env[row.env], path: row.env };
    return this.file[key] === undefined ? undefined : { value: this.file[key], path: key };
  }

  /** `publicUrl` is `--public-url` where that flag was given. */
  pathOf(path: string): string {
    const [, key = '', rest = ''] = /^(?:auth\.(?=adminToken))?(\w+)(.*)$/.exec(path) ?? [];
    const option = key === 'upstreamProvider' ? 'upstreams' : key;
    const given = key === 'secret' ? (this.given('secretFile') ?? this.given('secret')) : this.given(option);
    return given ? `${given.path}${rest}` : path;
  }

  refuse({ path }: Given, message: string): undefined {
    this.problems.push({ path, message });
    return undefined;
  }

  text(key: string): string | undefined {
    const found = this.given(key);
    if (!found) return undefined;
    return typeof found.value === 'string' && found.value !== ''
      ? found.value
      : this.refuse(found, 'must be a text that is not empty');
  }

  integer(key: string, byDefault: number, min: number, max: number): number {
    const found = this.given(key);
    if (!found) return byDefault;
    const number = typeof found.value === 'string' && /^\d{1,9}$/.test(found.value) ? Number(found.value) : found.value;
    const fits = typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max;
    return fits ? number : (this.refuse(found, `must be a whole number from ${min} to ${max}`) ?? byDefault);
  }

  list(key: string): readonly string[] {
    const found = this.given(key);
    if (!found) return [];
    if (typeof found.value === 'string') return found.value.split(',').flatMap((item) => item.trim() || []);
    const texts = Array.isArray(found.value) && found.value.every((item) => typeof item === 'string');
    return texts ? (found.value as string[]) : (this.refuse(found, 'must be a list of texts') ?? []);
  }

  oneOf<T extends string>(key: string, allowed: readonly T[]): T | undefined {
    const found = this.given(key);
    if (!found || allowed.includes(found.value as T)) return found?.value as T | undefined;
    return this.refuse(found, `must be one of ${allowed.join(', ')}`);
  }
}

/** Flags before environment before file. Throws a `ConfigError` with every problem; empty environment variables count as absent. */
export function readOptions(sources: OptionSources): ServerOptions {
  const reader = new OptionReader(sources);
  const options: ServerOptions = {
    port: reader.integer('port', 8080, 0, 65_535),
    host: reader.text('host') ?? '127.0.0.1',
    workers: reader.integer('workers', 1, 1, 256),
    logFormat: reader.oneOf('logFormat', ['text', 'json']),
    logLevel: reader.oneOf('logLevel', LOG_LEVELS) ?? 'info',
    registry: registryConfig(reader, sources.protocols),
  };
  if (options.workers > 1 && (options.registry.storage as { driver?: string }).driver === 'memory')
    reader.refuse(
      reader.given('workers') ?? { value: 1, path: '--workers' },
      'memory is not shared between processes: use a folder or S3',
    );
  const problems = [...reader.problems, ...registryProblems(reader, options.registry, sources.protocols)];
  if (problems.length > 0) throw new ConfigError(problems);
  return options;
}

/** What the registry itself will say of its part, each path as the operator gave it. */
function registryProblems(reader: OptionReader, config: IRegistryConfig, protocols: Available): readonly ConfigProblem[] {
  try {
    validateConfig(config, protocols);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const said = new Set(reader.problems.map(({ path }) => path));
    return error.problems
      .map(({ path, message }) => ({ path: reader.pathOf(path), message }))
      .filter(({ path }) => !said.has(path.replace(/[.[].*$/, '')));
  }
}

function registryConfig(reader: OptionReader, protocols: Available): IRegistryConfig {
  const { file, problems } = reader;
  const anonymous = reader.list('anonymousRead');
  const secret = readSecret(reader.given('secretFile'), reader.given('secret'), problems);
  const adminToken = reader.text('adminToken');
  const publicUrl = reader.text('publicUrl');
  const upstreamProvider = upstreamsOf(reader);
  const storage = reader.given('storage') ?? { value: 'file:./data', path: '--storage' };
  const auth = { ...(file['auth'] as object | undefined), ...(adminToken === undefined ? {} : { adminToken }) };
  return {
    ...Object.fromEntries([...protocols.keys()].map((protocol) => [protocol, { enabled: true }])),
    ...Object.fromEntries(REGISTRY_KEYS.flatMap((key) => (file[key] === undefined ? [] : [[key, file[key]]]))),
    storage: typeof storage.value === 'string' ? parseStorage(storage.value, storage.path, problems) : storage.value,
    ...(Object.keys(auth).length === 0 ? {} : { auth }),
    ...(secret === undefined ? {} : { secret }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(upstreamProvider && { upstreamProvider }),
    anonymousRead: anonymous.includes('*') ? '*' : anonymous,
    trustProxy: reader.list('trustProxy'),
  } as IRegistryConfig;
}

/** In the file what `StaticUpstreamProvider` takes; elsewhere `npm=https://packages.example/npm/`, the first of a protocol being asked first. */
function upstreamsOf(reader: OptionReader): StaticUpstreamProvider | undefined {
  const found = reader.given('upstreams');
  if (!found) return undefined;
  if (typeof found.value !== 'string') return new StaticUpstreamProvider(found.value as StaticUpstreamProvider['config']);
  const upstreams = new Map<string, IUpstream[]>();
  for (const item of reader.list('upstreams')) {
    const [, protocol, url] = /^([a-z]+)=(\S+)$/.exec(item) ?? [];
    if (protocol === undefined || url === undefined)
      return reader.refuse(found, 'must be a list such as npm=https://packages.example/npm/');
    const before = upstreams.get(protocol) ?? [];
    upstreams.set(protocol, [...before, { id: before.length === 0 ? 'upstream' : `upstream-${before.length + 1}`, url }]);
  }
  return new StaticUpstreamProvider(
    Object.fromEntries([...upstreams].map(([protocol, list]) => [protocol, { enabled: true, upstreams: list }])),
  );
}

function readConfigFile(path: string | undefined, problems: ConfigProblem[]): Readonly<Record<string, unknown>> {
  if (path === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    problems.push({ path: '--config', message: `${path} ${why}` });
    return {};
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problems.push({ path: '--config', message: `${path} must hold one JSON object` });
    return {};
  }
  const keys = [...OPTION_ROWS.map(({ key }) => key), ...REGISTRY_KEYS];
  for (const key of Object.keys(value)) {
    if (keys.includes(key)) continue;
    const meant = nearest(key, keys);
    problems.push({ path: key, message: `no such option${meant ? `; did you mean ${meant}?` : ''}` });
  }
  return value as Readonly<Record<string, unknown>>;
}

function readSecret(file: Given | undefined, secret: Given | undefined, problems: ConfigProblem[]): string | undefined {
  // A flag goes before the environment, whichever of the two forms each of them has.
  const fromFile = file !== undefined && (file.path.startsWith('--') || secret === undefined || secret.path === 'secret');
  if (!fromFile) return secret?.value as string | undefined;
  try {
    return readFileSync(String(file.value), 'utf8').trim();
  } catch {
    problems.push({ path: file.path, message: `${String(file.value)} cannot be read` });
    return undefined;
  }
}
