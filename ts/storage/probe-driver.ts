import type { StorageDriver } from './driver.js';

/** Raised when a probe learns to look at more, so that results of older probes are not believed. */
export const PROBE_VERSION = 1;

/** Something that a probe saw. A `refusal` means that several writers could lose each other's writes, or that readers could be told wrong things. */
export interface ProbeFinding {
  readonly level: 'refusal' | 'warning';
  /** One sentence for the operator, without the store's own text. */
  readonly message: string;
}

/** A driver that can look at its store below the contract: half-sent requests, other connections, kinds of file system. */
export interface ProbedDriver extends StorageDriver {
  /** Names the store: endpoint, bucket, folder. Never credentials. */
  readonly probeIdentity: string;
  /** What is wrong with the store; nothing when it is fit. Leaves nothing behind. Throws StorageErrors when it cannot be reached. */
  probe(): Promise<readonly ProbeFinding[]>;
}

export const isProbed = (driver: StorageDriver): driver is ProbedDriver => 'probe' in driver && 'probeIdentity' in driver;
