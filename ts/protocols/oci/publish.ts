import { RegistryError } from '../../errors/registry-error.js';
import { empty, type Reply } from '../../http/reply.js';
import type { Call, RequestBody } from '../../http/route.js';
import { Hasher } from '../../lib/digest.js';
import type { Mutant } from '../../log/mutant.js';
import type { Decision, NewChange } from '../../log/schema.js';
import type { HookFile, PackageHandle, UploadedObject } from '../../packages/package-handle.js';
import { actorOf } from './blobs.js';
import { manifestChange, tagChange, touchChange, unmanifestChange, untagChange } from './changes.js';
import {
  denied,
  digestInvalid,
  manifestBlobUnknown,
  manifestInvalid,
  manifestUnknown,
  sizeInvalid,
  unsupported,
} from './errors.js';
import { MAX_MANIFEST } from './limits.js';
import { manifestPath } from './locations.js';
import { type Descriptor, type ParsedManifest, parseManifest } from './manifest.js';
import { parseTag, type Reference } from './names.js';
import { keptBy, type OciRules, openingChanges } from './rules.js';
import type { OciState } from './state.js';

type Handle = PackageHandle<OciState>;
type ManifestCall<B> = Call<{ readonly name: string; readonly reference: Reference }, B, OciState>;

/** Tags that one PUT by digest may set (distribution-spec 1.2, `?tag=`). */
const MAX_TAGS = 100;

/** A manifest that somebody wants to be here. */
interface Wanted {
  readonly digest: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
  readonly manifest: ParsedManifest;
  readonly tags: readonly string[];
  readonly by: string;
}

interface Rights {
  readonly create: boolean;
  readonly overwrite: boolean;
}

/** The manifest is not there after all, and its bytes were not stored. */
class NotStored extends Error {}

async function wantedOf(call: ManifestCall<RequestBody>, bytes: Uint8Array): Promise<Wanted> {
  const { reference } = call.params;
  const hasher = new Hasher(reference.digest?.algorithm === 'sha512' ? ['sha512'] : []);
  hasher.update(bytes);
  const digests = hasher.digests();
  const { digest } = reference;
  if (digest && digests[digest.algorithm] !== digest.hex)
    throw digestInvalid('the manifest does not have the digest in the path');
  const extra = call.query.getAll('tag');
  if (extra.length > MAX_TAGS) throw new RegistryError('invalid', `at most ${MAX_TAGS} tags`, { code: 'TAG_INVALID' });
  return {
    digest: digest?.text ?? `sha256:${digests.sha256}`,
    sha256: digests.sha256,
    bytes,
    manifest: await parseManifest(bytes, call.body.mediaType),
    tags: [...new Set([...(digest ? extra.map(parseTag) : [reference.tag as string])])],
    by: actorOf(call),
  };
}

/** Those of the blobs that are here; the others must be of a kind that may be elsewhere. */
function presentBlobs(state: OciState, blobs: readonly Descriptor[]): readonly string[] {
  const present = new Set<string>();
  for (const { digest, size, elsewhere } of blobs) {
    const blob = state.blobs.get(digest);
    if (!blob && !elsewhere) throw manifestBlobUnknown(digest);
    if (!blob) continue;
    if (blob.size !== size) throw sizeInvalid(`the size of ${digest} is ${blob.size}`);
    present.add(digest);
  }
  return [...present];
}

function checkChildren(state: OciState, children: readonly Descriptor[]): readonly string[] {
  for (const { digest, size } of children) {
    const child = state.manifests.get(digest);
    if (!child) throw manifestBlobUnknown(digest);
    if (child.size !== size) throw sizeInvalid(`the size of ${digest} is ${child.size}`);
  }
  return [...new Set(children.map(({ digest }) => digest))];
}

function added(
  state: OciState,
  wanted: Wanted,
  stored: UploadedObject | undefined,
  rights: Rights,
  { collectUntagged }: Pick<OciRules, 'collectUntagged'>,
): readonly NewChange[] {
  const { digest, sha256, manifest, by, tags } = wanted;
  const known = state.manifests.get(digest);
  if (known) {
    if (known.mediaType !== manifest.mediaType)
      throw manifestInvalid('this manifest is here under another media type', { mediaType: known.mediaType });
    // an index that names it is on its way: the collector must hear of that
    return collectUntagged && tags.length === 0 ? [touchChange(by, digest)] : [];
  }
  if (!rights.create) throw denied('you may not add manifests to this repository');
  const blobs = presentBlobs(state, manifest.blobs);
  const children = checkChildren(state, manifest.children);
  if (!stored) throw new NotStored();
  const { mediaType, subject, artifactType, annotations } = manifest;
  const { key, size } = stored;
  return [manifestChange(by, { digest, key, size, sha256, mediaType, blobs, children, subject, artifactType, annotations })];
}

function tagged(state: OciState, { tags, digest, by }: Wanted, rules: OciRules, rights: Rights): readonly NewChange[] {
  const changes: NewChange[] = [];
  for (const tag of tags) {
    const before = state.tags.get(tag);
    if (before === digest) continue;
    if (before === undefined && !rights.create) throw denied('you may not add tags to this repository');
    if (before !== undefined && rules.immutable(tag)) throw denied(`the tag ${tag} is immutable`);
    if (before !== undefined && !rights.overwrite) throw denied('you may not move tags of this repository');
    changes.push(tagChange(by, tag, digest));
  }
  return changes;
}

