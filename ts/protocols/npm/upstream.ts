import { RegistryError } from '../../errors/registry-error.js';
import { parseJsonObjectInTurns } from '../../formats/json-in-turns.js';
import { utf8 } from '../../lib/bytes.js';
import { nextTurn, Pace } from '../../lib/turns.js';
import type { UpstreamFormat } from '../../packages/upstream-format.js';
import { UpstreamFailure } from '../../upstream/ask.js';
import { type Fields, isFields } from './fields.js';
import { MAX_TAGS, MAX_TARBALL } from './limits.js';
import { composeManifest } from './manifest.js';
import { type NpmName, parseName, tarballName } from './names.js';
import type { NpmFile, NpmPackage, NpmRelease, NpmState, Person, Signature } from './state.js';
import { tagProblem } from './tags.js';
import { canonicalVersion } from './versions.js';

/** The largest that the public registry was seen to send has some 40 MB. */
const MAX_DOCUMENT = 64 * 1024 * 1024;
const MAX_VALUES = 4_000_000;
const MAX_MANIFEST = 1024 * 1024;
const MAX_README = 1024 * 1024;
const MAX_PEOPLE = 100;
const MAX_TEXT = 1_024;
const MAX_SIGNATURES = 16;
/** Bytes of manifests that are made in one turn of the event loop. */
const A_TURN = 256 * 1024;
const RELEASE_WEIGHT = 2_048;

const unusable = (cause?: unknown): UpstreamFailure =>
  new UpstreamFailure('upstream_failed', 'the upstream registry sent something that is no document of this package', { cause });

const textOf = (value: unknown, max = MAX_TEXT): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= max ? value : undefined;

const timeOf = (value: unknown): number => {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(at) && at > 0 ? Math.floor(at) : 0;
};

const countOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

function personOf(value: unknown): Person | undefined {
  const name = isFields(value) ? textOf(value['name'], 256) : undefined;
  return name === undefined ? undefined : { name, email: (isFields(value) && textOf(value['email'], 256)) || '' };
}

/** The strongest digests that installers know; none: what arrives could not be checked. */
function digestsOf(dist: Fields): { sha512?: string; sha1?: string } | undefined {
  const [, base64 = ''] = /(?:^|\s)sha512-([A-Za-z0-9+/]{86}==)(?=$|\s|\?)/.exec(textOf(dist['integrity'], 4_096) ?? '') ?? [];
  const sha1 = /^[0-9a-f]{40}$/i.exec(textOf(dist['shasum']) ?? '')?.[0].toLowerCase();
  if (base64 === '' && sha1 === undefined) return undefined;
  return {
    ...(base64 === '' ? {} : { sha512: Buffer.from(base64, 'base64').toString('hex') }),
    ...(sha1 === undefined ? {} : { sha1 }),
  };
}

/** Of the registry that the version comes from: `/-/npm/v1/keys` has its keys as well. */
function signaturesOf(value: unknown): readonly Signature[] | undefined {
  const listed = Array.isArray(value) ? value.slice(0, MAX_SIGNATURES) : [];
  const signatures = listed.flatMap((one: unknown) => {
    const { keyid, sig } = isFields(one) ? one : {};
    const plain = typeof keyid === 'string' && /^[\w:+/=-]{1,200}$/.test(keyid);
    return plain && typeof sig === 'string' && /^[A-Za-z0-9+/=]{1,1000}$/.test(sig) ? [{ keyid, sig }] : [];
  });
  return signatures.length > 0 ? signatures : undefined;
}

