import { createHash } from 'node:crypto';
import { RegistryError } from '../../ts/errors/registry-error.js';
import type { Reply } from '../../ts/http/reply.js';
import type { Call, RequestBody } from '../../ts/http/route.js';
import { Space } from '../../ts/log/space.js';
import { collectGarbage, keyedLogs } from '../../ts/packages/collect-garbage.js';
import { HookRunner } from '../../ts/packages/hook-runner.js';
import type { PackageHandle } from '../../ts/packages/package-handle.js';
import { Repository } from '../../ts/packages/repository.js';
import { UploadSessions } from '../../ts/packages/upload-session.js';
import { Blobs } from '../../ts/protocols/oci/blobs.js';
import { collectImages } from '../../ts/protocols/oci/collect-garbage.js';
import { ociInventory, ociSchema } from '../../ts/protocols/oci/fold.js';
import { parseDigest } from '../../ts/protocols/oci/names.js';
import { ManifestChanges } from '../../ts/protocols/oci/publish.js';
import { rulesOf } from '../../ts/protocols/oci/rules.js';
import type { OciState } from '../../ts/protocols/oci/state.js';
import { Uploads } from '../../ts/protocols/oci/uploads.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { DriverObjectStore } from '../../ts/storage/driver-object-store.js';
import { callerOf, PUBLISHER } from '../packages/plain-protocol.js';
import type { Mutants } from './check.js';
import { runtimeOf } from './spaces.js';
import type { Stage } from './stage.js';

const NAME = 'app';
const IMAGE = 'application/vnd.oci.image.manifest.v1+json';

const thrown = ({ error }: { readonly error: unknown }): never => {
  throw error;
};

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** An image with one layer and nothing else; `tag` makes it one of its own. */
export const manifestOf = (tag: string, layer: string): string =>
  JSON.stringify({
    schemaVersion: 2,
    mediaType: IMAGE,
    config: { mediaType: 'application/octet-stream', digest: digestOf(layer), size: layer.length },
    layers: [],
    annotations: { tag },
  });

const bodyOf = (text: string): RequestBody => ({
  length: text.length,
  mediaType: IMAGE,
  stream: async function* () {
    if (text !== '') yield bytesOf(text);
  },
  bytes: async () => bytesOf(text),
  json: async () => JSON.parse(text),
  parsed: undefined,
});

/** One instance: the handlers of the container registry on a way to the store of its own, without the pipeline in front of them. */
export class Images {
  readonly space: Space<OciState>;
  private readonly driver: StorageDriver;
  private readonly repository: Repository<OciState>;
  private readonly blobs: Blobs;
  private readonly changes: ManifestChanges;
  private readonly uploads: Uploads;
  private readonly mutants: Mutants;

  constructor(stage: Stage, name: string, driver: StorageDriver, mutants: Mutants, skew = 0) {
    const runtime = runtimeOf(stage, name, { skew });
    const objects = new DriverObjectStore(driver, runtime);
    const copyAbove = (key: string, floor: number, signal: AbortSignal) => objects.copyAbove(key, floor, signal);
    this.driver = driver;
    this.mutants = mutants;
    this.space = new Space<OciState>({ id: 'r', driver, runtime, schema: ociSchema, maxStaleness: 0, copyAbove, mutants });
    const rules = rulesOf({});
    this.blobs = new Blobs(rules, runtime.clock, mutants);
    this.changes = new ManifestChanges(rules, mutants);
    this.uploads = new Uploads(new UploadSessions({ repository: 'r', driver, runtime, onFault: thrownAway, mutants }));
    this.repository = new Repository<OciState>({
      name: 'images',
      id: 'r',
      protocol: 'oci',
      resourceType: 'repository',
      anonymousRead: false,
      space: this.space,
      schema: ociSchema,
      objects,
      hooks: new HookRunner({ runtime, onFault: thrown }),
      runtime,
      onFault: thrown,
    });
  }

  /** HEAD of a blob: is it here? */
  async has(layer: string): Promise<boolean> {
    const answered = await this.ask('read', { digest: parseDigest(digestOf(layer)) }, (call) => this.blobs.get(call as never));
    return answered === 200;
  }

