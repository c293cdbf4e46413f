import { invalid, type RegistryError } from '../errors/registry-error.js';
import { PieceSize } from '../lib/piece-size.js';

/** Of a text there is one piece being filled and one in use. */
const pieces = new PieceSize({ total: 4 * 1024 ** 2, least: 24 * 1024, most: 192 * 1024 });
/** The first piece of a text; each further one may be twice as large. Most texts are short, and what is allocated for them is what the collector runs for. */
const FIRST = 24 * 1024;
const EMPTY = Buffer.alloc(0);
const LAST_GROUP = /^[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/](?:=|[A-Za-z0-9+/]))$/;

const broken = (): RegistryError => invalid('attachment data is not valid base64');

/** Undoes base 64 (RFC 4648 §4) of text that comes in pieces. */
class Base64Decoder {
  /** Empty between two pieces: who waits for the rest of a text holds one piece, and not two. */
  private out = EMPTY;
  private size = 0;
  private next = FIRST;
  /** One to four characters: whether they are the last group is known only at the end. */
  private held = '';

  *feed(piece: Buffer): Generator<Uint8Array> {
    if (piece.length === 0) return;
    const missing = 4 - this.held.length;
    if (piece.length <= missing) {
      this.held += piece.toString('latin1');
      return;
    }
    if (piece.indexOf(0x2d) >= 0 || piece.indexOf(0x5f) >= 0) throw broken();
    let at = 0;
    if (this.held !== '') {
      this.open();
      this.append(this.held + piece.toString('latin1', 0, missing));
      at = missing;
    }
    const end = at + Math.floor((piece.length - at - 1) / 4) * 4;
    while (at < end) {
      if (this.room < 3) yield this.flush();
      this.open();
      const stop = Math.min(end, at + Math.floor(this.room / 3) * 4);
      this.append(piece.toString('latin1', at, stop));
      at = stop;
    }
    this.held = piece.toString('latin1', end);
    // Keeps room for the group that crosses into the next piece.
    if (this.room < 3) yield this.flush();
  }

  *end(): Generator<Uint8Array> {
    if (this.held !== '') {
      if (!LAST_GROUP.test(this.held)) throw broken();
      const last = Buffer.from(this.held, 'base64');
      // Bits that no byte takes must be zero (§3.5): otherwise two texts stand for the same bytes.
      if (last.toString('base64') !== this.held) throw broken();
      this.open();
      last.copy(this.out, this.size);
      this.size += last.length;
    }
    if (this.size > 0) yield this.flush();
  }

  private get room(): number {
    return this.out.length === 0 ? Math.min(this.next, pieces.bytes) : this.out.length - this.size;
  }

  private open(): void {
    if (this.out.length > 0) return;
    this.out = Buffer.allocUnsafeSlow(this.room);
    this.next = 2 * this.out.length;
  }

  /** Whole groups without padding. Node skips what is not base64: then fewer bytes come out. */
  private append(groups: string): void {
    const bytes = (groups.length / 4) * 3;
    if (this.out.write(groups, this.size, 'base64') !== bytes) throw broken();
    this.size += bytes;
  }

  private flush(): Uint8Array {
    const full = this.out.subarray(0, this.size);
    this.out = EMPTY;
    this.size = 0;
    return full;
  }
}

/**
 * The bytes of base 64 text, in pieces of up to 192 KiB. The plain alphabet, padded, without white space; throws `invalid` for anything else. Pieces of
 * `text` are not kept.
 */
export async function* decodeBase64(text: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new Base64Decoder();
  const leave = pieces.enter();
  try {
    for await (const piece of text) yield* decoder.feed(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    yield* decoder.end();
  } finally {
    leave();
  }
}
