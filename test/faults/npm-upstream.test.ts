import { createHash } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { type SmartRegistry, streamToBuffer } from '../../ts/index.js';
import { collectAll, verifyAll } from '../../ts/server/house-keeping.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { MemoryDriver } from '../../ts/storage/drivers/memory.js';
import { type FaultKind, FaultyDriver } from '../../ts/testing/index.js';
import { StaticUpstreamProvider } from '../../ts/upstream/provider.js';
import { integrityOf, type MockRegistry, mockRegistry, type Packument } from '../upstream/mock-registry.js';
import {
  accompany,
  ask,
  BEYOND_EVERY_GRACE,
  contentOf,
  FASTER,
  registryOver,
  repaired,
  type Stored,
  storeWith,
  Times,
  WAYS,
  type Way,
} from './npm-site.js';
import { FAULT_KINDS } from './trial.js';
import { REPLAY } from './tried.js';

/** CI takes every kind, of each every fourth call, each kind other ones; by hand one kind for each read, and every fifth call. */
const WHOLE = Boolean(process.env['REQUIRE_CLIENTS']);
const STRIDE = WHOLE ? 4 : 5;
/** No request makes so many calls. */
const MAX_POINTS = 60;
const [DOCUMENT, FILE] = ['/npm/p', '/npm/p/-/p-1.0.0.tgz'];

/** What an upstream has: tests put it back after each trial. */
interface Shelf {
  readonly upstream: MockRegistry;
  readonly bytes: Map<string, Buffer>;
  /** One that is gone. */
  document?: Packument | undefined;
}

interface Read {
  readonly name: string;
  readonly path: string;
  /** What has been asked for before. */
  readonly before: readonly string[];
  /** What has changed since, at the upstream or in the storage. */
  readonly since?: (shelf: Shelf, store: StorageDriver) => Promise<unknown>;
  readonly gone?: boolean;
}

const publish = async ({ upstream, bytes }: Shelf, version: string): Promise<void> => {
  bytes.set(version, await upstream.publish({ name: 'p', version }, { 'index.js': version }));
};

const READS: readonly Read[] = [
  { name: 'document', path: DOCUMENT, before: [] },
  { name: 'file', path: FILE, before: [] },
  { name: 'file, document kept', path: FILE, before: [DOCUMENT] },
  { name: 'renewal, unchanged', path: DOCUMENT, before: [FILE] },
  { name: 'renewal, a new version', path: DOCUMENT, before: [FILE], since: (shelf) => publish(shelf, '1.1.0') },
  { name: 'file, kept', path: FILE, before: [FILE] },
  {
    name: 'file, bytes gone',
    path: FILE,
    before: [FILE],
    since: async (_, store) => store.delete((await copies(store)).filter((key) => !key.endsWith('.json'))),
  },
  {
    name: 'gone',
    path: DOCUMENT,
    before: [FILE],
    since: async (shelf) => {
      shelf.document = shelf.upstream.documents.get('p');
      shelf.upstream.documents.delete('p');
    },
    gone: true,
  },
];

async function copies(store: StorageDriver): Promise<readonly string[]> {
  return (await store.list('cache/')).objects.map(({ key }) => key);
}

/** The driver behind a registry, which may become another one. */
class Socket {
  current: StorageDriver;
  readonly driver: StorageDriver;

  constructor(first: StorageDriver) {
    this.current = first;
    const { current } = this;
    this.driver = new Proxy(current, {
      get: (_, name) => {
        const value: unknown = Reflect.get(this.current, name, this.current);
        return typeof value === 'function' ? value.bind(this.current) : value;
      },
    });
  }
}

interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

async function told(registry: SmartRegistry, path: string): Promise<Told> {
  const { status, headers, body } = await ask(registry, 'GET', path);
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
  return { status, headers: Object.fromEntries(lower), bytes: Buffer.from(await streamToBuffer(body)) };
}

function integrities(document: string): Readonly<Record<string, string>> {
  const { versions } = JSON.parse(document) as { versions: Record<string, { dist: { integrity: string } }> };
  return Object.fromEntries(Object.entries(versions).map(([version, { dist }]) => [version, dist.integrity]));
}

class Trial {
  private readonly times = new Times();
  private readonly read: Read;
  private readonly shelf: Shelf;

  constructor(read: Read, upstream: MockRegistry) {
    this.read = read;
    this.shelf = { upstream, bytes: new Map() };
  }

