import { createHash } from 'node:crypto';
import { AuthManager } from '../../../ts/auth/auth-manager.js';
import { DirectoryAccounts } from '../../../ts/auth/directory-accounts.js';
import { Passwords } from '../../../ts/auth/passwords.js';
import { DefaultAuthProvider } from '../../../ts/auth/providers/tokens.js';
import { deriveKeys } from '../../../ts/auth/secret.js';
import { UserDirectory } from '../../../ts/auth/user-directory.js';
import { USERS_SPACE, userLogKey, userSchema } from '../../../ts/auth/users.js';
import { dispatch } from '../../../ts/http/dispatch.js';
import { DEFAULT_LIMITS, type Site } from '../../../ts/http/site.js';
import { type Runtime, systemRuntime } from '../../../ts/lib/clock.js';
import { Space } from '../../../ts/log/space.js';
import { HookRunner } from '../../../ts/packages/hook-runner.js';
import type { IStorageHooks } from '../../../ts/packages/hooks.js';
import { Repository } from '../../../ts/packages/repository.js';
import { ociSchema } from '../../../ts/protocols/oci/fold.js';
import { oci } from '../../../ts/protocols/oci/index.js';
import type { OciState } from '../../../ts/protocols/oci/state.js';
import type { StorageDriver } from '../../../ts/storage/driver.js';
import { DriverObjectStore } from '../../../ts/storage/driver-object-store.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';

export const BASE = 'https://images.example';
export const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';
export const CONFIG = 'application/vnd.oci.image.config.v1+json';
export const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const SECRET = 'n7Qw2-ePz9Lk4-vTx8Rb3-mYs6Hd1-gUj5Fc0';

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  readonly json: any;
  /** `errors[0].code`. */
  readonly code: string | undefined;
}