/** Clients show it to whoever pushes (distribution-spec, warnings). */
function warningOf({ blobs }: ParsedManifest): { readonly Warning?: string } {
  const count = blobs.filter(({ elsewhere }) => elsewhere).length;
  return count === 0 ? {} : { Warning: `299 - "${count} of the layers may not be distributed: they are served only if pushed"` };
}

/** Handlers that change manifests and tags. */
export class ManifestChanges {
  private readonly rules: OciRules;
  private readonly mutants: ReadonlySet<Mutant>;

  /** `mutants`: tests only. */
  constructor(rules: OciRules, mutants: ReadonlySet<Mutant> = new Set()) {
    this.rules = rules;
    this.mutants = mutants;
  }

  /** PUT by tag or digest; what it names must be here, in this repository. */
  put = async (call: ManifestCall<RequestBody>): Promise<Reply> => {
    const wanted = await wantedOf(call, await call.body.bytes());
    await this.commit(call.package, wanted);
    const { digest, manifest, tags } = wanted;
    return empty(201, {
      Location: manifestPath(call, call.params.name, digest),
      'Docker-Content-Digest': digest,
      ...(manifest.subject === undefined ? {} : { 'OCI-Subject': manifest.subject }),
      ...(call.params.reference.digest && tags.length > 0 ? { 'OCI-Tag': tags.join(', ') } : {}),
      ...warningOf(manifest),
    });
  };

  /** DELETE: of a tag, the tag; of a digest, the manifest and all its tags. */
  remove = async (call: ManifestCall<unknown>): Promise<Reply> => {
    if (!this.rules.deletion) throw unsupported('deletion is switched off', ['GET', 'HEAD', 'PUT']);
    const { reference } = call.params;
    const by = actorOf(call);
    await call.package.commit('delete', ({ state }) => ({ changes: [this.removal(state, reference, by)], result: undefined }), {
      deletes: removed(call.package.snapshot.state, reference),
    });
    return empty(202);
  };

  private removal(state: OciState, { tag, digest }: Reference, by: string): NewChange {
    const version = tag ?? digest.text;
    if (!(tag === undefined ? state.manifests : state.tags).has(version)) throw manifestUnknown(version);
    const kept = keptBy(this.rules, state, [version]);
    if (kept !== undefined) throw denied(`the tag ${kept} is immutable`);
    return tag === undefined ? unmanifestChange(by, version) : untagChange(by, version);
  }

  private async commit(handle: Handle, wanted: Wanted): Promise<void> {
    const [create, overwrite] = await Promise.all([handle.may('create'), handle.may('overwrite')]);
    if (!create && !overwrite) throw denied('you may not push to this repository');
    const action = create ? 'create' : 'overwrite';
    const store = (): Promise<UploadedObject> => handle.upload(action, wanted.bytes, { max: MAX_MANIFEST, later: true });
    const rights = { create, overwrite };
    const here = handle.snapshot.state.manifests.has(wanted.digest);
    try {
      await this.commitWith(handle, action, wanted, rights, here ? undefined : await store());
    } catch (error) {
      if (!(error instanceof NotStored)) throw error;
      await this.commitWith(handle, action, wanted, rights, await store());
    }
  }

  private async commitWith(
    handle: Handle,
    action: 'create' | 'overwrite',
    wanted: Wanted,
    rights: Rights,
    stored: UploadedObject | undefined,
  ): Promise<void> {
    const { tags, digest, manifest } = wanted;
    const decide = ({ state }: { readonly state: OciState }): Decision<boolean> => {
      const met = this.mutants.has('manifest-unchecked') ? handle.snapshot.state : state;
      const own = added(met, wanted, stored, rights, this.rules);
      return {
        changes: [...openingChanges(wanted.by, state, this.rules), ...own, ...tagged(state, wanted, this.rules, rights)],
        result: !met.manifests.has(wanted.digest),
      };
    };
    const listed = tags.length > 0 || manifest.subject !== undefined;
    const { result: used } = await handle.commit(action, decide, {
      ...(stored ? { objects: [stored] } : {}),
      puts: [hookFile(digest, tags[0] ?? digest, wanted.bytes.byteLength, manifest.mediaType, wanted.sha256)],
      visible: listed ? 'listed' : 'named',
    });
    if (stored && !used) await handle.discard([stored]);
  }
}

const hookFile = (digest: string, version: string, size: number, contentType: string, sha256: string): HookFile => ({
  fileName: digest,
  version,
  size,
  contentType,
  digests: { sha256 },
});

function removed(state: OciState, { tag, digest }: Reference): readonly HookFile[] {
  const target = tag === undefined ? digest.text : state.tags.get(tag);
  const manifest = target === undefined ? undefined : state.manifests.get(target);
  if (target === undefined || !manifest) return [];
  return [hookFile(target, tag ?? target, manifest.size, manifest.mediaType, manifest.sha256)];
}
