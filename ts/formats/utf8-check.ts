import { isUtf8 } from 'node:buffer';

/** How many bytes the character has that begins with `lead`; 1 for bytes that begin none. */
const lengthOf = (lead: number): number => (lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1);

/** Bytes at the end of `bytes` that begin a character and do not finish it: 0 to 3. */
function openTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    return lengthOf(byte) > back ? back : 0;
  }
  return 0;
}

/** Tells whether bytes that come in pieces are UTF-8 (RFC 3629), also where a piece ends inside a character. */
export class Utf8Check {
  private open: Uint8Array = new Uint8Array(0);

  /** False as soon as the bytes so far cannot be the beginning of UTF-8 text. */
  accepts(piece: Uint8Array): boolean {
    let rest = piece;
    if (this.open.length > 0) {
      const missing = lengthOf(this.open[0] as number) - this.open.length;
      const joined = Buffer.concat([this.open, piece.subarray(0, missing)]);
      if (piece.length < missing) {
        this.open = joined;
        return true;
      }
      if (!isUtf8(joined)) return false;
      rest = piece.subarray(missing);
    }
    const tail = openTail(rest);
    this.open = rest.slice(rest.length - tail);
    return isUtf8(rest.subarray(0, rest.length - tail));
  }

  /** False when the text ends inside a character. */
  get whole(): boolean {
    return this.open.length === 0;
  }
}
