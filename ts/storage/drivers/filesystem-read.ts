import { fstatSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { aborted } from '../body-source.js';
import type { ObjectInfo, ReadOptions, StoredObject } from '../driver.js';
import { StorageError } from '../storage-error.js';
import { resolveRange } from '../stored-range.js';
import { isAbsent, toStorageError } from './filesystem-errors.js';

const IN_ONE_PIECE = 64 * 1_024;
const CHUNK = 1_024 * 1_024;

/** The change time: set by the file system alone. A hard link, which is how copies are made, renews it; the modification time it would keep. */
export const infoOf = (stats: { readonly size: number; readonly ctimeMs: number }): ObjectInfo => ({
  size: stats.size,
  modified: Math.floor(stats.ctimeMs),
});

/** Whether a path is a file, at once: a look at the directory cache, where an asynchronous one would queue behind fsyncs. */
export function isFileSync(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

export async function readFileAt(path: string, key: string, options: ReadOptions): Promise<StoredObject | undefined> {
  // Readers of logs look behind the last entry all the time: what is not there costs no thread.
  if (!isFileSync(path)) return undefined;
  const file = await openFile(path);
  if (!file) return undefined;
  let streaming = false;
  try {
    const stats = fstatSync(file.fd);
    if (!stats.isFile()) return undefined;
    const { start, length } = resolveRange(key, stats.size, options.range);
    streaming = length > Math.max(IN_ONE_PIECE, options.inOnePiece ?? 0);
    const body = streaming
      ? new FileStream(file, key, start, length, options.signal).stream
      : await readPiece(file, key, start, length, options.signal);
    return { ...infoOf(stats), body };
  } finally {
    if (!streaming) letGo(file);
  }
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Nothing can be learnt from closing what was only read. */
function letGo(file: FileHandle): void {
  file.close().catch(() => undefined);
}

async function readPiece(
  file: FileHandle,
  key: string,
  start: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    if (signal?.aborted) throw aborted(signal);
    const { bytesRead } = await file.read(bytes, at, Math.min(length - at, CHUNK), start + at);
    if (bytesRead === 0) throw shrunk(key);
    at += bytesRead;
  }
  return bytes;
}

const shrunk = (key: string): StorageError => new StorageError('corrupt', `filesystem: ${key}: shorter than when it was opened`);

/** A part of a file as a byte stream. Reads only when asked, into the reader's own buffer where it brings one; owns the file and closes it once. */
class FileStream {
  readonly stream: ReadableStream<Uint8Array>;
  private readonly file: FileHandle;
  private readonly key: string;
  private readonly signal: AbortSignal | undefined;
  private at: number;
  private left: number;
  private over = false;
  private controller: ReadableByteStreamController | undefined;

  constructor(file: FileHandle, key: string, start: number, length: number, signal: AbortSignal | undefined) {
    this.file = file;
    this.key = key;
    this.at = start;
    this.left = length;
    this.signal = signal;
    this.stream = new ReadableStream({
      type: 'bytes',
      autoAllocateChunkSize: Math.min(length, CHUNK),
      start: (controller) => {
        this.controller = controller;
      },
      pull: (controller) => this.pull(controller),
      cancel: () => this.finish(),
    });
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (signal?.aborted) this.onAbort();
  }

  private async pull(controller: ReadableByteStreamController): Promise<void> {
    const request = controller.byobRequest;
    if (!request?.view) return;
    const { buffer, byteOffset, byteLength } = request.view;
    const target = new Uint8Array(buffer, byteOffset, Math.min(byteLength, this.left, CHUNK));
    try {
      const { bytesRead } = await this.file.read(target, 0, target.byteLength, this.at);
      if (this.over) return;
      if (bytesRead === 0) throw shrunk(this.key);
      this.at += bytesRead;
      this.left -= bytesRead;
      request.respond(bytesRead);
    } catch (error) {
      if (this.over) return;
      this.finish();
      throw toStorageError(error, `read ${this.key}`);
    }
    if (this.left === 0) this.end(controller);
  }

  private end(controller: ReadableByteStreamController): void {
    this.finish();
    controller.close();
    // Readers that have asked already are answered by this alone.
    controller.byobRequest?.respond(0);
  }

  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.signal?.removeEventListener('abort', this.onAbort);
    letGo(this.file);
  }

  private readonly onAbort = (): void => {
    if (this.over || !this.signal) return;
    this.finish();
    this.controller?.error(aborted(this.signal));
  };
}
