import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { AuthManager } from '../../../ts/auth/auth-manager.js';
import { DirectoryAccounts } from '../../../ts/auth/directory-accounts.js';
import { Organisations } from '../../../ts/auth/organisations.js';
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
import { npmSchema } from '../../../ts/protocols/npm/codec.js';
import { npm } from '../../../ts/protocols/npm/index.js';
import { StoredSigner } from '../../../ts/protocols/npm/signer.js';
import type { NpmState } from '../../../ts/protocols/npm/state.js';
import { DriverObjectStore } from '../../../ts/storage/driver-object-store.js';
import { SynchronousMemoryDriver } from '../../../ts/storage/drivers/memory.js';

export const BASE = 'https://registry.example/npm';
const SECRET = 'n7Qw2-ePz9Lk4-vTx8Rb3-mYs6Hd1-gUj5Fc0';

export interface Answered {
  readonly status: number;
  /** Undefined: HTTP's own. */
  readonly statusText: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  readonly json: any;
}

export interface Asked {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Registry {
  request(method: string, path: string, asked?: Asked): Promise<Answered>;
  get(path: string, asked?: Asked): Promise<Answered>;
  put(path: string, body: unknown, asked?: Asked): Promise<Answered>;
  publish(manifest: Manifest, options?: PublishOptions): Promise<Answered>;
  /** A user with this name, and a token that opens what an ordinary user may. */
  user(
    name: string,
    options?: { password?: string; email?: string; admin?: boolean; readonly?: boolean; cidr?: string[] },
  ): Promise<string>;
  readonly driver: SynchronousMemoryDriver;
  readonly space: Space<NpmState>;
  readonly faults: unknown[];
  /** The first user's token. */
  readonly token: string;
  close(): Promise<void>;
}

export type Manifest = { readonly name: string; readonly version: string; readonly [field: string]: unknown };

export interface PublishOptions extends Asked {
  readonly tag?: string;
  readonly access?: string | null;
  /** package.json of the tarball, where it is not the manifest. */
  readonly inner?: Record<string, unknown>;
  readonly files?: Readonly<Record<string, string>>;
  readonly dist?: Record<string, unknown>;
  /** Fields of the document that overrule. */
  readonly document?: Record<string, unknown>;
  readonly attachment?: Record<string, unknown>;
}

/** A gzipped tarball as npm packs it. */
export async function tarball(
  packageJson: Record<string, unknown>,
  files: Readonly<Record<string, string>> = {},
): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: 'package/package.json' }, JSON.stringify(packageJson));
  for (const [name, text] of Object.entries(files)) archive.entry({ name: `package/${name}` }, text);
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) parts.push(part as Buffer);
  return gzipSync(Buffer.concat(parts));
}

/** The document that `npm publish` sends. */
export async function publishBody(manifest: Manifest, options: PublishOptions = {}): Promise<Record<string, unknown>> {
  const { tag = 'latest', access = null, inner = manifest, files = {}, dist = {}, document = {}, attachment = {} } = options;
  const bytes = await tarball(inner, files);
  const { name, version } = manifest;
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  const shasum = createHash('sha1').update(bytes).digest('hex');
  const file = `${name}-${version}.tgz`;
  return {
    _id: name,
    name,
    description: manifest['description'],
    'dist-tags': { [tag]: version },
    versions: {
      [version]: {
        ...manifest,
        _id: `${name}@${version}`,
        _nodeVersion: '20.0.0',
        _npmVersion: '11.0.0',
        dist: { integrity, shasum, tarball: `http://localhost/${name}/-/${file}`, ...dist },
      },
    },
    access,
    _attachments: {
      [file]: { content_type: 'application/octet-stream', data: bytes.toString('base64'), length: bytes.length, ...attachment },
    },
    ...document,
  };
}

async function bytesOf(body: Uint8Array | ReadableStream<Uint8Array> | undefined): Promise<Buffer> {
  if (!body) return Buffer.alloc(0);
  return body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(await new Response(body).arrayBuffer());
}

export interface RegistryOptions {
  readonly anonymousRead?: boolean;
  readonly selfRegistration?: boolean;
  readonly hooks?: IStorageHooks;
  readonly signed?: boolean;
  readonly driver?: SynchronousMemoryDriver;
  readonly runtime?: Runtime;
}

