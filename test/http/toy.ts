import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Action, Gate, Principal, Resource } from '../../ts/auth/principal.js';
import { notFound, RegistryError } from '../../ts/errors/registry-error.js';
import type { RawResponse } from '../../ts/http/context.js';
import { dispatch } from '../../ts/http/dispatch.js';
import type { ErrorFormat, ProtocolInstance } from '../../ts/http/plugin.js';
import { bytesContent, document, empty, file, json, type Reply, redirect } from '../../ts/http/reply.js';
import { type Param, type RequestBody, type Route, routesOf } from '../../ts/http/route.js';
import { DEFAULT_LIMITS, type FaultPlace, type RegistryRequest, type Site } from '../../ts/http/site.js';
import { utf8 } from '../../ts/lib/bytes.js';
import { systemRuntime } from '../../ts/lib/clock.js';
import type { Content } from '../../ts/lib/content.js';
import type { Snapshot } from '../../ts/log/schema.js';
import type { Caller, PackageHandle, PackageSource, Ruled } from '../../ts/packages/package-handle.js';

/** A protocol just large enough to have every kind of route. */
export interface Box extends Ruled {
  readonly text: string;
}

export const boxName: Param<string> = {
  pattern: '[^/]+',
  parse: (raw) => {
    if (!/^[a-z][a-z0-9._-]{0,40}$/.test(raw)) throw new RegistryError('invalid', 'bad box name', { code: 'NAME' });
    return raw;
  },
};

const freeText: Param<string> = { pattern: '.+', parse: (raw) => raw };
const anyText: Param<string> = { pattern: '.+', parse: (raw) => raw, anyText: true };

export const toyErrors: ErrorFormat = {
  mediaType: 'application/vnd.toy+json',
  body: (error, status) => JSON.stringify({ toy: { status, kind: error.kind, code: error.code, message: error.message } }),
  challenge: (baseUrl, wanted) =>
    `Toy realm="${baseUrl}", scope="${wanted.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ')}"`,
};

/** Content whose opening and closing can be watched. */
export class WatchedContent implements Content {
  readonly size: number;
  readonly mediaType = 'application/octet-stream';
  readonly etag: string;
  readonly lastModified = new Date('2024-05-01T10:00:00.500Z');
  opened = 0;
  discarded = 0;
  cancelled = 0;
  failure: unknown;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.size = bytes.byteLength;
    this.etag = createHash('sha256').update(bytes).digest('hex');
  }

  async open(range?: { start: number; end: number }): Promise<ReadableStream<Uint8Array>> {
    this.opened++;
    if (this.failure) throw this.failure;
    const part = range ? this.bytes.slice(range.start, range.end + 1) : this.bytes.slice();
    let at = 0;
    const source: UnderlyingByteSource = {
      type: 'bytes',
      pull: (controller: ReadableByteStreamController) => {
        const view = controller.byobRequest?.view as Uint8Array<ArrayBuffer> | undefined;
        const room = view ? view.byteLength : 65_536;
        const next = part.subarray(at, at + room);
        at += next.byteLength;
        if (next.byteLength === 0) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else if (view) {
          new Uint8Array(view.buffer, view.byteOffset, next.byteLength).set(next);
          controller.byobRequest?.respond(next.byteLength);
        } else controller.enqueue(next.slice());
      },
      cancel: () => void this.cancelled++,
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }

  async discard(): Promise<void> {
    this.discarded++;
  }
}

/** A rendered document with a ready-made gzip form. */
export function toyDocument(text: string): Content {
  const content = bytesContent(utf8(text), 'application/json');
  return Object.defineProperty(
    {
      size: content.size,
      mediaType: content.mediaType,
      open: content.open,
      encoded: async (coding: 'gzip' | 'br') =>
        coding === 'gzip' ? { bytes: new Uint8Array(gzipSync(text)), etag: `${content.etag}-gzip` } : undefined,
    } as Content,
    'etag',
    { get: () => content.etag },
  );
}

export class ToySource implements PackageSource<Ruled> {
  readonly name = 'toys';
  readonly protocol = 'toy';
  readonly boxes = new Map<string, Box>();
  /** What `open` for a change believes, where that is behind. */
  readonly stale = new Map<string, Box>();
  readonly opened: string[] = [];
  /** Names whose log holds nothing but a floor. */
  readonly floored = new Set<string>();
  anonymousRead = true;

