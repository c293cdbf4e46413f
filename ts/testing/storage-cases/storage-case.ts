import type { StorageDriver } from '../../storage/driver.js';

/**
 * What a case asks of a driver beyond the five methods: server-side copies and joins, writes taken apart, answers without a turn of the event loop, or the rules of
 * `checked`.
 */
export type StorageAbility = 'copy' | 'compose' | 'prepare' | 'sync' | 'checks';

/** One rule of the contract. Throws when the driver breaks it. */
export interface StorageDriverCase {
  readonly name: string;
  readonly needs?: StorageAbility;
  /** `make` gives a driver over a store that holds nothing, another store each time. */
  run(make: () => Promise<StorageDriver>): Promise<void>;
}
