import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IAuthProvider } from '../../ts/auth/provider.js';
import type { IAuthConfig } from '../../ts/config.js';
import type { IResponse } from '../../ts/http/context.js';
import type { Runtime } from '../../ts/lib/clock.js';
import type { IStorageHooks } from '../../ts/packages/hooks.js';
import { SmartRegistry } from '../../ts/smart-registry.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { FilesystemDriver } from '../../ts/storage/drivers/filesystem.js';
import { SynchronousMemoryDriver } from '../../ts/storage/drivers/memory.js';
import type { IUpstreamProvider } from '../../ts/upstream/provider.js';

export const SECRET = 'Wq7-nB3x.Lk9-Tz5v.Rp2-Jm8c.Hd4-Gs6f';

/** What went over the counter of a driver: `write objects/npm/…`. */
export interface Calls {
  readonly all: readonly { readonly method: string; readonly key: string }[];
  forget(): void;
}

const LOGGED = new Set(['stat', 'read', 'write', 'delete', 'list', 'copy', 'namesSync', 'existsSync']);

/** A driver with all its abilities, whose every call is written down. */
export function watched<D extends StorageDriver>(driver: D): { readonly driver: D; readonly calls: Calls } {
  const all: { method: string; key: string }[] = [];
  const proxy = new Proxy(driver, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (!LOGGED.has(String(name))) return value.bind(target);
      return (...args: readonly unknown[]): unknown => {
        const keys = name === 'copy' ? [args[0], args[1]] : [args[0]].flat();
        for (const key of keys) all.push({ method: String(name), key: String(key) });
        return Reflect.apply(value, target, args);
      };
    },
  });
  return {
    driver: proxy,
    calls: {
      all,
      forget: () => {
        all.length = 0;
      },
    },
  };
}

export type Place = 'memory' | 'folder';

export interface HouseOptions {
  /** The one repository that it has. Default npm, at `/npm`; paths to `oci` are whole. */
  readonly protocol?: 'npm' | 'oci';
  readonly place?: Place;
  readonly driver?: StorageDriver;
  readonly anonymousRead?: boolean;
  readonly authProvider?: IAuthProvider;
  readonly auth?: IAuthConfig;
  readonly hooks?: IStorageHooks;
  readonly runtime?: Runtime;
  readonly upstreamProvider?: IUpstreamProvider;
  readonly singleWriter?: boolean;
}

export interface Asked {
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, text or a stream go as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
}

export interface House {
  readonly registry: SmartRegistry;
  readonly driver: StorageDriver;
  readonly calls: Calls;
  /** The folder behind it; empty in memory. */
  readonly folder: string;
  readonly faults: { readonly error: unknown; readonly where: string }[];
  /** `path` is undecoded, and below the mount of npm. */
  ask(method: string, path: string, asked?: Asked): Promise<Answer>;
  /** A user; `token` opens what an ordinary user may. */
  user(name: string, admin?: boolean): Promise<{ readonly id: string; readonly token: string }>;
  /** Everything that lies in the store, and in a folder also what the driver would not list. */
  keys(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const isRaw = (body: unknown): boolean =>
  typeof body === 'string' ||
  body instanceof Uint8Array ||
  (typeof body === 'object' && body !== null && (Symbol.asyncIterator in body || body instanceof ReadableStream));

export async function answerOf(response: IResponse): Promise<Answer> {
  const bytes = response.body ? Buffer.from(await new Response(response.body).arrayBuffer()) : Buffer.alloc(0);
  const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value]));
  return { status: response.status, headers, bytes, text: bytes.toString('utf8') };
}

export async function allKeys(driver: StorageDriver): Promise<readonly string[]> {
  const keys: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await driver.list('', after === undefined ? {} : { after });
    keys.push(...page.objects.map(({ key }) => key));
    if (page.next === undefined) return keys;
    after = page.next;
  }
}

/** A whole registry with one repository, as an application would make it. */
export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const { protocol = 'npm' } = options;
  const mount = protocol === 'npm' ? '/npm' : '';
  const folder = options.place === 'folder' ? mkdtempSync(join(tmpdir(), 'entrepot-proof-')) : '';
  const inner =
    options.driver ?? (folder === '' ? new SynchronousMemoryDriver() : new FilesystemDriver(folder, { durable: false }));
  const { driver, calls } = watched(inner);
  const faults: { error: unknown; where: string }[] = [];
  const registry = new SmartRegistry({
    storage: driver,
    secret: SECRET,
    [protocol]: { enabled: true },
    anonymousRead: options.anonymousRead ? [protocol] : [],
    maxStaleness: 0,
    onFault: (error, where) => faults.push({ error, where }),
    ...(options.authProvider ? { authProvider: options.authProvider } : {}),
    ...(options.auth ? { auth: options.auth } : {}),
    ...(options.hooks ? { storageHooks: options.hooks } : {}),
    ...(options.runtime ? { runtime: options.runtime } : {}),
    ...(options.upstreamProvider ? { upstreamProvider: options.upstreamProvider } : {}),
    ...(options.singleWriter ? { singleWriter: true } : {}),
  });
  await registry.init();
  const ask: House['ask'] = async (method, path, { token, headers = {}, body, signal } = {}) => {
    const json = body !== undefined && !isRaw(body);
    const response = await registry.handleRequest({
      method,
      path: `${mount}${path.split('?')[0]}`,
      rawUrl: `${mount}${path}`,
      headers: {
        host: 'registry.example',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(json ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      query: Object.fromEntries(new URLSearchParams(path.split('?')[1] ?? '')),
      body: json ? Buffer.from(JSON.stringify(body)) : body,
      peer: { address: '192.0.2.7', encrypted: false },
      ...(signal ? { signal } : {}),
    });
    return answerOf(response);
  };
  return {
    registry,
    driver: inner,
    calls,
    folder,
    faults,
    ask,
    async user(name, admin = false) {
      const { directory } = registry.parts.auth;
      if (!directory) throw new Error('this house has a provider of its own');
      const { id } = await directory.addUser({ name, admin });
      return { id, token: (await directory.createToken(id)).token };
    },
    async keys() {
      if (folder === '') return allKeys(inner);
      const files = readdirSync(folder, { recursive: true, withFileTypes: true });
      return files
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        .sort();
    },
    async close() {
      await registry.destroy();
      if (folder !== '') rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a refused request may leave behind: markers and what the registry itself derives or feeds. */
const PASSING = /^(?:pending|derived|feed|log\/~users)\//;
export const lasting = (keys: readonly string[]): readonly string[] => keys.filter((key) => !PASSING.test(key));

/** Waits until `look` is true; fails after `tries` looks. */
export async function until(look: () => boolean | Promise<boolean>, what: string, tries = 400): Promise<void> {
  for (let turn = 0; turn < tries; turn += 1) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never came: ${what}`);
}