  async open(name: string, caller: Caller, purpose: 'read' | 'change'): Promise<PackageHandle<Ruled>> {
    this.opened.push(`${purpose} ${name}`);
    const box = (purpose === 'change' ? this.stale.get(name) : undefined) ?? this.boxes.get(name);
    return {
      name,
      snapshot: this.snapshot(name, box),
      gated: false,
      may: (action) => caller.granted(name, action),
      readStrong: async () => {
        this.opened.push(`strong ${name}`);
        return this.snapshot(name, this.boxes.get(name));
      },
      adopt: async () => undefined,
      compose: async () => undefined,
      upload: () => Promise.reject(new Error('not in the toy')),
      discard: async () => undefined,
      here: async (file) => file,
      isForAll: async () => true,
      commit: () => Promise.reject(new Error('not in the toy')),
      content: () => {
        throw new Error('not in the toy');
      },
    };
  }

  async list(): ReturnType<PackageSource<Ruled>['list']> {
    const items = [...this.boxes].map(([identity, rule]) => ({
      item: { key: identity, identity, to: 1, summary: { name: identity } },
      rule,
    }));
    return { position: 1, items };
  }

  private snapshot(name: string, box: Box | undefined): Snapshot<Ruled> {
    const state = box ?? { owners: [], visibility: 'public' as const };
    return {
      identity: name,
      named: box !== undefined,
      key: name,
      position: box || this.floored.has(name) ? 1 : 0,
      head: null,
      at: 0,
      floor: { objects: 0, markers: 0 },
      state,
    };
  }
}

export const boxOf = (visibility: Box['visibility'], owners: readonly string[] = [], text = 'box'): Box => ({
  owners,
  visibility,
  text,
});

export class ToyGate implements Gate {
  enforceOwners = true;
  readonly asked: string[] = [];
  /** Token → user and what it may do to which names. */
  readonly tokens = new Map<string, { user: string; readonly?: boolean; may: (action: Action, name: string) => boolean }>();
  anonymous: (action: Action, name: string) => boolean = (action) => action === 'read';

  async identify(headers: { get(name: string): string | undefined }): Promise<Principal | undefined> {
    const sent = headers.get('authorization');
    if (sent === undefined) return undefined;
    const token = sent.replace(/^Bearer /, '');
    const known = this.tokens.get(token);
    if (!known) throw new RegistryError('unauthenticated', 'bad credentials');
    const { user, readonly = false } = known;
    return { userId: user, readonly, tokenId: token, token: { userId: user, scopes: [], tokenId: token } };
  }

  async allows(principal: Principal | undefined, resource: Resource, action: Action): Promise<boolean> {
    this.asked.push(`${principal?.userId ?? '-'} ${resource.type}:${resource.name}:${action}`);
    const known = principal ? this.tokens.get(principal.tokenId ?? '') : undefined;
    if (!principal) return this.anonymous(action, resource.name);
    return known?.may(action, resource.name) ?? false;
  }
}

export interface Toy {
  readonly site: Site;
  readonly source: ToySource;
  readonly gate: ToyGate;
  readonly faults: { error: unknown; where: FaultPlace }[];
  readonly routes: Route[];
  /** What handlers have been given, last first. */
  readonly bodies: unknown[];
  readonly blob: WatchedContent;
  ask(request: Partial<RegistryRequest>): Promise<RawResponse>;
}

const route = routesOf<Box>();

const whole = async (body: RequestBody): Promise<string> => {
  const parts: Uint8Array[] = [];
  for await (const part of body.stream()) parts.push(part);
  return Buffer.concat(parts).toString('latin1');
};

function boxRoutes(blob: WatchedContent, bodies: unknown[]): Route[] {
  return [
    route({
      id: 'mount',
      method: 'POST',
      path: '/{name}/mount',
      params: { name: boxName },
      access: ['create', 'overwrite'],
      package: ({ name }, query) => [name, query.get('from') ?? 'none'],
      handler: async ({ packages }) =>
        json(
          packages.map(({ name }) => name),
          'no-store',
          { status: 201 },
        ),
    }),
    route({
      id: 'blob',
      method: 'GET',
      path: '/{name}/-/{file}',
      params: { name: boxName, file: freeText },
      access: 'read',
      package: ({ name }) => name,
      handler: async ({ package: box }) => {
        if (!box.snapshot.named) throw notFound('blob of an absent box');
        return file(blob, 'immutable', { headers: { 'Toy-Digest': blob.etag } });
      },
    }),
    route({
      id: 'upload',
      method: 'PUT',
      path: '/{name}/-/{file}',
      params: { name: boxName, file: freeText },
      access: 'create',
      package: ({ name }) => name,
      body: { max: 1_000_000, byteExact: true },
      handler: async ({ body }) => {
        const text = await whole(body);
        bodies.unshift(text);
        return empty(201, { 'Toy-Bytes': String(text.length) });
      },
    }),
    route({
      id: 'owners',
      method: 'GET',
      path: '/{name}/owners',
      params: { name: boxName },
      access: 'admin',
      package: ({ name }) => name,
      handler: async ({ package: box }) => json(box.snapshot.state.owners, 'no-store'),
    }),
    route({
      id: 'box',
      method: 'GET',
      path: '/{name}',
      params: { name: boxName },
      access: 'read',
      package: ({ name }) => name,
      handler: async ({ package: box }) => {
        if (!box.snapshot.named) throw notFound(`box ${box.name}`);
        return document(toyDocument(JSON.stringify({ text: box.snapshot.state.text })), 'revalidate', { vary: ['Accept'] });
      },
    }),
    route({
      id: 'put-box',
      method: 'PUT',
      path: '/{name}',
      params: { name: boxName },
      access: ['create', 'overwrite'],
      package: ({ name }) => name,
      body: { max: 1000, parse: (body) => body.json() },
      handler: async ({ body }) => {
        bodies.unshift(body);
        return json({ ok: true }, 'no-store', { status: 201 });
      },
    }),
    route({
      id: 'delete-box',
      method: 'DELETE',
      path: '/{name}',
      params: { name: boxName },
      access: 'delete',
      package: ({ name }) => name,
      handler: async () => empty(204),
    }),
  ];
}

