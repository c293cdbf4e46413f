import { RegistryError } from '../../errors/registry-error.js';
import { empty, file, type Reply } from '../../http/reply.js';
import type { Call } from '../../http/route.js';
import type { Clock } from '../../lib/clock.js';
import type { Mutant } from '../../log/mutant.js';
import type { PackageHandle, StoredFile } from '../../packages/package-handle.js';
import { dropChange, touchChange } from './changes.js';
import { blobUnknown, unsupported } from './errors.js';
import type { Digest } from './names.js';
import type { OciRules } from './rules.js';
import type { Blob, OciState } from './state.js';

/** Who changes something. Throws `unauthenticated` where nobody has said who it is. */
export const actorOf = (call: Pick<Call<unknown, unknown, OciState>, 'principal'>): string => {
  if (!call.principal) throw new RegistryError('unauthenticated', 'authentication required');
  return call.principal.userId;
};

/** What else can be done with a blob. */
const ALLOWED = ['GET', 'HEAD'];
export const OCTETS = 'application/octet-stream';
/** Milliseconds after which a blob that nothing names is said to be wanted when somebody who may push asks for it: half of the collector's grace. */
const TOUCH_AFTER = 12 * 60 * 60 * 1000;

type Handle = PackageHandle<OciState>;
type BlobCall = Call<{ readonly name: string; readonly digest: Digest }, unknown, OciState>;

export const storedBlob = ({ text }: Digest, { key, size, sha256 }: Blob): StoredFile => ({
  key,
  size,
  digests: { sha256 },
  name: text,
  version: text,
});

/** The blob, looked for in the log itself before anybody is told that it is not here. */
export async function findBlob(handle: Handle, { text }: Digest): Promise<Blob | undefined> {
  return handle.snapshot.state.blobs.get(text) ?? (await handle.readStrong()).state.blobs.get(text);
}

/** Says in the log that somebody is about to name the blob: it is not collected for another grace time. Undefined: it is here no more. */
export async function keepBlob(handle: Handle, digest: string, by: string): Promise<Blob | undefined> {
  const { result } = await handle.commit(
    'create',
    ({ state }) => {
      const now = state.blobs.get(digest);
      return { changes: now ? [touchChange(by, digest)] : [], result: now };
    },
    { visible: 'named' },
  );
  return result;
}

/** Handlers about blobs that are here. */
export class Blobs {
  private readonly rules: OciRules;
  private readonly clock: Clock;
  private readonly mutants: ReadonlySet<Mutant>;

  /** `mutants`: tests only. */
  constructor(rules: OciRules, clock: Clock, mutants: ReadonlySet<Mutant> = new Set()) {
    this.rules = rules;
    this.clock = clock;
    this.mutants = mutants;
  }

  get = async (call: BlobCall): Promise<Reply> => {
    const { digest } = call.params;
    const found = await findBlob(call.package, digest);
    const blob = found && (await this.wanted(call, digest, found));
    if (!blob) throw blobUnknown(digest.text);
    const gone = async () =>
      (await call.package.readStrong()).state.blobs.get(digest.text)?.key === blob.key ? undefined : blobUnknown(digest.text);
    const content = { ...call.package.content(storedBlob(digest, blob), OCTETS, gone), etag: digest.text };
    return file(content, 'immutable', { ranges: 'strict', headers: { 'Docker-Content-Digest': digest.text } });
  };

  /** Only what no manifest names: an image with a hole is good for nobody. */
  remove = async (call: BlobCall): Promise<Reply> => {
    if (!this.rules.deletion) throw unsupported('deletion is switched off', ALLOWED);
    const { text } = call.params.digest;
    const by = actorOf(call);
    const known = call.package.snapshot.state.blobs.get(text);
    await call.package.commit(
      'delete',
      ({ state }) => {
        const blob = state.blobs.get(text);
        if (!blob) throw blobUnknown(text);
        if (blob.uses > 0) throw unsupported('manifests of this repository name this blob', ALLOWED);
        return { changes: [dropChange(by, text, blob.key)], result: undefined };
      },
      known
        ? {
            deletes: [
              { fileName: text, version: text, size: known.size, contentType: OCTETS, digests: { sha256: known.sha256 } },
            ],
          }
        : {},
    );
    return empty(202);
  };

  /** Whoever may push and hears that the blob is here will name it: the collector has to hear that first (design §1.5). */
  private async wanted(call: BlobCall, { text }: Digest, blob: Blob): Promise<Blob | undefined> {
    const fresh = blob.uses > 0 || this.clock.now() - blob.idleAt < TOUCH_AFTER;
    if (fresh || this.mutants.has('head-untouched') || !call.principal || !(await call.package.may('create'))) return blob;
    return keepBlob(call.package, text, call.principal.userId);
  }
}
