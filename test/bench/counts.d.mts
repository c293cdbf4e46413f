import type { Runtime } from '../../ts/lib/clock.js';
import type { SmartRegistry } from '../../ts/smart-registry.js';
import type { StorageDriver } from '../../ts/storage/driver.js';

export interface Limit {
  readonly before: number;
  readonly all: number;
}

export interface Count extends Limit {
  readonly calls: readonly string[];
}

export declare const LIMITS: Readonly<Record<string, Limit>>;

export declare function countOperations(
  lib: { readonly SmartRegistry: typeof SmartRegistry; readonly systemRuntime: Runtime },
  inner: StorageDriver,
  options?: { readonly others?: number },
): Promise<Readonly<Record<string, Count>>>;
