import { RegistryError } from '../../errors/registry-error.js';
import type { HeaderBag, RequestBody } from '../../http/route.js';
import { sizeInvalid } from './errors.js';

/** Where a piece of an upload belongs, as far as the client says. */
export interface Chunk {
  readonly start: number | undefined;
  /** Bytes. */
  readonly length: number | undefined;
}

/** Reads `Content-Range: <start>-<end>` (inclusive; `bytes ` before and `/total` behind are passed over). Throws BLOB_UPLOAD_INVALID and SIZE_INVALID. */
export function chunkOf(headers: HeaderBag, body: RequestBody): Chunk {
  const header = headers.get('content-range');
  if (header === undefined || header.trim() === '') return { start: undefined, length: undefined };
  const [, first, last] = /^\s*(?:bytes[ =])?\s*(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?\s*$/.exec(header) ?? [];
  if (first === undefined || last === undefined)
    throw new RegistryError('invalid', 'malformed Content-Range', { code: 'BLOB_UPLOAD_INVALID' });
  const start = Number(first);
  // a chunk without bytes has no end of its own: clients write one below the start, or the start itself
  const length = body.length === 0 ? 0 : Number(last) - start + 1;
  if (length < 0) throw new RegistryError('invalid', 'malformed Content-Range', { code: 'BLOB_UPLOAD_INVALID' });
  if (body.length !== undefined && body.length !== length) throw sizeInvalid('Content-Length and Content-Range disagree');
  return { start, length };
}