  /** The whole blob, as a reader is given it. */
  async pull(layer: string): Promise<string | undefined> {
    let reply: Reply | undefined;
    const status = await this.ask('read', { digest: parseDigest(digestOf(layer)) }, async (call) => {
      reply = await this.blobs.get(call as never);
      return reply;
    });
    if (status !== 200 || reply?.type !== 'content') return undefined;
    const opened = await reply.content.open(undefined, new AbortController().signal);
    return opened instanceof Uint8Array ? new TextDecoder().decode(opened) : await new Response(opened as ReadableStream).text();
  }

  push(layer: string): Promise<number | string> {
    return this.ask('change', {}, (call) => this.uploads.start(call as never), {
      body: layer,
      query: { digest: digestOf(layer) },
    });
  }

  tag(tag: string, layer: string): Promise<number | string> {
    const body = manifestOf(tag, layer);
    return this.ask('change', { reference: { tag } }, (call) => this.changes.put(call as never), { body });
  }

  untag(tag: string, layer: string): Promise<number | string> {
    const digest = parseDigest(digestOf(manifestOf(tag, layer)));
    return this.ask('change', { reference: { digest } }, (call) => this.changes.remove(call as never));
  }

  /** An upload with all its bytes, not finished; answers its id. */
  async begin(...pieces: readonly string[]): Promise<string> {
    let id = '';
    await this.ask('change', {}, async (call) => {
      const reply = await this.uploads.start(call as never);
      id = reply.headers['Docker-Upload-UUID'] ?? '';
      return reply;
    });
    for (const body of pieces) await this.ask('change', { id }, (call) => this.uploads.append(call as never), { body });
    return id;
  }

  finish(id: string, layer: string): Promise<number | string> {
    return this.ask('change', { id }, (call) => this.uploads.finish(call as never), { query: { digest: digestOf(layer) } });
  }

  cancel(id: string): Promise<number | string> {
    return this.ask('change', { id }, (call) => this.uploads.cancel(call as never));
  }

  async collect(grace: number): Promise<void> {
    await this.drop(grace);
    await this.sweep(grace);
  }

  /** The half of a collection that ends the right to serve what nothing names. */
  async drop(grace: number): Promise<void> {
    const { driver, space, mutants } = this;
    await collectImages({ driver, space, features: {}, grace, onFault: thrown, mutants });
  }

  /** The half that takes the bytes away. */
  async sweep(grace: number): Promise<void> {
    const { driver, space, mutants } = this;
    await collectGarbage({ driver, logs: keyedLogs(space), inventory: ociInventory, grace, onFault: thrown, mutants });
  }

  /** The status, or the code of the refusal. */
  private async ask(
    purpose: 'read' | 'change',
    params: object,
    handler: (call: Call<unknown, RequestBody, OciState>) => Promise<Reply>,
    { body = '', query = {} }: { readonly body?: string; readonly query?: Readonly<Record<string, string>> } = {},
  ): Promise<number | string> {
    const caller = callerOf({ user: 'ann', grants: PUBLISHER });
    try {
      const handle: PackageHandle<OciState> = await this.repository.open(NAME, caller, purpose);
      const reply = await handler({
        params: { name: NAME, ...params },
        query: { get: (name) => query[name], getAll: (name) => [query[name] ?? []].flat() },
        headers: { get: () => undefined },
        body: bodyOf(body),
        baseUrl: 'https://images.example',
        prefix: '',
        principal: caller.principal,
        address: undefined,
        signal: caller.signal,
        packages: [handle],
        package: handle,
        neighbours: [],
        progress: () => undefined,
        listing: () => Promise.reject(new Error('no lists here')),
      });
      return reply.type === 'redirect' ? 307 : reply.status;
    } catch (error) {
      if (error instanceof RegistryError) return error.code ?? error.kind;
      throw error;
    }
  }
}

/** Behind an answer: what could not be removed is swept later. */
const thrownAway = (error: unknown): never => {
  throw error;
};

export async function imagesOn(stage: Stage, name: string, driver: StorageDriver, mutants: Mutants, skew = 0): Promise<Images> {
  const images = new Images(stage, name, driver, mutants, skew);
  await images.space.open();
  return images;
}
