import type { Keys } from '../../auth/secret.js';
import type { ProtocolInstance } from '../../http/plugin.js';
import { later } from '../../lib/later.js';
import { releaseInventory } from '../../packages/inventory.js';
import type { StorageDriver } from '../../storage/driver.js';
import { npmSchema } from './codec.js';
import { type NpmOptions, npm } from './index.js';

/** What a repository of this protocol is made with. */
export interface NpmParts extends Omit<NpmOptions, 'signer'> {
  /** For the signing key below `keys/`. */
  readonly driver: StorageDriver;
  readonly keys: Keys;
}

/** npm's line in the table of protocols. Instances that share storage share one signing key. */
export const npmProtocol = {
  name: 'npm',
  resourceType: 'package',
  schema: npmSchema,
  lifeCycle: async () => (await import('./management.js')).npmLifeCycle,
  inventory: releaseInventory,
  upstream: async () => (await import('./upstream.js')).npmUpstream,
  setUp: (baseUrl: string): string =>
    `npm config set registry=${baseUrl}/ ${baseUrl.replace(/^https?:/, '')}/:_authToken=$ENTREPOT_TOKEN`,
  create: ({ driver, keys, ...parts }: NpmParts): ProtocolInstance =>
    npm({
      ...parts,
      signer: later(async () => new (await import('./signer.js')).StoredSigner(driver, keys, parts.runtime)).methods,
    }),
};
