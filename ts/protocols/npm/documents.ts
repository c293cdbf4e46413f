import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { ByteLru } from '../../lib/byte-lru.js';
import type { ByteRange, Content } from '../../lib/content.js';

type Coding = 'gzip' | 'br';
interface Encoded {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

const gzipped = promisify(gzip);
const brotlied = promisify(brotliCompress);

/** Below this, compression saves no packet. */
const WORTH_CODING = 1_024;
/** What an entry costs beside its bytes: key, promise, etag. */
const OVERHEAD = 512;

const compress = (bytes: Uint8Array, coding: Coding): Promise<Uint8Array> =>
  coding === 'gzip'
    ? gzipped(bytes, { level: 6 })
    : brotlied(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength } });

/** A rendered document. Its encodings are made when first asked for, off this thread, once for all who ask meanwhile. */
class RenderedDocument implements Content {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly inMemory = true;
  readonly etag: string;
  private readonly grown: (bytes: number) => void;
  private readonly codings = new Map<Coding, Promise<Encoded>>();

  constructor(bytes: Uint8Array, mediaType: string, grown: (bytes: number) => void) {
    this.bytes = bytes;
    this.mediaType = mediaType;
    this.etag = createHash('sha256').update(bytes).digest('base64url').slice(0, 27);
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

/** Rendered documents with their encodings, by all that they depend on, up to a number of bytes; each is rendered once for all who ask meanwhile. */
export class DocumentCache {
  private readonly kept: ByteLru<string, RenderedDocument>;
  private readonly pending = new Map<string, Promise<RenderedDocument>>();
  private readonly weights = new WeakMap<RenderedDocument, number>();

  /** @param max bytes */
  constructor(max: number) {
    this.kept = new ByteLru(max);
  }

  /** `key` names everything that goes into the bytes. */
  async content(key: string, mediaType: string, render: () => Promise<Uint8Array>): Promise<Content> {
    const kept = this.kept.get(key);
    if (kept) return kept;
    const other = this.pending.get(key);
    // Another caller's failure (who may just have gone away) is not ours.
    const shared = other && (await other.catch(() => undefined));
    return shared ?? this.rendered(key, mediaType, render);
  }

  private rendered(key: string, mediaType: string, render: () => Promise<Uint8Array>): Promise<RenderedDocument> {
    const pending = this.make(key, mediaType, render).finally(() => {
      if (this.pending.get(key) === pending) this.pending.delete(key);
    });
    this.pending.set(key, pending);
    return pending;
  }

  private async make(key: string, mediaType: string, render: () => Promise<Uint8Array>): Promise<RenderedDocument> {
    const document: RenderedDocument = new RenderedDocument(await render(), mediaType, (more) => this.weigh(key, document, more));
    this.weigh(key, document, document.bytes.byteLength + OVERHEAD);
    return document;
  }

  private weigh(key: string, document: RenderedDocument, more: number): void {
    const before = this.weights.get(document);
    if (before !== undefined && this.kept.peek(key) !== document) return;
    const weight = (before ?? 0) + more;
    this.weights.set(document, weight);
    this.kept.set(key, document, weight);
  }
}