  /** False: the request was over before the fault. */
  async run(way: Way, kind: FaultKind, at: number): Promise<boolean> {
    const { read } = this;
    const store = await this.prepare();
    const expose = WAYS[way] ?? [];
    const driver = new FaultyDriver(store, kind === 'slow-down' ? { at, kind, count: 2 } : { at, kind }, { expose });
    const socket = new Socket(new FaultyDriver(store, [], { expose }));
    const registry = this.over(socket.driver, kind === 'hang' ? FASTER : 1);
    await registry.init();
    socket.current = driver;
    const pause = () => this.meanwhile(store);
    const attempt = told(registry, read.path).catch(() => undefined);
    const answer = await accompany(attempt, driver, pause);
    const { fired, isDead } = driver;
    if (fired && !isDead && answer) this.judge(answer);
    const torn = driver.calls[at - 1];
    const broken = kind === 'torn' && torn?.method === 'write' && /^(log|feed)\//.test(torn.key);
    if (fired && !isDead && !broken) await this.survives(registry, driver, pause);
    await accompany(
      registry.destroy().catch(() => undefined),
      driver,
      pause,
    );
    if (!fired) return false;
    if (kind === 'torn') await repaired(store, driver, at);
    await this.aftermath(store);
    return true;
  }

  private over(storage: StorageDriver, rate = 1): SmartRegistry {
    const main = { id: 'main', url: this.shelf.upstream.url };
    const upstreamProvider = new StaticUpstreamProvider({
      npm: {
        enabled: true,
        upstreams: [main],
        // asked each time; what is late is the storage, and no copy is too old
        cache: { ttlSeconds: 0, negativeTtlSeconds: 0, staleIfErrorSeconds: 300_000_000 },
        resilience: { timeoutMs: 600_000, retries: 0, breakerFailures: 1_000 },
      },
    });
    return registryOver(storage, { runtime: this.times.runtime(rate), upstreamProvider });
  }

  private async with<T>(store: StorageDriver, act: (registry: SmartRegistry) => Promise<T>): Promise<T> {
    const registry = this.over(store);
    await registry.init();
    try {
      return await act(registry);
    } finally {
      await registry.destroy();
    }
  }

  private async prepare(): Promise<MemoryDriver> {
    const { read, shelf, times } = this;
    const { upstream } = shelf;
    upstream.documents.clear();
    upstream.files.clear();
    await publish(shelf, '1.0.0');
    const store = await storeWith(await empty(), times);
    await this.with(store, async (registry) => {
      for (const path of read.before) expect((await told(registry, path)).status).toBe(200);
    });
    await read.since?.(shelf, store);
    return store;
  }

  /** While the process stands still, another one is asked the same, and everything that nobody names is collected. */
  private async meanwhile(store: MemoryDriver): Promise<void> {
    this.times.pass(BEYOND_EVERY_GRACE);
    await this.with(store, async (other) => {
      await collectAll(other.parts, { dryRun: false });
      this.expectRight(await told(other, this.read.path));
      this.times.pass(BEYOND_EVERY_GRACE);
      await collectAll(other.parts, { dryRun: false });
    });
  }

  private expectRight({ status, bytes }: Told): void {
    const { path, gone } = this.read;
    const text = bytes.toString('utf8');
    expect(status, status === 200 ? '' : text).toBe(gone ? 404 : 200);
    if (gone) return;
    const [first] = this.shelf.bytes.values();
    expect(path === FILE ? integrityOf(bytes) : integrities(text)).toEqual(
      path === FILE ? first && integrityOf(first) : this.digests(),
    );
  }

