import { nextTurn, Pace } from '../../lib/turns.js';
import { cut } from './manifest.js';
import type { NpmName } from './names.js';
import { liveReleases, type NpmRelease, type NpmState, type Person, representative, tarballOf } from './state.js';
import { Writer } from './writer.js';

/** All that a document is made of. Tarball URLs lie below `baseUrl`, as unpublish needs them. */
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

const q = (value: unknown): string => JSON.stringify(value);
const iso = (milliseconds: number): string => `"${new Date(milliseconds).toISOString()}"`;
const object = (members: Iterable<string>): string => `{${[...members].join(',')}}`;

/** `sha512-<base64>` from hex. */
export const integrityOf = (sha512: string): string => `sha512-${Buffer.from(sha512, 'hex').toString('base64')}`;

/** What is the same for all versions of a document, as JSON text. */
interface Common {
  readonly input: RenderInput;
  /** What tarball URLs begin with, without its closing quote. */
  readonly tarballs: string;
  /** A member of each manifest, with its comma; or nothing. */
  readonly maintainers: string;
  readonly people: Map<string, string>;
}

const commonOf = (input: RenderInput, maintainers = ''): Common => ({
  input,
  maintainers,
  tarballs: q(`${input.baseUrl}/${input.name.full}/-/${input.name.bare}-`).slice(0, -1),
  people: new Map(),
});

/** Clients take the path of the URL alone, and ask the registry they have come from. */
const attestationsOf = (
  { baseUrl, name }: RenderInput,
  version: string,
  provenance: { readonly predicateType: string },
): object => ({
  url: `${baseUrl}/-/npm/v1/attestations/${name.full.replace('/', '%2f')}@${version}`,
  provenance,
});

/** By hand, because a package may have thousands of versions: digests, signatures and canonical versions have nothing to escape. */
function dist({ input, tarballs }: Common, release: NpmRelease): string {
  const file = tarballOf(release);
  if (!file) return '{}';
  const { sha512, sha1 } = file.digests;
  const { fileCount, unpackedSize, signatures, provenance } = file.data;
  const integrity = sha512 === undefined ? '' : `"integrity":"${integrityOf(sha512)}",`;
  const shasum = sha1 === undefined ? '' : `"shasum":"${sha1}",`;
  const signed = signatures?.map(({ keyid, sig }) => `{"keyid":"${keyid}","sig":"${sig}"}`).join(',');
  const counted = fileCount === undefined ? '' : `,"fileCount":${fileCount}`;
  const unpacked = unpackedSize === undefined ? '' : `,"unpackedSize":${unpackedSize}`;
  const signing = signed === undefined ? '' : `,"signatures":[${signed}]`;
  const attested = provenance === undefined ? '' : `,"attestations":${q(attestationsOf(input, release.version, provenance))}`;
  return `{${integrity}${shasum}"tarball":${tarballs}${release.version}.tgz"${counted}${unpacked}${signing}${attested}}`;
}

const deprecation = (release: NpmRelease): string =>
  release.status === 'yanked' ? `,"deprecated":${q(release.reason || 'this version has been withdrawn')}` : '';

function personOf({ input, people }: Common, userId: string): string {
  const known = people.get(userId) ?? q(input.person(userId));
  people.set(userId, known);
  return known;
}

/** Who published it: here, or where it comes from. */
function publisher(common: Common, release: NpmRelease): string {
  if (release.publishedBy !== '') return `,"_npmUser":${personOf(common, release.publishedBy)}`;
  const by = tarballOf(release)?.data.by;
  return by ? `,"_npmUser":${q(by)}` : '';
}

/** Bytes that a version takes beside its manifest, roughly. */
const BESIDE = 640;

/** Bytes that are written in one turn of the event loop; what stands beside a manifest takes as long as the copy of so many. */
const WRITTEN_A_TURN = 2 * 1024 * 1024;
const BESIDE_COST = 4 * 1024;
/** Publish times that are written in one turn. */
const TIMES_A_TURN = 4_096;

