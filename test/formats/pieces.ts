import { JsonReader, type JsonReaderLimits } from '../../ts/formats/json-stream.js';
import { concat } from '../../ts/lib/bytes.js';
import { walk } from '../../ts/lib/steps.js';

/** The same bytes in pieces of `size`. */
export async function* inPieces(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** All bytes; the pieces are copied, as a source may use its buffer again. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part.slice());
  return concat(parts);
}

/** A reader whose steps are promises. */
export function awaited(source: AsyncIterable<Uint8Array>, limits?: JsonReaderLimits) {
  const reader = new JsonReader(source, limits);
  return {
    async *members() {
      const members = reader.members();
      for (let name = await walk(members.next()); name !== undefined; name = await walk(members.next())) yield name;
    },
    value: (maxBytes: number, what?: string) => walk(reader.value(maxBytes, what)),
    json: (maxBytes: number) => walk(reader.json(maxBytes)),
    base64: () => reader.base64(),
    end: () => walk(reader.end()),
    close: () => reader.close(),
  };
}
