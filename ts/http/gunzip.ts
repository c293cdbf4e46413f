import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { invalid, RegistryError } from '../errors/registry-error.js';

/** Gzip undone while it streams (RFC 1952). Throws `invalid` for damaged data; errors of the source pass. Leaving early stops the source. */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = createGunzip();
  pipeline(Readable.from(source, { objectMode: false }), decoder, () => undefined);
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    throw invalid('body is not valid gzip', { cause });
  } finally {
    decoder.destroy();
  }
}
