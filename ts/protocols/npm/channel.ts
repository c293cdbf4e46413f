/**
 * One writer, one reader, in step: `write` resolves when the reader has asked for more. So two consumers share one pass over a stream, and neither gets
 * ahead of the other.
 */
export class Channel implements AsyncIterable<Uint8Array> {
  private chunk: Uint8Array | undefined;
  private ended = false;
  private closed = false;
  private failure: unknown;
  private wakeReader: (() => void) | undefined;
  private wakeWriter: (() => void) | undefined;

  /** Throws what the reader failed with. Resolves at once when the reader needs no more. */
  async write(chunk: Uint8Array): Promise<void> {
    if (!this.closed) {
      this.chunk = chunk;
      this.wakeReader?.();
      while (this.chunk !== undefined && !this.closed) {
        await new Promise<void>((resolve) => {
          this.wakeWriter = resolve;
        });
      }
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** No more chunks. */
  end(): void {
    this.ended = true;
    this.wakeReader?.();
  }

  /** The reader wants no more; with `failure`, the writer is told. */
  close(failure?: unknown): void {
    this.closed = true;
    this.failure = failure;
    this.chunk = undefined;
    this.wakeWriter?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (this.chunk === undefined) {
        if (this.ended || this.closed) return;
        await new Promise<void>((resolve) => {
          this.wakeReader = resolve;
        });
      }
      const { chunk } = this;
      yield chunk;
      // Only now: the reader is through with these bytes.
      this.chunk = undefined;
      this.wakeWriter?.();
    }
  }
}
