import { RegistryError } from '../errors/registry-error.js';
import type { ByteRange, Content, Opened } from '../lib/content.js';
import type { ObjectStore } from '../storage/object-store.js';
import type { FaultListener } from './hook-runner.js';
import type { StoredFile } from './package-handle.js';

export interface StoredContentOptions {
  readonly file: StoredFile;
  readonly mediaType: string;
  readonly objects: ObjectStore;
  readonly onFault: FaultListener;
  /** Asked before storage is, once for this content; throws to refuse. */
  readonly before?: (signal: AbortSignal | undefined) => Promise<void>;
  readonly after?: () => void;
  /** Where the same bytes may be read when the object is missing, in place of which another one may be had. */
  readonly again?: ((signal: AbortSignal | undefined) => Promise<StoredFile>) | undefined;
  /** Asked when the object is missing: what to answer where the package does not name it any more, which is no damage. */
  readonly gone?: (() => Promise<RegistryError | undefined>) | undefined;
}

const internal = (): RegistryError => new RegistryError('internal', 'internal error');

/** Lets go of what was opened and will not be read. */
async function close(body: Opened): Promise<void> {
  if (body instanceof ReadableStream) await body.cancel().catch(() => {});
}

/** A stored file as content. A missing object, or one of another size than the log says, is a 500 that the operator hears of: never a short answer. */
export function storedContent(options: StoredContentOptions): Content {
  const { file, mediaType, objects, onFault } = options;
  const damaged = (message: string): RegistryError => {
    onFault({ where: 'stored content', error: new Error(`${file.key}: ${message}`) });
    return internal();
  };
  const { before } = options;
  let admitted: Promise<void> | undefined;
  const admit =
    before &&
    ((signal?: AbortSignal): Promise<void> => {
      admitted ??= before(signal);
      return admitted;
    });
  const read = async (range?: ByteRange, signal?: AbortSignal) => {
    const stored = await objects.read(file.key, { range, signal });
    if (stored !== undefined || !options.again) return stored;
    const { key, digests } = await options.again(signal);
    return digests.sha256 === file.digests.sha256 ? objects.read(key, { range, signal }) : undefined;
  };
  const open = async (range?: ByteRange, signal?: AbortSignal): Promise<Opened> => {
    await admit?.(signal);
    const stored = await read(range, signal);
    if (stored === undefined) throw (await options.gone?.()) ?? damaged('the object is missing');
    const { body } = stored;
    const wanted = range ? range.end - range.start + 1 : file.size;
    if (stored.size !== file.size || (body instanceof Uint8Array && body.byteLength !== wanted)) {
      await close(body);
      throw damaged(`${stored.size} bytes are stored where ${file.size} were`);
    }
    options.after?.();
    return body;
  };
  return {
    size: file.size,
    mediaType,
    etag: file.digests.sha256,
    ...(file.uploadedAt === undefined ? {} : { lastModified: new Date(file.uploadedAt) }),
    ...(admit ? { admit } : {}),
    open,
  };
}