function freeRoutes(bodies: unknown[]): Route[] {
  return [
    route({
      id: 'ping',
      method: 'GET',
      path: '/-/ping',
      params: {},
      access: 'public',
      handler: async () => json({}, 'revalidate'),
    }),
    route({
      id: 'all',
      method: 'GET',
      path: '/-/all',
      params: {},
      access: 'filtered',
      handler: async (call) => {
        const { items, complete } = await call.listing();
        return json({ names: items.map(({ identity }) => identity), complete }, 'revalidate');
      },
    }),
    route({
      id: 'whoami',
      method: 'GET',
      path: '/-/whoami',
      params: {},
      access: 'authenticated',
      handler: async ({ principal }) => json({ user: principal?.userId }, 'revalidate'),
    }),
    route({
      id: 'text',
      method: 'GET',
      path: '/-/text/{text}',
      params: { text: anyText },
      access: 'public',
      handler: async ({ params }) => json(params.text, 'no-store', { headers: { 'Toy-Echo': params.text } }),
    }),
    route({
      id: 'moved',
      method: 'GET',
      path: '/-/moved/{text}',
      params: { text: anyText },
      access: 'public',
      handler: async ({ params, baseUrl }) => redirect(302, `${baseUrl}/${params.text}`),
    }),
    route({
      id: 'echo',
      method: 'POST',
      path: '/-/echo',
      params: {},
      access: 'public',
      body: { max: 100_000, codings: ['gzip'] },
      handler: async ({ body, query }) => {
        const seen = query.get('as') === 'json' ? await body.json() : await whole(body);
        bodies.unshift(seen);
        return json({ seen }, 'no-store');
      },
    }),
  ];
}

/** A repository of toys behind the real pipeline. `extra` routes come first. */
export function toy(overrides: Partial<Site> = {}, extra: readonly Route[] = [], errors: ErrorFormat = toyErrors): Toy {
  const source = new ToySource();
  const gate = new ToyGate();
  const faults: Toy['faults'] = [];
  const bodies: unknown[] = [];
  const blob = new WatchedContent(Uint8Array.from({ length: 1000 }, (_, at) => at % 251));
  const routes = [...extra, ...freeRoutes(bodies), ...boxRoutes(blob, bodies)];
  const instance: ProtocolInstance = { protocol: 'toy', resourceType: 'box', routes, errors };
  gate.tokens.set('alice', { user: 'alice', may: () => true });
  gate.tokens.set('reader', { user: 'reader', may: (action) => action === 'read' });
  gate.tokens.set('nobody', { user: 'nobody', may: () => false });
  const onFault = (error: unknown, where: FaultPlace): void => void faults.push({ error, where });
  const site: Site = { instance, source, gate, runtime: systemRuntime, limits: DEFAULT_LIMITS, onFault, ...overrides };
  const ask = (request: Partial<RegistryRequest>): Promise<RawResponse> =>
    dispatch(site, {
      method: 'GET',
      path: '/-/ping',
      rawQuery: '',
      headers: {},
      body: undefined,
      baseUrl: 'http://toys.example/toy',
      address: '192.0.2.1',
      actor: undefined,
      signal: undefined,
      ...request,
    });
  return { site, source, gate, faults, routes, bodies, blob, ask };
}

/** A route of its own, for one test. */
export const publicGet = (path: string, handler: () => Promise<Reply>): Route =>
  route({ id: 'extra', method: 'GET', path, params: {}, access: 'public', handler });

export async function textOf({ body }: RawResponse): Promise<string> {
  if (body === undefined) return '';
  if (body instanceof Uint8Array) return Buffer.from(body).toString('latin1');
  const parts: Uint8Array[] = [];
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
  return Buffer.concat(parts).toString('latin1');
}
