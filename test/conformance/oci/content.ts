import { gzipSync } from 'node:zlib';
import { type Algorithm, digestOf } from './client.js';

export const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';
export const CONFIG = 'application/vnd.oci.image.config.v1+json';
export const EMPTY = 'application/vnd.oci.empty.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';
const ELSEWHERE = 'application/vnd.oci.image.layer.nondistributable.v1.tar';
const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
const OLD_ARTIFACT = 'application/vnd.oci.artifact.manifest.v1+json';
export const SBOM = 'application/vnd.example.sbom';
export const SIGNATURE = 'application/vnd.example.signature';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

export interface Manifest extends Descriptor {
  readonly bytes: Buffer;
  readonly subject: string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** What one image repository is to hold: blobs, then manifests in an order in which they can be pushed, and tags. */
export class Content {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests: Manifest[] = [];
  readonly tags = new Map<string, string>();
  private readonly algorithm: Algorithm;
  private readonly salt: string;
  private count = 0;

  constructor(salt: string, algorithm: Algorithm = 'sha256') {
    this.salt = salt;
    this.algorithm = algorithm;
  }

  blob(bytes: Uint8Array, mediaType: string, more: Fields = {}): Descriptor {
    const digest = digestOf(bytes, this.algorithm);
    this.blobs.set(digest, Buffer.from(bytes));
    return { mediaType, digest, size: bytes.byteLength, ...more };
  }

  /** Bytes that are nowhere else. */
  unique(length: number): Buffer {
    this.count += 1;
    const seed = `${this.salt} ${this.count} `;
    return Buffer.from(seed.repeat(Math.ceil(length / seed.length)).slice(0, length));
  }

  layer(form: 'tar' | 'tar+gzip' = 'tar+gzip'): Descriptor {
    const bytes = this.unique(1_200);
    return form === 'tar' ? this.blob(bytes, LAYER) : this.blob(gzipSync(bytes), `${LAYER}+gzip`);
  }

  config(more: Fields = {}): Descriptor {
    return this.blob(Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', salt: this.unique(20), ...more })), CONFIG);
  }

  empty(mediaType = EMPTY): Descriptor {
    return this.blob(Buffer.from('{}'), mediaType);
  }

  /** A document as it is sent, kept under its digest; `tag` points to it. Without a media type of its own it goes as an image. */
  manifest(fields: Fields, tag?: string): Manifest {
    const bytes = Buffer.from(JSON.stringify(fields, null, 1));
    const {
      mediaType = IMAGE,
      artifactType,
      annotations,
      subject,
      config,
    } = fields as {
      mediaType?: string;
      artifactType?: string;
      annotations?: Record<string, string>;
      subject?: Descriptor;
      config?: Descriptor;
    };
    const kind = artifactType ?? (mediaType === IMAGE ? config?.mediaType : undefined);
    const manifest: Manifest = {
      mediaType,
      digest: digestOf(bytes, this.algorithm),
      size: bytes.byteLength,
      ...(kind === undefined ? {} : { artifactType: kind }),
      ...(annotations === undefined ? {} : { annotations }),
      bytes,
      subject: subject?.digest,
    };
    this.manifests.push(manifest);
    if (tag !== undefined) this.tags.set(tag, manifest.digest);
    return manifest;
  }

  image(fields: Fields = {}, tag?: string): Manifest {
    const layers = Object.hasOwn(fields, 'layers') ? {} : { layers: [this.layer(), this.layer(), this.layer()] };
    const config = Object.hasOwn(fields, 'config') ? {} : { config: this.config() };
    return this.manifest({ schemaVersion: 2, mediaType: IMAGE, ...config, ...layers, ...fields }, tag);
  }

  index(children: readonly Descriptor[], fields: Fields = {}, tag?: string): Manifest {
    const manifests = children.map((child, at) => ({
      ...described(child),
      platform: { os: 'linux', architecture: at === 0 ? 'amd64' : 'arm64' },
    }));
    return this.manifest({ schemaVersion: 2, mediaType: INDEX, manifests, ...fields }, tag);
  }

  artifact(kind: string, fields: Fields = {}, tag?: string): Manifest {
    const annotations = { 'org.example.note': `for ${kind}`, 'org.example.number': String(this.unique(8)) };
    const layers = [this.blob(this.unique(300), kind)];
    return this.image({ artifactType: kind, config: this.empty(), layers, annotations, ...fields }, tag);
  }
}

/** Only what a descriptor that points to it says. */
export const described = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });

export interface Variant {
  readonly title: string;
  /** Tags go with `?tag=` of the push by digest, not by pushes of their own. */
  readonly tagged?: boolean;
  fill(content: Content): void;
  readonly algorithm?: Algorithm;
}

const pair = (content: Content): readonly Manifest[] => [content.image(), content.image()];

