import type { IAuthProvider } from './auth/provider.js';
import type { ITrustedPublisher } from './auth/trusted-publishers.js';
import type { Runtime } from './lib/clock.js';
import type { IStorageHooks } from './packages/hooks.js';
import type { StorageDriver } from './storage/driver.js';
import type { IUpstreamProvider } from './upstream/provider.js';

export type ProtocolName = 'oci' | 'npm' | 'maven' | 'cargo' | 'composer' | 'pypi' | 'rubygems' | 'zig';

export interface IProtocolConfig {
  readonly enabled: boolean;
  /** Where it is mounted, default `/<protocol>`. */
  readonly basePath?: string;
  /** Public base URL of this repository for generated links; default: taken from the request. */
  readonly registryUrl?: string;
  readonly features?: Readonly<Record<string, boolean>>;
}

export interface IRepositoryConfig extends IProtocolConfig {
  /** Id and key prefix: `[a-z0-9-]{1,60}`; never used again once deleted. */
  readonly name: string;
  readonly protocol: ProtocolName;
}

export interface IS3StorageConfig {
  readonly driver?: 's3';
  readonly accessKey?: string;
  readonly accessSecret?: string;
  /** Host, or a URL. */
  readonly endpoint?: string;
  readonly port?: number;
  readonly useSsl?: boolean;
  readonly region?: string;
  readonly bucketName: string;
  /** Folder within the bucket. */
  readonly prefix?: string;
}

export interface IFilesystemStorageConfig {
  readonly driver: 'filesystem';
  readonly root: string;
}

export interface IMemoryStorageConfig {
  readonly driver: 'memory';
}

export interface IAuthConfig {
  /** The operator's secret, at least 32 bytes; same as `secret`. */
  readonly jwtSecret?: string;
  readonly tokenStore?: 'memory' | 'redis' | 'database';
  /** First administrator's token, at least 32 characters. */
  readonly adminToken?: string;
  /** Whoever asks becomes a user (`npm adduser`). Default: no. */
  readonly selfRegistration?: boolean;
  /** Builds that publish to npm repositories with the identity tokens of their platform. Default: none. */
  readonly trustedPublishers?: readonly ITrustedPublisher[];
  readonly npmTokens?: { readonly enabled: boolean; readonly defaultReadonly?: boolean };
  readonly ociTokens?: { readonly enabled: boolean; readonly realm?: string; readonly service?: string };
  readonly pypiTokens?: { readonly enabled: boolean };
  readonly rubygemsTokens?: { readonly enabled: boolean };
  readonly mavenTokens?: { readonly enabled: boolean };
  readonly cargoTokens?: { readonly enabled: boolean };
  readonly composerTokens?: { readonly enabled: boolean };
  readonly zigTokens?: { readonly enabled: boolean };
}

/** `new SmartRegistry(config)`: see public-api.md. */
export type IRegistryConfig = {
  readonly storage: IS3StorageConfig | IFilesystemStorageConfig | IMemoryStorageConfig | StorageDriver;
  readonly auth?: IAuthConfig;
  /** The operator's secret from which all keys are derived, at least 32 bytes. */
  readonly secret?: string;
  readonly authProvider?: IAuthProvider;
  readonly storageHooks?: IStorageHooks;
  /** Other registries, whose packages are served as well where nothing of their name was published here. Default: none. */
  readonly upstreamProvider?: IUpstreamProvider;
  readonly repositories?: readonly IRepositoryConfig[];
  /** Repository names that anyone may read, or `'*'`. Default: none. */
  readonly anonymousRead?: readonly string[] | '*';
  /** Public base URL of the whole host, for generated links. */
  readonly publicUrl?: string;
  /** Addresses (CIDR) whose forwarded headers are believed. Default: none. */
  readonly trustProxy?: readonly string[];
  /** Milliseconds that a read may be behind on a store without synchronous reads. Default 1,000. */
  readonly maxStaleness?: number;
  /** Run on a store that failed the capability probe, with exactly one instance. */
  readonly singleWriter?: boolean;
  /** Bytes for folded states and rendered documents in memory. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** Hears of internal faults that no client is told about. What it throws, or its promise rejects with, goes unheard. Default: one line on standard error. */
  readonly onFault?: (error: unknown, where: string) => void;
  /** Clock and randomness, for tests. */
  readonly runtime?: Runtime;
} & { readonly [P in ProtocolName]?: IProtocolConfig };