  private digests(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.shelf.bytes].map(([version, bytes]) => [version, integrityOf(bytes)]));
  }

  /** Right, or "come again". */
  private judge(answer: Told): void {
    if (answer.status !== 503) this.expectRight(answer);
    else expect(answer.headers['retry-after']).toMatch(/^\d+$/);
  }

  /** The same request again, at the instance that had the fault. */
  private async survives(registry: SmartRegistry, driver: FaultyDriver, pause: () => Promise<void>): Promise<void> {
    // what is left of a store's bad minute
    for (let n = 0; n < 2; n++)
      await accompany(
        driver.stat('x').catch(() => undefined),
        driver,
        pause,
      );
    this.expectRight(await accompany(told(registry, this.read.path), driver, pause));
  }

  /** Another instance says the same, also without the upstream; what is stored is whole; what was seen stays. */
  private async aftermath(store: MemoryDriver): Promise<void> {
    const { read, shelf } = this;
    const { upstream, document } = shelf;
    const everything = [DOCUMENT, ...[...shelf.bytes.keys()].map((version) => `/npm/p/-/p-${version}.tgz`)];
    const all = async (registry: SmartRegistry): Promise<void> => {
      const [document, ...files] = await Promise.all(everything.map((path) => told(registry, path)));
      expect(document?.status).toBe(200);
      const right = [...shelf.bytes.values()];
      expect(files.map(({ status, bytes }, n) => [status, bytes.equals(right[n] as Buffer)])).toEqual(
        files.map(() => [200, true]),
      );
    };
    await this.with(store, async (second) => {
      this.expectRight(await told(second, read.path));
      if (document) upstream.documents.set('p', document);
      await all(second);
      await this.expectWhole(store);
      this.times.pass(BEYOND_EVERY_GRACE);
      await collectAll(second.parts, { dryRun: false });
      expect((await verifyAll(second.parts, { repair: false })).findings).toEqual([]);
    });
    const left = await copies(store);
    expect(left.filter((key) => key.endsWith('.json'))).toHaveLength(left.length / 2);
    await upstream.stop();
    await this.with(store, all);
    await upstream.start();
    const digests = this.digests();
    await upstream.publish({ name: 'p', version: '1.0.0' }, { 'index.js': 'evil' });
    await store.delete(await copies(store));
    await this.with(store, async (third) => {
      const { bytes } = await told(third, DOCUMENT);
      expect(integrities(bytes.toString('utf8'))['1.0.0']).toBe(digests['1.0.0']);
    });
  }

  /** No head names half of something, or what is not there. */
  private async expectWhole(store: MemoryDriver): Promise<void> {
    for (const key of await copies(store)) {
      if (!key.endsWith('.json')) continue;
      const head = JSON.parse(Buffer.from((await store.read(key))?.body as Uint8Array).toString('utf8'));
      const body = (await store.read(head.key))?.body as Uint8Array;
      expect([body.byteLength, createHash('sha256').update(body).digest('hex')]).toEqual([head.size, head.digests.sha256]);
    }
  }
}

/** A store that was found capable. */
let capable: Promise<Stored> | undefined;
const empty = (): Promise<Stored> => {
  capable ??= (async () => {
    const store = new MemoryDriver();
    const registry = registryOver(store);
    await registry.init();
    await registry.destroy();
    return contentOf(store);
  })();
  return capable;
};

describe.skipIf(REPLAY !== undefined)('npm 38: reads through an upstream, with a fault at every storage call', () => {
  let runs = 0;
  afterAll(() =>
    console.log(`upstream reads: ${runs} faults${WHOLE ? '' : '; the others are for CI: REQUIRE_CLIENTS=1 runs them'}`),
  );
  const cases = READS.flatMap((read, n) =>
    Object.keys(WAYS).flatMap((way, m) =>
      FAULT_KINDS.filter((_, k) => WHOLE || (k === n && m === n % 2)).map((kind) => [read.name, way, kind, read] as const),
    ),
  );
  it.each(cases)('INV1 INV2 INV10: %s, writes %s, %s', { timeout: 240_000 }, async (_, way, kind, read) => {
    const upstream = await mockRegistry();
    const first = WHOLE ? 1 + (FAULT_KINDS.indexOf(kind) % STRIDE) : 1;
    let at = first;
    for (; at <= MAX_POINTS; at += STRIDE) {
      const reached = await new Trial(read, upstream).run(way, kind, at).catch((error: unknown) => {
        const line = `npm upstream ${read.name} / ${way} / ${kind} / ${at}`;
        throw new Error(
          `${String(error)}\n  replay: FAULT_REPLAY='${line}' npx vitest run --config test/vitest.config.ts test/faults/npm-upstream`,
        );
      });
      if (!reached) break;
      runs += 1;
    }
    expect(at).toBeGreaterThan(first);
    expect(at).toBeLessThan(MAX_POINTS);
  });
});

const [, name, way, kindOf, at] = /^npm upstream (.+) \/ (\S+) \/ (\S+) \/ (\d+)$/.exec(REPLAY ?? '') ?? [];
if (name !== undefined)
  it(`replays ${REPLAY}`, async () => {
    const read = READS.find((one) => one.name === name);
    const kind = FAULT_KINDS.find((one) => one === kindOf);
    if (!read || !kind || !way || !WAYS[way]) throw new Error(`no such fault: ${REPLAY}`);
    expect(await new Trial(read, await mockRegistry()).run(way, kind, Number(at))).toBe(true);
  });
