import { type IRegistryConfig, SmartRegistry } from 'entrepot';

/** A registry on the folder in `ENTREPOT_ROOT`, or in memory. */
export async function openRegistry(more: Partial<IRegistryConfig> = {}): Promise<SmartRegistry> {
  const root = process.env['ENTREPOT_ROOT'];
  const config: IRegistryConfig = {
    storage: root === undefined ? { driver: 'memory' } : { driver: 'filesystem', root },
    auth: { adminToken: 'an-administrator-of-the-samples-only' },
    npm: { enabled: true },
    // Forwarded headers of these are believed, where the host tells who is calling.
    trustProxy: process.env['TRUST_PROXY']?.split(',') ?? [],
    ...more,
  };
  const registry = new SmartRegistry(config);
  await registry.init();
  return registry;
}
