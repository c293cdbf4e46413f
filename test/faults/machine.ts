import { Passwords } from '../../ts/auth/passwords.js';
import { deriveKeys } from '../../ts/auth/secret.js';
import { UserDirectory } from '../../ts/auth/user-directory.js';
import type { UserState } from '../../ts/auth/user-state.js';
import { USERS_SPACE, userLogKey, userSchema } from '../../ts/auth/users.js';
import type { Runtime } from '../../ts/lib/clock.js';
import { Space } from '../../ts/log/space.js';
import { collectGarbage, keyedLogs } from '../../ts/packages/collect-garbage.js';
import { HookRunner } from '../../ts/packages/hook-runner.js';
import { releaseInventory } from '../../ts/packages/inventory.js';
import type { Caller } from '../../ts/packages/package-handle.js';
import { Repository } from '../../ts/packages/repository.js';
import { verifiable, verify } from '../../ts/packages/verify.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { type Fault, FaultyDriver } from '../../ts/testing/index.js';
import { callerOf, type PlainState, PUBLISHER, plainSchema } from '../packages/plain-protocol.js';
import type { MachineClock, World } from './world.js';

const KEYS = deriveKeys('n7Qw2-ePz9Lk4-vTx8Rb3-mYs6Hd1-gUj5Fc0');
/** A request does not last longer. */
const REQUEST_MS = 10 * 60 * 1000;

/** One process over the shared store: a repository and the users. */
export class Machine {
  readonly world: World;
  readonly clock: MachineClock;
  readonly driver: FaultyDriver;
  readonly space: Space<PlainState>;
  readonly users: Space<UserState>;
  readonly directory: UserDirectory;
  readonly repository: Repository<PlainState>;
  readonly faults: string[] = [];
  private readonly runtime: Runtime;

  constructor(world: World, plan: readonly Fault[] = []) {
    this.world = world;
    this.clock = world.clock();
    this.runtime = { clock: this.clock, random: world.random };
    this.driver = new FaultyDriver(world.store, plan, { expose: ['copy'] });
    const { driver, runtime } = this;
    const objects = new DriverObjectStore(driver, runtime);
    const onFault = (error: unknown, where: string) => void this.faults.push(`${where}: ${String(error)}`);
    const copyAbove = (key: string, floor: number, signal: AbortSignal) => objects.copyAbove(key, floor, signal);
    this.space = new Space({ id: 'plain', driver, runtime, schema: plainSchema, maxStaleness: 0, copyAbove, onFault });
    this.users = new Space({ id: USERS_SPACE, driver, runtime, schema: userSchema, maxStaleness: 0, keyOf: userLogKey, onFault });
    this.directory = new UserDirectory({
      space: this.users,
      keys: KEYS,
      runtime,
      passwords: new Passwords({ n: 16, random: world.random }),
    });
    this.repository = new Repository<PlainState>({
      name: 'things',
      id: 'plain',
      protocol: 'plain',
      resourceType: 'package',
      anonymousRead: true,
      space: this.space,
      schema: plainSchema,
      objects,
      hooks: new HookRunner({ runtime, onFault: ({ where, error }) => onFault(error, where) }),
      runtime,
      onFault: ({ where, error }) => onFault(error, where),
    });
  }

  async open(): Promise<this> {
    await Promise.all([this.space.open(), this.users.open()]);
    return this;
  }

  /** A caller whose request ends some day, as the pipeline's does. */
  caller(): Caller {
    const limit = new AbortController();
    this.clock.after(REQUEST_MS, () => limit.abort(new Error('the request took too long')));
    return { ...callerOf({ user: 'ann', grants: PUBLISHER }), signal: limit.signal };
  }

  async sweep(): Promise<void> {
    await Promise.all([this.space.sweep(), this.users.sweep()]);
  }

  /** Failures of single packages are told and do not end a collection; here they count as its own. */
  async collect(): Promise<void> {
    const { driver, space } = this;
    let failed: unknown;
    await collectGarbage<PlainState>({
      driver,
      logs: keyedLogs(space),
      inventory: releaseInventory,
      signal: this.caller().signal,
      onFault: ({ error }) => {
        failed = error;
      },
    });
    if (failed !== undefined) throw failed;
  }

  /** What verification finds; with `repair`, what it could not repair. */
  async findings(repair = false): Promise<readonly string[]> {
    const { findings } = await verify({
      driver: this.driver,
      runtime: this.runtime,
      repair,
      signal: this.caller().signal,
      spaces: [
        verifiable({ space: this.space, schema: plainSchema, inventory: releaseInventory }),
        verifiable({ space: this.users, schema: userSchema }),
      ],
    });
    return findings
      .filter(({ repaired }) => !repaired)
      .map(({ kind, space, name, message }) => `${kind} ${space} ${name ?? ''}: ${message}`);
  }

  /** The process is gone: no timer, no call. */
  end(): void {
    this.world.forget(this.clock);
  }
}
