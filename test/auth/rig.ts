import { AuthManager, type AuthManagerOptions } from '../../ts/auth/auth-manager.js';
import { DirectoryAccounts } from '../../ts/auth/directory-accounts.js';
import { Passwords } from '../../ts/auth/passwords.js';
import type { IdentifyContext } from '../../ts/auth/principal.js';
import { DefaultAuthProvider } from '../../ts/auth/providers/tokens.js';
import { deriveKeys, type Keys } from '../../ts/auth/secret.js';
import { UserDirectory } from '../../ts/auth/user-directory.js';
import type { UserState } from '../../ts/auth/user-state.js';
import { USERS_SPACE, userLogKey, userSchema } from '../../ts/auth/users.js';
import type { Clock, Runtime } from '../../ts/lib/clock.js';
import { Space } from '../../ts/log/space.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';

export const SECRET = 'n7Qw2-ePz9Lk4-vTx8Rb3-mYs6Hd1-gUj5Fc0';
export const START = 1_800_000_000_000;

/** A clock that moves when told to; timers run in order as it passes them. */
export class TestClock implements Clock {
  time = START;
  private timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time;
  }
  after(milliseconds: number, run: () => void) {
    const timer = { at: this.time + milliseconds, run };
    this.timers.push(timer);
    return {
      cancel: () => {
        this.timers = this.timers.filter((one) => one !== timer);
      },
    };
  }
  /** Waits one turn: what sleeps here only waits for others. */
  sleep(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
  advance(milliseconds: number): void {
    this.time += milliseconds;
    const due = this.timers.filter((timer) => timer.at <= this.time).sort((a, b) => a.at - b.at);
    this.timers = this.timers.filter((timer) => timer.at > this.time);
    for (const timer of due) timer.run();
  }
  get waiting(): number {
    return this.timers.length;
  }
}

export interface Instance {
  readonly space: Space<UserState>;
  readonly directory: UserDirectory;
  readonly provider: DefaultAuthProvider;
  readonly manager: AuthManager;
  readonly accounts: DirectoryAccounts;
}

export interface Rig extends Instance {
  readonly clock: TestClock;
  readonly runtime: Runtime;
  readonly driver: MemoryDriver;
  readonly keys: Keys;
  /** Storage calls so far. */
  calls(): number;
  /** Every byte in storage, keys included, after what goes on behind answers is done. */
  dump(): Promise<string>;
  /** One more instance over the same storage. */
  another(options?: { secret?: string; service?: string; selfRegistration?: boolean }): Promise<Instance>;
}

/** Cheap on purpose: what scrypt costs is no part of these rules. */
const N = 2 ** 4;

function counting(driver: MemoryDriver, count: () => void): StorageDriver {
  return new Proxy(driver, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name);
      if (typeof found !== 'function') return found;
      return (...args: unknown[]) => {
        count();
        return (found as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

export async function rig(options: Partial<AuthManagerOptions> & { selfRegistration?: boolean } = {}): Promise<Rig> {
  const clock = new TestClock();
  const runtime: Runtime = {
    clock,
    random: { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)), fraction: () => 0.5 },
  };
  const driver = new MemoryDriver({ runtime });
  let calls = 0;
  const counted = counting(driver, () => calls++);
  const spaces: Space<UserState>[] = [];
  const make = async (secret: string, service = 'entrepot', selfRegistration = false): Promise<Instance> => {
    const space = new Space({
      id: USERS_SPACE,
      driver: counted,
      runtime,
      schema: userSchema,
      maxStaleness: 0,
      keyOf: userLogKey,
    });
    const commit = space.commit.bind(space);
    space.commit = async (...args) => {
      const committed = await commit(...args);
      await new Promise((resolve) => setImmediate(resolve));
      return committed as never;
    };
    await space.open();
    spaces.push(space);
    const directory = new UserDirectory({ space, keys: deriveKeys(secret), runtime, passwords: new Passwords({ n: N }) });
    const provider = new DefaultAuthProvider({ directory, service });
    const manager = new AuthManager({ provider, runtime, ...options });
    return { space, directory, provider, manager, accounts: new DirectoryAccounts(provider, { selfRegistration }) };
  };
  return {
    clock,
    runtime,
    driver,
    keys: deriveKeys(SECRET),
    calls: () => calls,
    dump: async () => {
      for (const space of spaces) await space.sweep();
      let all = '';
      for (const { key } of (await driver.list('')).objects) {
        const body = (await driver.read(key))?.body;
        all += `${key}\n${body ? Buffer.from(await new Response(body as BodyInit).arrayBuffer()).toString('latin1') : ''}\n`;
      }
      return all;
    },
    ...(await make(SECRET, undefined, options.selfRegistration)),
    another: ({ secret = SECRET, service, selfRegistration } = {}) => make(secret, service, selfRegistration),
  };
}

export const context = (protocol = 'npm', address = '192.0.2.7'): IdentifyContext => ({
  protocol,
  repository: protocol,
  address,
  signal: new AbortController().signal,
});

export const headers = (authorization: string | undefined) => ({
  get: (name: string) => (name.toLowerCase() === 'authorization' ? authorization : undefined),
});

export const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
