// loaded now, because this world's clock sees nothing go on while modules are read
import '../../ts/protocols/oci/collect-garbage.js';
import '../../ts/storage/probe-contract.js';
import { createHash } from 'node:crypto';
import { streamToBuffer } from '../../ts/index.js';
import type { Runtime } from '../../ts/lib/clock.js';
import { collectAll, verifyAll } from '../../ts/server/house-keeping.js';
import { SmartRegistry } from '../../ts/smart-registry.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { type Fault, FaultyDriver } from '../../ts/testing/index.js';
import { type MachineClock, World } from './world.js';

const TOKEN = 'an-operators-own-token-K7xQ2mP9vR4w';
const SECRET = 'n7Qw2-ePz9Lk4-vTx8Rb3-mYs6Hd1-gUj5Fc0';

export type Stored = readonly (readonly [string, Uint8Array])[];

export interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

export interface Asked {
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Ask = (method: string, path: string, asked?: Asked) => Promise<Told>;

export const digestOf = (bytes: Uint8Array | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Streams take several turns for one step: all of them are over before time goes on. */
async function turns(): Promise<void> {
  for (let n = 0; n < 8; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Random enough, the same in each run, and never the same twice whatever was stored before. */
function randomFrom(start: number): Runtime['random'] {
  let count = start;
  return {
    bytes: (length) => {
      count += 1;
      return createHash('shake256', { outputLength: length }).update(String(count)).digest();
    },
    fraction: () => 0.5,
  };
}

/** A store, and one time for all processes over it. */
export class Site {
  readonly world = new World();
  readonly store: MemoryDriver;
  private processes = 0;
  private readonly seed: number;

  /** @param seed sets apart what this site makes from what is already stored */
  constructor(seed: number) {
    this.seed = seed;
    this.store = new MemoryDriver({ runtime: { clock: this.world.clock(), random: randomFrom(0) } });
  }

  static async with(content: Stored, seed: number): Promise<Site> {
    const site = new Site(seed);
    for (const [key, bytes] of content) await site.store.write(key, bytes);
    return site;
  }

  async content(): Promise<Stored> {
    const { objects } = await this.store.list('', { limit: 1_000 });
    return Promise.all(objects.map(async ({ key }) => [key, (await this.store.read(key))?.body as Uint8Array] as const));
  }

  process(plan: readonly Fault[] = []): Process {
    this.processes += 1;
    return new Process(this, plan, randomFrom(this.seed * 1_000_000 + this.processes * 10_000));
  }

  drive<T>(work: Promise<T>, idle: () => Promise<void> = turns): Promise<T> {
    return this.world.drive(work, idle);
  }

  /** What follows an answer. */
  settle(): Promise<void> {
    return this.drive(this.world.pass(1_500));
  }
}

/** One process over the site's store. */
export class Process {
  readonly driver: FaultyDriver;
  readonly clock: MachineClock;
  readonly registry: SmartRegistry;
  private readonly site: Site;

  constructor(site: Site, plan: readonly Fault[], random: Runtime['random']) {
    this.site = site;
    this.clock = site.world.clock();
    this.driver = new FaultyDriver(site.store, plan, { expose: ['copy'] });
    this.registry = registryOver(this.driver, { clock: this.clock, random });
  }

  async open(): Promise<this> {
    await this.site.drive(this.registry.init());
    // handlers that are put off: the same
    const { repositories } = this.registry.parts;
    await Promise.all(repositories.flatMap(({ site }) => site.instance.putOff?.map((one) => one.load()) ?? []));
    return this;
  }

  /** As the administrator. */
  ask: Ask = (method, path, asked = {}) =>
    this.anonymously(method, path, { ...asked, headers: { authorization: `Bearer ${TOKEN}`, ...asked.headers } });

  /** As somebody who may look, and whose looking changes nothing. */
  anonymously: Ask = async (method, path, { body, headers = {} } = {}) => {
    const response = await this.registry.handleRequest({
      method,
      path: path.split('?')[0] ?? '',
      rawUrl: path,
      headers: {
        host: 'images.example',
        ...(body === undefined ? {} : { 'content-length': String(body.byteLength) }),
        ...headers,
      },
      query: Object.fromEntries(new URLSearchParams(path.split('?')[1] ?? '')),
      ...(body === undefined ? {} : { body }),
    });
    const lower = Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
    return {
      status: response.status,
      headers: Object.fromEntries(lower),
      bytes: Buffer.from(await streamToBuffer(response.body)),
    };
  };

  /** Collects what nothing names, at once. */
  async collect(): Promise<void> {
    await collectAll(this.registry.parts, { dryRun: false });
  }

  async findings(): Promise<readonly string[]> {
    const { findings } = await verifyAll(this.registry.parts, { repair: false });
    return findings.map(({ kind, space, name, message }) => `${kind} ${space} ${name ?? ''}: ${message}`);
  }

  /** Nothing of it happens any more. */
  end(): void {
    this.site.world.forget(this.clock);
  }
}

const registryOver = (storage: StorageDriver, runtime: Runtime): SmartRegistry =>
  new SmartRegistry({
    storage,
    runtime,
    oci: { enabled: true },
    anonymousRead: ['oci'],
    secret: SECRET,
    auth: { adminToken: TOKEN },
    maxStaleness: 0,
    onFault: () => undefined,
  });
