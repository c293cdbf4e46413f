import { parseJsonObjectInTurns } from '../../formats/json-in-turns.js';
import { essenceOf } from '../../lib/media-type.js';
import { manifestInvalid } from './errors.js';
import { MAX_MANIFEST } from './limits.js';
import { digestOf, parseDigest } from './names.js';

export const INDEX = 'application/vnd.oci.image.index.v1+json';
export const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const ARTIFACT = 'application/vnd.oci.artifact.manifest.v1+json';
const OUTDATED = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;
/** Layers that may not be given away: manifests name them, registries need not have them. */
const ELSEWHERE = /nondistributable|\.foreign\./;
const MAX_REFERENCES = 8_192;
/** Members of all objects: room for as many references as there may be, and what they say of themselves. */
const MAX_NAMES = 100_000;
const MAX_TYPE = 1_024;
/** JSON characters of annotations that are kept beside the referrer itself. */
const MAX_KEPT_ANNOTATIONS = 2_048;

type Fields = { readonly [field: string]: unknown };

/** What a manifest points to. */
export interface Descriptor {
  readonly digest: string;
  readonly size: number;
  /** It need not be here. */
  readonly elsewhere: boolean;
}

/** What a registry has to know of a manifest; its bytes are kept as they are. */
export interface ParsedManifest {
  /** Without parameters. */
  readonly mediaType: string;
  readonly blobs: readonly Descriptor[];
  readonly children: readonly Descriptor[];
  readonly subject: string | undefined;
  readonly artifactType: string | undefined;
  /** Of a manifest with a subject: undefined, none; null, too large to be kept beside it. */
  readonly annotations: Readonly<Record<string, string>> | null | undefined;
}

/** Fields that say what a manifest is and what it points to. */
const MANIFEST_FIELDS = folds(
  'schemaVersion mediaType artifactType config layers manifests blobs subject annotations fsLayers history',
);
const DESCRIPTOR_FIELDS = folds('mediaType digest size urls');

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** As Go compares names of fields: the long s is an s there. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll('\u017f', 's');
}

/** Field names by their folded form. */
function folds(names: string): ReadonlyMap<string, string> {
  return new Map(names.split(' ').map((name) => [folded(name), name]));
}

/** One document, one meaning: readers written in Go take `Layers` for `layers`, and the last one of the two for the one that counts. */
function checkSpelling(fields: Fields, known: ReadonlyMap<string, string>, where: string): void {
  for (const name of Object.keys(fields)) {
    const meant = known.get(folded(name));
    if (meant !== undefined && meant !== name) throw manifestInvalid(`${where} has another spelling of ${meant}`);
  }
}

