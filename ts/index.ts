export { AuthManager } from './auth/auth-manager.js';
export type { Action, Principal } from './auth/principal.js';
export type {
  IAuthCredentials,
  IAuthorizeContext,
  IAuthProvider,
  IAuthToken,
  ITokenOptions,
  IUserProfile,
} from './auth/provider.js';
export type { ITrustedPublisher } from './auth/trusted-publishers.js';
export type {
  IAuthConfig,
  IFilesystemStorageConfig,
  IMemoryStorageConfig,
  IProtocolConfig,
  IRegistryConfig,
  IRepositoryConfig,
  IS3StorageConfig,
  ProtocolName,
} from './config.js';
export { ConfigError, type ConfigProblem } from './errors/config-error.js';
export { RegistryError } from './errors/registry-error.js';
export type { IRequestActor, IRequestContext, IResponse, RawHandler, RawResponse } from './http/context.js';
export { toFetchHandler } from './http/fetch-host.js';
export type { Clock, Random, Runtime } from './lib/clock.js';
export { streamToBuffer, streamToJson, toNodeReadable, toReadableStream } from './lib/streams.js';
export type { IHookActor, IHookVerdict, IStorageHookContext, IStorageHooks } from './packages/hooks.js';
export { type IProtocolRegistry, SmartRegistry } from './smart-registry.js';
export type {
  ComposingDriver,
  CopyingDriver,
  PreparedWrite,
  PreparingDriver,
  StorageDriver,
  SynchronousDriver,
} from './storage/driver.js';
export { StorageError, type StorageErrorKind } from './storage/storage-error.js';
export {
  type IProtocolUpstreams,
  type IUpstream,
  type IUpstreamAuth,
  type IUpstreamCache,
  type IUpstreamProvider,
  type IUpstreamQuestion,
  type IUpstreamResilience,
  type IUpstreamScopeRule,
  StaticUpstreamProvider,
} from './upstream/provider.js';
