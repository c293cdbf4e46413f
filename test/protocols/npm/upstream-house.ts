import { type Runtime, systemRuntime } from '../../../ts/lib/clock.js';
import type { StorageDriver } from '../../../ts/storage/driver.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';
import {
  type IProtocolUpstreams,
  type IUpstream,
  type IUpstreamProvider,
  StaticUpstreamProvider,
} from '../../../ts/upstream/provider.js';
import { afterEveryTest } from '../../leftovers.js';
import { type Answer, type Asked, type House, type HouseOptions, openHouse } from '../../proof/house.js';
import { type MockRegistry, mockRegistry } from '../../upstream/mock-registry.js';
import { type Manifest, publishBody } from './rig.js';

/** A registry that serves what another one has. */
export interface Proxying {
  readonly house: House;
  /** The first upstream, `main`. */
  readonly upstream: MockRegistry;
  readonly token: string;
  /** As ann, who may do what ordinary users may. */
  get(path: string, asked?: Asked): Promise<Answer>;
  send(method: string, path: string, body?: unknown): Promise<Answer>;
  publish(manifest: Manifest): Promise<Answer>;
  /** Time passes, for the registry alone. */
  later(seconds: number): void;
  /** From now on nobody waits for an upstream that does not answer: it is too late at once. A provider's limit is looked at often. */
  hurry(on?: boolean): void;
  /** Another instance over the same storage, at the same time. */
  another(): Promise<Proxying>;
}

export interface ProxyingOptions extends Omit<HouseOptions, 'runtime'> {
  readonly upstream?: MockRegistry;
  /** What is beside `id` and `url` of the first one. */
  readonly described?: Partial<IUpstream>;
  /** Behind the first one. */
  readonly others?: readonly IUpstream[];
  readonly more?: Partial<IProtocolUpstreams>;
  readonly provider?: IUpstreamProvider;
}

const houses = new Set<House>();
afterEveryTest(async () => {
  for (const house of houses) await house.close();
  houses.clear();
});

interface Time {
  readonly runtime: Runtime;
  moved: number;
  hurried: boolean;
}

/** How long an upstream has; no other timer has this length. */
const TIMEOUT_MS = 19_999;
/** How long a provider has, and what may be left of it. */
const isProvider = (milliseconds: number): boolean => milliseconds <= 10_000 && milliseconds > 400;
const HURRIED_MS = 30;

/** The system's runtime, with time that can be moved on. */
function movable(): Time {
  const { clock, random } = systemRuntime;
  const time: Time = {
    moved: 0,
    hurried: false,
    runtime: {
      random,
      clock: {
        ...clock,
        now: () => clock.now() + time.moved,
        monotonic: () => clock.monotonic() + time.moved,
        after: (milliseconds, run) =>
          clock.after(time.hurried && (milliseconds === TIMEOUT_MS || isProvider(milliseconds)) ? HURRIED_MS : milliseconds, run),
      },
    },
  };
  return time;
}

/** For tests of its failures too: it is asked once, and never left alone. */
export const PATIENCE = { retries: 0, breakerFailures: 1_000, timeoutMs: TIMEOUT_MS };

/** Open until the end of the test. */
export async function proxying(options: ProxyingOptions = {}): Promise<Proxying> {
  return open(options, movable());
}

async function open(options: ProxyingOptions, time: Time): Promise<Proxying> {
  const { described, others = [], more, provider, ...rest } = options;
  const upstream = options.upstream ?? (await mockRegistry());
  const config: IProtocolUpstreams = {
    enabled: true,
    upstreams: [{ id: 'main', url: upstream.url, ...described }, ...others],
    resilience: PATIENCE,
    ...more,
  };
  const upstreamProvider = provider ?? new StaticUpstreamProvider({ npm: config });
  const house = await openHouse({ ...rest, runtime: time.runtime, upstreamProvider });
  houses.add(house);
  const { token } = await annOf(house);
  const get: Proxying['get'] = (path, asked) => house.ask('GET', path, { token, ...asked });
  const send: Proxying['send'] = (method, path, body) => house.ask(method, path, { token, body });
  return {
    house,
    upstream,
    token,
    get,
    send,
    publish: async (manifest) => send('PUT', `/${manifest.name.replace('/', '%2f')}`, await publishBody(manifest)),
    later: (seconds) => {
      time.moved += seconds * 1_000;
    },
    hurry: (on = true) => {
      time.hurried = on;
    },
    another: () => open({ ...options, upstream, driver: house.driver as StorageDriver }, time),
  };
}

/** A store in memory that fails where it is told to. */
export function refusing(fails: (method: string, key: string) => boolean): StorageDriver {
  return new Proxy(new SynchronousMemoryDriver(), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        if (fails(String(name), String(args[0]))) throw new Error('no room');
        return Reflect.apply(value, target, args);
      };
    },
  });
}

/** Another registry over the same storage has her already. */
async function annOf(house: House): Promise<{ readonly token: string }> {
  const { directory } = house.registry.parts.auth;
  const ann = await directory?.find('ann');
  if (!directory || !ann) return house.user('ann');
  return directory.createToken(ann.id);
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
export const jsonOf = ({ text }: Answer): any => JSON.parse(text);

/** Everything that lies in the storage, as text. */
export async function stored({ house }: Proxying): Promise<string> {
  const texts: string[] = [];
  for (const key of await house.keys()) {
    const found = await house.driver.read(key);
    const body = found?.body;
    if (body === undefined) continue;
    const bytes = body instanceof Uint8Array ? body : new Uint8Array(await new Response(body).arrayBuffer());
    texts.push(`${key}\n${Buffer.from(bytes).toString('latin1')}`);
  }
  return texts.join('\n');
}

/** Keys of copies. */
export const copies = async ({ house }: Proxying): Promise<readonly string[]> =>
  (await house.keys()).filter((key) => key.startsWith('cache/'));
