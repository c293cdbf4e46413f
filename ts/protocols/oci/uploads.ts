import { RegistryError } from '../../errors/registry-error.js';
import { empty, type Reply } from '../../http/reply.js';
import type { Call, Query, RequestBody } from '../../http/route.js';
import { type Digests, Hasher } from '../../lib/digest.js';
import type { PackageHandle, UploadedObject } from '../../packages/package-handle.js';
import { NoSession, OutOfOrder, type UploadSession, type UploadSessions } from '../../packages/upload-session.js';
import type { UploadState } from '../../packages/upload-state.js';
import { StorageError } from '../../storage/storage-error.js';
import { actorOf, findBlob, keepBlob, OCTETS, storedBlob } from './blobs.js';
import { blobChange, touchChange } from './changes.js';
import { type Chunk, chunkOf } from './content-range.js';
import { digestInvalid, sizeInvalid } from './errors.js';
import { MAX_BLOB } from './limits.js';
import { blobPath, type Place, uploadPath } from './locations.js';
import { type Digest, digestOf, parseAlgorithm, parseDigest, uploadUnknown } from './names.js';
import { type OciRules, openingChanges } from './rules.js';
import type { OciState } from './state.js';

type Handle = PackageHandle<OciState>;
type StartCall = Call<{ readonly name: string }, RequestBody, OciState>;
type SessionCall<B> = Call<{ readonly name: string; readonly id: string }, B, OciState>;

const REFUSED: ReadonlySet<string> = new Set(['forbidden', 'unauthenticated']);

const received = (call: Place, name: string, digest: string): Reply =>
  empty(201, { Location: blobPath(call, name, digest), 'Docker-Content-Digest': digest });

/** `0-0` for nothing as well as for one byte: clients want an end that is not below the start. */
const rangeOf = (offset: number): string => `0-${Math.max(0, offset - 1)}`;

/** Where an upload stands, and where it goes on. */
const standingAt = (call: Place, name: string, id: string, offset: number) => ({
  Location: uploadPath(call, name, id),
  Range: rangeOf(offset),
  'Docker-Upload-UUID': id,
});

/** Undefined: none is announced. Throws DIGEST_INVALID for several that differ: which of them counts would depend on who reads. */
function announced(query: Query): string | undefined {
  const [digest, ...others] = new Set(query.getAll('digest'));
  if (others.length > 0) throw digestInvalid('more than one digest');
  return digest;
}

/**
 * The answer is certain, though what it leaves behind could not be cleared away now: "come again" would have the client find the upload gone and not hear
 * why. Whatever still stands of it is swept.
 */
function laterIfPassing(error: unknown): false {
  if (error instanceof StorageError || (error instanceof RegistryError && error.kind === 'unavailable')) return false;
  throw error;
}

/** Uploads of blobs (distribution-spec, pushing blobs): in one request, in two, or in pieces. */
export class Uploads {
  private readonly sessions: UploadSessions;
  private readonly rules: Pick<OciRules, 'restricted'>;

  constructor(sessions: UploadSessions, rules: Pick<OciRules, 'restricted'> = { restricted: false }) {
    this.sessions = sessions;
    this.rules = rules;
  }

  /** POST: mounts, takes a whole blob (`digest`), or opens a session. */
  start = async (call: StartCall): Promise<Reply> => {
    const { name } = call.params;
    const mount = call.query.get('mount');
    if (mount !== undefined) {
      await this.expectNothing(call.body, 'a mount takes no bytes');
      const digest = digestOf(mount);
      if (digest && (await this.mount(call, digest))) return received(call, name, digest.text);
    }
    const whole = mount === undefined ? announced(call.query) : undefined;
    if (whole !== undefined) return this.whole(call, parseDigest(whole));
    const algorithm = parseAlgorithm(call.query.get('digest-algorithm'));
    if (mount === undefined) await this.expectNothing(call.body, 'bytes without a digest: use ?digest= or PATCH');
    await this.mayPush(call.package);
    const session = await this.sessions.start(name, actorOf(call), algorithm === 'sha256' ? [] : [algorithm]);
    return this.standing(call, name, session.id, 0, 202);
  };

  /** PATCH: the next piece. What came before a connection broke stays. */
  append = async (call: SessionCall<RequestBody>): Promise<Reply> => {
    const { name, id } = call.params;
    const session = await this.session(call);
    const { offset } = await this.taken(call, session, chunkOf(call.headers, call.body));
    return this.standing(call, name, id, offset, 202);
  };

