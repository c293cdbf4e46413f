import { concat, utf8 } from '../../lib/bytes.js';
import { cut } from './manifest.js';
import { type NpmName, tarballName } from './names.js';
import { liveReleases, type NpmRelease, type NpmState, tarballOf } from './state.js';

export interface Person {
  readonly name: string;
  /** Empty when it is not known. */
  readonly email: string;
}

/** All that a document is made of. */
export interface RenderInput {
  readonly name: NpmName;
  readonly state: NpmState;
  readonly rev: string;
  /** Public base URL of the repository, without a trailing slash. */
  readonly baseUrl: string;
  /** A release's stored manifest. */
  readonly manifest: (release: NpmRelease) => Uint8Array;
  readonly person: (userId: string) => Person;
  readonly readme: string | undefined;
}

type Part = string | Uint8Array;

/** Text and bytes joined with one copy each. */
function joined(parts: readonly Part[]): Uint8Array {
  const out: Uint8Array[] = [];
  let words = '';
  for (const part of parts) {
    if (typeof part === 'string') words += part;
    else {
      if (words !== '') out.push(utf8(words));
      words = '';
      out.push(part);
    }
  }
  if (words !== '') out.push(utf8(words));
  return concat(out);
}

const q = (value: unknown): string => JSON.stringify(value);
const iso = (milliseconds: number): string => q(new Date(milliseconds).toISOString());
const object = (members: Iterable<string>): string => `{${[...members].join(',')}}`;

/** Where a tarball lies: below the registry's base, as unpublish needs it. */
export const tarballUrl = (baseUrl: string, name: NpmName, version: string): string =>
  `${baseUrl}/${name.full}/-/${encodeURIComponent(tarballName(name, version))}`;

/** `sha512-<base64>` from hex. */
export const integrityOf = (sha512: string): string => `sha512-${Buffer.from(sha512, 'hex').toString('base64')}`;

function dist({ baseUrl, name }: RenderInput, release: NpmRelease): string {
  const file = tarballOf(release);
  if (!file) return '{}';
  const { sha512, sha1 } = file.digests;
  return q({
    ...(sha512 === undefined ? {} : { integrity: integrityOf(sha512) }),
    ...(sha1 === undefined ? {} : { shasum: sha1 }),
    tarball: tarballUrl(baseUrl, name, release.version),
    fileCount: file.data.fileCount,
    unpackedSize: file.data.unpackedSize,
    ...(file.data.signatures ? { signatures: file.data.signatures } : {}),
  });
}

const deprecation = (release: NpmRelease): string =>
  release.status === 'yanked' ? `,"deprecated":${q(release.reason || 'this version has been withdrawn')}` : '';

/** The part of a manifest that installers need. */
function shortManifest(input: RenderInput, release: NpmRelease): Part[] {
  const bytes = input.manifest(release);
  return [bytes.subarray(0, cut(bytes).short), `,"dist":${dist(input, release)}${deprecation(release)}}`];
}

function longManifest(input: RenderInput, release: NpmRelease): Part[] {
  const bytes = input.manifest(release);
  const { short, rest } = cut(bytes);
  const by = input.person(release.publishedBy);
  const own = `,"dist":${dist(input, release)}${deprecation(release)},"_npmUser":${q(by)},`;
  return [bytes.subarray(0, short), own, bytes.subarray(rest)];
}

function versions(input: RenderInput, manifest: (input: RenderInput, release: NpmRelease) => Part[]): Part[] {
  const parts: Part[] = ['"versions":{'];
  let separator = '';
  for (const release of liveReleases(input.state)) {
    parts.push(`${separator}${q(release.version)}:`, ...manifest(input, release));
    separator = ',';
  }
  parts.push('}');
  return parts;
}

function distTags({ tags }: NpmState): string {
  return object([...tags].map(([tag, version]) => `${q(tag)}:${q(version)}`));
}

/** Publish times of every version: clients enforce minimum release ages with them, and a version without one would count as old enough. */
function times(state: NpmState): string {
  const members = [`"created":${iso(state.createdAt)}`, `"modified":${iso(state.modifiedAt)}`];
  for (const { version, publishedAt } of liveReleases(state)) members.push(`${q(version)}:${iso(publishedAt)}`);
  return object(members);
}

/** The release that stands for the package: `latest`, or else the last one published. */
export function representative(state: NpmState): NpmRelease | undefined {
  const latest = state.tags.get('latest');
  let last: NpmRelease | undefined;
  for (const release of liveReleases(state)) {
    if (release.version === latest) return release;
    last = release;
  }
  return last;
}

const FROM_LATEST = ['description', 'homepage', 'keywords', 'repository', 'author', 'contributors', 'bugs', 'license'] as const;

function about(input: RenderInput): string {
  const release = representative(input.state);
  if (!release) return '';
  const manifest = JSON.parse(Buffer.from(input.manifest(release)).toString('utf8')) as Record<string, unknown>;
  return FROM_LATEST.filter((field) => manifest[field] !== undefined)
    .map((field) => `${q(field)}:${q(manifest[field])},`)
    .join('');
}

/** The full packument. https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md */
export function renderFull(input: RenderInput): Uint8Array {
  const { name, state, rev, person, readme } = input;
  const filename = state.data.readmeFilename;
  return joined([
    `{"_id":${q(name.full)},"_rev":${q(rev)},"name":${q(name.full)},${about(input)}"dist-tags":${distTags(state)},`,
    ...versions(input, longManifest),
    `,"time":${times(state)},"maintainers":${q(state.owners.map(person))},`,
    readme === undefined ? '' : `"readme":${q(readme)},`,
    filename === undefined ? '' : `"readmeFilename":${q(filename)},`,
    `"users":${object(state.data.stars.map((id) => `${q(person(id).name)}:true`))},"_attachments":{}}`,
  ]);
}

/** The abbreviated packument: what an installation needs, and `time`. */
export function renderAbbreviated(input: RenderInput): Uint8Array {
  const { name, state } = input;
  return joined([
    `{"name":${q(name.full)},"modified":${iso(state.modifiedAt)},"dist-tags":${distTags(state)},"time":${times(state)},`,
    ...versions(input, shortManifest),
    '}',
  ]);
}

/** One version's manifest, all of it. */
export const renderVersion = (input: RenderInput, release: NpmRelease): Uint8Array => joined(longManifest(input, release));
