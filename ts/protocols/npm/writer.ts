/** UTF-8 text and ready-made bytes, one behind the other in one buffer that grows. */
export class Writer {
  private buffer: Buffer;
  private at = 0;

  /** @param room bytes to begin with */
  constructor(room: number) {
    this.buffer = Buffer.allocUnsafe(room);
  }

  text(text: string): void {
    // at most three bytes for each of its units
    this.reserve(3 * text.length);
    this.at += this.buffer.write(text, this.at);
  }

  /** `bytes` from `start` to before `end`. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    this.buffer.set(start === 0 && end === bytes.byteLength ? bytes : bytes.subarray(start, end), this.at);
    this.at += end - start;
  }

  /** What was written. The writer is not used any more. */
  written(): Uint8Array {
    // a copy of its own size where much room is left, because what is cached is counted by its length
    return this.buffer.byteLength - this.at > this.at / 8
      ? Uint8Array.from(this.buffer.subarray(0, this.at))
      : this.buffer.subarray(0, this.at);
  }

  private reserve(more: number): void {
    const needed = this.at + more;
    if (needed <= this.buffer.byteLength) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, Math.ceil(this.buffer.byteLength * 1.25)));
    grown.set(this.buffer.subarray(0, this.at));
    this.buffer = grown;
  }
}
