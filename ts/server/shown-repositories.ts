import { RegistryError } from '../errors/registry-error.js';
import { json, type Reply } from '../http/reply.js';
import type { Call } from '../http/route.js';
import type { Ruled } from '../packages/package-handle.js';
import type { OpenRegistry } from '../smart-registry.js';

/** All of them, with the line that points a client there; for anonymous callers those that are open to them. Throws `unauthenticated` where none is. */
export function showRepositories(
  { repositories }: Pick<OpenRegistry, 'repositories'>,
  { principal, baseUrl }: Pick<Call<unknown, unknown, Ruled>, 'principal' | 'baseUrl'>,
): Reply {
  const shown = repositories.filter(({ plan }) => principal !== undefined || plan.anonymousRead);
  if (!principal && shown.length === 0) throw new RegistryError('unauthenticated', 'authentication required');
  const list = shown.map(({ plan, protocol }) => {
    const { name, basePath, registryUrl, anonymousRead } = plan;
    const base = registryUrl ?? (baseUrl === '' ? undefined : baseUrl + basePath);
    const setUp = base === undefined ? {} : { setUp: protocol.setUp(base.replace(/\/+$/, '')) };
    return { name, protocol: plan.protocol, path: `${basePath}/`, anonymousRead, ...setUp };
  });
  return json({ repositories: list }, 'no-store');
}
