import { userSchema } from '../auth/users.js';
import { recordSpace, repositorySchema } from '../compose-records.js';
import { collectGarbage, type GarbageReport, keyedLogs } from '../packages/collect-garbage.js';
import { makeRoom } from '../packages/make-room.js';
import { type Finding, type VerifyReport, verifiable, verify } from '../packages/verify.js';
import type { OpenRegistry } from '../smart-registry.js';
import { storeTime } from '../storage/store-time.js';
import { withTimeLimit } from '../storage/time-limit.js';
import { sweepCopies } from '../upstream/sweep-copies.js';

/** Milliseconds that one storage call of a collection may take: of many keys, and nobody waits for it, but not for ever. */
const CALL_MS = 60_000;
/** Milliseconds that a copy's bytes may wait for what names them: no fetch takes so long. */
const DAY = 24 * 60 * 60 * 1000;

export interface RepositoryGarbage extends Readonly<GarbageReport> {
  readonly repository: string;
}

export interface CollectOptions {
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onCondemned?: (key: string) => void;
  /** Called as often as the storage is asked for something: a collection takes as long as there is much to look at. */
  readonly onProgress?: () => void;
}

/** The same thing, which tells of every call. */
const telling = <T extends object>(of: T, onCall: (() => void) | undefined): T =>
  onCall === undefined
    ? of
    : new Proxy(of, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== 'function') return value;
          return (...args: unknown[]): unknown => {
            onCall();
            return Reflect.apply(value, target, args);
          };
        },
      });

/** Collects garbage in one repository after the other, while writes go on. */
export async function collectAll(
  registry: OpenRegistry,
  { onProgress, ...options }: CollectOptions,
): Promise<readonly RepositoryGarbage[]> {
  const { storage, repositories, runtime, onFault } = registry;
  const driver = telling(withTimeLimit(storage.driver, runtime.clock, CALL_MS), onProgress);
  const gone = options.dryRun ? 0 : await makeRoom(driver, options.signal);
  if (gone > 0) onFault(new Error(`the storage is full: ${gone} views were deleted to make room for the collection`), 'gc');
  const reports: RepositoryGarbage[] = [];
  for (const { plan, space: quiet, protocol } of repositories) {
    const space = telling(quiet, onProgress);
    const faults = ({ error, where }: { readonly error: unknown; readonly where: string }): void => onFault(error, where);
    await protocol.tidy?.({ ...options, onFault: faults, driver, space, features: plan.features });
    const report = await collectGarbage({
      ...options,
      onFault: faults,
      driver,
      logs: keyedLogs(space),
      inventory: protocol.inventory,
    });
    const now = await storeTime(driver, plan.name, { signal: options.signal });
    const { condemned, bytes } = await sweepCopies({ ...options, driver, repository: plan.name, now, grace: DAY });
    reports.push({ repository: plan.name, ...report, condemned: report.condemned + condemned, bytes: report.bytes + bytes });
  }
  return reports;
}

export interface VerifyAllOptions {
  readonly repair: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onFinding?: (finding: Finding) => void;
}

/** Looks at everything stored: repositories and their records, and users where they are kept here. */
export async function verifyAll(
  { storage, auth, repositories, runtime, onFault }: OpenRegistry,
  options: VerifyAllOptions,
): Promise<VerifyReport> {
  const records = recordSpace({ driver: storage.driver, runtime, maxStaleness: 0, onFault });
  const spaces = repositories.map(({ space, protocol: { schema, inventory } }) => verifiable({ space, schema, inventory }));
  const users = auth.space ? [verifiable({ space: auth.space, schema: userSchema })] : [];
  const own = verifiable({ space: records, schema: repositorySchema });
  try {
    // a repair has the space feed what was lost
    await records.open();
    return await verify({ ...options, driver: storage.driver, runtime, spaces: [own, ...spaces, ...users] });
  } finally {
    await records.close();
  }
}
