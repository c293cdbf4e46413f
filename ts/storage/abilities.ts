import {
  type CallOptions,
  isComposing,
  isCopying,
  isPreparing,
  type ObjectInfo,
  type Piece,
  type PreparedWrite,
  type ProgressOptions,
  type StorageDriver,
  type WriteOptions,
} from './driver.js';
import { StorageError } from './storage-error.js';

/** More than this is gathered from a stream: limits on a call's time are meant for small objects. */
const IN_ONE_PIECE = 16 * 1024 * 1024;

export interface WholeObject extends ObjectInfo {
  readonly bytes: Uint8Array;
}

/** Copies one object, by the store itself where it can. Replaces `to`. Throws StorageErrors; `absent` when there is no `from`. */
export async function copyObject(
  driver: StorageDriver,
  from: string,
  to: string,
  options: CallOptions = {},
): Promise<'written' | 'absent'> {
  if (isCopying(driver)) return driver.copy(from, to, options);
  const source = await driver.read(from, options);
  if (!source) return 'absent';
  await driver.write(to, source.body, options);
  return 'written';
}

/**
 * Writes objects one behind the other as one, by the store itself where it can. Replaces `to`. Throws StorageErrors (`corrupt`: a piece has not the size
 * that it should have); `absent` when one is not there. Nothing is done then.
 */
export async function composeObjects(
  driver: StorageDriver,
  pieces: readonly Piece[],
  to: string,
  options: ProgressOptions = {},
): Promise<'written' | 'absent'> {
  return isComposing(driver) ? driver.compose(pieces, to, options) : composeByStream(driver, pieces, to, options);
}

/** Takes a write apart; where the driver cannot, the bytes wait here and all is done by `commit`. Throws StorageErrors. */
export async function prepareWrite(
  driver: StorageDriver,
  key: string,
  bytes: Uint8Array,
  options: WriteOptions = {},
): Promise<PreparedWrite> {
  if (isPreparing(driver)) return driver.prepare(key, bytes, options);
  return { commit: () => driver.write(key, bytes, options), discard: () => Promise.resolve() };
}

/** The same for every driver: all bytes pass through this process, never many at a time. */
export async function composeByStream(
  driver: StorageDriver,
  pieces: readonly Piece[],
  to: string,
  options: ProgressOptions = {},
): Promise<'written' | 'absent'> {
  const { signal } = options;
  const gone = new Error('a piece is not there');
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const { key, size } of pieces) {
      const stored = await driver.read(key, { signal });
      if (!stored) throw gone;
      if (stored.size !== size) {
        if (stored.body instanceof ReadableStream) await stored.body.cancel().catch(() => undefined);
        throw wrongLength(key, size);
      }
      for await (const chunk of stored.body instanceof Uint8Array ? [stored.body] : stored.body) {
        options.onProgress?.();
        yield chunk;
      }
    }
  }
  try {
    await driver.write(to, bytes(), { signal });
    return 'written';
  } catch (error) {
    if (error === gone) return 'absent';
    throw error;
  }
}

/**
 * A whole object of at most `maxBytes`, in memory; undefined when it is absent. Throws a StorageError `invalid` when it is larger (nothing of it is
 * read), `corrupt` when its bytes are not as many as its size says.
 */
export async function readWhole(
  driver: StorageDriver,
  key: string,
  maxBytes: number,
  options: CallOptions = {},
): Promise<WholeObject | undefined> {
  const stored = await driver.read(key, { ...options, inOnePiece: Math.min(maxBytes, IN_ONE_PIECE) });
  if (!stored) return undefined;
  const { body, size, modified } = stored;
  if (size > maxBytes) {
    if (body instanceof ReadableStream) await body.cancel().catch(() => undefined);
    throw new StorageError('invalid', `${key}: ${size} bytes, at most ${maxBytes} were expected`);
  }
  const bytes = body instanceof Uint8Array ? body : await gather(key, body, size);
  if (bytes.byteLength !== size) throw wrongLength(key, size);
  return { bytes, size, modified };
}

async function gather(key: string, body: ReadableStream<Uint8Array>, size: number): Promise<Uint8Array> {
  const whole = new Uint8Array(size);
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  let at = 0;
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    if (at + step.value.byteLength > size) {
      await reader.cancel().catch(() => undefined);
      throw wrongLength(key, size);
    }
    whole.set(step.value, at);
    at += step.value.byteLength;
  }
  return whole.subarray(0, at);
}

const wrongLength = (key: string, size: number): StorageError =>
  new StorageError('corrupt', `${key}: its bytes are not the ${size} that it should have`);