  status = async (call: SessionCall<unknown>): Promise<Reply> => {
    const { name, id } = call.params;
    const { state } = await this.session(call);
    return this.standing(call, name, id, state.offset, 204);
  };

  cancel = async (call: SessionCall<unknown>): Promise<Reply> => {
    const session = await this.session(call);
    await this.known(call, () => session.cancel());
    await this.discard(call.package, session.state.chunks);
    return empty(204);
  };

  /** PUT: the last piece, if any, and the digest of it all. */
  finish = async (call: SessionCall<RequestBody>): Promise<Reply> => {
    const whole = announced(call.query);
    if (whole === undefined) throw digestInvalid('the digest is missing: PUT ends an upload with ?digest=');
    const digest = parseDigest(whole);
    const session = await this.session(call);
    const chunk = chunkOf(call.headers, call.body);
    const state = (await this.repeated(call, session, chunk, digest))
      ? session.state
      : await this.taken(call, session, chunk, digest);
    const digests = await this.proved(call, session, state, digest);
    const object = await this.joined(call, session, state, digests);
    await this.commit(call.package, digest, object, actorOf(call)).catch(async (error: unknown) => {
      // refused for good, and the bytes are gone with it: nobody will finish this one
      if (error instanceof RegistryError && REFUSED.has(error.kind)) await this.over(call.package, session, state);
      throw error;
    });
    await this.over(call.package, session, state);
    return received(call, call.params.name, digest.text);
  };

  /**
   * A PUT that took its bytes in and failed behind them, said again: nothing more comes. Where the digest of what is here is not known, the piece that
   * ends where the upload stands is the one; the digest is proved later on.
   */
  private async repeated(
    call: SessionCall<RequestBody>,
    session: UploadSession,
    { start, length = 0 }: Chunk,
    { algorithm, hex }: Digest,
  ): Promise<boolean> {
    const { offset, digests } = session.state;
    const known = digests?.[algorithm];
    const here = known === undefined ? start !== undefined && length > 0 && start + length === offset : known === hex;
    if (!here || call.body.length === 0) return false;
    for await (const _ of call.body.stream());
    return true;
  }

  private async taken(
    call: SessionCall<RequestBody>,
    session: UploadSession,
    { start, length }: Chunk,
    /** Where it is the last piece: of all the bytes. */
    digest?: Digest,
  ): Promise<UploadState> {
    const handle = call.package;
    const { offset } = session.state;
    if (call.body.length === 0 && (start === undefined || start === offset)) return session.state;
    const extra = offset === 0 && digest?.algorithm === 'sha512' ? (['sha512'] as const) : undefined;
    // a PUT that does not tell its place is sent once more just as it was when its connection breaks, by clients that never ask where the upload stands
    const whole = digest !== undefined && start === undefined;
    return this.known(call, () =>
      session.append(call.body.stream(), {
        start,
        length,
        whole,
        ...(extra ? { algorithms: extra } : {}),
        store: (body, hasher, signal) => handle.upload('create', body, { max: MAX_BLOB - offset, hasher, signal }),
        discard: (object) => handle.discard([object]),
        onProgress: () => call.progress(),
      }),
    );
  }

  /** Digests of all the bytes, the announced one among them; throws when it is another. */
  private async proved(
    call: SessionCall<unknown>,
    session: UploadSession,
    state: UploadState,
    { algorithm, hex }: Digest,
  ): Promise<Digests> {
    const digests = state.digests ?? new Hasher([algorithm]).digests();
    const known = digests[algorithm] ?? (await this.known(call, () => session.digest(algorithm, () => call.progress())));
    if (known === hex) return { ...digests, [algorithm]: known };
    // the session is no good any more, unless somebody has just ended it, or is about to
    const cancelled = await this.known(call, () => session.cancel()).then(() => true, laterIfPassing);
    if (cancelled) await this.discard(call.package, session.state.chunks);
    throw digestInvalid('the bytes do not have this digest');
  }

