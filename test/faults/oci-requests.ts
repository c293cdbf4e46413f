import { type Ask, digestOf, type Process, type Told } from './oci-world.js';

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';
const APP = '/v2/team/app';
const OTHER = '/v2/team/other';
const NOTHING = { body: new Uint8Array(0) } as const;

const bytes = (text: string): Buffer => Buffer.from(text);
const described = (mediaType: string, content: Buffer) => ({ mediaType, digest: digestOf(content), size: content.length });

const CONFIG = bytes('{"os":"linux"}');
const LAYERS = ['the first layer', 'another layer'].map(bytes) as [Buffer, Buffer];
const SPARE = bytes('nobody names this');
const SHARED = bytes('in the other repository');
const NEW = bytes('a blob that has not been here before');
const HALF = 20;

const image = (layers: readonly Buffer[], more: object = {}): Buffer =>
  bytes(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: IMAGE,
      config: described('application/vnd.oci.image.config.v1+json', CONFIG),
      layers: layers.map((one) => described(LAYER, one)),
      ...more,
    }),
  );
const FIRST = image([LAYERS[0]]);
const SECOND = image(LAYERS);
const ABOUT = image([LAYERS[1]], { subject: described(IMAGE, FIRST), artifactType: 'application/vnd.example.sbom' });
const THIRD = image([], { subject: described(IMAGE, FIRST), artifactType: 'application/vnd.example.other' });
const LIST = bytes(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [described(IMAGE, FIRST)] }));

const MANIFESTS = [FIRST, SECOND, ABOUT, THIRD, LIST];
const BLOBS = [CONFIG, ...LAYERS, SPARE, SHARED, NEW];

async function must(work: Promise<Told>, expected: number): Promise<Told> {
  const told = await work;
  if (told.status !== expected) throw new Error(`${told.status} and not ${expected}: ${told.bytes.toString('utf8')}`);
  return told;
}

const whole = (ask: Ask, at: string, content: Buffer): Promise<Told> =>
  ask('POST', `${at}/blobs/uploads/?digest=${digestOf(content)}`, { body: content });
const manifest = (ask: Ask, reference: string, content: Buffer, type = IMAGE): Promise<Told> =>
  ask('PUT', `${APP}/manifests/${reference}`, { body: content, headers: { 'content-type': type } });

/** What is there before anything goes wrong. */
export async function furnish(ask: Ask): Promise<void> {
  for (const content of [CONFIG, ...LAYERS, SPARE]) await must(whole(ask, APP, content), 201);
  await must(whole(ask, OTHER, SHARED), 201);
  await must(manifest(ask, 'v1', FIRST), 201);
  await must(manifest(ask, `${digestOf(SECOND)}?tag=v2&tag=moving`, SECOND), 201);
  await must(manifest(ask, digestOf(ABOUT), ABOUT), 201);
}

export type View = Readonly<Record<string, string>>;

/** Everything that anybody can ask, in one line for each thing. `location` is an upload's. */
export async function view({ ask, anonymously: look }: Process, location: string): Promise<View> {
  const lines: Record<string, string> = {};
  const put = (line: string, { status }: Told, more = ''): void => {
    lines[line] = `${status} ${more}`;
  };
  const tags = await look('GET', `${APP}/tags/list`);
  put('tags', tags, tags.bytes.toString('utf8'));
  for (const tag of ['v1', 'v2', 'moving', 'new', 'newer']) {
    const told = await look('HEAD', `${APP}/manifests/${tag}`);
    put(`tag ${tag}`, told, told.headers['docker-content-digest']);
  }
  const referrers = await look('GET', `${APP}/referrers/${digestOf(FIRST)}`);
  put('referrers', referrers, referrers.bytes.toString('utf8'));
  for (const content of MANIFESTS) {
    const told = await look('GET', `${APP}/manifests/${digestOf(content)}`);
    put(`manifest ${digestOf(content)}`, told, told.status === 200 ? digestOf(told.bytes) : '');
  }
  for (const at of [APP, OTHER])
    for (const content of BLOBS) {
      const told = await look('GET', `${at}/blobs/${digestOf(content)}`);
      put(`blob ${at} ${content}`, told, told.status === 200 ? digestOf(told.bytes) : '');
    }
  if (location !== '') {
    const told = await ask('GET', location);
    put('upload', told, told.headers['range']);
  }
  return lines;
}

export interface Operation {
  readonly name: string;
  /** An upload that is under way, with so many bytes. */
  readonly upload?: number;
  act(process: Process, location: string): Promise<Told>;
  readonly ok: number;
  /** What the same request may hear that has been obeyed before. */
  readonly done: readonly number[];
  /** Calls that it makes at least. */
  readonly points: number;
  /** Milliseconds that pass before it. */
  readonly later?: number;
  /** Its parts happen one by one: each may have happened, or not. */
  readonly piecemeal?: boolean;
  /** How its upload may stand in between. */
  readonly between?: string;
  /** Failures stay inside: that it ends says nothing. */
  readonly quiet?: boolean;
  /** What a client does whose upload is lost. */
  readonly afresh?: boolean;
}

const chunk = (from: number, to: number) => ({
  body: NEW.subarray(from, to),
  headers: { 'content-range': `${from}-${to - 1}` },
});
const finish = (location: string): string => `${location}?digest=${digestOf(NEW)}`;
const DAY = 24 * 60 * 60 * 1000;

