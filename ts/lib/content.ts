/** An inclusive byte interval, already checked against the content's size. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Opened bytes: small ones in memory, others as a stream whose `cancel` closes the source. */
export type Opened = Uint8Array | ReadableStream<Uint8Array>;

/** Bytes that can be served, described before they are opened: a HEAD, a 304 and a 416 are answered from the description alone. */
export interface Content {
  /** Byte length, or undefined while an upstream has not told us. Undefined means: no ranges. */
  readonly size: number | undefined;
  readonly mediaType: string;
  /** Strong validator without quotes; for stored blobs this is the digest. */
  readonly etag?: string;
  readonly lastModified?: Date;
  /** The bytes are in memory: `open` waits for nothing and needs no signal, the making of which is dear. */
  readonly inMemory?: true;
  open(range?: ByteRange, signal?: AbortSignal): Promise<Opened>;
  /**
   * Asked before anything is said of these bytes, also by answers that do not open them. Throws where the host refuses them to this caller; `open` then
   * throws the same. Absent: nobody is to be asked.
   */
  admit?(signal?: AbortSignal): Promise<void>;
  /** Called instead of `open` when the bytes turn out not to be wanted, so that a waiting source can let go of its socket. */
  discard?(): Promise<void>;
  /** Ready-made encodings of the same bytes, for metadata only: `gzip`, `br`. Each has its own validator. */
  encoded?(coding: 'gzip' | 'br'): Promise<{ readonly bytes: Uint8Array; readonly etag: string } | undefined>;
}
