import { RegistryError } from '../errors/registry-error.js';

/**
 * A body of which the part that has come is worth keeping when the rest never does: a failure ends it, and is told afterwards. One that turns out longer
 * than `length` is no good at all.
 */
export class CutBody implements AsyncIterable<Uint8Array> {
  failure: { readonly error: unknown } | undefined;
  /** False: the sender is there, and sent what it must not. */
  keeps = true;
  private readonly body: AsyncIterable<Uint8Array>;
  private readonly length: number | undefined;

  constructor(body: AsyncIterable<Uint8Array>, length: number | undefined) {
    this.body = body;
    this.length = length;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let size = 0;
    try {
      for await (const chunk of this.body) {
        size += chunk.byteLength;
        if (this.length !== undefined && size > this.length) return this.refuse('longer');
        yield chunk;
      }
      if (this.length !== undefined && size < this.length) this.refuse('shorter');
    } catch (error) {
      this.failure = { error };
      if (error instanceof RegistryError && error.kind === 'too_large') this.keeps = false;
    }
  }

  private refuse(how: 'longer' | 'shorter'): void {
    this.keeps = false;
    const message = `the chunk is ${how} than its Content-Range`;
    this.failure = { error: new RegistryError('invalid', message, { code: 'SIZE_INVALID' }) };
  }
}
