import { createHash, type Hash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { ByteRange, Content } from '../lib/content.js';
import { nextTurn } from '../lib/turns.js';

type Coding = 'gzip' | 'br';
interface Encoded {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

const gzipped = promisify(gzip);
const brotlied = promisify(brotliCompress);

/** Below this, compression saves no packet. */
const WORTH_CODING = 1_024;
const compress = (bytes: Uint8Array, coding: Coding): Promise<Uint8Array> =>
  coding === 'gzip'
    ? gzipped(bytes, { level: 6 })
    : brotlied(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength } });

/** Bytes that are hashed in one turn of the event loop. */
const HASHED_A_TURN = 4 * 1024 * 1024;

const short = (hash: Hash): string => hash.digest('base64url').slice(0, 27);
const shortHash = (bytes: Uint8Array): string => short(createHash('sha256').update(bytes));

/** The etag of a document that may be large, with turns of the event loop for others meanwhile. */
export async function etagOf(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.byteLength; at += HASHED_A_TURN) {
    if (at > 0) await nextTurn();
    hash.update(bytes.subarray(at, at + HASHED_A_TURN));
  }
  return short(hash);
}

/** A rendered document. Its encodings are made when first asked for, off this thread, once for all who ask meanwhile. */
export class RenderedDocument implements Content {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly inMemory = true;
  readonly etag: string;
  private readonly grown: (bytes: number) => void;
  private readonly codings = new Map<Coding, Promise<Encoded>>();

  /** `grown` hears of the bytes of each encoding; `etag` is `etagOf` of the bytes. */
  constructor(bytes: Uint8Array, mediaType: string, grown: (bytes: number) => void = () => undefined, etag = shortHash(bytes)) {
    this.bytes = bytes;
    this.mediaType = mediaType;
    this.etag = etag;
    this.grown = grown;
  }

  encoded(coding: Coding): Promise<Encoded | undefined> {
    if (this.bytes.byteLength < WORTH_CODING) return Promise.resolve(undefined);
    let pending = this.codings.get(coding);
    if (!pending) {
      pending = compress(this.bytes, coding).then((bytes) => {
        this.grown(bytes.byteLength);
        return { bytes, etag: `${this.etag}-${coding}` };
      });
      pending.catch(() => this.codings.delete(coding));
      this.codings.set(coding, pending);
    }
    return pending;
  }

  get size(): number {
    return this.bytes.byteLength;
  }

  async open(range?: ByteRange): Promise<Uint8Array> {
    return range ? this.bytes.subarray(range.start, range.end + 1) : this.bytes;
  }
}
