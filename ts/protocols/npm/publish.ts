import { invalid, RegistryError } from '../../errors/registry-error.js';
import type { Reply } from '../../http/reply.js';
import type { RequestBody } from '../../http/route.js';
import { utf8 } from '../../lib/bytes.js';
import { fanOut } from '../../lib/fan-out.js';
import { gathered, only } from '../../lib/gathered.js';
import type { Json } from '../../lib/json.js';
import type { NewChange } from '../../log/schema.js';
import { MANIFEST_INLINE_MAX, type NewFile, publishChange, statusChange, visibilityChange } from '../../packages/changes.js';
import type { PackageHandle, UploadedObject } from '../../packages/package-handle.js';
import { cardOf } from './codec.js';
import { alreadyPublished } from './errors.js';
import { type Fields, isFields } from './fields.js';
import { actorOf, done } from './life-cycle.js';
import { checkManifests, checkTags, MAX_TARBALL } from './limits.js';
import { checkIdentity, composeManifest } from './manifest.js';
import { type NpmName, newNameProblem, tarballName } from './names.js';
import { checkMessage } from './printed.js';
import { attestationsDocument, checkBundle, type Subject } from './provenance.js';
import type { PublishBody } from './publish-body.js';
import type { PackageCall } from './read.js';
import { integrityOf } from './render.js';
import type { Signer } from './signer.js';
import { ATTESTATIONS, exists, type NpmFile, type NpmSnapshot, type NpmState, README } from './state.js';
import { tagProblem } from './tags.js';
import { type Inspected, inspectTarball } from './tarball.js';
import { canonicalVersion } from './versions.js';

type Handle = PackageHandle<NpmState>;
type Sent = PublishBody<Received>;

const MiB = 1024 * 1024;
const MAX_MANIFEST = 2 * MiB;
const MAX_README = 64 * 1024;
/** A bundle has at most 4 MiB, and our own word for it a few thousand bytes. */
const MAX_ATTESTATIONS = 5 * MiB;

/** Bytes of a tarball that is not worth two readers at a time. */
const LITTLE_TARBALL = 64 * 1024;

/** A tarball on stable storage, and what it says. */
export interface Received {
  readonly object: UploadedObject;
  readonly inspected: Inspected;
}

/**
 * Stores a tarball while its package.json is read from the same pass. The last byte is not written before the tarball is known to be good; a little one is
 * looked at first.
 */
export async function receiveTarball(handle: Handle, bytes: AsyncIterable<Uint8Array>): Promise<Received> {
  const how = { digests: ['sha512', 'sha1'], max: MAX_TARBALL, later: true } as const;
  const begun = await gathered(bytes, LITTLE_TARBALL);
  if (begun instanceof Uint8Array) {
    const inspected = await inspectTarball(only(begun));
    return { object: await handle.upload('create', begun, how), inspected };
  }
  let inspection: Promise<Inspected> | undefined;
  async function* judged(branch: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield* branch;
    await inspection;
  }
  const [inspected, object] = await fanOut<[Inspected, UploadedObject]>(
    begun,
    (branch) => {
      inspection = inspectTarball(branch);
      return inspection;
    },
    (branch) => handle.upload('create', judged(branch), how),
  );
  return { object, inspected };
}

/** What one publish wants, all checks that need no state done. */
interface Publication {
  readonly name: NpmName;
  readonly version: string;
  readonly sent: Fields;
  readonly tags: readonly string[];
  readonly restricted: boolean;
  readonly received: Received;
  readonly deprecated: string | undefined;
  readonly subject: Subject;
  readonly provenance: { readonly text: string; readonly predicateType: string } | undefined;
}

async function onlyVersion({ versions }: Sent): Promise<readonly [string, Fields]> {
  const [first, second] = [...(versions ?? [])];
  if (!first || second) throw invalid('A publish is about exactly one version');
  return [first[0], await first[1].parse()];
}

function checkDeclared(sent: Fields, { object }: Received): void {
  const dist = isFields(sent['dist']) ? sent['dist'] : {};
  const { shasum, integrity } = dist;
  if (shasum !== undefined && shasum !== object.digests.sha1)
    throw invalid('dist.shasum does not match the tarball', { code: 'EINTEGRITY' });
  if (integrity === undefined) return;
  if (typeof integrity !== 'string') throw invalid('dist.integrity must be a string');
  for (const item of integrity.trim().split(/\s+/)) {
    const [, algorithm = '', value] = /^(sha1|sha256|sha512)-([A-Za-z0-9+/]+={0,2})(?:\?.*)?$/.exec(item) ?? [];
    const found = object.digests[algorithm as 'sha1'];
    if (found !== undefined && Buffer.from(found, 'hex').toString('base64') !== value)
      throw invalid('dist.integrity does not match the tarball', { code: 'EINTEGRITY' });
  }
}