/** Every kind of content that a registry has to keep as it came (image-spec 1.1, and what older clients still send). */
export const VARIANTS: readonly Variant[] = [
  { title: 'an image', fill: (c) => void c.image({}, 'image') },
  { title: 'an image with plain layers', fill: (c) => void c.image({ layers: [c.layer('tar'), c.layer('tar')] }, 'plain') },
  {
    title: 'oci 26: an image with a manifest of nearly 4 MiB',
    fill: (c) =>
      void c.image(
        { annotations: Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`n${n}`, 'a'.repeat(9_900)])) },
        'big',
      ),
  },
  { title: 'oci 25: an index', fill: (c) => void c.index(pair(c), {}, 'index') },
  { title: 'oci 25: an index of indexes', fill: (c) => void c.index([c.index(pair(c)), c.index(pair(c))], {}, 'nested') },
  { title: 'an index of nothing', fill: (c) => void c.index([], {}, 'nothing') },
  { title: 'an artifact', fill: (c) => void c.artifact(SBOM, {}, 'artifact') },
  {
    title: 'an index of artifacts',
    fill: (c) => void c.index([c.artifact(SBOM), c.artifact(SBOM)], { artifactType: SBOM }, 'artifacts'),
  },
  { title: 'oci 27: an artifact without layers', fill: (c) => void c.artifact(SBOM, { layers: [c.empty()] }, 'bare') },
  { title: 'oci 27: an artifact whose list of layers is empty', fill: (c) => void c.artifact(SBOM, { layers: [] }, 'none') },
  {
    title: 'oci 28: an image, and artifacts about it',
    fill: (c) => {
      const subject = described(c.image({}, 'subject'));
      c.image({ subject });
      c.artifact(SBOM, { subject }, 'sbom');
      c.artifact(SIGNATURE, { subject }, 'signature');
    },
  },
  {
    title: 'oci 28: an index, and indexes about it',
    fill: (c) => {
      const subject = described(c.index(pair(c), {}, 'subject'));
      c.index([c.artifact(SBOM)], { subject, artifactType: SBOM, annotations: { 'org.example.note': 'an index' } }, 'about');
      c.index([], { subject });
    },
  },
  {
    title: 'oci 28: an artifact about what is not there',
    fill: (c) => {
      const subject = { mediaType: IMAGE, digest: digestOf(c.unique(99)), size: 123 };
      c.artifact(SBOM, { subject }, 'orphan');
    },
  },
  {
    title: 'oci 27: descriptors that hold their data',
    fill: (c) => {
      const config = c.config();
      const layer = c.layer();
      const data = (one: Descriptor): Descriptor => ({ ...one, data: c.blobs.get(one.digest)?.toString('base64') });
      c.image({ config: { ...data(config), newField: 'nobody knows' }, layers: [data(layer)] }, 'data');
    },
  },
  {
    title: 'oci 27: layers that may not be given away',
    fill: (c) => {
      const elsewhere = (mediaType: string): Descriptor => {
        const digest = digestOf(c.unique(64));
        return { mediaType, digest, size: 12_345, urls: [`https://store.example/${digest}`] };
      };
      c.image({ layers: [elsewhere(`${ELSEWHERE}+gzip`), elsewhere(ELSEWHERE), c.layer()] }, 'elsewhere');
    },
  },
  {
    title: 'oci 27: fields that nobody knows',
    fill: (c) => {
      const more = { 'org.example.field': { deep: [1, null, 'x'] } };
      c.index([c.image({ config: c.config(more), ...more }), c.image(more)], more, 'fields');
    },
  },
  { title: 'oci 27: an image without layers', fill: (c) => void c.image({ layers: [] }, 'flat') },
  {
    title: 'oci 27: an image that does not say what it is',
    fill: (c) => void c.image({ mediaType: undefined, layers: [] }, 'nameless'),
  },
  {
    title: 'oci 18: an image with an empty blob',
    fill: (c) => void c.image({ layers: [c.blob(Buffer.alloc(0), LAYER), c.layer()] }, 'empty'),
  },
  {
    title: 'an image for Docker, and a list of such',
    fill: (c) => {
      const image = (tag?: string): Manifest => {
        const layers = [c.blob(c.unique(500), DOCKER_LAYER)];
        return c.image({ mediaType: DOCKER_IMAGE, config: c.blob(c.unique(50), DOCKER_CONFIG), layers }, tag);
      };
      c.index([image('one'), image()], { mediaType: DOCKER_LIST }, 'list');
    },
  },
  {
    title: 'an artifact of the older kind, without config',
    fill: (c) => {
      const subject = described(c.image({}, 'subject'));
      const blobs = [c.blob(c.unique(70), SBOM)];
      c.manifest({ mediaType: OLD_ARTIFACT, artifactType: SBOM, blobs, subject }, 'old');
    },
  },
  { title: 'oci 17: an index and all below it by sha512', algorithm: 'sha512', fill: (c) => void c.index(pair(c)) },
  {
    title: 'tags that come with digests',
    tagged: true,
    fill: (c) => {
      const index = c.index(pair(c), {}, 'first');
      c.tags.set('second', index.digest);
      for (const [n, { digest }] of c.manifests.entries()) c.tags.set(`number-${n}`, digest);
    },
  },
  {
    title: 'oci 17: tags that come with digests of sha512',
    tagged: true,
    algorithm: 'sha512',
    fill: (c) => {
      const index = c.index(pair(c), {}, 'first');
      c.tags.set('second', index.digest);
      for (const [n, { digest }] of c.manifests.entries()) c.tags.set(`number-${n}`, digest);
    },
  },
];

export function contentOf(variant: Variant): Content {
  const content = new Content(variant.title, variant.algorithm);
  variant.fill(content);
  return content;
}