export interface Asked {
  /** Default: the first user's; null: none. */
  readonly token?: string | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface RegistryOptions {
  readonly anonymousRead?: boolean;
  readonly hooks?: IStorageHooks;
  readonly features?: Readonly<Record<string, boolean>>;
  readonly driver?: StorageDriver;
  readonly runtime?: Runtime;
  readonly maxStaleness?: number;
}

export const digestOf = (bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;

export const codeOf = (text: string): string | undefined => {
  try {
    return JSON.parse(text).errors?.[0]?.code;
  } catch {
    return undefined;
  }
};

async function bytesOf(body: Uint8Array | ReadableStream<Uint8Array> | undefined): Promise<Buffer> {
  if (!body) return Buffer.alloc(0);
  return body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(await new Response(body).arrayBuffer());
}

const isStream = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && (Symbol.asyncIterator in body || 'getReader' in body);

export type Oci = Awaited<ReturnType<typeof registry>>;

/** A container registry on memory, asked through the pipeline. Several over one driver are several instances. */
export async function registry(options: RegistryOptions = {}) {
  const runtime = options.runtime ?? systemRuntime;
  const driver = options.driver ?? new SynchronousMemoryDriver({ runtime });
  const { maxStaleness = 0 } = options;
  const keys = deriveKeys(SECRET);
  const faults: unknown[] = [];
  const users = new Space({ id: USERS_SPACE, driver, runtime, schema: userSchema, maxStaleness, keyOf: userLogKey });
  await users.open();
  const directory = new UserDirectory({ space: users, keys, runtime, passwords: new Passwords({ n: 16 }) });
  const provider = new DefaultAuthProvider({ directory });
  const gate = new AuthManager({ provider, runtime });
  const objects = new DriverObjectStore(driver, runtime);
  const space = new Space<OciState>({
    id: 'oci',
    driver,
    runtime,
    schema: ociSchema,
    maxStaleness,
    copyAbove: (key, floor) => objects.copyAbove(key, floor),
    onFault: (error) => faults.push(error),
  });
  await space.open();
  const onFault = ({ error }: { error: unknown }): void => void faults.push(error);
  const source = new Repository<OciState>({
    name: 'oci',
    id: 'oci',
    protocol: 'oci',
    resourceType: 'repository',
    anonymousRead: options.anonymousRead ?? false,
    space,
    schema: ociSchema,
    objects,
    hooks: new HookRunner({ hooks: options.hooks, runtime, onFault }),
    runtime,
    onFault,
  });
  const instance = oci({
    repository: 'oci',
    driver,
    runtime,
    accounts: new DirectoryAccounts(provider),
    manager: gate,
    features: options.features ?? {},
    cacheBytes: 8 * 1024 * 1024,
    onFault: (error) => faults.push(error),
  });
  const site: Site = {
    instance,
    source: source as unknown as Site['source'],
    gate,
    runtime,
    limits: DEFAULT_LIMITS,
    onFault: (error) => faults.push(error),
  };

  const user = async (name: string, made: { password?: string; admin?: boolean; readonly?: boolean; scopes?: string[] } = {}) => {
    const { password, admin = false, readonly = false, scopes } = made;
    const known = await directory.find(name);
    const { id } = known ?? (await directory.addUser({ name, admin, ...(password === undefined ? {} : { password }) }));
    return (await directory.createToken(id, { readonly, ...(scopes ? { scopes } : {}) })).token;
  };
  const token = await user('ann', { password: 'correct horse' });

  const request = async (method: string, target: string, asked: Asked = {}): Promise<Answered> => {
    const [path = '', rawQuery = ''] = target.split('?');
    const { body, signal } = asked;
    const bearer = asked.token === undefined ? token : asked.token;
    const sent = typeof body === 'string' ? Buffer.from(body) : body;
    const length = sent instanceof Uint8Array ? { 'content-length': String(sent.byteLength) } : {};
    const raw = await dispatch(site, {
      method,
      path,
      rawQuery,
      headers: {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(isStream(sent) && !(sent instanceof Uint8Array) ? { 'transfer-encoding': 'chunked' } : length),
        ...asked.headers,
      },
      body: sent,
      baseUrl: BASE,
      address: '192.0.2.7',
      actor: undefined,
      signal,
    });
    const bytes = await bytesOf(raw.body);
    const text = bytes.toString('utf8');
    const headers = Object.fromEntries(Object.entries(raw.headers).map(([name, value]) => [name.toLowerCase(), value]));
    return {
      status: raw.status,
      headers,
      bytes,
      text,
      get json() {
        return JSON.parse(text);
      },
      code: codeOf(text),
    };
  };

  /** A blob in one request; answers its digest. */
  const blob = async (name: string, bytes: Uint8Array | string, asked: Asked = {}): Promise<string> => {
    const digest = digestOf(bytes);
    const { status, text } = await request('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, { ...asked, body: bytes });
    if (status !== 201) throw new Error(`blob: ${status} ${text}`);
    return digest;
  };

  /** A manifest as it stands; answers what PUT answered. */
  const put = (name: string, reference: string, manifest: unknown, asked: Asked & { type?: string } = {}): Promise<Answered> =>
    request('PUT', `/v2/${name}/manifests/${reference}`, {
      ...asked,
      body: typeof manifest === 'string' || manifest instanceof Uint8Array ? manifest : JSON.stringify(manifest),
      headers: { 'content-type': asked.type ?? IMAGE, ...asked.headers },
    });

  /** An image with one layer, under a tag; answers its digest and bytes. */
  const image = async (
    name: string,
    tag: string,
    layer = `layer of ${tag}`,
    fields: Record<string, unknown> = {},
    asked: Asked = {},
  ) => {
    const text = JSON.stringify(await describe(name, layer, fields, asked));
    const answer = await put(name, tag, text, asked);
    if (answer.status !== 201) throw new Error(`image: ${answer.status} ${answer.text}`);
    return { digest: digestOf(text), text, size: Buffer.byteLength(text) };
  };

  const describe = async (name: string, layer: string, fields: Record<string, unknown> = {}, asked: Asked = {}) => ({
    schemaVersion: 2,
    mediaType: IMAGE,
    config: { mediaType: CONFIG, digest: await blob(name, '{}', asked), size: 2 },
    layers: [{ mediaType: LAYER, digest: await blob(name, layer, asked), size: Buffer.byteLength(layer) }],
    ...fields,
  });

  return {
    request,
    get: (path: string, asked?: Asked) => request('GET', path, asked),
    head: (path: string, asked?: Asked) => request('HEAD', path, asked),
    remove: (path: string, asked?: Asked) => request('DELETE', path, asked),
    blob,
    put,
    image,
    describe,
    user,
    driver,
    space,
    directory,
    gate,
    faults,
    token,
    close: async (): Promise<void> => {
      await source.close();
      await space.close();
      await users.close();
    },
  };
}