/** Tags that name the version which is being published; any other would be a change by the way. */
function wantedTags({ distTags }: Sent, version: string): readonly string[] {
  return [...(distTags ?? [])].map(([tag, target]) => {
    const problem = tagProblem(tag);
    if (problem) throw invalid(problem);
    if (canonicalVersion(target) !== version) throw invalid(`dist-tag ${tag} does not name the published version`);
    return tag;
  });
}

async function publicationOf(name: NpmName, body: Sent, received: Received): Promise<Publication> {
  const [key, sent] = await onlyVersion(body);
  const version = canonicalVersion(key);
  if (version === undefined) throw invalid(`${key} is not a semantic version`);
  if (body.name !== undefined && body.name !== name.full) throw invalid('The body is about another package');
  if (sent['name'] !== name.full) throw invalid('The manifest is for another package');
  if (typeof sent['version'] !== 'string' || canonicalVersion(sent['version']) !== version)
    throw invalid('The manifest is for another version');
  checkDeclared(sent, received);
  checkIdentity(received.inspected.manifest, name.full, version, canonicalVersion);
  const { access } = body;
  if (access !== undefined && access !== 'public' && access !== 'restricted')
    throw invalid('access must be public or restricted');
  const restricted = access === undefined ? name.scope !== undefined : access === 'restricted';
  const deprecated = typeof sent['deprecated'] === 'string' && sent['deprecated'] !== '' ? sent['deprecated'] : undefined;
  if (deprecated !== undefined) checkMessage(deprecated);
  const subject = { name, versions: [version, ...(key === version ? [] : [key])], sha512: received.object.digests.sha512 ?? '' };
  const { text } = body.bundle ?? {};
  const provenance = text === undefined ? undefined : { text, predicateType: await checkBundle(text, subject) };
  return { name, version, sent, tags: wantedTags(body, version), restricted, received, deprecated, subject, provenance };
}

/** A manifest and a readme, in the entry or in objects of their own. */
interface Stored {
  readonly manifest: string | UploadedObject;
  readonly readme: string | UploadedObject | undefined;
  readonly readmeFilename: string | undefined;
  readonly attestations: UploadedObject | undefined;
  readonly objects: readonly UploadedObject[];
}

function readmeOf({ sent, received: { inspected } }: Publication): string | undefined {
  const text = inspected.readme ?? (typeof sent['readme'] === 'string' ? sent['readme'] : undefined);
  return text === undefined || text === '' ? undefined : text.slice(0, MAX_README);
}

async function textOrObject(handle: Handle, text: string, max: number): Promise<string | UploadedObject> {
  const bytes = utf8(text);
  if (bytes.byteLength > max) throw new RegistryError('too_large', `a manifest may have at most ${max} bytes`);
  return bytes.byteLength <= MANIFEST_INLINE_MAX ? text : handle.upload('create', bytes, { max, later: true });
}

async function store(handle: Handle, wanted: Publication, attestations: string | undefined): Promise<Stored> {
  const { inspected } = wanted.received;
  const text = composeManifest(wanted.name, wanted.version, wanted.sent, inspected);
  const manifest = await textOrObject(handle, text, MAX_MANIFEST);
  const readmeText = readmeOf(wanted);
  const readmeFilename = inspected.readmeFilename ?? wanted.sent['readmeFilename'];
  const objects = typeof manifest === 'string' ? [] : [manifest];
  try {
    const readme = readmeText === undefined ? undefined : await textOrObject(handle, readmeText, 4 * MAX_README);
    if (typeof readme === 'object') objects.push(readme);
    const kept =
      attestations === undefined
        ? undefined
        : await handle.upload('create', utf8(attestations), { max: MAX_ATTESTATIONS, later: true });
    if (kept) objects.push(kept);
    return {
      manifest,
      readme,
      readmeFilename: typeof readmeFilename === 'string' ? readmeFilename.slice(0, 256) : undefined,
      attestations: kept,
      objects,
    };
  } catch (error) {
    await handle.discard(objects);
    throw error;
  }
}