function addressOf(value: unknown): string | undefined {
  const text = textOf(value, 4_096);
  return text !== undefined && /^https?:\/\/[^/?#\s]/i.test(text) && URL.canParse(text) ? text : undefined;
}

/** Undefined: a version that could not be served as this package's, or not be checked. */
function releaseOf(name: NpmName, version: string, fields: Fields, publishedAt: number): NpmRelease | undefined {
  const dist = fields['dist'];
  if (fields['name'] !== name.full || !isFields(dist)) return undefined;
  const digests = digestsOf(dist);
  const url = addressOf(dist['tarball']);
  const manifest = digests && url !== undefined ? manifestOf(name, version, fields) : undefined;
  if (!digests || url === undefined || !manifest) return undefined;
  const [fileCount, unpackedSize] = [countOf(dist['fileCount']), countOf(dist['unpackedSize'])];
  const by = personOf(fields['_npmUser']);
  const signatures = signaturesOf(dist['signatures']);
  const data: NpmFile = {
    ...(fileCount === undefined ? {} : { fileCount }),
    ...(unpackedSize === undefined ? {} : { unpackedSize }),
    ...(by && { by }),
    ...(signatures && { signatures }),
  };
  const { deprecated } = fields;
  const yanked = deprecated === true || (typeof deprecated === 'string' && deprecated !== '');
  return {
    version,
    publishedAt,
    publishedBy: '',
    status: yanked ? 'yanked' : 'published',
    reason: yanked ? textOf(deprecated, 65_536) : undefined,
    manifest: { bytes: manifest },
    files: [
      { name: tarballName(name, version), size: 0, digests: { sha256: '', ...digests }, key: url, uploadedAt: publishedAt, data },
    ],
  };
}

/** Who packed it with what: all else that begins so is the other registry's own book-keeping. */
const KEPT: ReadonlySet<string> = new Set(['_nodeVersion', '_npmVersion']);

/** What leads to the other registry means nothing here, and its address is nobody's business. */
const isForeign = (field: string): boolean => field === 'publishConfig' || (field.startsWith('_') && !KEPT.has(field));

/** Put together like our own: the same fields in the same form, nothing that only the other registry means. */
function manifestOf(name: NpmName, version: string, given: Fields): Uint8Array | undefined {
  const fields = Object.fromEntries(Object.entries(given).filter(([field]) => !isForeign(field)));
  try {
    const facts = {
      manifest: fields,
      hasShrinkwrap: given['_hasShrinkwrap'] === true,
      hasBindingGyp: fields['gypfile'] === true,
      hasInstallScript: fields['hasInstallScript'] === true,
    };
    const bytes = utf8(composeManifest(name, version, fields, facts));
    return bytes.byteLength <= MAX_MANIFEST ? bytes : undefined;
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

async function releasesOf(name: NpmName, document: Fields, times: Fields): Promise<Map<string, NpmRelease>> {
  const releases = new Map<string, NpmRelease>();
  const pace = new Pace(A_TURN);
  const versions = document['versions'];
  for (const [key, fields] of isFields(versions) ? Object.entries(versions) : []) {
    const version = canonicalVersion(key);
    if (version === undefined || releases.has(version) || !isFields(fields)) continue;
    const release = releaseOf(name, version, fields, timeOf(times[key]));
    if (!release) continue;
    releases.set(version, release);
    if (pace.due(RELEASE_WEIGHT + weightOf(release))) await nextTurn();
  }
  return releases;
}

const weightOf = ({ manifest }: NpmRelease): number => (manifest && 'bytes' in manifest ? manifest.bytes.byteLength : 0);

function tagsOf(document: Fields, releases: ReadonlyMap<string, NpmRelease>): Map<string, string> {
  const tags = new Map<string, string>();
  const given = document['dist-tags'];
  for (const [tag, version] of isFields(given) ? Object.entries(given) : []) {
    const canonical = typeof version === 'string' ? canonicalVersion(version) : undefined;
    if (canonical === undefined || !releases.has(canonical) || tagProblem(tag) !== undefined) continue;
    tags.set(tag, canonical);
    if (tags.size === MAX_TAGS) break;
  }
  return tags;
}

function packageOf(document: Fields): NpmPackage {
  const readme = textOf(document['readme'], MAX_README);
  const readmeFilename = textOf(document['readmeFilename']);
  const maintainers = Array.isArray(document['maintainers']) ? document['maintainers'].slice(0, MAX_PEOPLE) : [];
  return {
    stars: [],
    maintainers: maintainers.flatMap((one) => personOf(one) ?? []),
    ...(readme === undefined ? {} : { readme }),
    ...(readmeFilename === undefined ? {} : { readmeFilename }),
  };
}

async function parsed(bytes: Uint8Array): Promise<Fields> {
  try {
    const limits = { maxBytes: MAX_DOCUMENT, maxValues: MAX_VALUES, maxNames: MAX_VALUES };
    return await parseJsonObjectInTurns(bytes, limits);
  } catch (error) {
    if (error instanceof RegistryError) throw unusable(error);
    throw error;
  }
}

/** What is not said about the package, or lies, is left out; what is not about this package at all is no answer. */
async function read(identity: string, bytes: Uint8Array): Promise<NpmState> {
  const name = parseName(identity);
  const document = await parsed(bytes);
  if (document['name'] !== name.full) throw unusable();
  const times = isFields(document['time']) ? document['time'] : {};
  const releases = await releasesOf(name, document, times);
  const data = packageOf(document);
  const published = [...releases.values()].map(({ publishedAt }) => publishedAt).filter((at) => at > 0);
  const createdAt = timeOf(times['created']) || published.reduce((a, b) => Math.min(a, b), published[0] ?? 0);
  let weight = RELEASE_WEIGHT + 2 * (data.readme?.length ?? 0);
  for (const release of releases.values()) weight += RELEASE_WEIGHT + weightOf(release);
  return {
    name: name.full,
    data,
    releases,
    tags: tagsOf(document, releases),
    owners: [],
    visibility: 'public',
    createdAt,
    modifiedAt: timeOf(times['modified']) || published.reduce((a, b) => Math.max(a, b), createdAt),
    weight,
  };
}

/** Other npm registries. https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md */
export const npmUpstream: UpstreamFormat<NpmState> = {
  document: (name) => ({ target: name.replace('/', '%2f'), accept: 'application/json', max: MAX_DOCUMENT }),
  read,
  maxFile: MAX_TARBALL,
};
