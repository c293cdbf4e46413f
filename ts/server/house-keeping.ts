import { userSchema } from '../auth/users.js';
import { collectGarbage, type GarbageReport, keyedLogs } from '../packages/collect-garbage.js';
import { type Finding, type VerifyReport, verifiable, verify } from '../packages/verify.js';
import type { OpenRegistry } from '../smart-registry.js';

export interface RepositoryGarbage extends Readonly<GarbageReport> {
  readonly repository: string;
}

export interface CollectOptions {
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onCondemned?: (key: string) => void;
}

/** Collects garbage in one repository after the other, while writes go on. */
export async function collectAll(registry: OpenRegistry, options: CollectOptions): Promise<readonly RepositoryGarbage[]> {
  const { storage, repositories, onFault } = registry;
  const reports: RepositoryGarbage[] = [];
  for (const { plan, space, protocol } of repositories) {
    const { driver } = storage;
    const faults = ({ error, where }: { readonly error: unknown; readonly where: string }): void => onFault(error, where);
    await protocol.tidy?.({ ...options, onFault: faults, driver, space, features: plan.features });
    const report = await collectGarbage({
      ...options,
      onFault: faults,
      driver,
      logs: keyedLogs(space),
      inventory: protocol.inventory,
    });
    reports.push({ repository: plan.name, ...report });
  }
  return reports;
}

export interface VerifyAllOptions {
  readonly repair: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onFinding?: (finding: Finding) => void;
}

/** Looks at everything stored: repositories, and users where they are kept here. */
export function verifyAll(
  { storage, auth, repositories, runtime }: OpenRegistry,
  options: VerifyAllOptions,
): Promise<VerifyReport> {
  const spaces = repositories.map(({ space, protocol: { schema, inventory } }) => verifiable({ space, schema, inventory }));
  const users = auth.space ? [verifiable({ space: auth.space, schema: userSchema })] : [];
  return verify({ ...options, driver: storage.driver, runtime, spaces: [...spaces, ...users] });
}
