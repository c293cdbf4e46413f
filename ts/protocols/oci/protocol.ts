import type { ProtocolInstance } from '../../http/plugin.js';
import type { OciCollection } from './collect-garbage.js';
import { ociInventory, ociSchema } from './fold.js';
import { type OciOptions, oci } from './index.js';
import { ociFeatures } from './rules.js';

/** OCI's line in the table of protocols. */
export const ociProtocol = {
  name: 'oci',
  resourceType: 'repository',
  features: ociFeatures,
  schema: ociSchema,
  lifeCycle: async () => (await import('./management.js')).ociLifeCycle,
  inventory: ociInventory,
  /** Clients know hosts, not paths. */
  setUp(baseUrl: string): string {
    const host = /^[a-z]+:\/\/([^/]+)/i.exec(baseUrl)?.[1] ?? baseUrl;
    return `echo "$ENTREPOT_TOKEN" | docker login ${host} --username token --password-stdin`;
  },
  create: (parts: OciOptions): ProtocolInstance => oci(parts),
  tidy: async (collection: OciCollection): Promise<void> => (await import('./collect-garbage.js')).collectImages(collection),
};