/** Writes a version's manifest behind what is written already. */
type WriteManifest = (out: Writer, common: Common, release: NpmRelease, before: string) => void;

/** The part of a manifest that installers need. */
const shortManifest: WriteManifest = (out, common, release, before) => {
  const bytes = common.input.manifest(release);
  out.text(before);
  out.bytes(bytes, 0, cut(bytes).short);
  out.text(`,"dist":${dist(common, release)}${deprecation(release)}}`);
};

const longManifest: WriteManifest = (out, common, release, before) => {
  const bytes = common.input.manifest(release);
  const { short, rest } = cut(bytes);
  out.text(before);
  out.bytes(bytes, 0, short);
  out.text(`,"dist":${dist(common, release)}${deprecation(release)}${publisher(common, release)},${common.maintainers}`);
  out.bytes(bytes, rest, bytes.byteLength);
};

async function versions(out: Writer, input: RenderInput, write: WriteManifest): Promise<void> {
  const common = commonOf(input);
  const pace = new Pace(WRITTEN_A_TURN);
  let separator = '"versions":{';
  for (const release of liveReleases(input.state)) {
    write(out, common, release, `${separator}"${release.version}":`);
    separator = ',';
    if (pace.due(BESIDE_COST + input.manifest(release).byteLength)) await nextTurn();
  }
  out.text(separator === ',' ? '}' : '"versions":{}');
}

/** A writer with room for all versions. */
function writerFor({ state, manifest }: RenderInput): Writer {
  let room = 16 * 1024;
  for (const release of liveReleases(state)) room += manifest(release).byteLength + BESIDE;
  return new Writer(room);
}

function distTags({ tags }: NpmState): string {
  return object([...tags].map(([tag, version]) => `${q(tag)}:${q(version)}`));
}

/** Publish times of every version: clients enforce minimum release ages with them, and a version without one would count as old enough. */
async function times(state: NpmState): Promise<string> {
  const pace = new Pace(TIMES_A_TURN);
  let members = `{"created":${iso(state.createdAt)},"modified":${iso(state.modifiedAt)}`;
  for (const { version, publishedAt } of liveReleases(state)) {
    members += `,"${version}":${iso(publishedAt)}`;
    if (pace.due()) await nextTurn();
  }
  return `${members}}`;
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
export async function renderFull(input: RenderInput): Promise<Uint8Array> {
  const { name, state, rev, person, readme } = input;
  const filename = state.data.readmeFilename;
  const out = writerFor(input);
  out.text(`{"_id":${q(name.full)},"_rev":${q(rev)},"name":${q(name.full)},${about(input)}"dist-tags":${distTags(state)},`);
  await versions(out, input, longManifest);
  out.text(`,"time":${await times(state)},"maintainers":${q(state.data.maintainers ?? state.owners.map(person))},`);
  if (readme !== undefined) out.text(`"readme":${q(readme)},`);
  if (filename !== undefined) out.text(`"readmeFilename":${q(filename)},`);
  out.text(`"users":${object(state.data.stars.map((id) => `${q(person(id).name)}:true`))},"_attachments":{}}`);
  return out.written();
}

/** The abbreviated packument: what an installation needs, and `time`. */
export async function renderAbbreviated(input: RenderInput): Promise<Uint8Array> {
  const { name, state } = input;
  const out = writerFor(input);
  out.text(
    `{"name":${q(name.full)},"modified":${iso(state.modifiedAt)},"dist-tags":${distTags(state)},"time":${await times(state)},`,
  );
  await versions(out, input, shortManifest);
  out.text('}');
  return out.written();
}

/** One version's manifest, all of it, and the owners: in a document they stand once, and not with each of its versions. */
export function renderVersion(input: RenderInput, release: NpmRelease): Uint8Array {
  const { state, person } = input;
  const people = state.data.maintainers ?? state.owners.map(person);
  const maintainers = people.length === 0 ? '' : `"maintainers":${q(people)},`;
  const out = new Writer(input.manifest(release).byteLength + BESIDE);
  longManifest(out, commonOf(input, maintainers), release, '');
  return out.written();
}