/** Layers alone may be elsewhere: without its config or a child, what looks whole could not be copied. */
function descriptor(value: unknown, where: string, mayBeElsewhere = false): Descriptor {
  if (!isFields(value)) throw manifestInvalid(`${where} is not a descriptor`);
  checkSpelling(value, DESCRIPTOR_FIELDS, where);
  const { digest, size, mediaType, urls } = value;
  if (typeof digest !== 'string') throw manifestInvalid(`${where} has no digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw manifestInvalid(`${where} has no size`);
  if (typeof mediaType !== 'string') throw manifestInvalid(`${where} has no mediaType`);
  const elsewhere = mayBeElsewhere && (ELSEWHERE.test(mediaType) || (Array.isArray(urls) && urls.length > 0));
  return { digest: parseDigest(digest).text, size, elsewhere };
}

function descriptors(fields: Fields, name: string): readonly Descriptor[] {
  const list = fields[name];
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw manifestInvalid(`${name} is not a list`);
  if (list.length > MAX_REFERENCES) throw manifestInvalid(`${name} has more than ${MAX_REFERENCES} members`);
  return list.map((value, at) => descriptor(value, `${name}[${at}]`, name !== 'manifests'));
}

function typeOf(contentType: string, fields: Fields): string {
  const sent = essenceOf(contentType);
  if (sent === '' && contentType.trim() !== '') throw manifestInvalid('the Content-Type is not a media type');
  const own = fields['mediaType'];
  if (own !== undefined && typeof own !== 'string') throw manifestInvalid('mediaType is not a text');
  const mediaType = sent === '' ? own : sent;
  if (mediaType === undefined || mediaType === '') throw manifestInvalid('a manifest needs a Content-Type');
  if (own !== undefined && own !== '' && own !== mediaType)
    throw manifestInvalid('the Content-Type is not the mediaType of the manifest', { contentType: mediaType, mediaType: own });
  if (mediaType.length > MAX_TYPE) throw manifestInvalid('the media type is too long');
  if (OUTDATED.test(mediaType) || fields['schemaVersion'] === 1)
    throw manifestInvalid('manifests of schema 1 are not accepted: push with a client that speaks schema 2 or OCI');
  return mediaType;
}

/** One document, one meaning: what could be read as an index and as an image alike is refused (CVE-2021-41190). */
function checkShape(mediaType: string, fields: Fields): void {
  const index = 'manifests' in fields;
  const image = 'layers' in fields || 'config' in fields || 'fsLayers' in fields || 'history' in fields;
  if (index && (image || 'blobs' in fields)) throw manifestInvalid('a manifest may not be an index and an image at once');
  const wantsIndex = mediaType === INDEX || mediaType === DOCKER_LIST;
  const wantsImage = mediaType === IMAGE || mediaType === DOCKER_IMAGE;
  if (wantsIndex && !index) throw manifestInvalid('an index needs manifests');
  if ((wantsImage || mediaType === ARTIFACT) && index) throw manifestInvalid('this media type has no manifests');
  if (wantsIndex && image) throw manifestInvalid('an index has no layers');
  if (wantsImage && !isFields(fields['config'])) throw manifestInvalid('an image manifest needs a config');
  if ((wantsIndex || wantsImage) && fields['schemaVersion'] !== 2) throw manifestInvalid('schemaVersion must be 2');
}

function textField(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || value.length > MAX_TYPE) throw manifestInvalid(`${name} is not a media type`);
  return value;
}

const isTexts = (value: unknown): value is Readonly<Record<string, string>> =>
  isFields(value) && Object.values(value).every((one) => typeof one === 'string');

/** Annotations as JSON; those that are none count as absent. */
export const annotationsOf = (fields: Fields): Readonly<Record<string, string>> | undefined => {
  const value = fields['annotations'];
  return isTexts(value) && Object.keys(value).length > 0 ? value : undefined;
};

function keptAnnotations(fields: Fields): ParsedManifest['annotations'] {
  // of a quarter of a million nobody has to see more than the first
  let characters = 0;
  for (const name in isFields(fields['annotations']) ? fields['annotations'] : {}) {
    characters += name.length;
    if (characters > MAX_KEPT_ANNOTATIONS) return null;
  }
  const annotations = annotationsOf(fields);
  return annotations !== undefined && JSON.stringify(annotations).length > MAX_KEPT_ANNOTATIONS ? null : annotations;
}

/** JSON of a manifest that was stored, or that somebody sends. Throws MANIFEST_INVALID. */
export async function manifestFields(bytes: Uint8Array): Promise<Fields> {
  try {
    return await parseJsonObjectInTurns(bytes, {
      maxBytes: MAX_MANIFEST,
      what: 'the manifest',
      unique: true,
      maxNames: MAX_NAMES,
    });
  } catch (cause) {
    throw manifestInvalid('the manifest is not a JSON object', cause instanceof Error ? { reason: cause.message } : undefined);
  }
}

/**
 * Reads a manifest of any media type (image-spec 1.1; Docker's image manifest version 2, schema 2; the artifact manifest of the release candidates).
 * Types that are not known are read by their shape. Throws MANIFEST_INVALID and DIGEST_INVALID.
 */
export async function parseManifest(bytes: Uint8Array, contentType: string): Promise<ParsedManifest> {
  const fields = await manifestFields(bytes);
  checkSpelling(fields, MANIFEST_FIELDS, 'the manifest');
  const mediaType = typeOf(contentType, fields);
  checkShape(mediaType, fields);
  const config = isFields(fields['config']) ? fields['config'] : undefined;
  const subject =
    fields['subject'] === undefined || fields['subject'] === null ? undefined : descriptor(fields['subject'], 'subject');
  const artifactType = textField(fields, 'artifactType') ?? (config ? textField(config, 'mediaType') : undefined);
  return {
    mediaType,
    blobs: [...(config ? [descriptor(config, 'config')] : []), ...descriptors(fields, 'layers'), ...descriptors(fields, 'blobs')],
    children: descriptors(fields, 'manifests'),
    subject: subject?.digest,
    artifactType,
    annotations: subject === undefined ? undefined : keptAnnotations(fields),
  };
}

/** A subject may be asked for that is not here; what it is called must be a digest. */
export const isSubject = (text: string): boolean => digestOf(text) !== undefined;