  /** One object with all the bytes, nobody else's to name: a single piece itself, or all of them joined. */
  private async joined(
    call: SessionCall<unknown>,
    session: UploadSession,
    state: UploadState,
    digests: Digests,
  ): Promise<UploadedObject> {
    const handle = call.package;
    const sealed = await this.known(call, () => session.seal(state));
    const { chunks, offset } = state;
    const [first, ...others] = chunks;
    if (!first) return { ...(await handle.upload('create', new Uint8Array(0), { max: 0 })), digests };
    if (others.length === 0 && sealed === 'first') return { key: first.key, size: offset, digests };
    const pieces = chunks.map(({ key, length }) => ({ key, size: length }));
    const object = await handle.compose('create', pieces, digests);
    // another one who finishes has been faster
    if (!object) throw uploadUnknown();
    return object;
  }

  /** The session goes; with it pieces that were joined. A single piece is what the log may name. */
  private async over(handle: Handle, session: UploadSession, { chunks }: UploadState): Promise<void> {
    await session.remove();
    if (chunks.length > 1) await this.discard(handle, chunks);
  }

  private async whole(call: StartCall, digest: Digest): Promise<Reply> {
    const handle = call.package;
    const how = { max: MAX_BLOB, digests: [digest.algorithm], later: true };
    const object = await handle.upload('create', call.body.stream(), how);
    if (object.digests[digest.algorithm] !== digest.hex) {
      await handle.discard([object]);
      throw digestInvalid('the bytes do not have this digest');
    }
    await this.commit(handle, digest, object, actorOf(call));
    return received(call, call.params.name, digest.text);
  }

  /** True: the blob is here now. Whatever stands in the way, the client is told to upload it, which says nothing about other repositories. */
  private async mount(call: StartCall, digest: Digest): Promise<boolean> {
    const [handle, source] = call.packages;
    if (!handle || !source) return false;
    const blob = await findBlob(source, digest);
    if (!blob) return false;
    if (source.name === handle.name) return blob.uses > 0 || (await keepBlob(handle, digest.text, actorOf(call))) !== undefined;
    const object = await handle.adopt('create', source, storedBlob(digest, blob)).catch((error: unknown) => {
      if (error instanceof RegistryError && error.kind === 'forbidden') return undefined;
      throw error;
    });
    if (!object) return false;
    await this.commit(handle, digest, object, actorOf(call));
    return true;
  }

  /** Names the object, unless the blob has been here before; then the object goes. */
  private async commit(handle: Handle, { text, algorithm, hex }: Digest, object: UploadedObject, by: string): Promise<void> {
    const { size, digests } = object;
    const { result } = await handle.commit(
      'create',
      ({ state }) => {
        const known = state.blobs.get(text);
        // somebody is about to name it: the collector must hear of that
        if (known) return { changes: known.uses > 0 ? [] : [touchChange(by, text)], result: known.key };
        const blob = blobChange(by, { digest: text, key: object.key, size, sha256: digests.sha256 });
        return { changes: [...openingChanges(by, state, this.rules), blob], result: object.key };
      },
      {
        objects: [object],
        puts: [{ fileName: text, version: text, size, contentType: OCTETS, digests: { ...digests, [algorithm]: hex } }],
        visible: 'named',
      },
    );
    if (result !== object.key) await handle.discard([object]);
  }

  private async session(call: SessionCall<unknown>): Promise<UploadSession> {
    return this.known(call, () => this.sessions.find(call.params.id, call.params.name, actorOf(call)));
  }

  /** In the words of the protocol. */
  private async known<T>(call: SessionCall<unknown>, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NoSession) throw uploadUnknown();
      if (error instanceof OutOfOrder) {
        throw new RegistryError('range_not_satisfiable', 'the chunk does not begin where the upload stands', {
          code: 'BLOB_UPLOAD_INVALID',
          headers: standingAt(call, call.params.name, call.params.id, error.offset),
        });
      }
      throw error;
    }
  }

  private async discard(handle: Handle, chunks: readonly { readonly key: string; readonly length: number }[]): Promise<void> {
    await handle.discard(chunks.map(({ key, length }) => ({ key, size: length, digests: { sha256: '' } })));
  }

  private async mayPush(handle: Handle): Promise<void> {
    if (!(await handle.may('create')))
      throw new RegistryError('forbidden', 'you may not push to this repository', { code: 'DENIED' });
  }

  private async expectNothing(body: RequestBody, message: string): Promise<void> {
    for await (const chunk of body.stream()) if (chunk.byteLength > 0) throw sizeInvalid(message);
  }

  private standing(call: Place, name: string, id: string, offset: number, status: 202 | 204): Reply {
    return empty(status, standingAt(call, name, id, offset));
  }
}