/** An npm repository on memory, asked through the pipeline. */
export async function registry(options: RegistryOptions = {}): Promise<Registry> {
  const runtime = options.runtime ?? systemRuntime;
  const driver = options.driver ?? new SynchronousMemoryDriver({ runtime });
  const keys = deriveKeys(SECRET);
  const faults: unknown[] = [];
  const users = new Space({ id: USERS_SPACE, driver, runtime, schema: userSchema, maxStaleness: 0, keyOf: userLogKey });
  await users.open();
  const directory = new UserDirectory({ space: users, keys, runtime, passwords: new Passwords({ n: 16 }) });
  const provider = new DefaultAuthProvider({ directory });
  const gate = new AuthManager({ provider, runtime, organisations: new Organisations(directory) });
  const accounts = new DirectoryAccounts(provider, { selfRegistration: options.selfRegistration ?? false });
  const objects = new DriverObjectStore(driver, runtime);
  const space = new Space<NpmState>({
    id: 'npm',
    driver,
    runtime,
    schema: npmSchema,
    maxStaleness: 0,
    copyAbove: (key, floor) => objects.copyAbove(key, floor),
    onFault: (error) => faults.push(error),
  });
  await space.open();
  const onFault = ({ error }: { error: unknown }) => faults.push(error);
  const source = new Repository<NpmState>({
    name: 'npm',
    id: 'npm',
    protocol: 'npm',
    resourceType: 'package',
    anonymousRead: options.anonymousRead ?? false,
    space,
    schema: npmSchema,
    objects,
    hooks: new HookRunner({ hooks: options.hooks, runtime, onFault }),
    runtime,
    onFault,
  });
  const signer = options.signed === false ? undefined : new StoredSigner(driver, keys, runtime);
  const site: Site = {
    instance: npm({ accounts, repository: 'npm', runtime, signer, cacheBytes: 8 * 1024 * 1024 }),
    source: source as unknown as Site['source'],
    gate,
    runtime,
    limits: DEFAULT_LIMITS,
    onFault: (error) => faults.push(error),
  };

  const request = async (method: string, path: string, asked: Asked = {}): Promise<Answered> => {
    const [pathname = '', rawQuery = ''] = path.split('?');
    const { token, body } = asked;
    const json = body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array) && !isStream(body);
    const raw = await dispatch(site, {
      method,
      path: pathname,
      rawQuery,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(json ? { 'content-type': 'application/json' } : {}),
        ...asked.headers,
      },
      body: json ? Buffer.from(JSON.stringify(body)) : typeof body === 'string' ? Buffer.from(body) : body,
      baseUrl: BASE,
      address: '192.0.2.7',
      actor: undefined,
      signal: undefined,
    });
    const bytes = await bytesOf(raw.body);
    const text = bytes.toString('utf8');
    const headers = Object.fromEntries(Object.entries(raw.headers).map(([name, value]) => [name.toLowerCase(), value]));
    return {
      status: raw.status,
      statusText: raw.statusText,
      headers,
      bytes,
      text,
      get json() {
        return JSON.parse(text);
      },
    };
  };

  const user: Registry['user'] = async (name, { password, email, admin = false, readonly = false, cidr } = {}) => {
    const wanted = { name, admin, ...(password === undefined ? {} : { password }), ...(email === undefined ? {} : { email }) };
    // Another registry over the same storage has them already.
    const made = (await directory.find(name)) ?? (await directory.addUser(wanted));
    return (await directory.createToken(made.id, { readonly, ...(cidr ? { cidr } : {}) })).token;
  };

  const token = await user('ann', { password: 'correct horse', email: 'ann@mail.example' });
  return {
    request,
    get: (path, asked) => request('GET', path, { token, ...asked }),
    put: (path, body, asked) => request('PUT', path, { token, ...asked, body }),
    publish: async (manifest, publishOptions = {}) =>
      request('PUT', `/${manifest.name.replace('/', '%2f')}`, {
        token,
        ...publishOptions,
        body: await publishBody(manifest, publishOptions),
      }),
    user,
    driver,
    space,
    faults,
    token,
    close: async () => {
      await source.close();
      await space.close();
      await users.close();
    },
  };
}

const isStream = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && (Symbol.asyncIterator in body || 'getReader' in body);
