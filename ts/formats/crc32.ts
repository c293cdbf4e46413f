import zlib from 'node:zlib';

type Crc32 = (bytes: Uint8Array, value?: number) => number;

/** `tables[k][b]`: the checksum of byte `b` followed by `k` zero bytes. */
const tables: Uint32Array[] = [];

function prepare(): void {
  for (let slice = 0; slice < 8; slice++) tables.push(new Uint32Array(256));
  const [first] = tables as [Uint32Array];
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    first[byte] = value;
  }
  for (let slice = 1; slice < 8; slice++) {
    const before = tables[slice - 1] as Uint32Array;
    const table = tables[slice] as Uint32Array;
    for (let byte = 0; byte < 256; byte++) {
      const value = before[byte] as number;
      table[byte] = (first[value & 0xff] as number) ^ (value >>> 8);
    }
  }
}

/** CRC-32 (RFC 1952 §8), eight bytes at a time. For Node versions whose zlib does not offer its own. */
export function slicedCrc32(bytes: Uint8Array, value = 0): number {
  if (tables.length === 0) prepare();
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as unknown as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  const at = (table: Uint32Array, byte: number): number => table[byte & 0xff] as number;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = ~value;
  let index = 0;
  for (; index + 8 <= bytes.length; index += 8) {
    const low = crc ^ view.getInt32(index, true);
    const high = view.getInt32(index + 4, true);
    crc =
      at(t7, low) ^
      at(t6, low >>> 8) ^
      at(t5, low >>> 16) ^
      at(t4, low >>> 24) ^
      at(t3, high) ^
      at(t2, high >>> 8) ^
      at(t1, high >>> 16) ^
      at(t0, high >>> 24);
  }
  for (; index < bytes.length; index++) crc = at(t0, crc ^ (bytes[index] as number)) ^ (crc >>> 8);
  return ~crc >>> 0;
}

const native = (zlib as unknown as { readonly crc32?: Crc32 }).crc32 ?? slicedCrc32;

/** CRC-32 (RFC 1952 §8) of `bytes`, going on from that of the bytes before them. */
export function crc32(bytes: Uint8Array, value = 0): number {
  // Of no bytes, Node's own forgets what came before.
  return bytes.byteLength === 0 ? value : native(bytes, value);
}