function filesOf(wanted: Publication, stored: Stored, data: NpmFile): readonly NewFile[] {
  const { object } = wanted.received;
  const files: NewFile[] = [{ ...object, name: tarballName(wanted.name, wanted.version), data: data as unknown as Json }];
  if (typeof stored.readme === 'object') files.push({ ...stored.readme, name: README });
  if (stored.attestations) files.push({ ...stored.attestations, name: ATTESTATIONS });
  return files.map(({ name, size, digests, key, data: own }) => ({
    name,
    size,
    digests,
    key,
    ...(own === undefined ? {} : { data: own }),
  }));
}

/** The changes of one publish against one state. Refuses what was ever published, whatever the bytes. */
function decide(by: string, wanted: Publication, stored: Stored, data: NpmFile, { state }: NpmSnapshot): readonly NewChange[] {
  const { name, version } = wanted;
  if (state.releases.has(version)) throw alreadyPublished(version);
  const problem = state.releases.size === 0 ? newNameProblem(name) : undefined;
  if (problem) throw invalid(`Invalid package name: ${problem}`, { code: 'bad_name' });
  const tags = new Set(wanted.tags);
  if (!state.tags.has('latest')) tags.add('latest');
  checkTags(state, tags);
  const { manifest, readme, readmeFilename } = stored;
  checkManifests(state, typeof manifest === 'string' ? Buffer.byteLength(manifest) : manifest.size);
  const patch = tags.has('latest')
    ? { readme: typeof readme === 'string' ? readme : null, readmeFilename: readmeFilename ?? null }
    : undefined;
  const changes: NewChange[] = [
    publishChange(by, {
      version,
      manifest:
        typeof manifest === 'string' ? manifest : { key: manifest.key, size: manifest.size, sha256: manifest.digests.sha256 },
      files: filesOf(wanted, stored, data),
      tags: Object.fromEntries([...tags].map((tag) => [tag, version])),
      ...(patch === undefined ? {} : { data: patch }),
    }),
  ];
  if (!exists(state)) changes.push(visibilityChange(by, wanted.restricted ? 'restricted' : 'public'));
  if (wanted.deprecated !== undefined) changes.push(statusChange(by, [version], 'yanked', wanted.deprecated.slice(0, 4_096)));
  return changes;
}

/** A notice that npm shows: publishing never changes who may see a package that is there. */
function notice(wanted: Publication, access: string | undefined, { state }: NpmSnapshot, first: boolean): Record<string, string> {
  if (first || access === undefined || (access === 'restricted') === (state.visibility === 'restricted')) return {};
  return { 'npm-notice': `${wanted.name.full} stays ${state.visibility}: change that with npm access set status` };
}

/** `npm publish`. */
export async function publish(
  call: PackageCall<RequestBody>,
  body: Sent,
  received: Received,
  signer: Signer | undefined,
): Promise<Reply> {
  const handle = call.package;
  let objects: readonly UploadedObject[] = [received.object];
  let committing = false;
  try {
    const by = actorOf(call);
    const wanted = await publicationOf(call.params.name, body, received);
    const { provenance, subject } = wanted;
    const attestations = provenance && (await attestationsDocument(subject, provenance, call.baseUrl, signer));
    const stored = await store(handle, wanted, attestations);
    objects = [...objects, ...stored.objects];
    const data = await fileFacts(wanted, stored, signer);
    const file = {
      fileName: tarballName(wanted.name, wanted.version),
      version: wanted.version,
      contentType: 'application/octet-stream',
    };
    committing = true;
    const { snapshot, result: first } = await handle.commit(
      'create',
      (current) => ({ changes: decide(by, wanted, stored, data, current), result: !exists(current.state) }),
      { objects, puts: [{ ...file, size: received.object.size, digests: received.object.digests }] },
    );
    return { ...done(snapshot, 201), headers: notice(wanted, body.access, snapshot, first) };
  } catch (error) {
    // What the commit refuses it discards itself; where it is in doubt, the bytes may be named after all.
    if (!committing) await handle.discard(objects);
    throw error;
  }
}

async function fileFacts(wanted: Publication, stored: Stored, signer: Signer | undefined): Promise<NpmFile> {
  const { object, inspected } = wanted.received;
  const { fileCount, unpackedSize } = inspected;
  const message = `${wanted.name.full}@${wanted.version}:${integrityOf(object.digests.sha512 ?? '')}`;
  const signatures = signer ? [await signer.sign(message)] : undefined;
  const card = typeof stored.manifest === 'string' ? undefined : cardOf({ ...wanted.sent, ...inspected.manifest });
  const provenance = wanted.provenance && { predicateType: wanted.provenance.predicateType };
  return {
    fileCount,
    unpackedSize,
    ...(signatures ? { signatures } : {}),
    ...(provenance ? { provenance } : {}),
    ...(card ? { card } : {}),
  };
}
