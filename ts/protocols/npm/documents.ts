import { etagOf, RenderedDocument } from '../../http/rendered-document.js';
import { ByteLru } from '../../lib/byte-lru.js';
import type { Content } from '../../lib/content.js';

/** What an entry costs beside its bytes: key, promise, etag. */
const OVERHEAD = 512;

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
    const bytes = await render();
    const etag = await etagOf(bytes);
    const grown = (more: number): void => this.weigh(key, document, more);
    const document: RenderedDocument = new RenderedDocument(bytes, mediaType, grown, etag);
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