/** Every request by which OCI clients change something, and the collection. */
export const OPERATIONS: readonly Operation[] = [
  { name: 'POST', act: ({ ask }) => ask('POST', `${APP}/blobs/uploads/`, NOTHING), ok: 202, done: [202], points: 1 },
  { name: 'POST with the blob', act: ({ ask }) => whole(ask, APP, NEW), ok: 201, done: [201], points: 4 },
  { name: 'POST with a blob that is here', act: ({ ask }) => whole(ask, APP, SPARE), ok: 201, done: [201], points: 4 },
  {
    name: 'PATCH, the first',
    upload: 0,
    act: ({ ask }, location) => ask('PATCH', location, chunk(0, HALF)),
    ok: 202,
    done: [202, 416],
    points: 3,
    afresh: true,
  },
  {
    name: 'PATCH, the second',
    upload: HALF,
    act: ({ ask }, location) => ask('PATCH', location, chunk(HALF, NEW.length)),
    ok: 202,
    done: [202, 416],
    points: 4,
    afresh: true,
  },
  {
    name: 'PUT with the blob',
    upload: 0,
    act: ({ ask }, location) => ask('PUT', finish(location), { body: NEW }),
    piecemeal: true,
    between: `204 0-${NEW.length - 1}`,
    ok: 201,
    done: [201, 404],
    points: 8,
    afresh: true,
  },
  {
    name: 'PUT with the last chunk',
    upload: HALF,
    act: ({ ask }, location) => ask('PUT', finish(location), chunk(HALF, NEW.length)),
    piecemeal: true,
    between: `204 0-${NEW.length - 1}`,
    ok: 201,
    done: [201, 404],
    points: 8,
    afresh: true,
  },
  {
    name: 'PUT behind the last chunk',
    upload: NEW.length,
    act: ({ ask }, location) => ask('PUT', finish(location), NOTHING),
    piecemeal: true,
    ok: 201,
    done: [201, 404],
    points: 8,
    afresh: true,
  },
  {
    name: 'mount',
    act: ({ ask }) => ask('POST', `${APP}/blobs/uploads/?mount=${digestOf(SHARED)}&from=team/other`, NOTHING),
    ok: 201,
    done: [201],
    points: 4,
  },
  {
    name: 'cancel',
    upload: HALF,
    act: ({ ask }, location) => ask('DELETE', location),
    ok: 204,
    done: [204, 404],
    points: 3,
    afresh: true,
  },
  { name: 'manifest by tag', act: ({ ask }) => manifest(ask, 'new', THIRD), ok: 201, done: [201], points: 4 },
  { name: 'manifest by a tag that moves', act: ({ ask }) => manifest(ask, 'moving', THIRD), ok: 201, done: [201], points: 4 },
  {
    name: 'manifest by digest, with tags',
    act: ({ ask }) => manifest(ask, `${digestOf(THIRD)}?tag=new&tag=newer&tag=moving`, THIRD),
    ok: 201,
    done: [201],
    points: 4,
  },
  { name: 'index', act: ({ ask }) => manifest(ask, 'new', LIST, INDEX), ok: 201, done: [201], points: 4 },
  { name: 'tag of what is here', act: ({ ask }) => manifest(ask, 'new', SECOND), ok: 201, done: [201], points: 3 },
  { name: 'delete a tag', act: ({ ask }) => ask('DELETE', `${APP}/manifests/moving`), ok: 202, done: [202, 404], points: 3 },
  {
    name: 'delete a manifest',
    act: ({ ask }) => ask('DELETE', `${APP}/manifests/${digestOf(SECOND)}`),
    ok: 202,
    done: [202, 404],
    points: 3,
  },
  {
    name: 'delete a referrer',
    act: ({ ask }) => ask('DELETE', `${APP}/manifests/${digestOf(ABOUT)}`),
    ok: 202,
    done: [202, 404],
    points: 3,
  },
  {
    name: 'delete a blob',
    act: ({ ask }) => ask('DELETE', `${APP}/blobs/${digestOf(SPARE)}`),
    ok: 202,
    done: [202, 404],
    points: 3,
  },
  {
    name: 'HEAD that touches',
    act: async ({ ask }) => ask('HEAD', `${APP}/blobs/${digestOf(SPARE)}`),
    ok: 200,
    done: [200],
    points: 3,
    later: DAY / 2 + 1,
  },
  {
    name: 'collection',
    act: async (process) => {
      await process.collect();
      return { status: 200, headers: {}, bytes: Buffer.alloc(0) };
    },
    ok: 200,
    done: [200],
    points: 8,
    later: 3 * DAY,
    piecemeal: true,
    quiet: true,
  },
];

/** Opens an upload and brings in its first bytes. */
export async function begin(ask: Ask, length: number): Promise<string> {
  const { headers } = await must(ask('POST', `${APP}/blobs/uploads/`, NOTHING), 202);
  const location = headers['location'] ?? '';
  for (let from = 0; from < length; from += HALF)
    await must(ask('PATCH', location, chunk(from, Math.min(length, from + HALF))), 202);
  return location;
}

/** What a client does that has lost its upload. */
export const afresh = (ask: Ask): Promise<Told> => whole(ask, APP, NEW);
